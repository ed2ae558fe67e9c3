"""Rows of a .parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pegboard import DataError

from pegboard_data.blocks import LONGEST, too_long
from pegboard_data.columns import text_and_label
from pegboard_data.options import FilesOptions
from pegboard_data.rows import Batch, Place, Problem, check_texts, has_blank, is_list, problem_of_label
from pegboard_data.spans import values_of

_BATCH_BYTES = 16 * 2**20
_BATCH_ROWS = 2**16
_BUFFER_BYTES = 2**20


def read_parquet(path: Path, options: FilesOptions, problem_of: Problem) -> Iterator[Batch]:
    """The rows of a Parquet file; the text column holds strings, the label column strings, whole numbers or lists.

    Args:
        path: the file.
        options: the columns of text and label.
        problem_of: what is wrong with a label that is no list.

    Raises:
        DataError: no Parquet file, a column that is missing or of another type, a null, an empty text; rows are
            counted from 1.
    """
    columns = [options.text_column] + [options.label_column] * options.labelled
    first = 0
    try:
        dictionaries = [] if _check_types(path, options) else columns[1:]
        # ParquetFile reads this file alone; read_table would take further columns from names of folders.
        with pq.ParquetFile(path, read_dictionary=dictionaries, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                size = _rows_at_once(path, file.metadata.row_group(group), group, options.text_column)
                for rows in file.iter_batches(size, row_groups=[group], columns=columns, use_threads=False):
                    texts = _not_a_view(rows.column(rows.schema.names.index(options.text_column)))
                    labels = rows.column(rows.schema.names.index(options.label_column)) if options.labelled else None
                    for start, end in _slices(texts):
                        yield _batch(
                            texts[start:end],
                            labels[start:end] if labels is not None else None,
                            _Place(path, first + start),
                            empty_texts=options.empty_texts == "keep",
                            problem_of=problem_of,
                        )
                    first += len(texts)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"can't be read as Parquet: {error}", where=str(path), hint="write it again") from None


class _Place:
    """Where a row of a batch came from."""

    def __init__(self, path: Path, first: int) -> None:
        self._path = path
        self._first = first

    def __call__(self, row: int) -> str:
        return f"{self._path}, row {self._first + row + 1}"


def _check_types(path: Path, options: FilesOptions) -> bool:
    """Refuse columns of other types; gives whether the labels are lists."""
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
    text, label = text_and_label(schema.names, options, str(path))
    text_type = schema.field(text).type
    if not _holds_text(text_type):
        raise _wrong_type(options.text_column, text_type, "strings", path)
    if label is None:
        return False
    label_type = schema.field(label).type
    in_lists = is_list(label_type)
    if in_lists and options.label_separator is not None:
        raise DataError("the labels are lists already", where=str(path), hint="leave out dataset.label_separator")
    of_one = label_type.value_type if in_lists else label_type
    if not _holds_text(of_one) and not pa.types.is_integer(of_one):
        raise _wrong_type(options.label_column, label_type, "strings or whole numbers, or lists of these", path)
    return in_lists


def _rows_at_once(path: Path, group: Any, number: int, column: str) -> int:
    """How many rows of a row group may be read at once: a few bytes of it may stand for a long text many times."""
    chunks = [group.column(i) for i in range(group.num_columns) if group.column(i).path_in_schema == column]
    longest = max((chunk.total_uncompressed_size // max(chunk.num_values, 1) for chunk in chunks), default=1)
    if any(chunk.has_dictionary_page for chunk in chunks):
        with pq.ParquetFile(path, read_dictionary=[column], buffer_size=_BUFFER_BYTES, pre_buffer=False) as file:
            for rows in file.iter_batches(1, row_groups=[number], columns=[column], use_threads=False):
                texts = rows.column(rows.schema.names.index(column))
                longest = max(longest, pc.max(pc.binary_length(texts.dictionary)).as_py() or 1)
                break
    return min(max(_BATCH_BYTES // max(longest, 1), 1), _BATCH_ROWS)


def _not_a_view(texts: Any) -> Any:
    """The same texts in a layout for which Arrow has all functions."""
    return texts.cast(pa.large_string()) if "view" in str(texts.type) else texts


def _slices(texts: Any) -> Iterator[tuple[int, int]]:
    """Consecutive rows that hold about `_BATCH_BYTES` each."""
    if pa.types.is_dictionary(texts.type):
        lengths = pc.fill_null(pc.binary_length(texts.dictionary).take(texts.indices), 0)
    else:
        lengths = pc.fill_null(pc.binary_length(texts), 0)
    ends = np.cumsum(lengths.to_numpy(zero_copy_only=False), dtype=np.int64)
    start = before = 0
    while start < len(ends):
        end = max(int(np.searchsorted(ends, before + _BATCH_BYTES, side="right")), start + 1)
        yield start, end
        start, before = end, int(ends[end - 1])


def _batch(texts: Any, labels: Any, place: _Place, *, empty_texts: bool, problem_of: Problem) -> Batch:
    strings = _strings(texts, "text", place)
    block, offsets = values_of(strings)
    if len(strings) and int((offsets[1:] - offsets[:-1]).max()) > LONGEST:
        raise too_long("text", place(int((offsets[1:] - offsets[:-1]).argmax())))
    if (block == 0).any() or (not empty_texts and has_blank(strings)):
        check_texts(strings, place, empty_texts=empty_texts)
    if labels is None:
        return Batch(strings, None, place)
    if is_list(labels.type):
        return _with_lists(strings, labels, place)
    encoded = _strings(labels, "label", place).dictionary_encode()
    for code, label in enumerate(encoded.dictionary.to_pylist()):
        if problem := problem_of(label):
            raise DataError(problem, where=place(pc.index(encoded.indices, code).as_py()))
    return Batch(strings, encoded, place)


def _with_lists(strings: pa.StringArray, labels: Any, place: _Place) -> Batch:
    """The batch of texts whose labels are lists."""
    if labels.null_count:
        row = pc.index(labels.is_null(), True).as_py()
        raise DataError("the list of labels is missing (null)", where=place(row), hint="no label is an empty list")
    sizes = pc.list_value_length(labels).to_numpy(zero_copy_only=False).astype(np.int64)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    encoded = _strings(pc.list_flatten(labels), "label", lambda one: place(int(rows[one]))).dictionary_encode()
    codes = encoded.indices.to_numpy()
    for code, label in enumerate(encoded.dictionary.to_pylist()):
        if problem := problem_of_label(label):
            raise DataError(problem, where=place(int(rows[(codes == code).argmax()])))
    pairs = rows * len(encoded.dictionary) + codes
    distinct, first = np.unique(pairs, return_index=True)
    if len(distinct) < len(pairs):
        one = int(np.delete(np.arange(len(pairs)), first).min())
        label = encoded.dictionary[int(codes[one])].as_py()
        raise DataError(f"the label {label!r} is there twice in the list", where=place(int(rows[one])))
    return Batch(strings, encoded, place, sizes)


def _holds_text(type_: Any) -> bool:
    if pa.types.is_dictionary(type_):
        return _holds_text(type_.value_type)
    is_view = getattr(pa.types, "is_string_view", lambda _: False)
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or is_view(type_))


def _strings(column: Any, what: str, place: Place) -> pa.StringArray:
    """The column as `string`, refused where it has nulls or bytes that are no UTF-8."""
    strings = column.cast(pa.string())
    if strings.null_count:
        row = pc.index(strings.is_null(), True).as_py()
        raise DataError(f"the {what} is missing (null)", where=place(row), hint="fill it in or remove the row")
    try:
        strings.validate(full=True)
    except pa.ArrowInvalid:
        row = next(row for row, value in enumerate(strings.cast(pa.binary())) if not _is_utf8(value.as_py()))
        raise DataError(f"the {what} is not UTF-8", where=place(row)) from None
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
