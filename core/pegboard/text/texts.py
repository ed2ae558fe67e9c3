"""A column of texts that may be larger than memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from pegboard.errors import DataError
from pegboard.text.ahead import read_ahead
from pegboard.text.mapped import mapped_batches
from pegboard.text.segments import BLOCK_BYTES, as_arrow, offsets_of

if TYPE_CHECKING:
    import datasets

__all__ = ["Texts", "TextsHash", "batches_of", "check_texts", "first_blank", "own_file"]

Rows = npt.NDArray[np.int64]

_MAY_BE_SPACE = np.isin(np.arange(256), [*range(0x21), 0xC2, 0xE1, 0xE2, 0xE3])
"""The first bytes of white space in UTF-8, and of other characters."""


class Texts:
    """Texts in the order of their rows, read block by block as often as needed.

    Args:
        chunks: gives the column's Arrow arrays from the beginning; none of them need be in memory before.
        count: number of texts.
        rows: the numbers of those that count, ascending; all by default.
        file: the Arrow stream that holds the column, if it is in one.
        column: the name of the column there.
        fingerprint: what `fingerprint()` would give, if it is known.

    Attributes:
        file: see above.
        column: see above.
        rows: see above.

    Example:
        >>> texts = Texts.of(["to be", "or not", "to be"])
        >>> len(texts), texts.take(np.array([1, 2])).array().to_pylist()
        (3, ['or not', 'to be'])
    """

    def __init__(
        self,
        chunks: Callable[[], Iterator[pa.Array]],
        count: int,
        rows: Rows | None = None,
        *,
        file: Path | None = None,
        column: str = "",
        fingerprint: str = "",
    ) -> None:
        self._chunks = chunks
        self._count = count
        self.rows = rows
        self.file = file
        self.column = column
        self._fingerprint = fingerprint

    @classmethod
    def of(cls, texts: Any) -> Texts:
        """Texts that are in memory: strings, or an Arrow array or chunked array of them.

        Raises:
            DataError: a text is missing or is not a Unicode string.
        """
        if isinstance(texts, Texts):
            return texts
        if isinstance(texts, pa.ChunkedArray):
            return cls(lambda: iter(texts.chunks), len(texts))
        array = as_arrow(texts)
        return cls(lambda: iter([array]), len(array))

    @classmethod
    def of_dataset(cls, split: datasets.Dataset, column: str = "text", *, fingerprint: str = "") -> Texts:
        """A column of a data set; one that lies in a file is read from there, not held in memory."""
        file = own_file(split)
        if file is not None:
            return cls.of_file(file, column, len(split), fingerprint=fingerprint)
        chunks = split.select_columns([column]).with_format("arrow")[:].column(column).chunks
        return cls(lambda: iter(chunks), len(split), fingerprint=fingerprint)

    @classmethod
    def of_file(cls, file: Path, column: str, count: int, *, fingerprint: str = "") -> Texts:
        """A column of an Arrow stream of `count` rows, read from the file whenever it is needed."""
        return cls(lambda: _read_column(file, column), count, file=file, column=column, fingerprint=fingerprint)

    def __len__(self) -> int:
        """Number of texts."""
        return self._count if self.rows is None else len(self.rows)

    def __iter__(self) -> Iterator[str]:
        """The texts as Python strings."""
        for block in self.blocks():
            yield from block.to_pylist()

    def chunks(self) -> Iterator[pa.Array]:
        """The column's Arrow arrays as they are stored, whatever their type; nothing is checked."""
        return self._chunks()

    def take(self, rows: Rows, *, fingerprint: str = "") -> Texts:
        """Some of the texts, by ascending row numbers; their `fingerprint`, if it is known."""
        chosen = rows if self.rows is None else self.rows[rows]
        return Texts(self._chunks, self._count, chosen, file=self.file, column=self.column, fingerprint=fingerprint)

    def between(self, start: int, end: int) -> Texts:
        """The texts from one place to another."""
        if self.rows is not None:
            return Texts(self._chunks, self._count, self.rows[start:end], file=self.file, column=self.column)
        return Texts(lambda: _between(self._chunks(), start, end), end - start)

    def array(self) -> pa.LargeStringArray:
        """All texts as one array, in memory."""
        blocks = list(self.blocks())
        return pa.concat_arrays(blocks) if blocks else pa.array([], pa.large_string())

    def blocks(self, size: int = BLOCK_BYTES) -> Iterator[pa.LargeStringArray]:
        """Consecutive texts, in arrays of about `size` bytes; a text that is larger is an array of its own."""
        waiting: list[pa.LargeStringArray] = []
        waiting_bytes = 0
        for chunk in self._chosen():
            for part in _cut(chunk, size):
                offsets = offsets_of(part)
                more = int(offsets[-1] - offsets[0])
                if waiting and waiting_bytes + more > size:
                    yield pa.concat_arrays(waiting) if len(waiting) > 1 else waiting[0]
                    waiting, waiting_bytes = [], 0
                waiting.append(part)
                waiting_bytes += more
        if waiting:
            yield pa.concat_arrays(waiting) if len(waiting) > 1 else waiting[0]

    def watched(self, advance: Callable[[int], None]) -> Texts:
        """The same texts; `advance` is called with the number of those that were read, as they are read."""

        def chunks() -> Iterator[pa.Array]:
            for chunk in self._chosen():
                yield chunk
                advance(len(chunk))

        return Texts(chunks, len(self))

    def size_in_file(self) -> int:
        """About how many bytes of `file` the texts are."""
        return 0 if self.file is None or not self._count else self.file.stat().st_size * len(self) // self._count

    def fingerprint(self) -> str:
        """A hash of the texts and their order, however they are stored."""
        if not self._fingerprint:
            texts = TextsHash()
            for chunk in read_ahead(self._chosen()):
                texts.update(chunk)
            self._fingerprint = texts.hexdigest()
        return self._fingerprint

    def _chosen(self) -> Iterator[pa.LargeStringArray]:
        first = 0
        for chunk in self._chunks():
            texts = chunk.cast(pa.large_string())
            if self.rows is not None:
                start, end = np.searchsorted(self.rows, [first, first + len(chunk)])
                texts = texts.take(pa.array(self.rows[start:end] - first))
            first += len(chunk)
            if len(texts):
                yield texts


class TextsHash:
    """A hash of texts and their order (BLAKE3), which does not depend on how they are stored.

    Example:
        >>> texts = TextsHash()
        >>> texts.update(pa.array(["to be", "or not"]))
        >>> texts.hexdigest() == Texts.of(["to be", "or not"]).fingerprint()
        True
    """

    def __init__(self) -> None:
        self._count = 0
        self._lengths, self._content = blake3(), blake3()

    def update(self, texts: pa.Array) -> None:
        """Take more texts, of any type of Arrow's that has texts, without nulls."""
        if not len(texts):
            return
        if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
            texts = texts.cast(pa.large_string())
        offsets, data = _offsets_and_bytes(texts)
        self._count += len(texts)
        self._lengths.update(np.diff(offsets).astype(np.int64, copy=False).tobytes())
        self._content.update(data[offsets[0] : offsets[-1]].data)

    def hexdigest(self) -> str:
        """The hash of all texts so far."""
        both = f"{self._count} {self._lengths.hexdigest()} {self._content.hexdigest()}"
        return blake3(both.encode()).hexdigest()


def check_texts(texts: pa.Array, name: str = "", first: int = 0) -> pa.LargeStringArray:
    """Refuse texts that are missing or empty, by row, and what is no Unicode text.

    Args:
        texts: some consecutive texts.
        name: the split that they are of.
        first: the number of the first one's row.

    Returns:
        The texts as `large_string`.

    Raises:
        DataError: such a text.
    """
    if texts.null_count:
        row = first + int(texts.is_null().to_numpy(zero_copy_only=False).argmax())
        raise DataError("the text is missing", where=f"{name}, row {row}")
    try:
        checked = as_arrow(texts)
    except DataError as error:
        raise DataError(error.what, where=f"{name}, column 'text'", hint=error.hint) from None
    blank = first_blank(checked)
    if blank is not None:
        raise DataError("the text is empty", where=f"{name}, row {first + blank}", hint="remove the row or mend it")
    return checked


def first_blank(texts: pa.Array) -> int | None:
    """The place of the first text that is empty or nothing but white space; `None` if there is none.

    Args:
        texts: Arrow `string` or `large_string` without nulls.

    Example:
        >>> first_blank(pa.array(["to be", " "]))
        1
    """
    if not len(texts):
        return None
    offsets, data = _offsets_and_bytes(texts)
    starts, ends = offsets[:-1], offsets[1:]
    suspect = starts == ends
    full = np.flatnonzero(~suspect)
    suspect[full] = _MAY_BE_SPACE[data[starts[full]]]
    rows = np.flatnonzero(suspect)
    if not len(rows):
        return None
    blank = pc.equal(pc.utf8_trim_whitespace(texts.take(pa.array(rows))), "").to_numpy(zero_copy_only=False)
    return int(rows[blank.argmax()]) if blank.any() else None


def _offsets_and_bytes(texts: pa.Array) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    """Where each text starts in the bytes of the array, and where the last one ends; nothing is copied.

    Args:
        texts: Arrow `string` or `large_string`, one at least.
    """
    _, places, data = texts.buffers()
    kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    offsets = np.frombuffer(places, kind)[texts.offset : texts.offset + len(texts) + 1]
    return offsets, np.frombuffer(data or b"", np.uint8)


def _between(chunks: Iterator[pa.Array], start: int, end: int) -> Iterator[pa.Array]:
    first = 0
    for chunk in chunks:
        yield chunk[max(0, start - first) : max(0, end - first)]
        first += len(chunk)
        if first >= end:
            return


def _cut(texts: pa.LargeStringArray, size: int) -> Iterator[pa.LargeStringArray]:
    offsets = offsets_of(texts)
    start = 0
    while start < len(texts):
        end = int(np.searchsorted(offsets, offsets[start] + size, side="right")) - 1
        end = min(max(end, start + 1), len(texts))
        yield texts[start:end]
        start = end


def own_file(split: datasets.Dataset) -> Path | None:
    """The Arrow file whose rows are exactly those of the data set, if there is one."""
    import datasets.table

    table = split.data
    if not isinstance(table, datasets.table.MemoryMappedTable) or split._indices is not None:
        return None
    changed = any(step != "replace_schema_metadata" for step, *_ in table.replays)
    return None if changed else Path(table.path)


def batches_of(split: datasets.Dataset, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Columns of a data set, in consecutive parts, read from its file if it has one of its own."""
    file = own_file(split)
    if file is None:
        yield from split.select_columns(list(columns)).with_format("arrow")[:].to_batches()
        return
    for batch in mapped_batches(file):
        yield batch.select(list(columns))


def _read_column(file: Path, column: str) -> Iterator[pa.Array]:
    for batch in mapped_batches(file):
        yield batch.column(column)
