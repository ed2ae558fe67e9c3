"""Encode a column of texts by encoding each distinct segment once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa

from pegboard.text.ragged import concatenate, from_lists, gather, truncate_and_wrap
from pegboard.text.segments import segmented

__all__ = ["encode_texts"]


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
    parts = []
    for distinct, indices, rows in segmented(texts, context_free=context_free):
        values, ends = gather(from_lists(encode(distinct.to_pylist())), indices)
        parts.append(truncate_and_wrap(values, ends[rows], max_length=max_length, before=before, after=after))
    return concatenate(parts)
