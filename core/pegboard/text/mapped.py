"""Memory maps of which only what is needed counts as memory used."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

__all__ = ["give_back", "map_file", "mapped_batches"]

_KEPT_BYTES = 2**24
"""What lies less far behind may still be in use, in another thread too; given back, it would come again, and stay."""

_STEP_BYTES = 2**23


def map_file(file: Path) -> mmap.mmap:
    """A file as memory that can be read; nobody may write to it.

    Raises:
        OSError: it can't be read.
        ValueError: it is empty.
    """
    with file.open("rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):  # else a single byte that is read brings two megabytes into memory
        with suppress(OSError):
            mapped.madvise(mmap.MADV_NOHUGEPAGE)
    return mapped


def give_back(mapped: mmap.mmap, start: int = 0, end: int | None = None) -> None:
    """Have pages of a map no longer count as memory used; one that is read again comes from the file again.

    Args:
        mapped: the map of a file.
        start: its first byte that is given back, at a page's beginning.
        end: the end of it; by default that of the map.
    """
    if hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED, start, (len(mapped) if end is None else end) - start)


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
    mapped = map_file(file)
    buffer = pa.py_buffer(mapped)
    released = 0
    with pa.ipc.open_stream(buffer) as batches:
        for batch in batches:
            passed = (_start_of(batch) - buffer.address - _KEPT_BYTES) // mmap.PAGESIZE * mmap.PAGESIZE
            if passed - released > _STEP_BYTES:
                give_back(mapped, released, passed)
                released = passed
            yield batch


def _start_of(batch: pa.RecordBatch) -> int:
    """Where in memory the first of a batch's buffers is."""
    return min((each.address for column in batch.columns for each in column.buffers() if each is not None), default=0)
