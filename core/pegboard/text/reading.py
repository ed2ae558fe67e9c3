"""Read texts to be labelled, one after another, from a file of any size."""

from __future__ import annotations

import csv
import gzip
import json
import sys
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO, cast

from pegboard.errors import DataError, one_of

__all__ = ["read_texts"]

_KINDS = (".txt", ".csv", ".tsv", ".jsonl", ".parquet")
_LONGEST_FIELD = 2**31 - 1


def read_texts(source: str, column: str) -> Iterator[str]:
    """The texts of a file in order; `-` reads lines from stdin.

    In a `.txt` file and on stdin an empty line is an empty text, so that results stand line by line beside them.

    Args:
        source: a `.txt` (one text a line), `.csv`, `.tsv`, `.jsonl` (each also `.gz`) or `.parquet` file, or `-`.
        column: the column or key of the text; not used for lines.

    Raises:
        DataError: the file can't be read, or a row has no text; `where` has file and line.
    """
    if source == "-":
        return _lines(sys.stdin.buffer, "stdin")
    path = Path(source).expanduser()
    packed = path.suffix.lower() == ".gz"
    kind = (Path(path.stem) if packed else path).suffix.lower()
    if kind not in _KINDS or (kind == ".parquet" and packed):
        raise DataError("is of no kind that can be read", where=source, hint=f"known: {', '.join(_KINDS)}")
    if not path.is_file():
        raise DataError("is a folder" if path.is_dir() else "no such file", where=source)
    if kind == ".parquet":
        return _parquet(path, column)
    try:
        stream = cast("IO[bytes]", gzip.GzipFile(path) if packed else path.open("rb"))
    except OSError as error:
        raise DataError(f"can't be read: {error.strerror}", where=source) from None
    if kind == ".jsonl":
        return _json_lines(stream, source, column)
    if kind == ".txt":
        return _lines(stream, source)
    return _delimited(stream, source, column, "\t" if kind == ".tsv" else ",")


def _lines(stream: IO[bytes], where: str) -> Iterator[str]:
    for _, line in _decoded(stream, where):
        yield line.rstrip("\r\n")


def _json_lines(stream: IO[bytes], where: str, column: str) -> Iterator[str]:
    for number, line in _decoded(stream, where):
        if not line.strip():
            continue
        place = f"{where}, line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"is not JSON: {error}", where=place) from None
        if not isinstance(record, dict):
            raise DataError("is not a JSON object", where=place, hint=f'each line reads {{"{column}": "…"}}')
        if column not in record:
            raise DataError(f"there is no {column!r}", where=place, hint=f"{one_of(column, record)} (choose: --column)")
        text = record[column]
        if not isinstance(text, str):
            raise DataError(f"{column!r} is not a text but {type(text).__name__}", where=place)
        if "\\u" in line and any("\ud800" <= character <= "\udfff" for character in text):
            raise DataError("the text has a lone surrogate, which is not Unicode text", where=place)
        yield text


def _delimited(stream: IO[bytes], where: str, column: str, delimiter: str) -> Iterator[str]:
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader((line for _, line in _decoded(stream, where)), delimiter=delimiter, strict=True)
    start = 1
    try:
        header = next(reader, None)
        if header is None:
            raise DataError("the file is empty", where=where, hint="the first line names the columns")
        if header.count(column) != 1:
            problem = f"there is no column {column!r}" if column not in header else f"two columns are named {column!r}"
            raise DataError(problem, where=where, hint=f"{one_of(column, header)} (choose: --column)")
        position, start = header.index(column), reader.line_num + 1
        for row in reader:
            if row and len(row) != len(header):
                raise DataError(
                    f"the row has {len(row)} fields, the header has {len(header)}",
                    where=f"{where}, line {start}",
                    hint="put a text that holds the delimiter or a line break in double quotes",
                )
            start = reader.line_num + 1
            if row:
                yield row[position]
    except csv.Error as error:
        raise DataError(
            f"is malformed: {error}",
            where=f"{where}, line {start}",
            hint="close each quote, and write a quote within quotes twice",
        ) from None


def _parquet(path: Path, column: str) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = 0
    try:
        file = pq.ParquetFile(path)
        if column not in file.schema_arrow.names:
            hint = f"{one_of(column, file.schema_arrow.names)} (choose: --column)"
            raise DataError(f"there is no column {column!r}", where=str(path), hint=hint)
        for batch in file.iter_batches(columns=[column]):
            for text in batch.column(0).to_pylist():
                if not isinstance(text, str):
                    what = "the text is missing" if text is None else f"{column!r} is not a text"
                    raise DataError(what, where=f"{path}, row {row}")
                row += 1
                yield text
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"can't be read as Parquet: {error}", where=str(path)) from None


def _decoded(stream: IO[bytes], where: str) -> Iterator[tuple[int, str]]:
    """Each line with its number and its line break."""
    number = 0
    try:
        with nullcontext() if stream is sys.stdin.buffer else stream:
            for number, line in enumerate(stream, start=1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"is not UTF-8 text (byte {error.start + 1} of the line)",
            where=f"{where}, line {number}",
            hint="save the file as UTF-8",
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"can't be read: {error}", where=f"{where}, after line {number}") from None
