"""Embedding tables with sparse gradients: only the rows that a step has used are touched."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["AdamWAndTables", "tables_of"]


def tables_of(model: nn.Module) -> set[int]:
    """The `id` of the weight of each embedding in the model that was built with `sparse=True`."""
    embeddings = [module for module in model.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)]
    return {id(module.weight) for module in embeddings if module.sparse}


class AdamWAndTables(torch.optim.AdamW):
    """AdamW, but groups with the entry `table` hold embedding tables, whose rows learn by a damped gradient descent.

    AdamW moves a word that occurred once about as far as one that occurred a thousand times, and its state is twice as
    large as the table. Here a row's first steps are those of plain gradient descent on the *sum* of the texts' losses,
    which does not depend on the batch size, and its rate falls as its gradients add up:

        squares += |gradient|²
        row     -= lr * gradient / (1 + sqrt(squares))

    This is AdaGrad (Duchi, Hazan and Singer, 2011) with one sum a row and an epsilon of 1. Without the damping, words
    that are in almost every text would overshoot in large batches.

    A group with `table` has also `texts`, the number of texts, or the sum of their weights, whose mean loss the
    gradient is of.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step; the gradients of tables are used up."""
        for group in self.param_groups:
            if group.get("table"):
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        state = self.state[parameter]
                        if not state:
                            state["step"] = torch.zeros(())  # AdamW looks for it when its state is restored
                            state["squares"] = torch.zeros(len(parameter), device=parameter.device)
                        _descend(parameter, parameter.grad, state["squares"], group["lr"], group["texts"])
                        parameter.grad = None  # AdamW passes over what has no gradient
        return super().step(closure)


def _descend(table: Tensor, gradient: Tensor, squares: Tensor, rate: float, texts: Tensor | float) -> None:
    rows, change = _each_row_once(gradient if gradient.is_sparse else gradient.to_sparse(1))
    sums = squares[rows] + (torch.linalg.vector_norm(change, dim=1, dtype=squares.dtype) * texts).square()
    squares[rows] = sums
    table.index_add_(0, rows, change.mul_((-rate * texts / (1 + sums.sqrt())).to(change.dtype).unsqueeze(1)))


def _each_row_once(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of a sparse gradient, int64 [rows], and their values, [rows, hidden]."""
    rows = gradient._indices()[0]
    if not (rows[1:] > rows[:-1]).all():  # autograd forgets of a gradient that it is coalesced, but not how
        gradient = gradient.coalesce()
    return gradient._indices()[0], gradient._values()
