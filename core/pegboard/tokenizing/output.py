"""Where results are to go, looked at before any work is done."""

from __future__ import annotations

import os
from pathlib import Path

from pegboard.errors import UsageError

__all__ = ["check_file", "check_new_folder"]


def check_file(path: Path, option: str) -> None:
    """Refuse a name that no file can be written to.

    Raises:
        UsageError: it is a folder, or its folder is not there or can't be written.
    """
    path = path.expanduser()
    if path.is_dir():
        raise UsageError("is a folder", where=f"{option} {path}", hint="name a file in it")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", where=f"{option} {path}", hint="make it first")
    _check_writable(path.parent, f"{option} {path}")


def check_new_folder(path: Path, option: str) -> None:
    """Refuse a folder that holds something, so that nothing is replaced or mixed up.

    Raises:
        UsageError: it is a file, is not empty, or can't be made.
    """
    path = path.expanduser()
    where = f"{option} {path}"
    if path.is_dir():
        if any(path.iterdir()):
            raise UsageError("the folder is not empty", where=where, hint="name a new one, or empty it first")
    elif path.exists() or path.is_symlink():
        raise UsageError("is a file, not a folder", where=where, hint="name a new folder")
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not there.is_dir():
        raise UsageError(f"{there} is a file, not a folder", where=where)
    _check_writable(there, where)


def _check_writable(folder: Path, where: str) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"the folder {folder} can't be written", where=where, hint="choose another")
