"""Which rows go into which optimizer step, and which of them into which process."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pegboard import bucketed_batches

__all__ = ["epoch_steps", "share_of"]

Rows = npt.NDArray[np.int64]


def epoch_steps(
    lengths: Rows, *, batch_size: int, accumulate: int, seed: int, epoch: int, length_buckets: int
) -> list[list[Rows]]:
    """The optimizer steps of an epoch, each a list of at most `accumulate` batches.

    The rows of a step are chosen first and cut into batches afterwards, so a step is the same however it is cut.
    """
    steps = bucketed_batches(lengths, batch_size * accumulate, seed=[seed, epoch], bucket=length_buckets)
    return [[rows[start : start + batch_size] for start in range(0, len(rows), batch_size)] for rows in steps]


def share_of(rows: Rows, process: int, processes: int) -> tuple[Rows, bool]:
    """The rows of a batch that one of several processes computes, and whether they count.

    A process for which no row is left computes the first one, which doesn't count: all processes must take part.
    """
    share = rows[process::processes]
    return (share, True) if len(share) else (rows[:1], False)
