"""Read an Arrow file from its beginning to its end, in bounded memory and without a copy."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

__all__ = ["mapped_batches"]

_KEPT_BYTES = 2**24


def mapped_batches(file: Path) -> Iterator[pa.RecordBatch]:
    """The record batches of an Arrow stream, as views of a memory map.

    A page of a map that was touched counts as memory used, so the pages of batches that were passed are given back;
    who uses such a batch later has them read from the file again.

    Args:
        file: the file; nobody may write to it.

    Raises:
        OSError: it can't be read.
        pyarrow.ArrowInvalid: it is no Arrow stream.
    """
    with file.open("rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    buffer = pa.py_buffer(mapped)
    released = 0
    with pa.ipc.open_stream(buffer) as batches:
        for batch in batches:
            start = _start_of(batch) - buffer.address
            if start - released > _KEPT_BYTES and hasattr(mapped, "madvise"):
                end = start // mmap.PAGESIZE * mmap.PAGESIZE
                mapped.madvise(mmap.MADV_DONTNEED, released, end - released)
                released = end
            yield batch


def _start_of(batch: pa.RecordBatch) -> int:
    """Where in memory the first of a batch's buffers is."""
    return min((each.address for column in batch.columns for each in column.buffers() if each is not None), default=0)
