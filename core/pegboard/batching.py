"""Which rows go into which batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["bucketed_batches", "sorted_batches"]

Rows = npt.NDArray[np.int64]


def bucketed_batches(lengths: Rows, batch_size: int, *, seed: Sequence[int], bucket: int = 50) -> list[Rows]:
    """Random batches of rows of similar length, in random order; the same seed gives the same batches.

    Rows are shuffled, then sorted by length within stretches of `bucket` batches, so that little is padded while
    every batch stays a random one. The last batch of a stretch may be smaller; every row occurs once.

    Args:
        lengths: tokens of each row, int64 [rows].
        batch_size: rows of a batch.
        seed: numbers that determine the order, for example the recipe's seed and the epoch.
        bucket: batches in a stretch; 1 turns grouping by length off.
    """
    generator = np.random.default_rng(list(seed))
    order = generator.permutation(len(lengths))
    if lengths.max(initial=0) < 2**16:
        lengths = lengths.astype(np.uint16)  # which NumPy sorts several times faster, to the same order
    batches: list[Rows] = []
    for start in range(0, len(order), batch_size * bucket):
        stretch = order[start : start + batch_size * bucket]
        if bucket > 1:
            stretch = stretch[np.argsort(lengths[stretch], kind="stable")]
        batches += [stretch[i : i + batch_size] for i in range(0, len(stretch), batch_size)]
    return [batches[i] for i in generator.permutation(len(batches))]


def sorted_batches(lengths: Rows, *, max_rows: int = 256, max_tokens: int = 16_384) -> list[Rows]:
    """Batches for prediction: rows sorted by length, longest first, each within `max_rows` and `max_tokens` padded.

    A row longer than `max_tokens` is a batch of its own.
    """
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        count = max(1, min(max_rows, max_tokens // longest))
        batches.append(order[start : start + count])
        start += count
    return batches
