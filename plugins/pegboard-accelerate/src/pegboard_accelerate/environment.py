"""What is changed for the time of a training and put back afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState, GradientState
from accelerate.utils import DistributedDataParallelKwargs, DistributedType, GradientAccumulationPlugin
from pegboard import UsageError
from torch import nn

from pegboard_accelerate.precision import resolve_precision

__all__ = ["prepared_accelerator", "torch_settings", "unwrapped_afterwards"]


@contextmanager
def prepared_accelerator(precision: str) -> Iterator[Accelerator]:
    """An Accelerator with the resolved precision.

    Accelerate keeps its settings in process-wide state and refuses a second, different Accelerator; that state is
    set aside, so that several trainings, and a caller's own Accelerator, can live in one process.

    Raises:
        UsageError: launched in a way that splits the model itself (DeepSpeed, FSDP and the like).
    """
    resolved = resolve_precision(precision, PartialState().device)
    singletons = (AcceleratorState._shared_state, GradientState._shared_state)
    aside = [dict(shared) for shared in singletons]
    for shared in singletons:
        shared.clear()
    try:
        accelerator = Accelerator(
            mixed_precision=resolved,
            # Given explicitly, since the launcher's environment would otherwise divide the loss once more.
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
        kind = accelerator.distributed_type
        if not (accelerator.multi_device or kind in (DistributedType.NO, DistributedType.MULTI_CPU)):
            raise UsageError(
                f"the trainer accelerate does not train with {kind.value}",
                hint="launch with `accelerate launch --multi_gpu` or `torchrun`",
            )
        yield accelerator
    finally:
        for shared, before in zip(singletons, aside, strict=True):
            shared.clear()
            shared.update(before)


@contextmanager
def torch_settings(threads: int | None, deterministic: bool) -> Iterator[None]:
    """The number of threads, and kernels that give the same bits each time."""
    determinism: Any = torch.utils.deterministic
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        determinism.fill_uninitialized_memory,
        torch.backends.cudnn.benchmark,
    )
    if threads is not None:
        torch.set_num_threads(threads)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        determinism.fill_uninitialized_memory = False  # finds bugs, but costs time
        torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1], warn_only=before[2])
        determinism.fill_uninitialized_memory = before[3]
        torch.backends.cudnn.benchmark = before[4]


@contextmanager
def unwrapped_afterwards(model: nn.Module) -> Iterator[None]:
    """Take off the model what Accelerate hangs on it, such as a `forward` in another precision."""
    before = set(vars(model))
    try:
        yield
    finally:
        for name in set(vars(model)) - before:
            del model.__dict__[name]
