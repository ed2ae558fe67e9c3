"""The exponential moving average of the weights (EMA)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from pegboard_accelerate.checkpoint import load_weights, weights_of
from pegboard_accelerate.splitting import Tensors, copy_into

__all__ = ["Average"]


class Average:
    """Weights averaged over the steps of a training, which are often better than those of any single step.

    The decay is smaller in the first steps, `(1 + step) / (10 + step)`, so that the random weights of the beginning
    are soon forgotten. Source: Polyak and Juditsky (1992); Tarvainen and Valpola (2017), arXiv:1703.01780.

    Args:
        model: its weights now are the average so far.
        decay: what is kept of the average in each step.

    Attributes:
        weights: the average by name; buffers, and what is no floating-point number, are as in the model.
        set_aside: the model's own weights while it has the average instead, else empty.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model, self._decay = model, decay
        self.set_aside: Tensors = {}
        self.weights: Tensors = {name: tensor.clone() for name, tensor in weights_of(model).items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the model's weights after a step, counted from 1."""
        decay = min(self._decay, (1 + step) / (10 + step))
        learned = dict(self._model.named_parameters())
        for name, tensor in weights_of(self._model).items():
            if name in learned and tensor.is_floating_point():
                self.weights[name].lerp_(tensor, 1 - decay)
            else:
                self.weights[name].copy_(tensor)

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from the average that a checkpoint holds."""
        for name, tensor in self.weights.items():
            copy_into(tensor, weights[name])

    @contextmanager
    def in_the_model(self) -> Iterator[None]:
        """For a while the model has the average as its weights."""
        self.set_aside = {name: tensor.clone() for name, tensor in weights_of(self._model).items()}
        load_weights(self._model, self.weights)
        try:
            yield
        finally:
            load_weights(self._model, self.set_aside)
            self.set_aside = {}
