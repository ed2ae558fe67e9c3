"""Rows of a .parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pegboard import DataError

from pegboard_data.columns import text_and_label
from pegboard_data.options import FilesOptions
from pegboard_data.rows import Rows, check_texts


def read_parquet(path: Path, options: FilesOptions) -> Rows:
    """The rows of a Parquet file; the text column holds strings, the label column strings or whole numbers.

    Args:
        path: the file.
        options: the columns of text and label.

    Raises:
        DataError: no Parquet file, a column that is missing or of another type, a null, an empty text; rows are
            counted from 1.
    """
    try:
        # ParquetFile reads this file alone; read_table would take further columns from names of folders.
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            places = text_and_label(schema.names, options, str(path))
            text_type, label_type = (schema.field(place).type for place in places)
            if not _holds_text(text_type):
                raise _wrong_type(options.text_column, text_type, "strings", path)
            if not _holds_text(label_type) and not pa.types.is_integer(label_type):
                raise _wrong_type(options.label_column, label_type, "strings or whole numbers", path)
            table = file.read(columns=[options.text_column, options.label_column])
        texts = _strings(table.column(options.text_column), "text", path)
        labels = _strings(table.column(options.label_column), "label", path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"can't be read as Parquet: {error}", where=str(path), hint="write it again") from None
    first = 0
    for chunk in texts.chunks:
        check_texts(chunk, lambda row, first=first: f"{path}, row {first + row + 1}")  # type: ignore[misc]
        first += len(chunk)
    encoded = labels.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
    rows = Rows(texts, codes, encoded.dictionary.to_pylist(), lambda row: f"{path}, row {row + 1}")
    for label in rows.labels:
        if not label.strip() or "\0" in label:
            what = "the label holds a NUL character" if label.strip() else "the label is empty"
            raise DataError(what, where=rows.place_of(label))
    return rows


def _holds_text(type_: Any) -> bool:
    if pa.types.is_dictionary(type_):
        return _holds_text(type_.value_type)
    is_view = getattr(pa.types, "is_string_view", lambda _: False)
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or is_view(type_))


def _strings(column: Any, what: str, path: Path) -> Any:
    """The column as `string`, refused where it has nulls or bytes that are no UTF-8."""
    strings = column.cast(pa.string())
    if strings.null_count:
        row = pc.index(strings.is_null(), True).as_py()
        raise DataError(
            f"the {what} is missing (null)", where=f"{path}, row {row + 1}", hint="fill it in or remove the row"
        )
    try:
        strings.validate(full=True)
    except pa.ArrowInvalid:
        row = next(row for row, value in enumerate(strings.cast(pa.binary())) if not _is_utf8(value.as_py()))
        raise DataError(f"the {what} is not UTF-8", where=f"{path}, row {row + 1}") from None
    return strings


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _wrong_type(column: str, type_: Any, wanted: str, path: Path) -> DataError:
    return DataError(
        f"the column {column!r} is of type {type_}, it must hold {wanted}",
        where=str(path),
        hint="convert it where the file is made, or choose another column",
    )
