"""Hash files; a large one is read in several threads."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from blake3 import blake3

from pegboard.threads import usable_cores

__all__ = ["hash_of_file"]

_PART_BYTES = 2**24
_READ_BYTES = 2**18
"""What is read at once is hashed while the processor's cache still holds it."""


def hash_of_file(file: Path) -> str:
    """A BLAKE3 of the BLAKE3s of a file's parts of 16 MiB, in hexadecimal digits.

    It takes a quarter of the time of a SHA-256, and two files that have the same are as hard to make.

    Raises:
        OSError: the file can't be read.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     len(hash_of_file(Path(file.name)))
        64
    """
    size = file.stat().st_size
    parts = range(0, max(size, 1), _PART_BYTES)
    whole = blake3()
    if len(parts) == 1:
        whole.update(_hash_of_part(file, size, 0))
    else:
        with ThreadPoolExecutor(usable_cores()) as workers:
            for digest in workers.map(partial(_hash_of_part, file, size), parts):
                whole.update(digest)
    return whole.hexdigest()


def _hash_of_part(file: Path, size: int, start: int) -> bytes:
    """The hash of a part; the last one goes on to where the file ends, which may be more than its size says."""
    part = blake3()
    with file.open("rb", buffering=0) as stream:
        stream.seek(start)
        buffer = memoryview(bytearray(_READ_BYTES))
        left = _PART_BYTES if start + _PART_BYTES < size else sys.maxsize
        while left and (count := stream.readinto(buffer[:left])):
            part.update(buffer[:count])
            left -= count
    return part.digest()
