"""Step 2: a trained tokenizer, and the splits as ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard.contracts.tokenizer import Tokenizer
from pegboard.pipeline.blame import blaming
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
    with blaming(choice.component):
        tokenizer: Any = registry.factory_of(choice.component)(choice.options)
        if not isinstance(tokenizer, Tokenizer):
            raise TypeError(f"the factory gave a {type(tokenizer).__name__}, not a pegboard.Tokenizer")
        tokenizer.train(data.splits["train"].texts)
    return tokenizer


def encode_split(choice: Choice, tokenizer: Tokenizer, split: LabelledSplit) -> EncodedSplit:
    """The split as ids, with its labels.

    Raises:
        ComponentError: the tokenizer breaks its contract, which an embedding would only notice as a bad index.
    """
    with blaming(choice.component, hint=f"it is a bug of {choice.component.distribution}"):
        encoded = EncodedSplit(tokenizer.encode_batch(split.texts), split.labels, tokenizer.pad_id)
        if len(encoded) != len(split):
            raise ValueError(f"it gave {len(encoded)} rows of ids for {len(split)} texts")
        low, high = encoded.id_range()
        if low < 0 or high >= tokenizer.vocab_size:
            raise ValueError(f"it gave ids from {low} to {high}, but its vocab_size is {tokenizer.vocab_size}")
    return encoded
