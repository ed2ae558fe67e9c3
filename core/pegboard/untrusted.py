"""Reading files that anybody may have made: what they are and how large they are is checked before they are parsed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from pegboard.errors import ArtifactError

__all__ = ["check_kind", "convert_hint", "open_file", "parse_json", "read_json", "shortened"]

_MIB = 2**20
_JSON_BYTES = 128 * _MIB
_CONTAINERS = 8_000_000


def open_file(file: Path, *, most_bytes: int | None = None) -> BinaryIO:
    """Open a regular file to read; a link is not followed, and a pipe or a device is not waited for.

    Args:
        file: its path.
        most_bytes: a larger file is refused.

    Raises:
        ArtifactError: it is missing, something else than a file, too large, or may not be read.
    """
    try:
        check_kind(file, file.lstat().st_mode)
        flags = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")  # each system has some of them
        handle = os.open(file, os.O_RDONLY | sum(getattr(os, flag, 0) for flag in flags))
    except FileNotFoundError:
        raise ArtifactError("is missing", where=str(file)) from None
    except OSError as error:
        raise ArtifactError(f"can't be read: {error.strerror or error}", where=shortened(str(file))) from None
    stream = os.fdopen(handle, "rb")
    status = os.fstat(handle)
    try:
        check_kind(file, status.st_mode)  # it may have changed
        if most_bytes is not None and status.st_size > most_bytes:
            raise ArtifactError(f"has {_in_words(status.st_size)}, more than {_in_words(most_bytes)}", where=str(file))
    except ArtifactError:
        stream.close()
        raise
    return stream


def read_json(file: Path, *, most_bytes: int = _JSON_BYTES) -> Any:
    """What a JSON file holds, which may not be nested deeper than about 200 levels.

    Args:
        file: its path.
        most_bytes: a larger file is refused.

    Raises:
        ArtifactError: the file can't be opened (see `open_file`), is not JSON, or would take far more memory than
            its size tells.

    Example:
        >>> pegboard.read_json(folder / "vocab.json")[:2]
        ['[PAD]', '[UNK]']
    """
    with open_file(file, most_bytes=most_bytes) as stream:
        content = stream.read(most_bytes + 1)
    return parse_json(content, str(file))


def parse_json(content: bytes, where: str) -> Any:
    """What a JSON document holds; see `read_json`.

    Raises:
        ArtifactError: it is not JSON, or nested too deeply.
    """
    from pydantic_core import from_json  # its parser bounds the depth whatever Python's own limit is

    if content.count(b"[") + content.count(b"{") > _CONTAINERS:
        raise ArtifactError(f"can't be read: it holds more than {_CONTAINERS:,} lists and objects", where=where)
    try:
        return from_json(content, allow_inf_nan=False)
    except (ValueError, MemoryError) as error:
        raise ArtifactError(f"can't be read: {error}", where=where) from None


def shortened(value: Any, *, most: int = 200) -> str:
    r"""A value for a message: text as it is, but on one line, without control characters, and not too long.

    Example:
        >>> shortened("a\x1b[31m"), shortened([1, 2]), shortened("long" * 100, most=8)
        ('a\\x1b[31m', '[1, 2]', 'longlong…')
    """
    text = value if isinstance(value, str) else repr(value)
    text = text[: most + 1]
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= most else f"{text[:most]}…"


def convert_hint(file: Path) -> str:
    """The command that makes a safetensors file of pickled weights without running what the pickle says."""
    return (
        'convert it where you trust its origin (torch 2.6 or newer): python -c "import torch, safetensors.torch as s; '
        f"w = torch.load({file.name!r}, map_location='cpu', weights_only=True); "
        "s.save_file({k: v.clone().contiguous() for k, v in w.items()}, 'model.safetensors', {'format': 'pt'})\""
    )


def check_kind(file: Path, mode: int) -> None:
    """Raise an ArtifactError where a mode, as `lstat` gives it, is not that of a regular file."""
    if stat.S_ISLNK(mode):
        raise ArtifactError(
            "is a link; what it leads to does not lie in the folder",
            where=shortened(str(file)),
            hint="copy the files themselves, as `cp -rL` does",
        )
    if not stat.S_ISREG(mode):
        kind = "folder" if stat.S_ISDIR(mode) else "device or pipe"
        raise ArtifactError(f"is a {kind}, not a file", where=shortened(str(file)))


def _in_words(size: int) -> str:
    return f"{size / _MIB:,.0f} MiB" if size >= _MIB else f"{size:,} bytes"
