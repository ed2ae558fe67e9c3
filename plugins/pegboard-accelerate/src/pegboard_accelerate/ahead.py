"""Batches that are made in other threads while the ones before them are computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from pegboard import PegboardError, RunError, Split
from torch import Tensor

from pegboard_accelerate.memory import is_out_of_memory

__all__ = ["Ahead", "Workers"]

Rows = npt.NDArray[np.int64]
Batch = dict[str, Tensor]

_EACH = 2
"""batches under way or ready for each worker"""


class Workers:
    """Threads that make batches.

    Threads read the same memory-mapped file, end with the process however that ends, and hand a batch over for nothing.
    From one process to another torch's DataLoader takes 1 to 2 ms for it, a hundred times as long as making the batch;
    and NumPy lets other threads run while it works on arrays.

    Args:
        number: how many; with 0 batches are made when they are asked for.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._threads = ThreadPoolExecutor(number, "pegboard-data") if number else None

    def __enter__(self) -> Workers:
        """The workers."""
        return self

    def __exit__(self, *_: object) -> None:
        """End them."""
        self.end()

    def make(self, split: Split, rows: Rows) -> Future[Batch]:
        """Begin to make a batch."""
        assert self._threads is not None
        return self._threads.submit(split.collate, rows)

    def end(self) -> None:
        """End each after the batch that it is making."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)


class Ahead:
    """A split whose batches are made ahead of their use, in the order of their use.

    What comes out is the same with any number of workers, since a batch depends on its rows alone. So a plan can be
    left at any time: rows that are not the next planned ones are put together when they are asked for, and end it.

    Args:
        split: where the batches come from; its `collate` is called in several threads at once.
        workers: make the batches.

    Attributes:
        lengths: those of the split.

    Example:
        >>> with Workers(2) as workers:
        ...     train = Ahead(split, workers)
        ...     train.plan(batches)
        ...     for rows in batches:
        ...         output = model(**train.collate(rows))
    """

    def __init__(self, split: Split, workers: Workers) -> None:
        self.lengths = split.lengths
        self._split, self._workers = split, workers
        self._planned: Iterator[Rows] = iter(())
        self._waiting: deque[tuple[Rows, Future[Batch]]] = deque()

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._split)

    def plan(self, batches: Iterable[Rows]) -> None:
        """Have these batches made ahead, instead of what is left of an earlier plan."""
        while self._waiting:
            self._waiting.popleft()[1].cancel()
        self._planned = iter(batches)
        for _ in range(_EACH * self._workers.number):
            self._begin_next()

    def collate(self, rows: Rows) -> Batch:
        """The batch of these rows.

        Raises:
            RunError: a worker could not make it.
        """
        if not self._waiting:
            return self._split.collate(rows)
        planned, batch = self._waiting.popleft()
        if not np.array_equal(planned, rows):
            self.plan(())
            return self._split.collate(rows)
        self._begin_next()
        try:
            return batch.result()
        except Exception as error:
            if isinstance(error, PegboardError) or is_out_of_memory(error):
                raise
            raise RunError(
                f"a data worker could not make a batch: {type(error).__name__}: {error}",
                where=f"{len(rows)} rows from row {rows[0]} on",
                hint="with --set trainer.data_workers=0 and --debug the error shows where it comes from",
            ) from error

    def _begin_next(self) -> None:
        rows = next(self._planned, None)
        if rows is not None:
            self._waiting.append((rows, self._workers.make(self._split, rows)))
