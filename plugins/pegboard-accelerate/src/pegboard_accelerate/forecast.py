"""How long the training will still take."""

from __future__ import annotations

import time
from collections.abc import Callable

from pegboard_accelerate.state import State

__all__ = ["Forecast"]

_FORWARD_ONLY = 1 / 3
"""What a row costs in validation, compared with training, as long as no validation was seen."""


class Forecast:
    """Seconds until the end of the training, from the pace of this process.

    What a step takes is the mean of those since the process started, without the first, in which libraries and memory
    are made ready: batches differ in length, so a few of them would say little. A resumed training starts to count
    anew, since the machine may be another. What lies between two epochs (validation, checkpoints) is counted as well.

    Args:
        total_steps: optimizer steps of the whole training.
        steps_of_epoch: optimizer steps of an epoch.
        validation_share: validation rows for each training row.
        max_minutes: when the training ends at the latest.
        clock: gives the seconds.

    Example:
        >>> forecast = Forecast(total_steps=300, steps_of_epoch=100, validation_share=0.1, max_minutes=None)
        >>> forecast.training_goes_on(state)
        >>> forecast.left(state)  # after each step
        149.5
    """

    def __init__(
        self,
        *,
        total_steps: int,
        steps_of_epoch: int,
        validation_share: float,
        max_minutes: float | None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._total, self._of_epoch, self._share = total_steps, steps_of_epoch, validation_share
        self._limit = None if max_minutes is None else 60 * max_minutes
        self._clock = clock
        self._now = 0.0
        self._steps, self._in_steps = 0, 0.0
        self._pauses, self._in_pauses = 0, 0.0
        self._warm = False
        self._pause_since: float | None = None
        self._used_before = 0.0

    def training_goes_on(self, state: State) -> None:
        """The first step of an epoch, or of a resumed one, is about to be done."""
        self._now = self._clock()
        self._used_before = state.seconds - self._now
        if self._pause_since is not None:
            self._pauses, self._in_pauses = self._pauses + 1, self._in_pauses + self._now - self._pause_since

    def epoch_ends(self) -> None:
        """The last step of an epoch is done; validation comes."""
        self._pause_since = self._clock()

    def left(self, state: State) -> float | None:
        """Seconds until the end, after a step; `None` as long as nothing can be said.

        With early stopping that is an upper bound.
        """
        now = self._clock()
        if self._warm:
            self._steps, self._in_steps = self._steps + 1, self._in_steps + now - self._now
        self._warm, self._now = True, now
        used = self._used_before + now
        limit = None if self._limit is None else max(0.0, self._limit - used)
        if not self._steps:
            return limit
        steps = self._total - state.step
        of_step = self._in_steps / self._steps
        pause = _FORWARD_ONLY * self._share * self._of_epoch * of_step
        if self._pauses:
            pause = self._in_pauses / self._pauses
        epochs = -(-self._total // self._of_epoch) - state.epoch + 1
        left = steps * of_step + epochs * pause
        return left if limit is None else min(left, limit)
