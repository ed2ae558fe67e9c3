"""The loops of `kernels.py`, compiled where they can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from pegboard.compiled import CompiledLoops

__all__ = ["UNLIMITED", "Kernels", "address_of"]

_SLOTS = "u64* i64 u64*"
_AROUND = "i32* i64 i32* i64"

UNLIMITED = 2**62
"""more than there ever is"""


class Kernels(CompiledLoops):
    """The loops of tokenizers; what each does and how much room it needs, `kernels.py` says."""

    source = "pegboard.text.kernels"
    signatures: ClassVar[Mapping[str, str]] = {
        "find": f"u8* i64* i64 i64 i64 i64 u64* i64 u8* i64* u64* u64* {_SLOTS} u8* i64* i64* bool* i64 i32* i64*",
        "fill_slots": "u64* i64 u64* i64",
        "fill_wide_slots": "u64* i64 u64* i64",
        "lengths": "i32* i64* i64 i64* i64 i64 i64* i64*",
        "fill": f"i64* i64* i64 i32* i64 {_AROUND} i64* i32*",
        "characters": f"u8* i64* i64 i64 i32* i64 i64 {_AROUND} bool* i64* i32* i64*",
        "word_pieces": f"u8* i64* i64 i64 i64 {_SLOTS} i32* i32* i64* bool*",
        "merged_pairs": f"u8* i64* i64 i64 i32* {_SLOTS} i32* i32* i64* bool*",
        "best_paths": f"u8* i64* i64 i64 i64 {_SLOTS} i32* f64* i64* f64* i32* i64* bool*",
    }

    find: Callable[..., int]
    fill_slots: Callable[..., int]
    fill_wide_slots: Callable[..., int]
    lengths: Callable[..., int]
    fill: Callable[..., int]
    characters: Callable[..., int]
    word_pieces: Callable[..., int]
    merged_pairs: Callable[..., int]
    best_paths: Callable[..., int]


def address_of(buffer: Any) -> int:
    """Where the bytes of an Arrow buffer are; a loop reads none of them where there is no buffer."""
    return 0 if buffer is None else int(buffer.address)
