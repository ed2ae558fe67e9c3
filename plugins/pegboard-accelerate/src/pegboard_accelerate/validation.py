"""The model's outputs for the validation rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from accelerate import Accelerator
from pegboard import sorted_batches
from torch import Tensor

from pegboard_accelerate.ahead import Ahead
from pegboard_accelerate.batches import share_of
from pegboard_accelerate.processes import forward, summed

__all__ = ["validation_outputs"]


@torch.inference_mode()
def validation_outputs(
    accelerator: Accelerator,
    model: Callable[..., Any],
    split: Ahead,
    *,
    max_tokens: int,
    stop: Callable[[], bool],
) -> Tensor | None:
    """What the model gives for each row, float32 in row order; the same in all processes.

    Args:
        accelerator: knows devices and processes.
        model: in evaluation mode.
        split: the validation rows.
        max_tokens: the most tokens that are computed at once, padding included.
        stop: asked after each batch; where it says so, there is `None`.
    """
    process, processes = accelerator.process_index, accelerator.num_processes
    outputs: Tensor | None = None
    batches = sorted_batches(split.lengths, max_tokens=max_tokens)
    split.plan(share_of(rows, process, processes)[0] for rows in batches)
    for rows in batches:
        output, counts = forward(accelerator, model, split, rows)
        if outputs is None:
            outputs = torch.zeros((len(split), *output.outputs.shape[1:]), device=accelerator.device)
        if counts:
            outputs[torch.from_numpy(rows[process::processes])] = output.outputs.float()
        if stop():
            return None
    assert outputs is not None
    return summed(accelerator, outputs)
