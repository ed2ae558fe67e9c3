"""Whole or absent: files and folders appear under their final name complete, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from pegboard.errors import RunError

__all__ = [
    "DISK_FAILURES",
    "DISK_HINT",
    "atomic_file",
    "atomic_folder",
    "atomic_write",
    "cannot_write",
    "end_at_a_line",
    "remove",
    "remove_leftovers",
]

DISK_FAILURES = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
"""Numbers of the errors of a disk that is full, broken or read-only."""

DISK_HINT = "free some space or choose another folder; what was complete is untouched"


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
        if path.is_dir():  # else that would be found only when the work is done
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        yield beside
        _sync_file(beside)
        beside.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path` to fill; it takes the name `path` when the block ends without an error.

    A folder that already has the name is replaced.

    Raises:
        RunError: something can't be written; what was there before is still there.
    """
    beside = _beside(path)
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        beside.mkdir(parents=True)
        for folder in made:
            _sync_folder(folder.parent)
        yield beside
        for file in sorted(beside.rglob("*")):
            if file.is_file():
                _sync_file(file)
            elif file.is_dir():
                _sync_folder(file)
        _sync_folder(beside)
        _take_place(beside, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder.

    Raises:
        RunError: it can't be removed.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"can't be removed: {error.strerror or error}", where=str(path)) from error


def end_at_a_line(file: Path) -> None:
    """Cut off the line that a killed process, or one on a full disk, has left unfinished at the end of a file.

    Raises:
        RunError: it can't be written.
    """
    try:
        if file.is_file():
            with file.open("r+b") as stream:
                content = stream.read()
                if not content.endswith(b"\n"):
                    stream.truncate(content.rfind(b"\n") + 1)
    except OSError as error:
        raise cannot_write(file, error) from error


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left unfinished anywhere under `folder`.

    Raises:
        RunError: something can't be removed.
    """
    for leftover in list(folder.rglob(".*.partial-????????")):
        remove(leftover)


def cannot_write(path: Path, error: OSError) -> RunError:
    """The error for a path that the operating system refused to write."""
    return RunError(
        f"can't be written: {error.strerror or error}",
        where=str(path),
        hint=DISK_HINT,
    )


def _take_place(new: Path, path: Path) -> None:
    """Rename `new` to `path`; the system can't exchange two folders, so the old one steps aside first."""
    old = _beside(path)
    if path.exists():
        path.replace(old)
    try:
        new.replace(path)
    except BaseException:
        if old.exists() and not path.exists():
            old.replace(path)
        raise
    _sync_folder(path.parent)
    with contextlib.suppress(RunError):
        remove(old)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial-{uuid.uuid4().hex[:8]}")


def _sync_file(file: Path) -> None:
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def _sync_folder(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:  # some file systems refuse to sync a folder, which is no failure
        if error.errno in DISK_FAILURES:
            raise
