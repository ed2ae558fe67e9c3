"""What the subword tokenizers can be told."""

from __future__ import annotations

from pegboard import SPECIAL_TOKENS, RecipeError, TokenizerOptions
from pydantic import Field, model_validator

_BYTES = 256


class SubwordOptions(TokenizerOptions):
    """Options that both tokenizers have."""

    vocab_size: int = Field(8000, ge=len(SPECIAL_TOKENS) + 1)
    """the most entries of the vocabulary, special tokens and single characters (or bytes) included"""
    min_frequency: int = Field(2, ge=1)
    """how often a piece must occur in the training texts to enter the vocabulary"""
    add_prefix_space: bool = True
    """put a space before a text that starts with none, so that its first word is the same token as elsewhere"""


class BpeOptions(SubwordOptions):
    """Options of the tokenizer `bpe`.

    Raises:
        RecipeError: the vocabulary is too small for all bytes.

    Example:
        >>> BpeOptions(byte_level=False).vocab_size
        8000
    """

    byte_level: bool = True
    """begin with the 256 bytes, so that no text is unknown; else with the characters of the training texts"""

    @model_validator(mode="after")
    def _holds_all_bytes(self) -> BpeOptions:
        least = _BYTES + len(SPECIAL_TOKENS)
        if self.byte_level and self.vocab_size < least:
            raise RecipeError(
                f"{self.vocab_size} is less than the {_BYTES} bytes and {len(SPECIAL_TOKENS)} special tokens",
                where="tokenizer.vocab_size",
                hint=f"at least {least}, or tokenizer.byte_level=false",
            )
        return self


class UnigramOptions(SubwordOptions):
    """Options of the tokenizer `unigram`.

    Example:
        >>> UnigramOptions(max_piece_length=8).vocab_size
        8000
    """

    max_piece_length: int = Field(16, ge=1, le=64)
    """the most characters of a piece"""
