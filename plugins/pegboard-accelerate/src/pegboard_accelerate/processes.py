"""What the processes of a training share: batches and sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from accelerate import Accelerator
from accelerate.utils import send_to_device
from pegboard import Split, StepOutput
from torch import Tensor

from pegboard_accelerate.batches import share_of

__all__ = ["forward", "summed"]

Rows = npt.NDArray[np.int64]


def forward(accelerator: Accelerator, model: Callable[..., Any], split: Split, rows: Rows) -> tuple[StepOutput, float]:
    """The output for this process's share of a batch, and 1.0, or 0.0 where the share does not count."""
    share, counts = share_of(rows, accelerator.process_index, accelerator.num_processes)
    output: StepOutput = model(**send_to_device(split.collate(share), accelerator.device))
    return output, float(counts)


def summed(accelerator: Accelerator, values: Tensor) -> Tensor:
    """The sum over all processes."""
    total: Tensor = accelerator.reduce(values, "sum") if accelerator.num_processes > 1 else values
    return total
