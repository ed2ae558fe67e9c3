"""Cut texts into segments after every space, without copying a byte.

Text follows Zipf's law, so a corpus has few distinct segments; a tokenizer whose work on a segment does not
depend on its neighbours needs to see each distinct one only once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pegboard.errors import DataError

__all__ = ["Segments", "as_arrow", "blocks", "segment"]

_SPACE = 0x20
_BLOCK_BYTES = 32 * 2**20


class Segments(NamedTuple):
    """The segments of a column of texts.

    Attributes:
        distinct: the distinct segments, each a piece of text that ends with its space, if it had one.
        indices: for each segment in reading order, its place in `distinct`.
        rows: row i has the segments `rows[i]` to `rows[i + 1]`.
    """

    distinct: pa.LargeStringArray
    indices: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int64]


def as_arrow(texts: Iterable[str] | pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Texts as one Arrow array of `large_string`.

    Raises:
        DataError: a text is missing, is not a string, or holds a lone surrogate (which has no UTF-8 form).
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
        if isinstance(texts, pa.ChunkedArray):  # of no chunks at all
            texts = pa.array([], pa.large_string())
    if not isinstance(texts, pa.Array):
        texts = _array_of_strings([texts] if isinstance(texts, str) else list(texts))
    if texts.null_count:
        raise DataError("a text is missing", where=f"text {texts.is_null().to_numpy(False).argmax()}")
    return texts.cast(pa.large_string())


def _array_of_strings(texts: list[Any]) -> pa.Array:
    try:
        return pa.array(texts, pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        for position, text in enumerate(texts):
            if not isinstance(text, str):
                raise DataError(f"expected a string, not {type(text).__name__}", where=f"text {position}") from None
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise DataError(
                    f"character {error.start} is a lone surrogate, which is not Unicode text",
                    where=f"text {position}",
                    hint="decode the source with errors='replace', or mend it",
                ) from None
        raise


def blocks(texts: pa.LargeStringArray) -> Iterator[pa.LargeStringArray]:
    """`texts` in consecutive blocks of about 32 MiB, so that memory stays bounded."""
    offsets = _offsets(texts)
    start = 0
    while start < len(texts):
        end = int(np.searchsorted(offsets, offsets[start] + _BLOCK_BYTES, side="right")) - 1
        end = min(max(end, start + 1), len(texts))
        yield texts[start:end]
        start = end


def segment(texts: pa.LargeStringArray) -> Segments:
    """Cut each text after every space (U+0020) and find the distinct segments.

    Example:
        >>> segment(as_arrow(["to be or", "be to"])).distinct.to_pylist()
        ['to ', 'be ', 'or', 'to']
    """
    offsets = _offsets(texts)
    data = texts.buffers()[2]
    flat = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    cuts = np.flatnonzero(flat[offsets[0] : offsets[-1]] == _SPACE) + offsets[0] + 1
    starts_and_end = np.union1d(offsets, cuts)
    if len(starts_and_end) == 1:  # only empty texts
        starts_and_end = starts_and_end[:0]
    count = max(0, len(starts_and_end) - 1)
    segments = pa.LargeStringArray.from_buffers(
        count, pa.py_buffer(np.ascontiguousarray(starts_and_end)), data or pa.py_buffer(b"")
    )
    encoded = segments.dictionary_encode()
    rows = np.searchsorted(starts_and_end, offsets) if count else np.zeros(len(offsets), np.int64)
    return Segments(encoded.dictionary, encoded.indices.to_numpy(), rows.astype(np.int64))


def _offsets(texts: pa.LargeStringArray) -> npt.NDArray[np.int64]:
    buffer = texts.buffers()[1]
    if buffer is None or len(texts) == 0:
        return np.zeros(1, np.int64)
    return np.frombuffer(buffer, np.int64)[texts.offset : texts.offset + len(texts) + 1]
