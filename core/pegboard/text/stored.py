"""Ids of many texts in an Arrow file: written block by block, read through a memory map."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

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

    `datasets.Dataset.from_file` and `pyarrow.ipc.open_stream` read it as well.

    Returns:
        How many rows and how many ids there are.
    """
    rows = ids = 0
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, _SCHEMA) as stream:
        for block in blocks:
            stream.write_batch(pa.record_batch([block], schema=_SCHEMA))
            rows += len(block)
            ids += block.offsets[-1].as_py() - block.offsets[0].as_py()
    return rows, ids


def read_ids(file: Path) -> Iterator[pa.LargeListArray]:
    """The blocks of ids that `write_ids` wrote, one after another, without a memory map."""
    with pa.OSFile(str(file)) as source, pa.ipc.open_stream(source) as stream:
        for batch in stream:
            yield batch.column(0)


def open_ids(file: Path) -> StoredIds:
    """The ids that `write_ids` wrote, as views of the memory-mapped file: nothing is read before it is used."""
    mapped = pa.memory_map(str(file)).read_buffer()
    whole = np.frombuffer(mapped, np.int32, len(mapped) // 4)
    with pa.ipc.open_stream(mapped) as stream:
        blocks = [batch.column(0) for batch in stream]
    starts, lengths = np.empty((2, sum(map(len, blocks))), np.int64)
    row = 0
    for ids in blocks:
        offsets = ids.offsets.to_numpy()
        values = ids.values.buffers()[1]
        # Arrow aligns its buffers, so every block's values lie at a whole number of int32 from the file's start.
        first = (values.address - mapped.address) // 4 if values is not None else 0
        np.add(offsets[:-1], first, out=starts[row : row + len(ids)])
        np.subtract(offsets[1:], offsets[:-1], out=lengths[row : row + len(ids)])
        row += len(ids)
    return StoredIds(whole, starts, lengths)
