"""Models that DeepSpeed splits (ZeRO): training and the model at the end, without checkpoints.

DeepSpeed's engine takes the optimizer's step within the backward pass, and its own checkpoints are pickles. So what has
to happen between the two, or be kept for later, is refused here, or left out with a word.
"""

from __future__ import annotations

import os
from typing import Any

from accelerate import Accelerator, PartialState
from accelerate.utils import DeepSpeedPlugin, DistributedType, str_to_bool
from pegboard import RecipeError, UsageError
from torch import Tensor, nn

from pegboard_accelerate.options import AccelerateOptions
from pegboard_accelerate.tables import tables_of

__all__ = ["check_zero_can", "gathered", "is_zero", "zero_as_launched", "zero_is_wanted", "zero_precision"]

_OURS = ("optimizer", "scheduler", "fp16", "bf16", "torch_autocast")
"""parts of DeepSpeed's configuration that are the recipe's to decide"""


def zero_is_wanted() -> bool:
    """Whether the launch names DeepSpeed."""
    return bool(str_to_bool(os.environ.get("ACCELERATE_USE_DEEPSPEED", "0")))


def is_zero(accelerator: Accelerator) -> bool:
    """Whether DeepSpeed takes the steps."""
    return bool(accelerator.distributed_type == DistributedType.DEEPSPEED)


def zero_precision(wanted: str) -> str:
    """What `auto` means: DeepSpeed would keep the weights themselves in bf16 or fp16.

    Raises:
        RecipeError: another one is wanted.
    """
    if wanted not in ("auto", "no"):
        raise RecipeError(
            f"with DeepSpeed the trainer computes in float32, not {wanted}",
            where="trainer.precision",
            hint="leave it out, or launch with FSDP, which can do it",
        )
    return "no"


def zero_as_launched(accelerator: Accelerator) -> None:
    """Have `accelerator.prepare` hand the model to DeepSpeed if the launch says so, also on processors.

    There Accelerate would pass over it without a word.

    Raises:
        UsageError: the configuration decides what the recipe does.
    """
    if not zero_is_wanted():
        return
    state = accelerator.state
    if state.distributed_type == DistributedType.MULTI_CPU:
        plugin = DeepSpeedPlugin()
        state.distributed_type = DistributedType.DEEPSPEED
        PartialState._shared_state["distributed_type"] = DistributedType.DEEPSPEED
        state.deepspeed_plugins = plugin
        plugin.set_mixed_precision("no")
        plugin.select(_from_accelerator_state=True)
        accelerator.deepspeed_engine_wrapped = None
    if not is_zero(accelerator):
        raise UsageError("DeepSpeed splits a model over several processes, and this is one", hint="--num_processes 2")
    config = state.deepspeed_plugin.deepspeed_config
    for part in _OURS:
        section = config.get(part)
        if section and str(section.get("enabled", "true")).lower() != "false":
            raise UsageError(
                f"DeepSpeed's configuration sets {part!r}, which the recipe decides",
                hint="leave it out, and set trainer.learning_rate, trainer.schedule, trainer.precision and the like",
            )


def check_zero_can(accelerator: Accelerator, network: nn.Module, options: AccelerateOptions) -> None:
    """Raise a RecipeError for what does not go with DeepSpeed, and tell it what the recipe says."""
    unfit = {
        "accumulate": options.accumulate > 1,
        "ema_decay": options.ema_decay > 0,
        "unfreeze_every": options.unfreeze_every is not None,
        "torch_compile": options.torch_compile,
    }
    for name, chosen in unfit.items():
        if chosen:
            raise RecipeError(
                "does not go with DeepSpeed, which takes the optimizer's step by itself",
                where=f"trainer.{name}",
                hint="leave it out, or launch with FSDP, which can do it",
            )
    if tables_of(network):
        raise RecipeError("its embedding table has sparse gradients, which DeepSpeed can't share", where="encoder")
    plugin = accelerator.state.deepspeed_plugin
    config: dict[str, Any] = plugin.deepspeed_config
    clipping = config.get("gradient_clipping", "auto")
    if clipping not in ("auto", options.max_grad_norm):
        raise RecipeError(
            f"is {options.max_grad_norm}, and gradient_clipping of DeepSpeed's configuration {clipping}",
            where="trainer.max_grad_norm",
            hint="leave gradient_clipping out of the configuration",
        )
    config["gradient_clipping"] = options.max_grad_norm
    config["train_micro_batch_size_per_gpu"] = -(-options.batch_size // accelerator.num_processes)
    config["train_batch_size"], config["gradient_accumulation_steps"] = "auto", 1


def gathered(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, whole and on the processor; all processes must ask at the same time."""
    parameters = list(model.parameters())
    if any(hasattr(parameter, "ds_id") for parameter in parameters):  # the third stage splits parameters, too
        import deepspeed  # type: ignore[import-not-found,unused-ignore]

        with deepspeed.zero.GatheredParameters(parameters):
            return _copied(model)
    return _copied(model)


def _copied(model: nn.Module) -> dict[str, Tensor]:
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in named}
