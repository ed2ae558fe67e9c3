"""Whole or absent: files and folders appear under their final name complete, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from pegboard.errors import RunError

__all__ = ["atomic_file", "atomic_folder", "atomic_write"]


def atomic_write(path: Path, data: bytes) -> None:
    """Write `data` beside `path`, flush it to the disk, and rename it into place.

    Raises:
        RunError: the file can't be written; what was there before is still there.
    """
    with atomic_file(path) as beside:
        beside.write_bytes(data)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the name `path` when the block ends without an error.

    Raises:
        RunError: it can't be written; what was there before is still there.
    """
    beside = _beside(path)
    try:
        yield beside
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path` to fill; it takes the name `path` when the block ends without an error.

    A folder that already has the name is replaced.

    Raises:
        RunError: something can't be written; what was there before is still there.
    """
    beside = _beside(path)
    try:
        beside.mkdir(parents=True)
        yield beside
        for file in sorted(beside.rglob("*")):
            if file.is_file():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
        _sync_folder(beside)
        old = _beside(path)
        if path.exists():
            path.replace(old)
        beside.replace(path)
        _sync_folder(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left unfinished in `folder`."""
    for leftover in folder.glob(".*.partial-*"):
        shutil.rmtree(leftover, ignore_errors=True) if leftover.is_dir() else leftover.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> RunError:
    """The error for a path that the operating system refused to write."""
    return RunError(
        f"can't be written: {error.strerror or error}",
        where=str(path),
        hint="free some space or choose another folder; what was complete is untouched",
    )


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial-{uuid.uuid4().hex[:8]}")


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some file systems refuse to sync a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
