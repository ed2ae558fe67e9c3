"""Networks in lower precision. Imports torch when it is imported."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from pegboard.errors import UsageError

__all__ = ["InBf16", "Int8Linear", "lowered"]

_LEAST_SCALE = 1e-12
"""Where all values are zeros, none must be divided by zero."""


def lowered(network: nn.Module, precision: str) -> nn.Module:
    """A copy of a classifier's network in `bf16` or `int8`, in evaluation mode; see `pegboard.precision`.

    Raises:
        UsageError: there is nothing to convert.
    """
    return InBf16(network) if precision == "bf16" else _in_int8(network)


class InBf16(nn.Module):
    """A network with weights in bfloat16, computed in bfloat16.

    It runs under autocast, which casts what an encoder makes in float32 on its way, such as a mask; weights that are
    in bfloat16 already need not be cast for every batch.

    Args:
        network: in float32; it is not changed.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = _with_tensors(network, lambda tensor: tensor.to(torch.bfloat16)).eval()
        self._device = next(network.parameters()).device.type

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
        """As the network's; logits are float32."""
        with torch.autocast(self._device, torch.bfloat16):
            return self.network(input_ids, attention_mask)


class Int8Linear(nn.Module):
    """A linear layer that multiplies 8-bit integers: weights with one scale an output, inputs with one a position.

    So a result does not depend on what else is in the batch.

    Args:
        linear: the layer in float32.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        self._scales = (weight.abs().amax(dim=1) / 127).clamp(min=_LEAST_SCALE)
        self._zeros = torch.zeros(len(weight), dtype=torch.int32)
        rounded = (weight / self._scales[:, None]).round().to(torch.int8)
        self._packed = torch.ops.onednn.qlinear_prepack(rounded, None)
        self._bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, inputs: Tensor) -> Tensor:
        """Float32 [..., outputs] for float32 [..., inputs]."""
        largest = torch.maximum(inputs.amax(dim=-1, keepdim=True), inputs.amin(dim=-1, keepdim=True).neg_())
        scales = largest.div_(126).clamp_(min=_LEAST_SCALE)
        # -126 to 126 become 2 to 254; half a step more, since the cast to integers cuts off.
        rounded = inputs.mul(scales.reciprocal()).add_(128.5).to(torch.uint8)
        weight = (self._packed, self._scales, self._zeros, None)
        to_float32: tuple[Any, ...] = (1.0, 0, torch.float32, "none", [], "")
        outputs: Tensor = torch.ops.onednn.qlinear_pointwise(rounded, 1.0, 128, *weight, *to_float32).mul_(scales)
        return outputs if self._bias is None else outputs.add_(self._bias)


def _in_int8(network: nn.Module) -> nn.Module:
    """Linear layers of the encoder are replaced; embeddings and the head, which decides, stay as they are."""
    converted = _with_tensors(network, lambda tensor: tensor).eval()
    replaced = 0
    for module in list(converted.get_submodule("encoder").modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:  # a layer derived from it may compute something else
                setattr(module, name, Int8Linear(child))
                replaced += 1
    if not replaced:
        raise UsageError(
            "int8 has nothing to convert: the encoder has no linear layers",
            where="precision",
            hint="choose f32, or bf16 where the processor has it",
        )
    return converted


def _with_tensors(network: nn.Module, convert: Any) -> nn.Module:
    """A copy of a network with other tensors of floating point in place of its own; tensors are not copied first."""
    memo: dict[int, Any] = {}
    for tensor in (*network.parameters(), *network.buffers()):
        other = convert(tensor.detach()) if tensor.is_floating_point() else tensor.detach()
        memo[id(tensor)] = nn.Parameter(other, requires_grad=False) if isinstance(tensor, nn.Parameter) else other
    return copy.deepcopy(network, memo)
