"""Step 2: a trained tokenizer, and the splits as ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard.contracts.tokenizer import Tokenizer
from pegboard.errors import ComponentError, PegboardError
from pegboard.pipeline.data import LabelledData, LabelledSplit
from pegboard.recipe import Choice
from pegboard.tasks.classify import EncodedSplit

if TYPE_CHECKING:
    from pegboard.plugins.registry import Registry

__all__ = ["encode_split", "train_tokenizer"]


def train_tokenizer(choice: Choice, registry: Registry, data: LabelledData) -> Tokenizer:
    """Build the chosen tokenizer and train it on the train split.

    Raises:
        ComponentError: the plugin is broken, or its factory gave something else than a tokenizer.
    """
    component = choice.component
    try:
        tokenizer: Any = registry.factory_of(component)(choice.options)
        if not isinstance(tokenizer, Tokenizer):
            raise TypeError(f"the factory gave a {type(tokenizer).__name__}, not a pegboard.Tokenizer")
        tokenizer.train(data.splits["train"].texts)
    except PegboardError:
        raise
    except Exception as error:
        raise ComponentError(
            f"the tokenizer {component.name!r} of {component.distribution} {component.version} failed: "
            f"{type(error).__name__}: {error}"
        ) from error
    return tokenizer


def encode_split(tokenizer: Tokenizer, split: LabelledSplit) -> EncodedSplit:
    """The split as ids, with its labels."""
    return EncodedSplit(tokenizer.encode_batch(split.texts), split.labels, tokenizer.pad_id)
