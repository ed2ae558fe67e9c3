"""Memory that runs out, and what takes less of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from pegboard import RecipeError
from torch import nn

__all__ = ["cut", "is_out_of_memory", "recomputing"]

Rows = npt.NDArray[np.int64]

_MESSAGES = ("can't allocate memory", "not enough memory", "out of memory")
_KINDS = ("activation_checkpointing", "gradient_checkpointing")


def is_out_of_memory(error: Exception) -> bool:
    """Whether an exception says that the processor's or the device's memory is used up."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error) for message in _MESSAGES)


def cut(batches: list[Rows], size: int) -> list[Rows]:
    """The same rows in the same order, in batches of at most `size`.

    Example:
        >>> [batch.tolist() for batch in cut([np.arange(3), np.arange(2)], 2)]
        [[0, 1], [2], [0, 1]]
    """
    return [rows[start : start + size] for rows in batches for start in range(0, len(rows), size)]


@contextmanager
def recomputing(model: nn.Module, wanted: bool) -> Iterator[None]:
    """Gradient checkpointing for a while: what the backward pass needs is computed again instead of being kept.

    It is what `gradient_checkpointing_enable(gradient_checkpointing_kwargs={...})` of a model of transformers does, or
    of any module that has this method and `gradient_checkpointing_disable()`; newer models say `activation` for
    `gradient`. The gradients are the same.

    Raises:
        RecipeError: no part of the model has these methods.
    """
    if not wanted:
        yield
        return
    found = ((part, kind) for part in model.modules() for kind in _KINDS if hasattr(part, f"{kind}_enable"))
    part, kind = next(found, (None, ""))
    if part is None:
        raise RecipeError(
            "the encoder can't do it: it has no method gradient_checkpointing_enable()",
            where="trainer.gradient_checkpointing",
            hint="the encoder bert can; a smaller trainer.batch_size with trainer.accumulate needs less memory, too",
        )
    getattr(part, f"{kind}_enable")(**{f"{kind}_kwargs": {"use_reentrant": False}})
    try:
        yield
    finally:
        getattr(part, f"{kind}_disable")()
