"""Ids of many texts in an Arrow file: written block by block, read through a memory map."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pegboard.text.mapped import give_back, map_file
from pegboard.text.ragged import Ids, values_and_offsets

__all__ = ["StoredIds", "open_ids", "read_ids", "stored", "write_ids"]

_SCHEMA = pa.schema([pa.field("input_ids", pa.large_list(pa.int32()), nullable=False)])


class StoredIds(NamedTuple):
    """The ids of texts, wherever they lie.

    Attributes:
        values: int32, in which row i is `values[starts[i] : starts[i] + lengths[i]]`; bytes between rows mean nothing.
        starts: int64 [rows].
        lengths: int64 [rows].
    """

    values: Ids
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]


def stored(ids: pa.LargeListArray) -> StoredIds:
    """Ids that are in memory.

    Example:
        >>> stored(pa.array([[7], [8, 9]], pa.large_list(pa.int32()))).lengths
        array([1, 2])
    """
    values, offsets = values_and_offsets(ids)
    return StoredIds(values, offsets[:-1], np.diff(offsets))


def write_ids(file: Path, blocks: Iterable[pa.LargeListArray]) -> tuple[int, int]:
    """Write blocks of ids, `large_list<int32>`, as an Arrow IPC stream with the column `input_ids`.

    `datasets.Dataset.from_file` and `pyarrow.ipc.open_stream` read it as well. A second file, which ends in `.places`,
    tells `open_ids` where the rows are.

    Returns:
        How many rows and how many ids there are.
    """
    rows = ids = 0
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, _SCHEMA) as stream:
        for block in blocks:
            stream.write_batch(pa.record_batch([block], schema=_SCHEMA))
            rows += len(block)
            ids += block.offsets[-1].as_py() - block.offsets[0].as_py()
    _write_places(file, rows)
    return rows, ids


def read_ids(file: Path) -> Iterator[pa.LargeListArray]:
    """The blocks of ids that `write_ids` wrote, one after another, without a memory map."""
    with pa.OSFile(str(file)) as source, pa.ipc.open_stream(source) as stream:
        for batch in stream:
            yield batch.column(0)


def open_ids(file: Path) -> StoredIds:
    """The ids that `write_ids` wrote, as views of memory-mapped files: nothing is read before it is used."""
    places = _numbers(_places_of(file), np.int64)
    rows = len(places) // 2
    return StoredIds(_numbers(file, np.int32), places[:rows], places[rows:])


def _numbers(file: Path, kind: type[np.generic]) -> npt.NDArray[Any]:
    count = file.stat().st_size // np.dtype(kind).itemsize
    return np.frombuffer(map_file(file), kind, count) if count else np.zeros(0, kind)


def _places_of(file: Path) -> Path:
    return file.with_suffix(".places")


def _write_places(file: Path, rows: int) -> None:
    """Write beside a file of ids where in it, in numbers of int32, each row starts, and then how long each is."""
    mapped = map_file(file)
    buffer = pa.py_buffer(mapped)
    row = 0
    with _places_of(file).open("wb") as places, pa.ipc.open_stream(buffer) as stream:
        for batch in stream:
            ids = batch.column(0)
            offsets = ids.offsets.to_numpy()
            values = ids.values.buffers()[1]
            # Arrow aligns its buffers, so a block's values lie at a whole number of int32 from the file's start.
            first = (values.address - buffer.address) // 4 if values is not None else 0
            places.seek(8 * row)
            places.write((offsets[:-1] + first).data)
            places.seek(8 * (rows + row))
            places.write(np.diff(offsets).data)
            row += len(ids)
            give_back(mapped)
