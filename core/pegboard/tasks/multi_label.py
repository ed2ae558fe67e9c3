"""Multi-label classification: each text has any number of labels, and each label is decided by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pegboard.tasks.options import MultiLabelOptions, TaskOptions
from pegboard.tasks.task import Floats, Labels, Task

if TYPE_CHECKING:
    from torch import Tensor

    from pegboard.tasks.network import MultiLabelNetwork

__all__ = ["MultiLabel", "best_threshold", "multi_label_report"]


class MultiLabel(Task):
    """The task `multi-label`; the labels of a split are bool [rows, labels].

    Args:
        options: the recipe's `[task]` table.
        learned: the threshold of a saved model.

    Attributes:
        threshold: the probability from which on a text has a label; `None` where it is tuned and was not yet.

    Raises:
        ValueError: `learned` has no threshold between 0 and 1.
    """

    name = MultiLabelOptions.task
    multi_label = True

    def __init__(self, options: TaskOptions, learned: Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        chosen = self.options.threshold
        self.threshold: float | None = None if chosen == "tuned" else chosen
        if learned is not None:
            threshold = learned.get("threshold")
            if not isinstance(threshold, float) or not 0 < threshold < 1:
                raise ValueError(f"the threshold must be a number between 0 and 1, not {threshold!r}")
            self.threshold = threshold

    def network_class(self) -> type[MultiLabelNetwork]:
        """With the binary cross-entropy of each label."""
        from pegboard.tasks.network import MultiLabelNetwork

        return MultiLabelNetwork

    def balanced_weights(self, labels: Tensor, count: int) -> Tensor:
        """How many rows lack each label for one that has it; 1 for a label that no row has."""
        having = labels.sum(0).float()
        return ((len(labels) - having) / having.clamp(min=1)).where((having > 0) & (having < len(labels)), 1.0)

    def sampling_weights(self, labels: Labels) -> npt.NDArray[np.float64] | None:
        """`None`: each row once."""
        return None

    def probabilities(self, logits: Floats) -> Floats:
        """The sigmoid of each logit."""
        with np.errstate(over="ignore"):  # exp(-logit) may be infinite, and the probability is 0 then
            result: Floats = (1 / (1 + np.exp(-logits, dtype=np.float32))).astype(np.float32)
        return result

    def decide(self, probabilities: Floats) -> Labels:
        """Which labels reach the threshold, bool [rows, labels]."""
        assert self.threshold is not None
        decided: Labels = probabilities >= np.float32(self.threshold)
        return decided

    def named(self, labels: Labels, names: Sequence[str]) -> list[list[str]]:
        """The names of each row's labels, in the order of `names`."""
        return [[names[i] for i in np.flatnonzero(row).tolist()] for row in labels]

    def report(self, logits: Floats, labels: Labels, names: Sequence[str]) -> dict[str, Any]:
        """See `multi_label_report`; as long as the threshold is not tuned, the best one for these rows counts."""
        probabilities = self.probabilities(logits)
        threshold = best_threshold(probabilities, labels) if self.threshold is None else self.threshold
        return multi_label_report(logits, probabilities >= np.float32(threshold), labels, names, threshold)

    def after_training(self, logits: Callable[[], Floats], labels: Labels) -> None:
        """Tune the threshold, if that was asked for."""
        if self.threshold is None:
            self.threshold = best_threshold(self.probabilities(logits()), labels)

    @property
    def learned(self) -> dict[str, Any]:
        """The threshold."""
        return {"threshold": self.threshold}


def best_threshold(probabilities: Floats, labels: Labels) -> float:
    """The threshold between 0 and 1 at which the micro F1 is highest, of several the one nearest to 0.5.

    All thresholds that decide differently are tried: those between two neighbouring probabilities.

    Args:
        probabilities: float32 [rows, labels].
        labels: bool [rows, labels].

    Example:
        >>> best_threshold(np.float32([[0.2, 0.4], [0.1, 0.3]]), np.array([[True, True], [False, False]]))
        0.15
    """
    order = np.argsort(-probabilities, axis=None, kind="stable")
    falling = probabilities.ravel()[order].astype(np.float64)
    right = np.cumsum(labels.ravel()[order])
    # With the first k + 1 predicted, right[k] are right, and the F1 is 2 right / (predicted + true).
    f1 = 2 * right / (np.arange(1, len(order) + 1) + max(1, int(labels.sum())))
    below = np.append(falling[1:], 0.0)
    middle = (falling + below) / 2
    # A float32 comparison must tell the two sides apart.
    rounded = middle.astype(np.float32)
    usable = (rounded <= falling.astype(np.float32)) & (rounded > below.astype(np.float32)) & (middle > 0)
    if not usable.any():
        return 0.5
    candidates = np.flatnonzero(usable)
    best = candidates[f1[candidates] >= f1[candidates].max() - 1e-12]
    chosen = middle[best[np.abs(middle[best] - 0.5).argmin()]]
    return float(np.format_float_positional(np.float32(chosen), unique=True))


def multi_label_report(
    logits: Floats, predicted: Labels, labels: Labels, names: Sequence[str], threshold: float
) -> dict[str, Any]:
    """All figures of a split for `metrics.json`.

    Args:
        logits: float32 [rows, labels].
        predicted: bool [rows, labels].
        labels: bool [rows, labels].
        names: the labels' names, at least two.
        threshold: the one that was used; it stands in the report.

    Returns:
        `subset_accuracy` (the share of rows of which every label is right) and the same as `accuracy`; `micro_f1`,
        `micro_precision`, `micro_recall` (over all decisions), `macro_f1` (over all labels, one that never occurs and
        is never predicted counts 0), `weighted_f1` (by the number of rows), `hamming_loss` (the share of decisions
        that are wrong), `mean_average_precision` (over the labels that occur), `loss` (mean binary cross-entropy of
        a decision, unweighted), `rows`, `decisions` (the threshold, and how many labels a row has and is given),
        `per_class` (precision, recall, f1, support, average_precision) and `confusion`: for each label the rows that
        have it or not, by whether it was predicted, `[[neither, only predicted], [only true, both]]`.
    """
    from sklearn.metrics import (
        accuracy_score,
        average_precision_score,
        hamming_loss,
        multilabel_confusion_matrix,
        precision_recall_fscore_support,
    )

    scores = precision_recall_fscore_support(labels, predicted, average=None, zero_division=0.0)
    precision, recall, f1, _ = precision_recall_fscore_support(labels, predicted, average="micro", zero_division=0.0)
    support = labels.sum(axis=0)
    ranked = np.zeros(len(names))
    occurring = np.flatnonzero(support)
    if len(occurring):
        ranked[occurring] = average_precision_score(labels[:, occurring], logits[:, occurring], average=None)
    subset_accuracy = float(accuracy_score(labels, predicted))
    wide = logits.astype(np.float64)
    return {
        "accuracy": subset_accuracy,
        "subset_accuracy": subset_accuracy,
        "micro_f1": float(f1),
        "micro_precision": float(precision),
        "micro_recall": float(recall),
        "macro_f1": float(np.mean(scores[2])),
        "weighted_f1": float(np.average(scores[2], weights=support)) if len(occurring) else 0.0,
        "hamming_loss": float(hamming_loss(labels, predicted)),
        "mean_average_precision": float(ranked[occurring].mean()) if len(occurring) else 0.0,
        "loss": float((np.logaddexp(0, wide) - np.where(labels, wide, 0)).mean()),
        "rows": len(labels),
        "decisions": {
            "threshold": threshold,
            "labels_per_row": float(labels.sum() / len(labels)),
            "predicted_per_row": float(predicted.sum() / len(labels)),
        },
        "per_class": {
            name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n), "average_precision": a}
            for name, p, r, f, n, a in zip(names, *scores[:3], support, ranked.tolist(), strict=True)
        },
        "confusion": multilabel_confusion_matrix(labels, predicted).tolist(),
    }
