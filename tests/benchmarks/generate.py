"""Generate text that is distributed like natural language, of any size, always the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

DISTINCT = 2_000_000
"""Words that can occur; a gigabyte of English holds about as many."""

_ONSETS = re.split(
    " ", " b bl br c ch cl cr d dr f fl g gr h j k l m n p pl pr qu r s sc sh sl sp st str t th tr v w y z"
)
_NUCLEI = re.split(" ", "a e i o u ai ea ee ie oa ou é ü")
_CODAS = re.split(" ", "  ck d l ll m n nd ng nt p r rd s ss st t x")
_ENDINGS = ["", "ed", "er", "es", "ing", "ly", "al", "s", "y"]
_MARKS = [" ", ", ", ". ", "! ", "? ", "'s ", ' "', " - ", "... ", "; "]
_MARK_SHARES = [0.868, 0.05, 0.04, 0.006, 0.006, 0.015, 0.004, 0.004, 0.004, 0.003]
_STRETCH = 1_000_000
_KNEE = 6_000


def lines(size: int, seed: int = 0) -> Iterator[pa.LargeStringArray]:
    """Texts of 3 to 60 words, about `size` bytes in all, in arrays of some megabytes.

    Words follow Zipf's law as Mandelbrot shifted it, and from rank 6,000 on fall faster, as words of English do;
    frequent ones are short. One in eight is capitalized, and one in seven is followed by punctuation.
    """
    generator = np.random.default_rng(seed)
    words = _words(np.random.default_rng(1))
    ranks = np.arange(1, len(words) + 1)
    weights = np.where(ranks < _KNEE, 1 / (ranks + 2.7), (ranks / _KNEE) ** -1.75 / _KNEE)
    cumulative = np.cumsum(weights / weights.sum())
    marks = pa.array(_MARKS, pa.large_string())
    written = 0
    while written < size:
        count = min(_STRETCH, max(1000, (size - written) // 6))
        chosen = np.searchsorted(cumulative, generator.random(count)).clip(max=len(words) - 1)
        capital = generator.random(count) < 0.125
        pieces = pa.concat_arrays([words, _capitalized(words)]).take(pa.array(chosen + capital * len(words)))
        ends = marks.take(pa.array(generator.choice(len(_MARKS), count, p=_MARK_SHARES)))
        lengths = generator.integers(3, 61, count // 20)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        starts = starts[starts < count]
        tokens = pc.binary_join_element_wise(pieces, ends, pa.scalar("", pa.large_string()))
        rows = pa.LargeListArray.from_arrays(pa.array([*starts, count], pa.int64()), tokens)
        texts = pc.utf8_trim_whitespace(pc.binary_join(rows, pa.scalar("", pa.large_string())))
        yield texts
        written += int(pc.sum(pc.binary_length(texts)).as_py()) + len(texts)


def _words(generator: np.random.Generator) -> pa.LargeStringArray:
    """Distinct words, roughly from short to long."""
    syllables = np.array([on + nu + co for on in _ONSETS for nu in _NUCLEI for co in _CODAS])
    shares = np.array([1.0 if syllable.isascii() else 0.05 for syllable in syllables])
    shares /= shares.sum()
    found: dict[str, None] = dict.fromkeys(["a", "I", "the", "of", "and", "to", "in", "is", "it", "that"])
    for count in (1, 2, 3):
        size = (4_000, 500_000, DISTINCT)[count - 1]
        parts = [generator.choice(syllables, size, p=shares) for _ in range(count)]
        endings = generator.choice(_ENDINGS, size, p=[0.68] + [0.04] * 8)
        words = parts[0].astype(object)
        for part in [*parts[1:], endings]:
            words = words + part
        found.update(dict.fromkeys(words.tolist()))
    return pa.array(list(found)[:DISTINCT], pa.large_string())


def _capitalized(words: pa.LargeStringArray) -> pa.LargeStringArray:
    return pc.utf8_capitalize(words)
