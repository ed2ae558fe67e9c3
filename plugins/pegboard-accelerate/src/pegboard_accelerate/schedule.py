"""The learning rate as a function of the step."""

from __future__ import annotations

import math

__all__ = ["learning_rate_factor"]

_ONE_CYCLE_START, _ONE_CYCLE_END = 1 / 25, 1e-4


def learning_rate_factor(schedule: str, step: int, total: int, warmup: int) -> float:
    """What the highest learning rate is multiplied by in a step.

    It depends on nothing else, so a resumed training and one on more processes follow the same curve.

    Args:
        schedule: `linear`, `cosine`, `constant` or `one_cycle` (Smith and Topin, 2018, arXiv:1708.07120, with cosines).
        step: steps done before this one, from 0.
        total: steps of the whole training.
        warmup: the first of them, in which the rate rises.

    Example:
        >>> [learning_rate_factor("linear", step, 4, 0) for step in range(4)]
        [1.0, 0.75, 0.5, 0.25]
    """
    if step < warmup:
        if schedule == "one_cycle":
            return _half_cosine(_ONE_CYCLE_START, 1.0, step / warmup)
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, total - warmup)
    if schedule == "constant":
        return 1.0
    if schedule == "linear":
        return 1.0 - done
    return _half_cosine(1.0, _ONE_CYCLE_END if schedule == "one_cycle" else 0.0, done)


def _half_cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2
