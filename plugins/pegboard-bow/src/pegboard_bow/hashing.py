"""The hash function of n-grams: FNV-1a on whole ids instead of bytes, in 64 bits.

It is part of every saved model: another function would look up other vectors. Only integer operations that wrap around
at 64 bits are used, so it is the same on every machine.

    hash = 0xcbf29ce484222325
    for each id of the n-gram:  hash = (hash xor id) * 0x100000001b3   modulo 2^64
    bucket = (hash xor hash / 2^32) modulo the number of buckets,      the hash taken as a signed number

Source: Fowler, Noll and Vo, draft-eastlake-fnv.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["ngram_buckets"]

_OFFSET = 0xCBF29CE484222325 - 2**64
_PRIME = 0x100000001B3


def ngram_buckets(ids: Tensor, size: int, buckets: int) -> Tensor:
    """The bucket of each `size` ids that follow each other.

    Args:
        ids: int64 [..., time].
        size: ids of an n-gram.
        buckets: how many there are.

    Returns:
        int64 [..., time - size + 1], each in `range(buckets)`.

    Example:
        >>> ngram_buckets(torch.tensor([7, 8, 9]), 2, 1000)
        tensor([965, 237])
    """
    count = max(0, ids.shape[-1] - size + 1)
    hashes = torch.full_like(ids[..., :count], _OFFSET)
    for place in range(size):
        hashes ^= ids[..., place : place + count]
        hashes *= _PRIME
    hashes ^= hashes >> 32
    return hashes.remainder_(buckets)
