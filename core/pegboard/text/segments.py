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

__all__ = ["Segments", "as_arrow", "blocks", "offsets_of", "segment", "segmented", "whole"]

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

    def counts(self) -> list[int]:
        """How often each distinct segment occurs."""
        times: list[int] = np.bincount(self.indices, minlength=len(self.distinct)).tolist()
        return times


def as_arrow(texts: Iterable[str] | pa.Array | pa.ChunkedArray, *, first: int = 0) -> pa.LargeStringArray:
    """Texts as one Arrow array of `large_string`; a single string counts as one text.

    Args:
        texts: the texts.
        first: the number of the first one in what the caller was given, for the message of an error.

    Raises:
        DataError: a text is missing, is not a string, or holds a lone surrogate (which has no UTF-8 form).

    Example:
        >>> as_arrow(["to be"]).type
        DataType(large_string)
    """
    if not isinstance(texts, (pa.Array, pa.ChunkedArray)):
        return _array_of_strings([texts] if isinstance(texts, str) else list(texts), first)
    if texts.null_count:
        raise DataError("a text is missing", where=f"texts[{first + _first_null(texts)}]")
    if len(texts) and not _is_text(texts.type):
        raise DataError(f"expected a column of text, not of {texts.type}")
    texts = texts.cast(pa.large_string())
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DataError(f"the texts are not valid UTF-8: {error}") from None
    return texts


def _array_of_strings(texts: list[Any], first: int) -> pa.LargeStringArray:
    for position, text in enumerate(texts, start=first):
        if not isinstance(text, str):
            what = "a text is missing" if text is None else f"expected a string, not {type(text).__name__}"
            raise DataError(what, where=f"texts[{position}]")
    try:
        return pa.array(texts, pa.large_string())
    except UnicodeEncodeError:
        position, text = next((i, text) for i, text in enumerate(texts, first) if _lone_surrogate(text) >= 0)
        raise DataError(
            f"character {_lone_surrogate(text)} is a lone surrogate, which is not Unicode text",
            where=f"texts[{position}]",
            hint="read the source with errors='replace', or mend it",
        ) from None


def _lone_surrogate(text: str) -> int:
    return next((i for i, character in enumerate(text) if "\ud800" <= character <= "\udfff"), -1)


def _first_null(texts: pa.Array | pa.ChunkedArray) -> int:
    return int(np.argmax(texts.is_null().to_numpy(zero_copy_only=False)))


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or str(kind) == "string_view"


def blocks(texts: pa.LargeStringArray) -> Iterator[pa.LargeStringArray]:
    """`texts` in consecutive blocks of about 32 MiB, so that memory stays bounded."""
    offsets = offsets_of(texts)
    start = 0
    while start < len(texts):
        end = int(np.searchsorted(offsets, offsets[start] + _BLOCK_BYTES, side="right")) - 1
        end = min(max(end, start + 1), len(texts))
        yield texts[start:end]
        start = end


def segmented(texts: Iterable[str] | pa.Array | pa.ChunkedArray, *, context_free: bool) -> Iterator[Segments]:
    """`texts` block by block: cut after spaces, or each text whole unless `context_free`."""
    from pegboard.text.texts import Texts

    for block in texts.blocks() if isinstance(texts, Texts) else blocks(as_arrow(texts)):
        yield segment(block) if context_free else whole(block)


def whole(texts: pa.LargeStringArray) -> Segments:
    """Each text as one segment, for tokenizers to which a space is no border.

    Example:
        >>> whole(as_arrow(["to be", "to be"])).distinct.to_pylist()
        ['to be']
    """
    encoded = texts.dictionary_encode()
    return Segments(encoded.dictionary, encoded.indices.to_numpy(), np.arange(len(texts) + 1))


def segment(texts: pa.LargeStringArray) -> Segments:
    """Cut each text after every space (U+0020) and find the distinct segments.

    A space is a border for Unicode too: no normalization form composes or reorders across it, and no context rule of
    lower-casing looks past it.

    Example:
        >>> segment(as_arrow(["to be or", "be to"])).distinct.to_pylist()
        ['to ', 'be ', 'or', 'to']
    """
    offsets = offsets_of(texts)
    data = texts.buffers()[2]
    flat = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]] if data is not None else np.empty(0, np.uint8)
    starts_segment = np.zeros(len(flat) + 1, np.bool_)
    np.equal(flat, _SPACE, out=starts_segment[1:])
    starts_segment[offsets - offsets[0]] = True
    borders = np.flatnonzero(starts_segment) + offsets[0]
    segments = pa.LargeStringArray.from_buffers(len(borders) - 1, pa.py_buffer(borders), data or pa.py_buffer(b""))
    encoded = segments.dictionary_encode()
    return Segments(encoded.dictionary, encoded.indices.to_numpy(), np.searchsorted(borders, offsets))


def offsets_of(texts: pa.LargeStringArray) -> npt.NDArray[np.int64]:
    """Where each text starts in the array's bytes, and where the last one ends, int64 [texts + 1], uncopied."""
    buffer = texts.buffers()[1]
    if buffer is None or len(texts) == 0:
        return np.zeros(1, np.int64)
    return np.frombuffer(buffer, np.int64)[texts.offset : texts.offset + len(texts) + 1]
