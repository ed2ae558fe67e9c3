"""Dropout that draws its random numbers faster on a processor. Imports torch when it is imported."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Dropout"]

_STEPS = 65_536


class Dropout(nn.Dropout):
    """As `nn.Dropout`, in a quarter of the time on a processor.

    There PyTorch draws 64 random bits for each element, on one core: a sixth of a bf16 training step of a small BERT.
    Here 16 bits decide, so that one draw serves four elements. The probability is a multiple of 1/65536, 0.100006 for
    0.1, and what is kept is scaled by just that one.

    The draws come from PyTorch's generator, as others do: the same seed gives the same zeros, and who saves the
    generator's state can go on from it. On other devices, and compiled, it is PyTorch's own dropout.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Zeros for some elements in training, each with probability `p`; the same shape and dtype."""
        zeroed = round(self.p * _STEPS)
        own = input.device.type == "cpu" and input.is_floating_point() and not torch.compiler.is_compiling()
        if not self.training or not own or not 0 < zeroed < _STEPS:
            return super().forward(input)
        draws = torch.empty(-(-input.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        lots = draws.view(torch.int16)[: input.numel()].view(input.shape)
        # As numbers at once, which is faster than to compare and then convert.
        kept = torch.ge(lots, zeroed - _STEPS // 2, out=torch.empty(input.shape, dtype=input.dtype))
        return input * kept.mul_(_STEPS / (_STEPS - zeroed))
