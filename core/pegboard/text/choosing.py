"""Choose between the loops of NumPy and compiled ones, which must give the same ids."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from pegboard.errors import PegboardWarning
from pegboard.text.compiled import Kernels
from pegboard.text.ragged import concatenate
from pegboard.text.segments import blocks, offsets_of

__all__ = ["Encode", "Loops"]

Encode = Callable[[Kernels | None, Iterable[pa.LargeStringArray]], Iterator[pa.LargeListArray]]
"""The ids of blocks of texts, with compiled loops or without."""

_FROM_BYTES = 8 * 2**20
"""Texts from which on compiled loops are worth loading."""

_SAMPLE_BYTES = 8_000
"""What of each of the first blocks is encoded both ways."""


class Loops:
    """Encodes with compiled loops what is large, where there are any and their ids are right.

    They are tried on a sample of the very texts; should another id come out, they are not used again.

    Args:
        encode: does either.
        can_be_compiled: whether there are such loops for what it does.
    """

    def __init__(self, encode: Encode, *, can_be_compiled: bool) -> None:
        self._encode_with = encode
        self._trusted = can_be_compiled

    def encode(self, texts: Iterable[str] | pa.Array | pa.ChunkedArray) -> pa.LargeListArray:
        """The ids of each text, `large_list<int32>`.

        Raises:
            DataError: a text is missing or is not a Unicode string.
        """
        return concatenate(list(self.encode_blocks(blocks(texts))))

    def encode_blocks(self, texts: Iterable[pa.LargeStringArray]) -> Iterator[pa.LargeListArray]:
        """The ids of blocks of texts, block by block."""
        if not self._trusted:
            return self._encode_with(None, texts)
        ahead = iter(texts)
        first, size = [], 0
        for block in ahead:
            first.append(block)
            size += _size(block)
            if size >= _FROM_BYTES:
                break
        compiled = self._right_ones(first) if size >= _FROM_BYTES else None
        return self._encode_with(compiled, chain(first, ahead))

    @property
    def compiled(self) -> bool:
        """Whether compiled loops encode what is large."""
        return self._trusted and Kernels.load() is not None

    def _right_ones(self, first: list[pa.LargeStringArray]) -> Kernels | None:
        compiled = Kernels.load()
        if compiled is None:
            return None
        samples = [_beginning(block) for block in first]
        plain, other = (concatenate(list(self._encode_with(loops, samples))) for loops in (None, compiled))
        if plain.equals(other):
            return compiled
        self._trusted = False
        warnings.warn(
            "the compiled loops gave other ids than NumPy and are not used; please report it, with what "
            "`pegboard doctor` says",
            PegboardWarning,
            stacklevel=2,
        )
        return None


def _size(block: pa.LargeStringArray) -> int:
    offsets = offsets_of(block)
    return int(offsets[-1] - offsets[0])


def _beginning(block: pa.LargeStringArray) -> pa.LargeStringArray:
    """The first texts, at least one, and of a long one its beginning."""
    offsets = offsets_of(block)
    first = block[: max(1, int(offsets.searchsorted(offsets[0] + _SAMPLE_BYTES)) - 1)]
    return pc.utf8_slice_codeunits(first, 0, _SAMPLE_BYTES)
