"""Read texts to be labelled, one after another, from a file of any size."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, cast

from pegboard.errors import DataError, one_of

__all__ = ["read_texts"]

_KINDS = (".txt", ".csv", ".tsv", ".jsonl", ".parquet")


def read_texts(source: str, column: str) -> Iterator[str]:
    """The texts of a file in order; `-` reads lines from stdin.

    Args:
        source: a `.txt` (one text a line), `.csv`, `.tsv`, `.jsonl` (each also `.gz`) or `.parquet` file, or `-`.
        column: the column or key of the text; not used for lines.

    Raises:
        DataError: the file can't be read, or a row has no text; `where` has file and line.
    """
    if source == "-":
        return _lines(io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", newline=""), "stdin")
    path = Path(source).expanduser()
    kind = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if kind not in _KINDS or (kind == ".parquet" and path.suffix == ".gz"):
        raise DataError("is of no kind that can be read", where=source, hint=f"known: {', '.join(_KINDS)}")
    if not path.is_file():
        raise DataError("no such file", where=source)
    if kind == ".parquet":
        return _parquet(path, column)
    opened = cast("IO[bytes]", gzip.GzipFile(path) if path.suffix == ".gz" else path.open("rb"))
    stream = io.TextIOWrapper(opened, encoding="utf-8-sig", newline="")
    if kind == ".jsonl":
        return _json_lines(stream, source, column)
    if kind == ".txt":
        return _lines(stream, source)
    return _delimited(stream, source, column, "\t" if kind == ".tsv" else ",")


def _lines(stream: Iterable[str], where: str) -> Iterator[str]:
    for _, line in _decoded(stream, where):
        yield line.rstrip("\r\n")


def _json_lines(stream: Iterable[str], where: str, column: str) -> Iterator[str]:
    for number, line in _decoded(stream, where):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"is not JSON: {error}", where=f"{where}, line {number}") from None
        if not isinstance(record, dict) or not isinstance(record.get(column), str):
            raise DataError(
                f"has no text under {column!r}", where=f"{where}, line {number}", hint="choose with --column"
            )
        yield record[column]


def _delimited(stream: Iterable[str], where: str, column: str, delimiter: str) -> Iterator[str]:
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader((line for _, line in _decoded(stream, where)), delimiter=delimiter, strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise DataError("the file is empty", where=where)
        if header.count(column) != 1:
            problem = f"there is no column {column!r}" if column not in header else f"two columns are named {column!r}"
            raise DataError(problem, where=where, hint=f"{one_of(column, header)} choose with --column")
        position, start = header.index(column), reader.line_num + 1
        for row in reader:
            if row and len(row) != len(header):
                raise DataError(
                    f"the row has {len(row)} fields, the header has {len(header)}", where=f"{where}, line {start}"
                )
            start = reader.line_num + 1
            if row:
                yield row[position]
    except csv.Error as error:
        raise DataError(f"is malformed: {error}", where=f"{where}, line {reader.line_num}") from None


def _parquet(path: Path, column: str) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"is not a Parquet file: {error}", where=str(path)) from None
    if column not in file.schema_arrow.names:
        hint = f"{one_of(column, file.schema_arrow.names)} choose with --column"
        raise DataError(f"there is no column {column!r}", where=str(path), hint=hint)
    row = 0
    for batch in file.iter_batches(columns=[column]):
        for text in batch.column(0).to_pylist():
            if not isinstance(text, str):
                raise DataError("the text is missing or is no string", where=f"{path}, row {row}")
            row += 1
            yield text


def _decoded(stream: Iterable[str], where: str) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        for number, line in enumerate(stream, start=1):
            yield number, line
    except UnicodeDecodeError:
        raise DataError("is not UTF-8 text", where=f"{where}, after line {number}") from None
    except (OSError, EOFError) as error:
        raise DataError(f"can't be read: {error}", where=where) from None
