"""The figures of one tokenizer: trained on one column of texts, measured on another."""

from __future__ import annotations

import copy
import math
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pegboard.contracts.tokenizer import Tokenizer
from pegboard.errors import PegboardWarning
from pegboard.options import as_document, check_options
from pegboard.pipeline.blame import blaming
from pegboard.text.library import LibraryTokenizer
from pegboard.text.ragged import concatenate, values_and_offsets
from pegboard.text.texts import Texts
from pegboard.tokenizing.words import Corpus

if TYPE_CHECKING:
    from pegboard.recipe import Choice

__all__ = [
    "PERCENTILES",
    "Speed",
    "TokenizerFigures",
    "encoded",
    "encoded_blocks",
    "measure",
    "train_timed",
    "without_limit",
]

PERCENTILES = (5, 25, 50, 75, 90, 95, 99)
_NO_LIMIT = 2**31 - 1
_ENOUGH_SECONDS = 0.5
_WORDS_AT_ONCE = 500_000
_SMALL_BLOCK = 2**20
_MEGABYTE = 1e6


@dataclass(frozen=True)
class Speed:
    """How long something took, on this machine and just then.

    Attributes:
        bytes: UTF-8 bytes of text that were worked on.
        seconds: wall-clock time.
    """

    bytes: int
    seconds: float

    @property
    def megabytes_per_second(self) -> float:
        """Millions of bytes of text in a second."""
        return self.bytes / _MEGABYTE / max(self.seconds, 1e-9)

    def to_dict(self) -> dict[str, Any]:
        """Bytes, seconds, and megabytes a second."""
        return {**asdict(self), "megabytes_per_second": self.megabytes_per_second}


@dataclass(frozen=True)
class TokenizerFigures:
    """What a tokenizer makes of texts that it has not seen.

    Words are what white space separates. All counts of tokens but `lengths` leave out the special tokens around a
    text; `lengths` are those that an encoder would see if nothing were cut.

    Attributes:
        vocab_size: number of ids.
        tokens: of all texts.
        tokens_per_word: the fertility: 1 where every word is a token.
        characters_per_token: how much text a token carries.
        unknown_rate: the share of tokens that are [UNK].
        word_coverage: the share of words that, encoded by themselves, hold no [UNK].
        distinct_word_coverage: the same where each different word counts once, however frequent.
        character_coverage: the share of characters, without white space, that stand in such words.
        mean_length: tokens of a text, special tokens included.
        lengths: by percentile, `"5"` to `"99"`, and `"max"`: as many per cent of the texts have at most so many tokens.
        lengths_cut_at: where the tokenizer cuts texts whatever it is told, so that `lengths` end there; else `None`.
        max_length: the maximum that `truncated` refers to.
        truncated: the share of texts that have more tokens than that.
        training: how long it took to train, `None` where there was nothing to learn.
        encoding: how long it took to encode, with nothing known of the texts before.
    """

    vocab_size: int
    tokens: int
    tokens_per_word: float
    characters_per_token: float
    unknown_rate: float
    word_coverage: float
    distinct_word_coverage: float
    character_coverage: float
    mean_length: float
    lengths: dict[str, int]
    lengths_cut_at: int | None
    max_length: int
    truncated: float
    training: Speed | None
    encoding: Speed

    def to_dict(self) -> dict[str, Any]:
        """All figures, as a document holds them."""
        return {
            **asdict(self),
            "training": self.training.to_dict() if self.training else None,
            "encoding": self.encoding.to_dict(),
        }


def train_timed(tokenizer: Tokenizer, choice: Choice, texts: Texts, size: int) -> Speed | None:
    """Train a tokenizer; gives the time it took, `None` where there was nothing to learn.

    Args:
        tokenizer: not trained.
        choice: what it was built from, which is to blame for errors.
        texts: to train on.
        size: their UTF-8 bytes.
    """
    start = time.perf_counter()
    with blaming(choice.component, doing="while it was trained"):
        tokenizer.train(texts)
    return Speed(size, time.perf_counter() - start) if tokenizer.trained else None


def without_limit(tokenizer: Tokenizer) -> Tokenizer:
    """The same trained tokenizer, but it cuts no text; the tokenizer itself where no such one can be had."""
    try:
        options = check_options(
            type(tokenizer.options), {**as_document(tokenizer.options), "max_length": _NO_LIMIT}, table="tokenizer"
        )
        if isinstance(tokenizer, LibraryTokenizer):  # what it loads must have been saved with the same options
            twin = copy.copy(tokenizer)
            twin.options, twin.max_length = options, _NO_LIMIT
            twin.use(type(tokenizer.backend).from_str(tokenizer.backend.to_str()))
            return twin
        with tempfile.TemporaryDirectory(prefix="pegboard-") as folder:
            tokenizer.save(Path(folder))
            return type(tokenizer).load(Path(folder), options)
    except Exception:  # whatever a component may raise: it can still be measured as it is
        return tokenizer


def encoded(tokenizer: Tokenizer, choice: Choice, texts: pa.LargeStringArray) -> pa.LargeListArray:
    """The ids of a few texts, checked; see `encoded_blocks`."""
    return concatenate(list(encoded_blocks(tokenizer, choice, [texts], len(texts))))


def encoded_blocks(
    tokenizer: Tokenizer, choice: Choice, blocks: Iterable[pa.LargeStringArray], count: int | None = None
) -> Iterator[pa.LargeListArray]:
    """The ids of blocks of texts; what a tokenizer does wrong is said to be its fault.

    Args:
        tokenizer: trained.
        choice: what it was built from.
        blocks: the texts.
        count: how many texts these are, if that is known.

    Raises:
        ComponentError: it failed, or breaks its contract.
    """
    rows = 0
    with blaming(choice.component, hint=f"it is a bug of {choice.component.distribution}"):
        for ids in tokenizer.encode_blocks(blocks):
            values, _ = values_and_offsets(ids)
            low, high = int(values.min(initial=0)), int(values.max(initial=0))
            if low < 0 or high >= tokenizer.vocab_size:
                raise ValueError(f"it gave ids from {low} to {high}, but its vocab_size is {tokenizer.vocab_size}")
            rows += len(ids)
            yield ids
        if count is not None and rows != count:
            raise ValueError(f"it gave {rows} rows of ids for {count} texts")


def measure(
    tokenizer: Tokenizer,
    choice: Choice,
    texts: Texts,
    corpus: Corpus,
    *,
    training: Speed | None = None,
    more: Texts | None = None,
    max_length: int | None = None,
) -> TokenizerFigures:
    """The figures of a trained tokenizer on texts.

    Args:
        tokenizer: trained.
        choice: what it was built from.
        texts: what it is measured on.
        corpus: the same texts, counted.
        training: the time it took to train.
        more: texts to encode as well where `texts` are too few to take the time of; of these only the time counts.
        max_length: what `truncated` refers to; by default the tokenizer's own maximum.
    """
    twin = without_limit(tokenizer)
    [frame] = encoded(twin, choice, pa.array([""], pa.large_string())).to_pylist()
    lengths: list[npt.NDArray[np.int32]] = []
    unknown, watch = 0, _Watch()
    for ids in watch.next_of(encoded_blocks(twin, choice, watch.seen(texts.blocks()), len(texts))):
        values, offsets = values_and_offsets(ids)
        unknown += int((values == tokenizer.unk_id).sum())
        lengths.append(np.diff(offsets).astype(np.int32))
    if more is not None:
        for _ in watch.next_of(encoded_blocks(twin, choice, watch.seen(more.blocks(_SMALL_BLOCK), _ENOUGH_SECONDS))):
            pass
    every = np.concatenate(lengths) if lengths else np.zeros(0, np.int32)
    tokens = int(every.sum(dtype=np.int64)) - len(frame) * len(every)
    unknown -= frame.count(tokenizer.unk_id) * len(every)
    limit = max_length or tokenizer.max_length
    return TokenizerFigures(
        vocab_size=tokenizer.vocab_size,
        tokens=tokens,
        tokens_per_word=tokens / max(1, corpus.words),
        characters_per_token=corpus.characters / max(1, tokens),
        unknown_rate=unknown / max(1, tokens),
        **_coverage(lambda words: encoded(twin, choice, words), tokenizer.unk_id, frame, corpus),
        mean_length=float(every.mean()) if len(every) else 0.0,
        lengths=_percentiles(every),
        lengths_cut_at=_own_limit(twin, tokenizer, choice, every, texts),
        max_length=limit,
        truncated=float((every > limit).mean()) if len(every) else 0.0,
        training=training,
        encoding=Speed(watch.bytes, watch.seconds),
    )


class _Watch:
    """Adds up the bytes that are encoded and the time that takes."""

    def __init__(self) -> None:
        self.bytes = 0
        self.seconds = 0.0

    def seen(self, blocks: Iterable[pa.LargeStringArray], until: float = math.inf) -> Iterator[pa.LargeStringArray]:
        """The blocks, counted; no more of them after so many seconds of work."""
        for block in blocks:
            if self.seconds >= until:
                return
            self.bytes += pc.sum(pc.binary_length(block)).as_py() or 0
            yield block

    def next_of(self, results: Iterator[pa.LargeListArray]) -> Iterator[pa.LargeListArray]:
        """The results; only the time that passes until each is there counts."""
        while True:
            start = time.perf_counter()
            result = next(results, None)
            self.seconds += time.perf_counter() - start
            if result is None:
                return
            yield result


def _percentiles(lengths: npt.NDArray[np.int32]) -> dict[str, int]:
    if not len(lengths):
        return {**{str(q): 0 for q in PERCENTILES}, "max": 0}
    # A length that occurs, at most which so many per cent of the texts have.
    values = np.percentile(lengths, PERCENTILES, method="inverted_cdf")
    return {**{str(q): int(value) for q, value in zip(PERCENTILES, values, strict=True)}, "max": int(lengths.max())}


def _coverage(
    encode: Callable[[pa.LargeStringArray], pa.LargeListArray], unk_id: int, frame: list[int], corpus: Corpus
) -> dict[str, float]:
    allowed = frame.count(unk_id)
    covered = np.zeros(len(corpus.distinct), np.bool_)
    for start in range(0, len(corpus.distinct), _WORDS_AT_ONCE):
        words = corpus.distinct[start : start + _WORDS_AT_ONCE]
        values, offsets = values_and_offsets(encode(words))
        before = np.concatenate([[0], np.cumsum(values == unk_id)])
        covered[start : start + len(words)] = np.diff(before[offsets]) <= allowed
    characters = pc.utf8_length(corpus.distinct).to_numpy() * corpus.counts
    return {
        "word_coverage": _share(corpus.counts, covered),
        "distinct_word_coverage": _share(np.ones_like(corpus.counts), covered),
        "character_coverage": _share(characters, covered),
    }


def _share(weights: npt.NDArray[np.int64], chosen: npt.NDArray[np.bool_]) -> float:
    total = int(weights.sum())
    return int(weights[chosen].sum()) / total if total else 1.0


def _own_limit(
    twin: Tokenizer, tokenizer: Tokenizer, choice: Choice, lengths: npt.NDArray[np.int32], texts: Texts
) -> int | None:
    """Where a tokenizer cuts although it was told not to; asked only when some text is suspiciously long."""
    most = int(lengths.max(initial=0))
    if most != tokenizer.max_length:
        return None
    [longest] = texts.take(np.array([lengths.argmax()]))
    doubled = pa.array([f"{longest} {longest}"], pa.large_string())
    if len(encoded(twin, choice, doubled)[0]) > most:
        return None
    warnings.warn(
        f"the tokenizer {choice.component.name!r} cuts every text at {most} tokens; its lengths end there",
        PegboardWarning,
        stacklevel=2,
    )
    return most
