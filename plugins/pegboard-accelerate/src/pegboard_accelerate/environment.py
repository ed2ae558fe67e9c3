"""What is changed for the time of a training and put back afterwards."""

from __future__ import annotations

import atexit
import gc
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState, GradientState
from accelerate.utils import (
    DistributedDataParallelKwargs,
    GradientAccumulationPlugin,
    is_deepspeed_available,
    str_to_bool,
)
from pegboard import UsageError
from torch import Tensor, nn

from pegboard_accelerate.precision import resolve_precision
from pegboard_accelerate.splitting import is_split, split_as_launched
from pegboard_accelerate.zero import zero_as_launched, zero_is_wanted, zero_precision

__all__ = [
    "chance_is_told",
    "prepared_accelerator",
    "surroundings",
    "torch_settings",
    "unwrapped_afterwards",
    "uses_all_parameters",
]


@contextmanager
def prepared_accelerator(precision: str, model: nn.Module) -> Iterator[Accelerator]:
    """An Accelerator with the precision resolved for `model`.

    Accelerate keeps its settings in process-wide state and refuses a second, different Accelerator; that state is
    set aside, so that several trainings, and a caller's own Accelerator, can live in one process.

    Raises:
        RecipeError: the device can't compute in that precision.
        UsageError: launched in a way that the trainer does not know (Megatron-LM and the like), or as several
            processes that don't find each other.
    """
    if str_to_bool(os.environ.get("ACCELERATE_USE_MEGATRON_LM", "0")):  # which is passed over on processors
        raise _refusal("MEGATRON_LM")
    if zero_is_wanted() and not is_deepspeed_available():
        raise UsageError("the launch names DeepSpeed, which is not installed", hint="pip install deepspeed, or FSDP")
    device = _joined().device
    if zero_is_wanted():
        precision = zero_precision(precision)
    resolved = resolve_precision(precision, device, model)
    singletons = (AcceleratorState._shared_state, GradientState._shared_state, PartialState._shared_state)
    aside = [dict(shared) for shared in singletons]
    for shared in singletons[:2]:
        shared.clear()
    try:
        accelerator = Accelerator(
            mixed_precision=resolved,
            # Given explicitly, since the launcher's environment would otherwise divide the loss once more.
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
            kwargs_handlers=[DistributedDataParallelKwargs()],
        )
        split_as_launched(accelerator)
        zero_as_launched(accelerator)
        kind = accelerator.distributed_type.value
        if kind not in ("NO", "FSDP", "DEEPSPEED") and not kind.startswith("MULTI_"):
            raise _refusal(kind)
        yield accelerator
    finally:
        for shared, before in zip(singletons, aside, strict=True):
            shared.clear()
            shared.update(before)


def _refusal(kind: str) -> UsageError:
    return UsageError(
        f"the trainer accelerate does not train with {kind}",
        hint="launch with `accelerate launch --multi_gpu` or `torchrun`; if memory is short, bf16, "
        "trainer.gradient_checkpointing and a smaller trainer.batch_size with trainer.accumulate help",
    )


def _joined() -> PartialState:
    """Join the processes that were launched together.

    Without being told of the processor, Accelerate lets each process that finds no GPU train alone.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    first_time = not PartialState._shared_state
    if processes > 1:
        # Imported after they have joined, as wrapping a model does, it would hold on to their group to the very end.
        import_module("torch.distributed.nn.functional")
    on_processor = str_to_bool(os.environ.get("ACCELERATE_USE_CPU", "0")) == 1
    state = PartialState(cpu=on_processor or (processes > 1 and not _has_gpu()))
    if state.num_processes != processes:
        raise UsageError(
            f"{processes} processes were launched, but Accelerate sees {state.num_processes}",
            hint="set ACCELERATE_USE_CPU=1 to train on processors",
        )
    if first_time and processes > 1:
        # At the very end and no sooner: the same processes can't join a second time.
        atexit.register(_part, state)
    return state


def _part(state: PartialState) -> None:
    """End the threads that exchange tensors: one that frees a tensor while Python ends would abort the process."""
    gc.collect()  # models that were wrapped for the group keep it, too
    state.destroy_process_group()


def _has_gpu() -> bool:
    accelerator = getattr(torch, "accelerator", None)  # since torch 2.6
    return bool(torch.cuda.is_available() if accelerator is None else accelerator.is_available())


def surroundings(accelerator: Accelerator) -> dict[str, Any]:
    """What the last bits of a result depend on besides the recipe."""
    device = accelerator.device
    return {
        "precision": accelerator.mixed_precision,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "model": "split" if is_split(accelerator) else "whole",
        "torch": str(torch.__version__),
    }


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
def chance_is_told(warn: Callable[[str], None]) -> Iterator[None]:
    """Have `warn` told once of each operation whose bits may differ the next time, since the device can't do otherwise.

    torch gives a warning, which the command line would not show.
    """
    show, told = warnings.showwarning, set()

    def tell(message: Warning | str, *others: Any, **more: Any) -> None:
        operation, found, _ = str(message).partition(" does not have a deterministic implementation")
        if not found:
            show(message, *others, **more)
        elif operation not in told:
            told.add(operation)
            warn(f"{operation} gives other bits each time on this device, and so will the training")

    warnings.showwarning = tell
    try:
        yield
    finally:
        warnings.showwarning = show


@contextmanager
def unwrapped_afterwards(model: nn.Module) -> Iterator[None]:
    """Take off the model what Accelerate hangs on it, such as a `forward` in another precision."""
    before = set(vars(model))
    try:
        yield
    finally:
        for name in set(vars(model)) - before:
            del model.__dict__[name]


def uses_all_parameters(model: nn.Module, loss: Tensor) -> bool:
    """Whether `loss` depends on every parameter that is to be learned.

    Where it does not, gradients can be averaged between processes only if that is known beforehand.
    """
    reached: set[int] = set()
    seen: set[Any] = set()
    waiting: list[Any] = [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            reached.add(id(getattr(node, "variable", None)))
            waiting += [following for following, _ in node.next_functions]
    return all(id(parameter) in reached for parameter in model.parameters() if parameter.requires_grad)
