"""What the encoder and the tokenizer can be told."""

from __future__ import annotations

from typing import Any, Literal

from pegboard import Options, RecipeError
from pydantic import Field, field_validator, model_validator

RANDOM_WEIGHTS = {"hidden_size": 128, "layers": 2, "heads": 4, "intermediate_size": 512, "max_positions": 512}
"""The architecture with random weights, where the recipe does not say otherwise."""


class BertOptions(Options):
    """Options of the encoder `bert`.

    The sizes belong to random weights; a checkpoint brings its own.
    """

    pretrained: str | None = Field(None, min_length=1)
    """the checkpoint to start from: a Hub id (google-bert/bert-base-uncased), a folder, or package:NAME/sub/folder
    for one that an installed Python package carries; without it the weights are random"""
    revision: str | None = Field(None, min_length=1)
    """the branch, tag or commit of a checkpoint on the Hub (default: main); a commit makes the recipe repeatable"""
    hidden_size: int | None = Field(None, ge=8)
    """size of the vectors, a multiple of heads (random weights: 128)"""
    layers: int | None = Field(None, ge=1)
    """number of layers (random weights: 2)"""
    heads: int | None = Field(None, ge=1)
    """attention heads of a layer (random weights: 4)"""
    intermediate_size: int | None = Field(None, ge=8)
    """size of each layer's feed-forward part (random weights: 512)"""
    max_positions: int | None = Field(None, ge=8)
    """the longest sequence the encoder can take (random weights: 512)"""
    dropout: float | None = Field(None, ge=0, lt=1)
    """dropout of states and of attention in training (default: the checkpoint's; random weights: 0.1)"""

    @model_validator(mode="before")
    @classmethod
    def _sizes_of_random_weights(cls, given: Any) -> Any:
        """Fill in the sizes of random weights, so that the resolved recipe holds them; refuse them for a checkpoint."""
        if not isinstance(given, dict):
            return given
        named = {name: value for name, value in given.items() if value is not None}
        if named.get("pretrained") is None:
            if "revision" in named:
                raise RecipeError("of what? encoder.pretrained names no checkpoint", where="encoder.revision")
            return {**RANDOM_WEIGHTS, "dropout": 0.1, **named}
        for name in RANDOM_WEIGHTS:
            if name in named:
                raise RecipeError(
                    "a pretrained checkpoint has its own architecture",
                    where=f"encoder.{name}",
                    hint=f"leave out encoder.{name}, or encoder.pretrained to start from random weights",
                )
        return named

    @model_validator(mode="after")
    def _heads_divide_the_vectors(self) -> BertOptions:
        if self.hidden_size is not None and self.heads is not None and self.hidden_size % self.heads:
            raise RecipeError(
                f"{self.hidden_size} is not a multiple of the {self.heads} heads", where="encoder.hidden_size"
            )
        return self


class PretrainedOptions(Options):
    """Options of the tokenizer `pretrained`."""

    pretrained: str | None = Field(None, min_length=1, validate_default=True)
    """the checkpoint whose tokenizer to use, as for the encoder bert, which suggests its own; or a tokenizer.json"""
    revision: str | None = Field(None, min_length=1)
    """the branch, tag or commit of a checkpoint on the Hub (default: main)"""
    max_length: int = Field(256, ge=3)
    """the most tokens that the encoder is given at once, special tokens included"""
    long_texts: Literal["head", "tail", "both", "windows"] = "head"
    """what becomes of a text with more tokens: its beginning is kept (head), its end (tail), or both, a quarter of them
    from the beginning and the rest from the end; or all of it, in overlapping windows whose predictions are pooled"""
    window_overlap: int = Field(32, ge=0)
    """tokens that a window shares with the one before it, which Hugging Face calls stride; only for windows"""

    @field_validator("pretrained")
    @classmethod
    def _is_named(cls, value: str | None) -> str | None:
        if value is None:
            raise RecipeError(
                "the tokenizer 'pretrained' needs a checkpoint to take it from",
                where="tokenizer.pretrained",
                hint="--encoder bert --set encoder.pretrained=google-bert/bert-base-uncased, "
                "or --set tokenizer.pretrained=… with another encoder",
            )
        return value
