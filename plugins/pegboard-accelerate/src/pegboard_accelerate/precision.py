"""What to compute in: float32, bfloat16 or float16."""

from __future__ import annotations

from pathlib import Path

import torch
from pegboard import RecipeError

__all__ = ["has_fast_bf16", "resolve_precision"]


def resolve_precision(wanted: str, device: torch.device) -> str:
    """`no`, `bf16` or `fp16`: what is wanted, or for `auto` bf16 where the device computes it natively.

    Raises:
        RecipeError: fp16 on a processor, where Accelerate would compute in float32 without a word.
    """
    if wanted == "auto":
        return "bf16" if has_fast_bf16(device) else "no"
    if wanted == "fp16" and device.type == "cpu":
        raise RecipeError(
            "fp16 needs a GPU", where="trainer.precision", hint="--set trainer.precision=bf16, or auto, or no"
        )
    return wanted


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16: AVX512-BF16 or AMX, or CUDA from compute capability 8."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and bool({"avx512_bf16", "amx_bf16"} & _processor_features())


def _processor_features() -> set[str]:
    capabilities = getattr(torch.cpu, "get_capabilities", None)  # since torch 2.10 or so
    if capabilities is not None:
        return {name for name, present in capabilities().items() if present is True}
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())
