"""From one vector a token to one vector a text."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["AttentionPooling", "LastPooling", "MaxPooling", "MeanPooling", "build_pooling"]

# Every `forward` takes states float [batch, time, size] and mask bool [batch, time], tokens before padding, and gives
# float [batch, size]; a text without tokens gives zeros.


class LastPooling(nn.Module):
    """The state after the last token; of the direction that reads from the end, the one after the first.

    Args:
        bidirectional: the second half of each state comes from reading backwards.
    """

    def __init__(self, bidirectional: bool) -> None:
        super().__init__()
        self.bidirectional = bidirectional

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Pick one position of each text."""
        last = (mask.sum(1) - 1).clamp(min=0)
        at_last = states[torch.arange(len(states), device=states.device), last]
        if not self.bidirectional:
            return at_last
        half = states.shape[-1] // 2
        return torch.cat([at_last[:, :half], states[:, 0, half:]], dim=-1)


class MeanPooling(nn.Module):
    """The mean over a text's tokens."""

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Average each feature."""
        kept = states.masked_fill(~mask[..., None], 0)
        return kept.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


class MaxPooling(nn.Module):
    """The largest value of each feature over a text's tokens: what was noticed anywhere."""

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Take the maximum of each feature."""
        highest = states.masked_fill(~mask[..., None], -torch.inf).max(1).values
        return torch.where(mask.any(1, keepdim=True), highest, 0)


class AttentionPooling(nn.Module):
    """A weighted mean; a small network gives each token its weight (Yang et al. 2016).

    The weight is the softmax over the text of `v · tanh(W h)`.

    References:
        Yang, Z. et al. (2016). Hierarchical attention networks for document classification. NAACL 2016, 1480-1489.

    Args:
        size: size of a state.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.project = nn.Linear(size, size)
        self.score = nn.Linear(size, 1, bias=False)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Average with learned weights."""
        scores = self.score(torch.tanh(self.project(states))).squeeze(-1).float()
        # A finite floor, not -inf: a text without tokens must not divide zero by zero.
        weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(1) * mask
        pooled: Tensor = (weights[..., None] * states).sum(1)
        return pooled


def build_pooling(name: str, size: int, *, bidirectional: bool) -> nn.Module:
    """The pooling of that name for states of that size."""
    if name == "last":
        return LastPooling(bidirectional)
    if name == "attention":
        return AttentionPooling(size)
    return {"mean": MeanPooling, "max": MaxPooling}[name]()
