"""Networks in lower precision. Imports torch when it is imported."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from pegboard.errors import UsageError
from pegboard.precision import processor_features, quantized_engine

__all__ = ["InBf16", "Int8Linear", "lowered"]


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
    """A linear layer with weights in 8-bit integers, one scale an output, and inputs that are rounded batch by batch.

    Args:
        linear: the layer in float32.
        engine: which of torch's kernels to use.
        reduce_range: give inputs one bit less; sums of products would not fit where there are no VNNI instructions.
    """

    def __init__(self, linear: nn.Linear, *, engine: str, reduce_range: bool) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scales = (weight.abs().amax(dim=1) / 127).clamp(min=torch.finfo(torch.float32).tiny).double()
        zeros = torch.zeros(len(scales), dtype=torch.long)
        rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        bias = None if linear.bias is None else linear.bias.detach().float()
        before = torch.backends.quantized.engine
        torch.backends.quantized.engine = engine
        try:
            self._packed = torch.ops.quantized.linear_prepack(rounded, bias)
        finally:
            torch.backends.quantized.engine = before
        self._reduce_range = reduce_range

    def forward(self, inputs: Tensor) -> Tensor:
        """Float32 [..., outputs] for float32 [..., inputs]."""
        result: Tensor = torch.ops.quantized.linear_dynamic(inputs, self._packed, self._reduce_range)
        return result


def _in_int8(network: nn.Module) -> nn.Module:
    """Linear layers of the encoder are replaced; embeddings and the head, which decides, stay as they are."""
    converted = _with_tensors(network, lambda tensor: tensor).eval()
    engine = quantized_engine()
    assert engine is not None
    reduce_range = engine != "onednn" and not {"avx512_vnni", "avx_vnni"} & processor_features()
    replaced = 0
    for module in list(converted.get_submodule("encoder").modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:  # a layer derived from it may compute something else
                setattr(module, name, Int8Linear(child, engine=engine, reduce_range=reduce_range))
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
