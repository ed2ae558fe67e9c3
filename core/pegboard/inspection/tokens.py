"""How many tokens the texts have, against the most that tokenizer and encoder take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pegboard.cache import Cache
from pegboard.console import Console, silent
from pegboard.contracts.tokenizer import Tokenizer, window_step
from pegboard.inspection.block import Split
from pegboard.inspection.counts import Counts
from pegboard.inspection.loading import without_nulls
from pegboard.pipeline.model import build_encoder
from pegboard.pipeline.tokens import prepare_tokenizer
from pegboard.recipe import Recipe
from pegboard.tokenizing.measure import encoded_blocks, without_limit

if TYPE_CHECKING:
    import pyarrow as pa

    from pegboard.plugins.registry import Registry

__all__ = ["Context", "Tokens", "count_tokens", "prepare"]

_LONGEST = 1_000_000
"""Characters of a text that are encoded; who has longer ones knows that they are cut."""


@dataclass(frozen=True)
class Context:
    """What tokenizer and encoder take at most.

    Attributes:
        tokenizer: its name.
        encoder: its name.
        tokenizer_maximum: the most tokens that the tokenizer gives for a text.
        encoder_maximum: the most positions of the encoder; `None` if there is no limit.
        vocabulary: the number of the tokenizer's ids.
        long_texts: what becomes of texts with more tokens; see `pegboard.TokenizerOptions`.
        window_step: how many tokens further each window starts; 0 where there are none.
        whole: whether texts could be counted beyond the tokenizer's maximum; if not, those that fill it count as cut.
    """

    tokenizer: str
    encoder: str
    tokenizer_maximum: int
    encoder_maximum: int | None
    vocabulary: int
    long_texts: str = "head"
    window_step: int = 0
    whole: bool = True

    @property
    def maximum(self) -> int:
        """The most tokens that are taken in at once."""
        return min(self.tokenizer_maximum, self.encoder_maximum or self.tokenizer_maximum)

    def summary(self) -> dict[str, Any]:
        """The figures as they stand in the report."""
        return {
            "tokenizer": self.tokenizer,
            "encoder": self.encoder,
            "maximum": self.maximum,
            "tokenizer_maximum": self.tokenizer_maximum,
            "encoder_maximum": self.encoder_maximum,
            "vocabulary": self.vocabulary,
            "long_texts": self.long_texts,
            "whole": self.whole,
        }

    def cut_off(self, counts: Counts) -> int:
        """How many of the texts are longer than that: they would lose a part, or go into windows."""
        filled = not self.whole and self.maximum == self.tokenizer_maximum
        return counts.above(self.maximum - 1 if filled else self.maximum)

    def windows(self, counts: Counts) -> int | None:
        """How many windows the texts are; `None` where they are cut off."""
        if not self.window_step:
            return None
        beyond = np.maximum(counts.values - self.maximum, 0)
        return int(((1 + -(-beyond // self.window_step)) * counts.times).sum())


@dataclass(frozen=True)
class Tokens:
    """The tokens of one split.

    Attributes:
        counts: tokens of each text, special tokens included, nothing cut off.
        longest: the rows with the most tokens, the longest first.
    """

    counts: Counts
    longest: list[int]


def prepare(
    recipe: Recipe, registry: Registry, train: Split, cache: Cache, console: Console = silent
) -> tuple[Tokenizer, Context]:
    """The recipe's tokenizer, as training has it but without a limit of length, and what the limits are.

    Raises:
        ComponentError: tokenizer or encoder are broken.
        RecipeError: they can't be built with these options.
        DataError: the texts hold nothing to learn from.
    """
    tokenizer = prepare_tokenizer(recipe["tokenizer"], registry, without_nulls(train.texts), cache, console)
    encoder = build_encoder(recipe["encoder"], registry, tokenizer.vocab_info)
    unlimited = without_limit(tokenizer)
    context = Context(
        tokenizer=recipe["tokenizer"].component.name,
        encoder=recipe["encoder"].component.name,
        tokenizer_maximum=tokenizer.max_length,
        encoder_maximum=encoder.max_length,
        vocabulary=tokenizer.vocab_size,
        long_texts=tokenizer.long_texts,
        window_step=window_step(tokenizer.options, sum(tokenizer.frame)),
        whole=unlimited is not tokenizer,
    )
    return unlimited, context


def count_tokens(recipe: Recipe, tokenizer: Tokenizer, split: Split, console: Console = silent) -> Tokens:
    """Count the tokens of each text of a split.

    Raises:
        ComponentError: the tokenizer is broken.
    """
    counts, longest, first = Counts(), np.empty((0, 2), np.int64), 0
    with console.progress(f"encoding {split.name}", len(split)) as progress:
        for ids in encoded_blocks(tokenizer, recipe["tokenizer"], _cut(split), len(split)):
            lengths: npt.NDArray[np.int64] = np.asarray(ids.value_lengths().to_numpy(zero_copy_only=False), np.int64)
            counts.add(lengths)
            some = np.argsort(-lengths, kind="stable")[:3]
            longest = np.concatenate([longest, np.column_stack([lengths[some], first + some])])
            longest = longest[np.argsort(-longest[:, 0], kind="stable")][:3]
            first += len(ids)
            progress.advance(len(ids))
    return Tokens(counts, [int(row) for row in longest[:, 1]])


def _cut(split: Split) -> Iterator[pa.LargeStringArray]:
    import pyarrow.compute as pc

    for block in without_nulls(split.texts).blocks():
        long = int(pc.max(pc.binary_length(block)).as_py() or 0) > _LONGEST
        yield pc.utf8_slice_codeunits(block, 0, _LONGEST) if long else block
