"""Which rows go into which optimizer step, and which of them into which process."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pegboard import bucketed_batches

__all__ = ["count_steps", "drawn_rows", "epoch_steps", "share_of"]

Rows = npt.NDArray[np.int64]


def epoch_steps(
    lengths: Rows,
    *,
    batch_size: int,
    accumulate: int,
    seed: int,
    epoch: int,
    length_buckets: int,
    weights: npt.NDArray[np.float64] | None = None,
) -> list[list[Rows]]:
    """The optimizer steps of an epoch, each a list of at most `accumulate` batches.

    The rows of a step are chosen first and cut into batches afterwards, so a step is the same however it is cut.

    Args:
        lengths: tokens of each row, int64 [rows].
        batch_size: rows of a batch.
        accumulate: batches of a step.
        seed: the run's seed.
        epoch: counted from 1; each has another order.
        length_buckets: batches in a stretch that is sorted by length.
        weights: how often each row is to occur, compared with the others, float [rows]; `None` = each once.
    """
    rows = None if weights is None else drawn_rows(weights, seed=seed, epoch=epoch)
    drawn = lengths if rows is None else lengths[rows]
    steps = bucketed_batches(drawn, batch_size * accumulate, seed=[seed, epoch], bucket=length_buckets)
    if rows is not None:
        steps = [rows[step] for step in steps]
    return [[step[start : start + batch_size] for start in range(0, len(step), batch_size)] for step in steps]


def count_steps(rows: int, *, batch_size: int, accumulate: int) -> int:
    """The number of steps that `epoch_steps` gives, without making them.

    Example:
        >>> count_steps(100, batch_size=8, accumulate=3)
        5
    """
    return -(-rows // (batch_size * accumulate))


def drawn_rows(weights: npt.NDArray[np.float64], *, seed: int, epoch: int) -> Rows:
    """As many rows as there are, drawn by weight, int64 [rows], in no order.

    Each row occurs as often as its weight says, rounded up or down: systematic sampling, which unlike independent draws
    takes no row twice before another that weighs the same was taken once. The rounding differs from epoch to epoch, so
    that in the long run each row gets its due.
    """
    generator = np.random.default_rng([seed, epoch, 1])
    order = generator.permutation(len(weights))
    ends = np.cumsum(weights[order] / weights.sum()) * len(weights)
    ends[-1] = len(weights)  # without rounding, so that every point falls on a row
    points = np.arange(len(weights)) + generator.random()
    drawn: Rows = order[np.searchsorted(ends, points, side="right")]
    return drawn


def share_of(rows: Rows, process: int, processes: int) -> tuple[Rows, bool]:
    """The rows of a batch that one of several processes computes, and whether they count.

    A process for which no row is left computes the first one, which doesn't count: all processes must take part.
    """
    share = rows[process::processes]
    return (share, True) if len(share) else (rows[:1], False)
