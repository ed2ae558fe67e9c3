"""The rows of a source, batch by batch, so that memory is bounded whatever its size."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Protocol

from pegboard import DataError, usable_cores

from pegboard_data.blocks import Blocks
from pegboard_data.csv_file import CsvFormat
from pegboard_data.jsonl_file import JsonlFormat
from pegboard_data.label_folders import read_label_folders
from pegboard_data.layout import LABEL_FOLDERS, Source
from pegboard_data.options import FilesOptions
from pegboard_data.parquet_file import read_parquet
from pegboard_data.rows import Batch, Problem, Record, batch_of, problem_of_label, problem_of_lists, with_lists
from pegboard_data.spans import Regular
from pegboard_data.txt_file import TxtFormat

BLOCK_BYTES = 2 * 2**20
"""Larger blocks leave the processor's cache, smaller ones cost more calls."""

_STRICT_BYTES = 2**16
"""What is read strictly before it is seen whether what comes then is regular."""

_MOST_THREADS = 4


class Format(Protocol):
    """Reads one kind of text file, in two ways that give the same rows."""

    def begin(self, blocks: Blocks) -> None:
        """Read what comes before the rows."""

    def regular(self, data: bytes, *, is_last: bool) -> Regular | None:
        """The rows at the beginning of `data`, fast; `None` if there is any doubt about them, or no row ends.

        Several threads call it at once.

        Args:
            data: begins with a row and ends anywhere.
            is_last: whether the file ends with it.
        """

    def end_of_rows(self, data: bytes) -> int:
        """Where, probably, the last row ends that ends in `data`, which begins with a row; 0 if none does."""

    def accepts(self, found: Regular) -> bool:
        """Whether what `regular` gave can follow all that comes before it in the file; asked in the file's order."""

    def strict(self, blocks: Blocks) -> Generator[Record, None, None]:
        """All rows from here on, one by one; whatever is wrong with one is a `DataError`."""


def batches(source: Source, options: FilesOptions, *, block_bytes: int = BLOCK_BYTES) -> Iterator[Batch]:
    """The rows of a file or folder.

    Args:
        source: the file or folder.
        options: how to read it.
        block_bytes: how much of a text file is read at once; it changes nothing but speed and memory.

    Raises:
        DataError: something can't be read; the message names file and line, and it is always the first such line.
    """
    separator = options.label_separator
    problem_of = problem_of_label if separator is None else problem_of_lists(separator)
    rows = _rows(source, options, block_bytes, problem_of)
    return rows if separator is None else (with_lists(batch, separator) for batch in rows)


def _rows(source: Source, options: FilesOptions, block_bytes: int, problem_of: Problem) -> Iterator[Batch]:
    if source.kind == "parquet":
        return read_parquet(source.path, options, problem_of)
    if source.kind == LABEL_FOLDERS:
        return read_label_folders(source.path, options, problem_of)
    form: Format
    if source.kind == "jsonl":
        form = JsonlFormat(options, problem_of)
    elif source.kind == "txt":
        form = TxtFormat(options, problem_of)
    else:
        form = CsvFormat(source.kind, options, problem_of)
    return _text_file(source.path, form, options, block_bytes, problem_of)


def _text_file(
    path: Path, form: Format, options: FilesOptions, block_bytes: int, problem_of: Problem
) -> Iterator[Batch]:
    """The rows by blocks; where a block is not regular, some of it is read strictly and the next one is smaller."""
    size = block_bytes
    with Blocks(path, options.encoding) as blocks, _Ahead(form, blocks, size) as ahead:
        form.begin(blocks)
        while (block := ahead.next(size)) is not None:
            data, found = block
            offset, line = blocks.offset - ahead.size - len(data), blocks.line
            if found is not None and not form.accepts(found):
                found = None
            read, lines = (found.size, found.lines) if found is not None else (0, 0)
            blocks.line = line + lines
            if read < len(data) or found is None or found.stopped:
                ahead.forget(data[read:])
            del data  # it must not be there twice while a long row is read
            if found is not None:
                size = min(2 * size, block_bytes)
                if len(found.texts):
                    yield Batch(found.texts, found.labels, _Place(form, path, options.encoding, offset, line))
            if found is None or found.stopped:
                batch = _strict_batch(form, blocks, options, min(_STRICT_BYTES, block_bytes), problem_of)
                size = min(2 * _STRICT_BYTES, block_bytes)
                if len(batch.texts):
                    yield batch


class _Ahead:
    """Blocks and what is regular in them, some of them read in threads ahead of their turn.

    Where a block ends is guessed before the one before it is read. A guess that was wrong shows by rows that are left
    over, and then all that was read after these is read again from there on.

    Args:
        form: reads the blocks; several threads use it at once.
        blocks: where they come from.
        whole: the size of a usual block; only those are read ahead.
    """

    def __init__(self, form: Format, blocks: Blocks, whole: int) -> None:
        self.size = 0
        """bytes of the blocks that are read ahead"""
        self._form = form
        self._blocks = blocks
        self._whole = whole
        self._waiting: deque[tuple[bytes, Future[Regular | None]]] = deque()
        self._workers: ThreadPoolExecutor | None = None
        self._threads = min(usable_cores(), _MOST_THREADS)

    def __enter__(self) -> _Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        if self._workers is not None:
            self._workers.shutdown(cancel_futures=True)

    def next(self, size: int) -> tuple[bytes, Regular | None] | None:
        """The next block of about `size` bytes, which is passed, and what is regular at its beginning."""
        if size == self._whole and self._threads > 1:
            self._fill()
        if self._waiting:
            data, found = self._waiting.popleft()
            self.size -= len(data)
            return data, found.result()
        data = self._blocks.peek(size)
        if not data:
            return None
        is_last = self._blocks.at_end
        self._blocks.skip(len(data), 0)
        return data, self._form.regular(data, is_last=is_last)

    def forget(self, rest: bytes) -> None:
        """Have `rest`, the end of the block that `next` gave last, come next, at the line that `blocks` says."""
        for _, found in self._waiting:
            found.cancel()
        self._blocks.go_back(b"".join([rest, *(data for data, _ in self._waiting)]), self._blocks.line)
        self._waiting.clear()
        self.size = 0

    def _fill(self) -> None:
        while len(self._waiting) <= self._threads:
            try:
                data = self._blocks.peek(self._whole)
            except DataError:
                if self._waiting:
                    return  # what comes before may be wrong too; it is raised again
                raise
            is_last = self._blocks.at_end
            if is_last and not self._waiting and self._workers is None:
                return  # it is all there is
            data = data if is_last else data[: self._form.end_of_rows(data)]
            if not data:
                return
            self._workers = self._workers or ThreadPoolExecutor(self._threads, "pegboard-read")
            self._blocks.skip(len(data), 0)
            self.size += len(data)
            self._waiting.append((data, self._workers.submit(self._form.regular, data, is_last=is_last)))


def _strict_batch(form: Format, blocks: Blocks, options: FilesOptions, size: int, problem_of: Problem) -> Batch:
    """The next rows, `size` bytes of them and the rest of the row that goes beyond."""
    end = blocks.offset + size

    def until_end(rows: Iterator[Record]) -> Iterator[Record]:
        for row in rows:
            yield row
            if blocks.offset >= end:
                return

    with closing(form.strict(blocks)) as rows:
        return batch_of(
            until_end(rows),
            lambda line: f"{blocks.path}, line {line}",
            empty_texts=options.empty_texts == "keep",
            problem_of=problem_of,
        )


class _Place:
    """The line of a row of a regular batch, found by reading the batch again, strictly.

    Args:
        form: what read the batch.
        path: the file.
        encoding: its encoding.
        offset: where in its text the batch begins.
        line: the number of the line that begins there.
    """

    def __init__(self, form: Format, path: Path, encoding: str, offset: int, line: int) -> None:
        self._form = form
        self._path = path
        self._encoding = encoding
        self._offset = offset
        self._line = line

    def __call__(self, row: int) -> str:
        with Blocks(self._path, self._encoding) as blocks:
            blocks.go_to(self._offset, self._line)
            with closing(self._form.strict(blocks)) as rows:
                for number, (line, *_) in enumerate(rows):
                    if number == row:
                        return f"{self._path}, line {line}"
        return str(self._path)  # the file was changed since
