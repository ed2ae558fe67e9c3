"""Near-duplicates: texts that share most of their runs of five characters.

MinHash (Broder 1997) with banding (Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3): texts that
agree in a band of their signatures become candidates; a sketch of the signatures drops most of those that are not
alike, and the Jaccard index of the rest is computed from their runs. Nothing is random: the same texts give the same
pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pegboard.inspection.block import Block, Split, folded

__all__ = ["THRESHOLD", "Near", "NearDuplicates", "jaccard"]

THRESHOLD = 0.8
"""The Jaccard index from which on two texts count as near-duplicates."""

_RUN = 5
_BANDS, _IN_BAND = 16, 5
_LONGEST = 10_000
"""Only the first characters of a longer text are compared."""
_MOST_ROWS = 1_000_000
"""More rows than these are not compared all: memory grows with them."""
_NEIGHBOURS = 8
"""With how many of a band's texts each text is compared: a family of thousands needs no million of pairs."""
_KEPT = 4
"""Of so many of these the Jaccard index is computed."""
_SURELY_LESS = 0.62
"""A share of equal sketches this low is, for a Jaccard index of 0.8, four standard deviations off."""
_AT_ONCE = 1 << 16
_PAIRS_AT_ONCE = 1 << 14

Rows = npt.NDArray[np.int64]
Runs = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Near:
    """Rows of a split that have a near-duplicate in an earlier split, or earlier in the same one.

    Attributes:
        split: the split.
        earlier: the other one, or the same.
        rows: the rows, ascending; equal texts stand for each other, so only the first row of each is here.
        matches: for each the most similar row there.
        similarity: their Jaccard index.
    """

    split: str
    earlier: str
    rows: Rows
    matches: Rows
    similarity: npt.NDArray[np.float64]


class NearDuplicates:
    """Keeps a small signature of each text, block by block, and finds those that are alike.

    Args:
        sizes: rows of each split. Beyond a million rows in all, every second, third, … row of the largest is taken.

    Attributes:
        compared: how many rows of each split are taken.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._strides = _strides(sizes)
        self.compared = {split: -(-size // self._strides[split]) for split, size in sizes.items()}
        self._signatures: dict[str, list[npt.NDArray[np.uint32]]] = {split: [] for split in sizes}
        self._sketches: dict[str, list[npt.NDArray[np.uint8]]] = {split: [] for split in sizes}

    def add(self, block: Block) -> None:
        """Compute the signatures of a block's texts."""
        stride = self._strides[block.split]
        texts = block.folded[-block.first % stride :: stride]
        for runs, starts in _runs_in_parts(texts):
            signature = _signature(runs, starts)
            self._signatures[block.split].append(_bands(signature))
            self._sketches[block.split].append(signature.astype(np.uint8))

    def find(self, split: Split, earlier: Split, texts: Rows, texts_earlier: Rows) -> Near:
        """The near-duplicates of one split in another, or in itself.

        Args:
            split: whose rows are looked up.
            earlier: where.
            texts: each row's text as a number, equal for equal texts, -1 for a blank one.
            texts_earlier: those of the other split.
        """
        same = split.name == earlier.name
        rows, bands, sketches = self._distinct(split.name, texts)
        if same:
            others, bands_there, sketches_there = rows, bands, sketches
        else:
            others, bands_there, sketches_there = self._distinct(earlier.name, texts_earlier)
            rows, bands, sketches = _only(~np.isin(texts[rows], texts_earlier), rows, bands, sketches)
        left, right = _most_alike(_candidates(bands, None if same else bands_there), sketches, sketches_there)
        similar = np.zeros(len(left))
        for start in range(0, len(left), _PAIRS_AT_ONCE):
            part = slice(start, start + _PAIRS_AT_ONCE)
            similar[part] = _similarity(split, rows[left[part]], earlier, others[right[part]])
        best = np.lexsort((right, -similar, left))
        best = best[similar[best] >= THRESHOLD]
        best = best[np.unique(left[best], return_index=True)[1]]
        return Near(split.name, earlier.name, rows[left[best]], others[right[best]], similar[best])

    def _distinct(self, split: str, texts: Rows) -> tuple[Rows, npt.NDArray[np.uint32], npt.NDArray[np.uint8]]:
        """The first row of each text that is not blank, with its signature."""
        stride = self._strides[split]
        taken = texts[::stride]
        distinct, first = np.unique(taken, return_index=True)
        first = np.sort(first[distinct >= 0])
        bands, sketches = (_joined(parts[split], first) for parts in (self._signatures, self._sketches))
        return first * stride, bands, sketches


def jaccard(texts: Sequence[str], left: Rows, right: Rows) -> npt.NDArray[np.float64]:
    """The share of the runs of five characters that two texts have in common, of those that either has [pairs].

    Args:
        texts: the texts, case and white space alike.
        left: the place in `texts` of the first of each pair.
        right: that of the second.

    Example:
        >>> jaccard(["to be or", "to be of"], np.array([0]), np.array([1]))
        array([0.6])
    """
    runs, starts = _runs([_cut(text) for text in texts])
    known, numbers = np.unique(runs, return_inverse=True)
    owners = np.repeat(np.arange(len(texts)), np.diff(starts, append=len(runs)))
    distinct = np.sort(owners * len(known) + numbers.ravel())  # each text's runs, ascending
    distinct = distinct[np.append(True, distinct[1:] != distinct[:-1])]
    sizes = np.bincount(distinct // len(known), minlength=len(texts))
    ends = np.cumsum(sizes)
    count = sizes[left]
    places = np.arange(count.sum()) + np.repeat((ends - sizes)[left] - (np.cumsum(count) - count), count)
    pair = np.repeat(np.arange(len(left)), count)
    wanted = distinct[places] + (right - left)[pair] * len(known)
    there = distinct[np.minimum(np.searchsorted(distinct, wanted), len(distinct) - 1)] == wanted
    common = np.bincount(pair[there], minlength=len(left))
    index: npt.NDArray[np.float64] = common / (sizes[left] + sizes[right] - common)
    return index


def _similarity(split: Split, rows: Rows, earlier: Split, rows_there: Rows) -> npt.NDArray[np.float64]:
    """The Jaccard index of pairs of rows."""
    here, left = np.unique(rows, return_inverse=True)
    there, right = np.unique(rows_there, return_inverse=True)
    texts = [*split.some(here).values(), *earlier.some(there).values()]
    return jaccard([folded(text) for text in texts], left.ravel(), right.ravel() + len(here))


def _strides(sizes: Mapping[str, int]) -> dict[str, int]:
    """Of each split every how many-th row is compared, so that there are not too many in all."""
    strides = dict.fromkeys(sizes, 1)
    while sizes and sum(-(-size // strides[split]) for split, size in sizes.items()) > _MOST_ROWS:
        strides[max(sizes, key=lambda split: sizes[split] / strides[split])] += 1
    return strides


def _cut(text: str) -> str:
    """At most the longest text that is compared, and at least one run."""
    return text[:_LONGEST].ljust(_RUN, "\0")


def _runs_in_parts(texts: Sequence[str]) -> Iterator[tuple[Runs, Rows]]:
    """The runs of consecutive texts, as many at once as a processor's cache holds."""
    part: list[str] = []
    size = 0
    for text in map(_cut, texts):
        if part and size + len(text) > _AT_ONCE:
            yield _runs(part)
            part, size = [], 0
        part.append(text)
        size += len(text)
    if part:
        yield _runs(part)


def _runs(texts: Sequence[str]) -> tuple[Runs, Rows]:
    """A 64-bit hash of each run of five characters of each text, and where each text's runs begin."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32).astype(np.uint64)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    ends = np.cumsum(lengths)
    windows = len(codes) - _RUN + 1
    hashed = np.zeros(windows, np.uint64)
    for place in range(_RUN):
        hashed *= np.uint64(0x9E3779B97F4A7C15)
        hashed += codes[place : windows + place]
    hashed ^= hashed >> np.uint64(29)
    hashed *= np.uint64(0xBF58476D1CE4E5B9)
    hashed ^= hashed >> np.uint64(32)
    inside = np.ones(len(codes), np.bool_)
    for place in range(1, _RUN):
        inside[ends - place] = False
    return hashed[inside[:windows]], np.concatenate([[0], np.cumsum(lengths - _RUN + 1)[:-1]]).astype(np.int64)


def _permutations() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """An odd factor and a mask for each value of a signature; fixed for good."""
    state, numbers = 0x5EED, []
    for _ in range(2 * _BANDS * _IN_BAND):  # splitmix64
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        mixed = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) % 2**64
        mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) % 2**64
        numbers.append((mixed ^ mixed >> 31) >> 32)
    values = np.array(numbers, np.uint32)
    return values[::2] | np.uint32(1), values[1::2]


_FACTORS, _MASKS = _permutations()


def _signature(runs: Runs, starts: Rows) -> npt.NDArray[np.uint32]:
    """For each text and permutation the smallest of its permuted runs [texts, permutations]."""
    short = (runs >> np.uint64(32)).astype(np.uint32) ^ runs.astype(np.uint32)
    result = np.empty((len(_FACTORS), len(starts)), np.uint32)
    permuted = np.empty_like(short)
    for i, (factor, mask) in enumerate(zip(_FACTORS, _MASKS, strict=True)):
        np.bitwise_xor(short, mask, out=permuted)
        np.multiply(permuted, factor, out=permuted)
        np.minimum.reduceat(permuted, starts, out=result[i])
    transposed: npt.NDArray[np.uint32] = result.T
    return transposed


def _bands(signature: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """One number for the values of each band [texts, bands]."""
    values = signature.reshape(len(signature), _BANDS, _IN_BAND).astype(np.uint64)
    mixed = np.zeros(values.shape[:2], np.uint64)
    for place in range(_IN_BAND):
        mixed = (mixed ^ values[:, :, place]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(32)
    shortened: npt.NDArray[np.uint32] = mixed.astype(np.uint32)
    return shortened


def _candidates(
    bands: npt.NDArray[np.uint32], bands_there: npt.NDArray[np.uint32] | None
) -> Iterator[tuple[Rows, Rows]]:
    """Pairs of texts that agree in a band; with `None` pairs of a text and an earlier one of the same column."""
    if not len(bands) or (bands_there is not None and not len(bands_there)):
        return
    for band in range(_BANDS):
        here = bands[:, band]
        if bands_there is None:
            order = np.argsort(here, kind="stable")
            for distance in range(1, min(_NEIGHBOURS, len(order) - 1) + 1):
                later, before = order[distance:], order[:-distance]
                equal = here[later] == here[before]
                yield later[equal], before[equal]
        else:
            order = np.argsort(bands_there[:, band], kind="stable")
            there = bands_there[order, band]
            left, right = (np.searchsorted(there, here, side=side) for side in ("left", "right"))
            for distance in range(_NEIGHBOURS):
                hit = np.flatnonzero(left + distance < right)
                yield hit, order[left[hit] + distance]


def _most_alike(
    pairs: Iterator[tuple[Rows, Rows]], sketches: npt.NDArray[np.uint8], sketches_there: npt.NDArray[np.uint8]
) -> tuple[Rows, Rows]:
    """For each first text of the pairs the few others whose sketches agree most, those left out that surely differ."""
    none = np.empty(0, np.int64)
    left, right, equal = none, none, none
    for new_left, new_right in pairs:
        for start in range(0, len(new_left), _AT_ONCE):
            i, j = new_left[start : start + _AT_ONCE], new_right[start : start + _AT_ONCE]
            agreeing = (sketches[i] == sketches_there[j]).sum(1)
            i, j, agreeing = _only(agreeing >= _SURELY_LESS * sketches.shape[1], i, j, agreeing)
            if len(i):
                together = (np.concatenate(both) for both in ((left, i), (right, j), (equal, agreeing)))
                left, right, equal = _first_of_each(*together)
    return left, right


def _first_of_each(left: Rows, right: Rows, equal: Rows) -> tuple[Rows, Rows, Rows]:
    """At most `_KEPT` pairs of each first text, those that agree most, each once."""
    order = np.lexsort((right, -equal, left))
    left, right, equal = left[order], right[order], equal[order]
    new = np.ones(len(left), np.bool_)
    new[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    left, right, equal = left[new], right[new], equal[new]
    begins = np.flatnonzero(np.diff(left, prepend=-1))
    rank = np.arange(len(left)) - np.repeat(begins, np.diff(begins, append=len(left)))
    kept = rank < _KEPT
    return left[kept], right[kept], equal[kept]


def _only(chosen: npt.NDArray[np.bool_], *columns: Any) -> Any:
    return tuple(column[chosen] for column in columns)


def _joined(parts: Sequence[Any], rows: Rows) -> Any:
    return np.concatenate(parts)[rows] if len(rows) else np.empty((0, 1), np.uint32)
