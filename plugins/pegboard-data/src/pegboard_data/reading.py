"""The rows of a source, batch by batch, so that memory is bounded whatever its size."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

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

BLOCK_BYTES = 4 * 2**20
"""Larger blocks leave the processor's cache, smaller ones cost more calls."""

_STRICT_BYTES = 2**16
"""What is read strictly before it is seen whether what comes then is regular."""


class Format(Protocol):
    """Reads one kind of text file, in two ways that give the same rows."""

    def begin(self, blocks: Blocks) -> None:
        """Read what comes before the rows."""

    def regular(self, data: bytes, *, is_last: bool) -> Regular | None:
        """The rows at the beginning of `data`, fast; `None` if there is any doubt about them, or no row ends.

        Args:
            data: begins with a row and ends anywhere.
            is_last: whether the file ends with it.
        """

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
    with Blocks(path, options.encoding) as blocks:
        form.begin(blocks)
        while data := blocks.peek(size):
            found = form.regular(data, is_last=blocks.at_end)
            if found is not None:
                place = _Place(form, path, options.encoding, blocks.offset, blocks.line)
                blocks.skip(found.size, found.lines)
                size = min(2 * size, block_bytes)
                if len(found.texts):
                    yield Batch(found.texts, found.labels, place)
            if found is None or found.stopped:
                del data  # it must not be there twice while a long row is read
                batch = _strict_batch(form, blocks, options, min(_STRICT_BYTES, block_bytes), problem_of)
                size = min(2 * _STRICT_BYTES, block_bytes)
                if len(batch.texts):
                    yield batch


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
