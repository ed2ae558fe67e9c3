"""Hash files; a large one is read in several threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from pegboard.threads import usable_cores

__all__ = ["hash_of_file"]

_PART_BYTES = 2**24
_READ_BYTES = 2**18
"""What is read at once is hashed while the processor's cache still holds it."""


def hash_of_file(file: Path, new: Callable[[], Any]) -> str:
    """A hash of the hashes of a file's parts of 16 MiB.

    Args:
        file: the file.
        new: makes a hash without content, as `hashlib.sha256` does.

    Returns:
        Hexadecimal digits.

    Raises:
        OSError: the file can't be read.

    Example:
        >>> import hashlib, tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     len(hash_of_file(Path(file.name), hashlib.sha256))
        64
    """
    parts = range(0, max(file.stat().st_size, 1), _PART_BYTES)
    whole = new()
    if len(parts) == 1:
        whole.update(_hash_of_part(file, new, 0))
    else:
        with ThreadPoolExecutor(usable_cores()) as workers:
            for digest in workers.map(partial(_hash_of_part, file, new), parts):
                whole.update(digest)
    return str(whole.hexdigest())


def _hash_of_part(file: Path, new: Callable[[], Any], start: int) -> bytes:
    part = new()
    with file.open("rb", buffering=0) as stream:
        stream.seek(start)
        buffer = memoryview(bytearray(_READ_BYTES))
        left = _PART_BYTES
        while left and (count := stream.readinto(buffer[:left])):
            part.update(buffer[:count])
            left -= count
    digest: bytes = part.digest()
    return digest
