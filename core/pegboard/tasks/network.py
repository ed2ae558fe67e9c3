"""The network of a classifier. The one module of the core that imports torch when it is imported."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pegboard.contracts.trainer import StepOutput

__all__ = ["ClassifierNetwork"]


class ClassifierNetwork(nn.Module):
    """An encoder, dropout, and a linear layer from its pooled vector to one logit a label.

    Args:
        encoder: keeps the contract of `pegboard.Encoder`.
        labels: number of labels.
        dropout: probability of zeroing, in training.
        label_smoothing: share of the target spread evenly over the labels.
        class_weights: float [labels], or `None` for equal weights.
        focal_gamma: each row's loss is multiplied by (1 - probability of its label) to this power (Lin et al., 2017,
            arXiv:1708.02002); 0 = off.
    """

    def __init__(
        self,
        encoder: Any,
        labels: int,
        *,
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        class_weights: Tensor | None = None,
        focal_gamma: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.hidden_size, labels)
        self.label_smoothing = label_smoothing
        self.focal_gamma = focal_gamma
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None) -> StepOutput:
        """Logits float [batch, labels], and the loss where `labels` int64 [batch] are given.

        The loss is the cross-entropy, computed in float32.
        """
        pooled = self.encoder(input_ids, attention_mask).pooled
        logits = self.head(self.dropout(pooled)).float()
        if labels is None:
            zero = logits.new_zeros(())
            return StepOutput(logits, zero, zero)
        weights: Any = self.class_weights
        loss_sum = self._loss_sum(logits, labels, weights)
        loss_weight = weights[labels].sum() if weights is not None else logits.new_tensor(float(len(labels)))
        return StepOutput(logits, loss_sum, loss_weight)

    def _loss_sum(self, logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        smoothing = self.label_smoothing
        if not self.focal_gamma:
            return functional.cross_entropy(logits, labels, weight=weights, reduction="sum", label_smoothing=smoothing)
        losses = functional.cross_entropy(logits, labels, weight=weights, reduction="none", label_smoothing=smoothing)
        log_probability = -functional.cross_entropy(logits, labels, reduction="none")
        # Never quite 0, where a power below 1 has an infinite slope.
        doubt = -torch.expm1(log_probability)
        return (doubt.clamp(min=1e-6) ** self.focal_gamma * losses).sum()


def balanced_weights(labels: Tensor, count: int) -> Tensor:
    """Weights float [count] inversely proportional to how often each label occurs; their mean over rows is 1."""
    frequency = torch.bincount(labels, minlength=count).clamp(min=1).float()
    return len(labels) / (count * frequency)
