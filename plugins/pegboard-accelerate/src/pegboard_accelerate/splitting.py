"""Models that are split over the processes that train them: FSDP in its second version, torch's `fully_shard`.

Each process holds a part of every parameter and of what the optimizer knows of it, as a DTensor under the parameter's
own name. What is saved, and what the training ends with, is whole.
"""

from __future__ import annotations

import os
from typing import Any

from accelerate import Accelerator, PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin, str_to_bool
from pegboard import RecipeError, UsageError
from torch import Tensor, nn

from pegboard_accelerate.options import AccelerateOptions
from pegboard_accelerate.tables import tables_of

__all__ = [
    "Tensors",
    "check_can_be_split",
    "copy_into",
    "is_split",
    "own_part",
    "put_away",
    "split_as_launched",
    "split_like",
    "whole",
]

Tensors = dict[str, Tensor]


def split_as_launched(accelerator: Accelerator) -> None:
    """Have `accelerator.prepare` split the model if the launch says so, also on processors.

    There Accelerate would pass over FSDP without a word, although all that it calls works there.

    Raises:
        UsageError: the configuration asks for what does not go together with exact resuming.
    """
    if not str_to_bool(os.environ.get("ACCELERATE_USE_FSDP", "0")):
        return
    if accelerator.num_processes == 1:
        raise UsageError("FSDP splits a model over several processes, and this is one", hint="--num_processes 2")
    state = accelerator.state
    if state.distributed_type == DistributedType.MULTI_CPU:
        state.distributed_type = DistributedType.FSDP
        PartialState._shared_state["distributed_type"] = DistributedType.FSDP  # from which each new state takes it
        state.fsdp_plugin = FullyShardedDataParallelPlugin()
    plugin = state.fsdp_plugin
    if getattr(plugin, "fsdp_version", 1) != 2:  # Accelerate before 1.6 knows of no second one
        raise UsageError(
            "the trainer accelerate splits models with FSDP 2 only, which keeps each parameter's own name",
            hint="fsdp_version: 2 in the configuration, or --fsdp_version 2",
        )
    if plugin.activation_checkpointing:
        raise UsageError(
            "fsdp_activation_checkpointing would give the parameters other names",
            hint="leave it out, and --set trainer.gradient_checkpointing=true",
        )
    # Precision is autocast's, as it is without FSDP: parameters stay float32, and so does validation.
    plugin.mixed_precision_policy = None


def is_split(accelerator: Accelerator) -> bool:
    """Whether each process is to hold a part of the model."""
    return accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED)


def check_can_be_split(accelerator: Accelerator, network: nn.Module, options: AccelerateOptions) -> None:
    """Raise a RecipeError for what a split model can't do.

    Where the configuration names no classes to split by, those count that a model of transformers offers.
    """
    if options.torch_compile:
        raise RecipeError("does not go with FSDP", where="trainer.torch_compile", hint="leave it out")
    if tables_of(network):
        raise RecipeError(
            "its embedding table has sparse gradients, which FSDP can't share",
            where="encoder",
            hint="launch without FSDP: `accelerate launch --multi_gpu`, or `torchrun`",
        )
    plugin = accelerator.state.fsdp_plugin
    if plugin.transformer_cls_names_to_wrap is None:
        offered = [getattr(module, "_no_split_modules", None) for module in network.modules()]
        plugin.transformer_cls_names_to_wrap = next((list(names) for names in offered if names), None)


def put_away(model: nn.Module) -> None:
    """Leave each process with its part only: a model that was merely evaluated still has the whole beside it."""
    for module in model.modules():
        if hasattr(module, "set_reshard_after_forward"):  # as `fully_shard` leaves it
            module.reshard()  # type: ignore[operator]


def whole(tensors: Tensors) -> Tensors:
    """The tensors put together from their parts, on the processor; others as they are.

    Where there are parts, all processes must ask for them at the same time.
    """
    return {name: tensor.full_tensor().cpu() if _is_part(tensor) else tensor for name, tensor in tensors.items()}


def copy_into(tensor: Tensor, values: Tensor) -> None:
    """Put whole values, or this process's part of them, into a tensor."""
    tensor.copy_(split_like(values, tensor))


def split_like(values: Tensor, tensor: Tensor) -> Tensor:
    """Whole values, split as a tensor of the same shape is."""
    if not _is_part(tensor) or _is_part(values):
        return values
    from torch.distributed.tensor import distribute_tensor

    # Without a source each process cuts out its own part, since all of them have the same values.
    return distribute_tensor(values.to(tensor.device), tensor.device_mesh, tensor.placements, src_data_rank=None)


def own_part(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor; may be empty."""
    part: Tensor = tensor.to_local() if _is_part(tensor) else tensor
    return part


def _is_part(tensor: Any) -> bool:
    """Whether it is a DTensor, whose module nobody needs to load who splits nothing."""
    return hasattr(tensor, "full_tensor")
