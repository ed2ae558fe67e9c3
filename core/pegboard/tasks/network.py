"""The network of a classifier. The one module of the core that imports torch when it is imported."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pegboard.contracts.trainer import StepOutput

__all__ = ["ClassifierNetwork", "MultiLabelNetwork"]


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

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> StepOutput:
        """Logits float [batch, labels], and the loss where `labels` are given, here int64 [batch].

        The loss is computed in float32, here the cross-entropy; `weights` float [batch] say how much each row counts.
        """
        logits = self.head(self.dropout(self._pooled(input_ids, attention_mask))).float()
        if labels is None:
            zero = logits.new_zeros(())
            return StepOutput(logits, zero, zero)
        losses, of_rows = self._losses(logits, labels)
        if weights is not None:
            losses, of_rows = losses * weights, of_rows * weights
        return StepOutput(logits, losses.sum(), of_rows.sum())

    def _pooled(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        pool = getattr(self.encoder, "pool", None)
        if inspect.ismethod(pool):  # and not a module that happens to have this name
            pooled: Tensor = pool(input_ids, attention_mask)
        else:
            pooled = self.encoder(input_ids, attention_mask).pooled
        return pooled

    def _losses(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of each row, already weighted, and its weight, float [batch]."""
        weights: Any = self.class_weights
        of_rows = weights[labels] if weights is not None else torch.ones_like(logits[:, 0])
        smoothing = self.label_smoothing
        losses = functional.cross_entropy(logits, labels, weight=weights, reduction="none", label_smoothing=smoothing)
        if self.focal_gamma:
            losses = self._focused(losses, -functional.cross_entropy(logits, labels, reduction="none"))
        return losses, of_rows

    def _focused(self, losses: Tensor, log_probabilities: Tensor) -> Tensor:
        """Losses of which those count less whose labels are given a high probability."""
        # Never quite 0, where a power below 1 has an infinite slope.
        doubt = -torch.expm1(log_probabilities)
        focused: Tensor = doubt.clamp(min=1e-6) ** self.focal_gamma * losses
        return focused


class MultiLabelNetwork(ClassifierNetwork):
    """The same network for texts with any number of labels: `labels` are bool [batch, labels].

    The loss is the mean binary cross-entropy over rows and labels. `class_weights` weigh the rows that have a label
    against those without it, `label_smoothing` moves each target towards a half, and `focal_gamma` works on the
    probability of each decision.
    """

    def _losses(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of each row, summed over its labels and weighted, and its weight, float [batch]."""
        targets = labels.to(logits.dtype)
        smooth = targets * (1 - self.label_smoothing) + self.label_smoothing / 2
        losses = functional.binary_cross_entropy_with_logits(logits, smooth, reduction="none")
        if self.focal_gamma:
            of_targets = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
            losses = self._focused(losses, -of_targets)
        weights: Any = self.class_weights
        if weights is None:
            return losses.sum(-1), torch.full_like(losses[:, 0], losses.shape[1])
        weight = torch.where(labels.bool(), weights, weights.new_ones(()))
        return (losses * weight).sum(-1), weight.sum(-1)


def balanced_weights(labels: Tensor, count: int) -> Tensor:
    """Weights float [count] inversely proportional to how often each label occurs; their mean over rows is 1."""
    frequency = torch.bincount(labels, minlength=count).clamp(min=1).float()
    return len(labels) / (count * frequency)
