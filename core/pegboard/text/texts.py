"""A column of texts that may be larger than memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pegboard.text.segments import BLOCK_BYTES, as_arrow, offsets_of

if TYPE_CHECKING:
    import datasets

__all__ = ["Texts", "column_of"]

Rows = npt.NDArray[np.int64]


class Texts:
    """Texts in the order of their rows, read block by block as often as needed.

    Args:
        chunks: gives the column's Arrow arrays from the beginning; none of them need be in memory before.
        count: number of texts.
        rows: the numbers of those that count, ascending; all by default.
        file: the Arrow stream that holds the column, if it is in one.
        column: the name of the column there.

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
    ) -> None:
        self._chunks = chunks
        self._count = count
        self.rows = rows
        self.file = file
        self.column = column
        self._fingerprint = ""

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
    def of_dataset(cls, split: datasets.Dataset, column: str = "text") -> Texts:
        """A column of a data set; one that lies in a file is read from there, not held in memory."""
        file = _own_file(split)
        if file is not None:
            return cls.of_file(file, column, len(split))
        return cls.of(split.select_columns([column]).with_format("arrow")[:].column(column))

    @classmethod
    def of_file(cls, file: Path, column: str, count: int) -> Texts:
        """A column of an Arrow stream of `count` rows, read from the file whenever it is needed."""
        return cls(lambda: _read_column(file, column), count, file=file, column=column)

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

    def take(self, rows: Rows) -> Texts:
        """Some of the texts, by ascending row numbers."""
        chosen = rows if self.rows is None else self.rows[rows]
        return Texts(self._chunks, self._count, chosen, file=self.file, column=self.column)

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
        """A SHA-256 of the texts and their order, however they are stored."""
        if not self._fingerprint:
            self._fingerprint = self._hashed()
        return self._fingerprint

    def _hashed(self) -> str:
        lengths, content = hashlib.sha256(), hashlib.sha256()
        for block in self.blocks():
            offsets = offsets_of(block)
            lengths.update(np.diff(offsets).tobytes())
            data = block.buffers()[2]
            if data is not None:
                content.update(memoryview(data)[offsets[0] : offsets[-1]])
        return hashlib.sha256(f"{len(self)} {lengths.hexdigest()} {content.hexdigest()}".encode()).hexdigest()

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


def _own_file(split: datasets.Dataset) -> Path | None:
    """The Arrow file whose rows are exactly those of the data set, if there is one.

    Read as a stream rather than through the memory map, since pages of a map that were touched count as memory used.
    """
    import datasets.table

    table = split.data
    if not isinstance(table, datasets.table.MemoryMappedTable) or split._indices is not None:
        return None
    changed = any(step != "replace_schema_metadata" for step, *_ in table.replays)
    return None if changed else Path(table.path)


def column_of(split: datasets.Dataset, column: str) -> Iterator[pa.Array]:
    """The Arrow arrays of a column of a data set, read from its file if it has one of its own."""
    file = _own_file(split)
    if file is not None:
        return _read_column(file, column)
    return iter(split.select_columns([column]).with_format("arrow")[:].column(column).chunks)


def _read_column(file: Path, column: str) -> Iterator[pa.Array]:
    with pa.OSFile(str(file)) as source, pa.ipc.open_stream(source) as batches:
        for batch in batches:
            yield batch.column(column)
