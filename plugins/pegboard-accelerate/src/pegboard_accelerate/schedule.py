"""The learning rate as a function of the step, and AdamW's parameter groups."""

from __future__ import annotations

import math

import torch
from pegboard import RecipeError
from torch import nn

__all__ = ["learning_rate_factor", "make_optimizer"]

_ONE_CYCLE_START, _ONE_CYCLE_END = 1 / 25, 1e-4


def learning_rate_factor(schedule: str, step: int, total: int, warmup_share: float) -> float:
    """What the highest learning rate is multiplied by in a step.

    It depends on nothing else, so a resumed training and one on more processes follow the same curve.

    Args:
        schedule: `linear`, `cosine`, `constant` or `one_cycle` (Smith and Topin, 2018, arXiv:1708.07120, with cosines).
        step: steps done before this one, from 0.
        total: steps of the whole training.
        warmup_share: share of them in which the rate rises.

    Example:
        >>> [learning_rate_factor("linear", step, 4, 0.0) for step in range(4)]
        [1.0, 0.75, 0.5, 0.25]
    """
    warmup = round(warmup_share * total)
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


def make_optimizer(model: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter, 2019, arXiv:1711.05101) in its fused form where the device has one.

    Parameters of one dimension, biases and the weights of normalizations, do not decay.

    Raises:
        RecipeError: all parameters are frozen.
    """
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not learned:
        raise RecipeError("the model has nothing to learn: all its parameters are frozen", where="encoder")
    groups = [
        {"params": [p for p in learned if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in learned if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in learned)
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=learning_rate, fused=fused)
