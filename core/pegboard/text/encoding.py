"""Encode a column of texts by encoding each distinct segment once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pegboard.text.ragged import concatenate, from_lists, gather, truncate_and_wrap
from pegboard.text.segments import segmented

__all__ = ["encode_texts"]

_REMEMBERED_BYTES = 256 * 2**20


def encode_texts(
    texts: Iterable[str] | pa.Array | pa.ChunkedArray,
    encode: Callable[[list[str]], Sequence[Sequence[int]]],
    *,
    context_free: bool,
    max_length: int,
    before: Sequence[int] = (),
    after: Sequence[int] = (),
) -> pa.LargeListArray:
    """The ids of each text, `large_list<int32>`.

    Args:
        texts: the texts.
        encode: the ids of each of a list of segments, without limit of length and without special tokens.
        context_free: whether a text may be cut after its spaces, so that a segment is a word; else it is a text.
        max_length: the most ids of a text, those before and after it included.
        before: ids put before each text.
        after: ids put after each text.

    Raises:
        DataError: a text is missing or is not a Unicode string.

    Example:
        >>> encode_texts(["to be", "to do"], lambda words: [[len(word)] for word in words],
        ...              context_free=True, max_length=9).to_pylist()
        [[3, 2], [3, 2]]
    """
    parts, memory = [], _Memory(encode)
    for distinct, indices, rows in segmented(texts, context_free=context_free):
        places = memory.places(distinct)
        values, ends = gather(memory.ids, places[indices])
        parts.append(truncate_and_wrap(values, ends[rows], max_length=max_length, before=before, after=after))
    return concatenate(parts)


class _Memory:
    """The ids of the segments of earlier blocks, so that a frequent word is encoded once and not once a block."""

    def __init__(self, encode: Callable[[list[str]], Sequence[Sequence[int]]]) -> None:
        self._encode = encode
        self._segments = pa.array([], pa.large_string())
        self.ids = from_lists([])

    def places(self, segments: pa.LargeStringArray) -> npt.NDArray[np.int64]:
        """Where in `ids` each of `segments`, which are distinct, has its ids; encodes those that are new."""
        if self._segments.nbytes + self.ids.nbytes > _REMEMBERED_BYTES:  # a corpus that repeats little
            self._segments, self.ids = self._segments[:0], self.ids[:0]
        found = pc.index_in(segments, value_set=self._segments)
        new = found.is_null()
        places: npt.NDArray[np.int64] = found.fill_null(0).to_numpy().astype(np.int64)
        places[new.to_numpy(zero_copy_only=False)] = len(self._segments) + np.arange(new.true_count)
        unseen = segments.filter(new)
        self.ids = concatenate([self.ids, from_lists(self._encode(unseen.to_pylist()))])
        self._segments = pa.concat_arrays([self._segments, unseen])
        return places
