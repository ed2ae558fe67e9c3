"""The encoder of the kit's tiny network; apart from it, because it needs torch when it is imported."""

from __future__ import annotations

from torch import Tensor, nn

from pegboard.contracts.encoder import EncoderOutput

__all__ = ["TinyEncoder"]


class TinyEncoder(nn.Module):
    """Mean of embeddings."""

    max_length = None

    def __init__(self, vocabulary: int, size: int = 8) -> None:
        super().__init__()
        self.hidden_size = size
        self.embedding = nn.Embedding(vocabulary, size)
        self.norm = nn.LayerNorm(size)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> EncoderOutput:
        """States [batch, time, size] and their mean [batch, size]."""
        mask = attention_mask.unsqueeze(-1)
        states = self.norm(self.embedding(input_ids)) * mask
        return EncoderOutput(states, states.sum(dim=1) / mask.sum(dim=1).clamp(min=1))
