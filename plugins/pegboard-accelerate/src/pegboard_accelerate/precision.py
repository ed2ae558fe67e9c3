"""What to compute in: float32, bfloat16 or float16."""

from __future__ import annotations

import torch
from pegboard import RecipeError, available_precisions
from torch import nn

__all__ = ["resolve_precision"]

_ENOUGH_PARAMETERS = 1_000_000
"""Where bf16 begins to pay: measured with GRU, LSTM and BERT encoders on a processor with AVX512-BF16 and AMX, models
of 0.2 to 0.4 million parameters took 0.75 to 1.2 times the time of float32, those of 2 to 11 million 0.55 to 0.82."""


def resolve_precision(wanted: str, device: torch.device, model: nn.Module) -> str:
    """`no`, `bf16` or `fp16`: what is wanted, or for `auto` bf16 where it is likely to be faster.

    That is where the device has instructions for it and the model has a million parameters in its layers; embeddings
    are looked up, not multiplied, so they don't count.

    Raises:
        RecipeError: fp16 on a processor, where Accelerate would compute in float32 without a word.
    """
    if wanted == "auto":
        is_fast = "bf16" in available_precisions(device) and _multiplied_parameters(model) >= _ENOUGH_PARAMETERS
        return "bf16" if is_fast else "no"
    if wanted == "fp16" and device.type == "cpu":
        raise RecipeError(
            "fp16 needs a GPU", where="trainer.precision", hint="--set trainer.precision=bf16, or auto, or no"
        )
    return wanted


def _multiplied_parameters(model: nn.Module) -> int:
    looked_up = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)}
    return sum(parameter.numel() for parameter in model.parameters() if id(parameter) not in looked_up)
