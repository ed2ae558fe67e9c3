"""A recurrent layer on `nn.RNN`, `nn.GRU` and `nn.LSTM`: what `loop` computes, fast.

PyTorch's layers run the whole loop in C++ (oneDNN for an LSTM on a CPU, cuDNN on a GPU). They are given padded batches:
padding follows the text, so it comes too late to change a state. A text is read from its end by
reversing it within its own length, which leaves the padding where it is, and by reversing the states again. The
usual way, `pack_padded_sequence` with a bidirectional layer, gives the same numbers but loses oneDNN's LSTM and pays
for packing at every step.

For a GRU on a CPU PyTorch has no such layer, only its steps one by one, and their gradients one by one; there it is
computed by `gru_states`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from pegboard_rnn.gru import gru_states

__all__ = ["FusedDirection", "reversed_in_length"]

_SUFFIX = "_l0"


class _Masked(nn.RNNBase):
    """Takes a mask and a direction, and names its weights in files as a cell does: `weight_ih`, not `weight_ih_l0`."""

    def forward(self, vectors: Tensor, mask: Tensor, backward: bool) -> Tensor:
        """See `FusedDirection.forward`."""
        states: Tensor
        if backward:
            lengths = mask.sum(1)
            states, _ = super().forward(reversed_in_length(vectors, lengths))
            states = reversed_in_length(states, lengths)
        else:
            states, _ = super().forward(vectors)
        return states * mask[..., None]

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, weight in self._parameters.items():
            assert weight is not None
            destination[prefix + name.removesuffix(_SUFFIX)] = weight if keep_vars else weight.detach()

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *arguments: Any) -> None:
        for name in self._parameters:
            saved = prefix + name.removesuffix(_SUFFIX)
            if saved in state_dict:
                state_dict[prefix + name] = state_dict.pop(saved)
        super()._load_from_state_dict(state_dict, prefix, *arguments)


class _Rnn(_Masked, nn.RNN):
    pass


class _Gru(_Masked, nn.GRU):
    def forward(self, vectors: Tensor, mask: Tensor, backward: bool) -> Tensor:
        """On a processor by `gru_states`; but compiled, or in another precision, by `nn.GRU`, which is made for it."""
        if vectors.device.type != "cpu" or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
            return super().forward(vectors, mask, backward)
        # The compiler, in use only where it is loaded, would compile all steps anew for each length of a text.
        run = _never_compiled() if "torch._dynamo" in sys.modules else gru_states
        weights = (self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0)
        return run(vectors, mask, *weights, backward=backward)


@cache
def _never_compiled() -> Callable[..., Tensor]:
    return torch.compiler.disable(gru_states)


class _Lstm(_Masked, nn.LSTM):
    pass


_LAYERS: dict[str, type[_Rnn | _Gru | _Lstm]] = {"rnn": _Rnn, "gru": _Gru, "lstm": _Lstm}


class FusedDirection(nn.Module):
    """One layer that reads in one direction; same arguments, results and weight names as `LoopDirection`.

    Args:
        cell: `rnn`, `gru` or `lstm`.
        input_size: size of the vectors it reads.
        hidden_size: size of its state.
        backward: read from the last token to the first.
    """

    def __init__(self, cell: str, input_size: int, hidden_size: int, *, backward: bool = False) -> None:
        super().__init__()
        self.cell = _LAYERS[cell](input_size, hidden_size, batch_first=True)
        self.backwards = backward

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """The state after each token; zeros at padding.

        Args:
            vectors: float [batch, time, input_size].
            mask: bool [batch, time], true for tokens, which come before all padding.

        Returns:
            float [batch, time, hidden_size].
        """
        states: Tensor = self.cell(vectors, mask, self.backwards)
        return states


def reversed_in_length(vectors: Tensor, lengths: Tensor) -> Tensor:
    """Reverse the first `lengths[i]` vectors of row i; what follows them stays.

    Args:
        vectors: float [batch, time, size].
        lengths: int64 [batch].

    Returns:
        float [batch, time, size].

    Example:
        >>> reversed_in_length(torch.tensor([[[1.0], [2.0], [0.0]]]), torch.tensor([2])).flatten().tolist()
        [2.0, 1.0, 0.0]
    """
    position = torch.arange(vectors.shape[1], device=vectors.device)
    mirrored = lengths[:, None] - 1 - position
    source = torch.where(mirrored >= 0, mirrored, position)
    return vectors.gather(1, source[..., None].expand_as(vectors))
