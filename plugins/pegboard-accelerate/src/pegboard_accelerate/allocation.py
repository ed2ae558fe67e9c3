"""Memory that is used again instead of being given back to the system after every step."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["memory_kept"]

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Numbers of the settings in malloc.h of the GNU C library."""
_DEFAULTS = {_TRIM_THRESHOLD: 128 * 1024, _MMAP_MAX: 65_536}
_KEPT = {_TRIM_THRESHOLD: 2**31 - 1, _MMAP_MAX: 0}


@contextmanager
def memory_kept(device: torch.device) -> Iterator[None]:
    """On a processor: while it is entered, freed memory stays with the process; afterwards it is given back.

    Each step of a training frees its gradients and intermediate results and allocates the same again. By default the
    GNU C library maps every large tensor anew, and the kernel fills it with zeros, page by page, on one core: a quarter
    of the time of a bf16 step of a small BERT. Other C libraries have no such settings, and GPUs an allocator of their
    own.

    Results are the same.
    """
    library = _c_library() if device.type == "cpu" else None
    if library is None:
        yield
        return
    _set(library, _KEPT)
    try:
        yield
    finally:
        _set(library, _DEFAULTS)
        library.malloc_trim(0)


def _c_library() -> Any:
    """The C library that this process runs on, if it has the settings."""
    try:
        library = ctypes.CDLL(None)
        return library if library.mallopt and library.malloc_trim else None
    except (OSError, AttributeError, TypeError):
        return None


def _set(library: Any, settings: dict[int, int]) -> None:
    for name, value in settings.items():
        library.mallopt(name, value)
