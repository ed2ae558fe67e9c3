"""Ragged int32 arrays: one flat buffer of values and the offsets of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = [
    "Ids",
    "concatenate",
    "ends_kept",
    "from_lists",
    "ragged",
    "ranges",
    "truncate_and_wrap",
    "values_and_offsets",
]

Ids = npt.NDArray[np.int32]


def ragged(values: Ids, offsets: npt.NDArray[np.int64]) -> pa.LargeListArray:
    """An Arrow `large_list<int32>` over `values` without copying them; row i is `values[offsets[i]:offsets[i+1]]`.

    Example:
        >>> ragged(np.array([7, 8, 9], np.int32), np.array([0, 1, 3])).to_pylist()
        [[7], [8, 9]]
    """
    return pa.LargeListArray.from_arrays(
        pa.array(offsets.astype(np.int64, copy=False)), pa.array(values.astype(np.int32, copy=False))
    )


def from_lists(rows: Sequence[Sequence[int]]) -> pa.LargeListArray:
    """A ragged array from Python lists; for the few *distinct* rows only."""
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    flat = np.fromiter(chain.from_iterable(rows), np.int32, int(lengths.sum()))
    return ragged(flat, _offsets(lengths))


def concatenate(parts: Sequence[pa.LargeListArray]) -> pa.LargeListArray:
    """The rows of all `parts` as one array; no parts give no rows."""
    if len(parts) == 1:
        return parts[0]
    return pa.concat_arrays(parts) if parts else pa.array([], pa.large_list(pa.int32()))


def values_and_offsets(array: pa.LargeListArray) -> tuple[Ids, npt.NDArray[np.int64]]:
    """The flat values and the row offsets of a ragged array without nulls, as views where Arrow allows."""
    offsets = array.offsets.to_numpy()
    values = array.values.to_numpy(zero_copy_only=True)
    return values[offsets[0] : offsets[-1]], offsets - offsets[0]


def truncate_and_wrap(
    values: Ids,
    offsets: npt.NDArray[np.int64],
    *,
    max_length: int,
    before: Sequence[int] = (),
    after: Sequence[int] = (),
    long_texts: str = "head",
) -> pa.LargeListArray:
    """Cut each row so that it fits `max_length` together with the ids put `before` and `after` it.

    What is kept of a longer row `long_texts` says; see `ends_kept`.

    Example:
        >>> rows = np.array([5, 6, 7, 8], np.int32), np.array([0, 3, 4])
        >>> truncate_and_wrap(*rows, max_length=4, before=[2], after=[3]).to_pylist()
        [[2, 5, 6, 3], [2, 8, 3]]
    """
    lengths = np.diff(offsets)
    room = max(0, max_length - len(before) - len(after))
    ends = ends_kept(long_texts, room)
    if ends is not None and lengths.max(initial=0) > room:
        first, last = ends
        kept = np.ones(len(values), np.bool_)
        for row in np.flatnonzero(lengths > room):
            kept[offsets[row] + first : offsets[row + 1] - last] = False
        values, lengths = values[kept], np.minimum(lengths, room)
    if not before and not after:
        return ragged(values, _offsets(lengths))
    wrapped = _offsets(lengths + len(before) + len(after))
    result = np.empty(int(wrapped[-1]), np.int32)
    inner = np.ones(len(result), np.bool_)
    for places, token in [
        *((wrapped[:-1] + position, token) for position, token in enumerate(before)),
        *((wrapped[1:] - position, token) for position, token in enumerate(reversed(after), start=1)),
    ]:
        inner[places] = False
        result[places] = token
    result[inner] = values
    return ragged(result, wrapped)


def ends_kept(long_texts: str, room: int) -> tuple[int, int] | None:
    """How many ids are kept of a long text's beginning and of its end; `None` if it is not cut but goes into windows.

    Of both ends, a quarter is the beginning (rounded up) and the rest the end: at BERT's 510 that is the 128 and 382 of
    Sun et al. (2019, arXiv:1905.05583).

    Args:
        long_texts: see `TokenizerOptions`.
        room: the most ids of a text, special tokens not counted.

    Example:
        >>> ends_kept("head", 510), ends_kept("tail", 510), ends_kept("both", 510)
        ((510, 0), (0, 510), (128, 382))
    """
    quarter = -(-room // 4)
    return {"head": (room, 0), "tail": (0, room), "both": (quarter, room - quarter), "windows": None}[long_texts]


def _offsets(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def ranges(starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """`start, start+1, … start+length-1` for each row, concatenated.

    Example:
        >>> ranges(np.array([3, 9]), np.array([2, 1]))
        array([3, 4, 9])
    """
    offsets = _offsets(lengths)
    return np.arange(int(offsets[-1]), dtype=np.int64) + np.repeat(starts - offsets[:-1], lengths)
