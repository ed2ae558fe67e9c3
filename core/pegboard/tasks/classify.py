"""Classification with one label a text: rows into batches, logits into figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pegboard.tasks.options import ClassifyOptions
from pegboard.tasks.task import Floats, Labels, Task
from pegboard.text.stored import StoredIds, stored

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from pegboard.tasks.network import ClassifierNetwork

__all__ = [
    "ALL",
    "ClassificationData",
    "Classify",
    "EncodedSplit",
    "balancing_weights",
    "classification_report",
    "probabilities",
]

ALL = slice(None)


class EncodedSplit:
    """Ids and labels of one split; batches are made from the flat Arrow buffer without Python lists.

    Args:
        input_ids: `large_list<int32>`, or ids that lie in a file.
        labels: integers [texts], or bool [texts, labels] where a text has any number; `None` for texts without labels.
        pad_id: the id that fills a batch.

    Here each text is a row; in a `WindowedSplit` it is as many rows as it has windows.

    Attributes:
        lengths: tokens of each row, int64 [rows].
        labels: int64 [texts], or bool [texts, labels], or `None`.
        sampling_weights: how often each row is to be trained on, compared with the others, float64 [rows], or `None`
            for each once an epoch.
    """

    sampling_weights: npt.NDArray[np.float64] | None = None

    def __init__(self, input_ids: pa.LargeListArray | StoredIds, labels: Labels | None, pad_id: int) -> None:
        ids = input_ids if isinstance(input_ids, StoredIds) else stored(input_ids)
        self._values, self._starts, self.lengths = ids
        self.labels = labels if labels is None or labels.ndim == 2 else labels.astype(np.int64, copy=False)
        self._pad_id = pad_id

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.lengths)

    def collate(self, rows: npt.NDArray[np.int64]) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask` int64 [batch, time], and `labels` where there are any.

        Labels are int64 [batch], or bool [batch, labels] where a row has any number of them.

        Time is the longest of the rows, at least 1, so that a row without tokens is a row of padding.
        """
        import torch

        lengths = self.lengths[rows]
        time = max(1, int(lengths.max(initial=0)))
        mask = np.arange(time) < lengths[:, None]
        ids = np.full(mask.shape, self._pad_id, np.int64)
        ids[mask] = self._values[self._positions(rows, time)[mask]]
        batch = {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask.astype(np.int64)),
        }
        if self.labels is not None:
            batch["labels"] = torch.from_numpy(self.for_rows(self.labels, rows))
        return batch

    def for_rows(self, values: npt.NDArray[Any], rows: npt.NDArray[np.int64] | slice = ALL) -> npt.NDArray[Any]:
        """What each text has, for each of some rows."""
        return values[rows]

    def pooled(self, outputs: Floats) -> Floats:
        """The network's outputs for the rows, as outputs for the texts."""
        return outputs

    def _positions(self, rows: npt.NDArray[np.int64], time: int) -> npt.NDArray[np.int64]:
        """Where the first `time` ids of each row lie, int64 [rows, time]; what is beyond its length is no id."""
        positions: npt.NDArray[np.int64] = self._starts[rows][:, None] + np.arange(time)
        return positions


class Classify(Task):
    """The task `classify`; the labels of a split are int64 [rows]."""

    name = ClassifyOptions.task
    multi_label = False

    def network_class(self) -> type[ClassifierNetwork]:
        """With the cross-entropy."""
        from pegboard.tasks.network import ClassifierNetwork

        return ClassifierNetwork

    def balanced_weights(self, labels: Tensor, count: int) -> Tensor:
        """Inversely proportional to how often each label occurs; their mean over rows is 1."""
        from pegboard.tasks.network import balanced_weights

        return balanced_weights(labels, count)

    def sampling_weights(self, labels: Labels) -> npt.NDArray[np.float64] | None:
        """By which each label is drawn equally often, if that was asked for."""
        return balancing_weights(labels) if self.options.sampling == "balanced" else None

    def probabilities(self, logits: Floats) -> Floats:
        """Softmax over the labels."""
        return probabilities(logits)

    def decide(self, probabilities: Floats) -> Labels:
        """The most probable label of each row, int64 [rows]."""
        best: Labels = probabilities.argmax(axis=-1)
        return best

    def named(self, labels: Labels, names: Sequence[str]) -> list[str]:
        """The name of each row's label."""
        return [names[i] for i in labels]

    def report(self, logits: Floats, labels: Labels, names: Sequence[str]) -> dict[str, Any]:
        """See `classification_report`."""
        return classification_report(logits, labels, names)

    def after_training(self, logits: Callable[[], Floats], labels: Labels) -> None:
        """Nothing: the weights are all there is."""


@dataclass(frozen=True)
class ClassificationData:
    """What a trainer is given to learn labels."""

    train: EncodedSplit
    validation: EncodedSplit
    label_names: Sequence[str]
    task: Task = field(default_factory=lambda: Classify(ClassifyOptions.model_validate({})))

    def metrics(self, outputs: Floats) -> dict[str, float]:
        """Those figures of the task's report that are one number, of logits for the rows of validation."""
        assert self.validation.labels is not None
        report = self.task.report(self.validation.pooled(outputs), self.validation.labels, self.label_names)
        return {name: figure for name, figure in report.items() if isinstance(figure, float)}


def balancing_weights(labels: Labels) -> npt.NDArray[np.float64]:
    """Weights float64 [rows] by which each label is drawn equally often.

    Example:
        >>> balancing_weights(np.array([0, 0, 1]))
        array([0.5, 0.5, 1. ])
    """
    weights: npt.NDArray[np.float64] = 1.0 / np.bincount(labels)[labels]
    return weights


def probabilities(logits: Floats) -> Floats:
    """Softmax over the last axis, float32 [rows, labels]."""
    shifted = logits - logits.max(axis=-1, keepdims=True, initial=-np.inf)
    exponents = np.exp(shifted, dtype=np.float32)
    result: Floats = exponents / exponents.sum(axis=-1, keepdims=True)
    return result


def classification_report(logits: Floats, labels: npt.NDArray[np.int64], names: Sequence[str]) -> dict[str, Any]:
    """All figures of a split for `metrics.json`.

    Args:
        logits: float32 [rows, labels].
        labels: int64 [rows].
        names: the labels' names.

    Returns:
        `accuracy`, `macro_f1` (over all labels, a label that never occurs and is never predicted counts 0),
        `weighted_f1` (by the number of rows), `balanced_accuracy` (mean recall of the labels that occur), `loss`
        (mean cross-entropy, unweighted), `rows`, `per_class` (precision, recall, f1, support) and `confusion` (rows are
        the true labels, columns the predictions).
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    predicted = logits.argmax(axis=-1)
    every = np.arange(len(names))
    scores = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0.0)
    per_class = {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
        for name, p, r, f, n in zip(names, *scores, strict=True)
    }
    wide = logits.astype(np.float64)
    log_norm = np.logaddexp.reduce(wide, axis=-1)
    return {
        "accuracy": float((predicted == labels).mean()),
        "macro_f1": float(np.mean(scores[2])),
        "weighted_f1": float(np.average(scores[2], weights=scores[3])),
        "balanced_accuracy": float(np.mean(scores[1][scores[3] > 0])),
        "loss": float((log_norm - wide[np.arange(len(labels)), labels]).mean()),
        "rows": len(labels),
        "per_class": per_class,
        "confusion": confusion_matrix(labels, predicted, labels=every).tolist(),
    }
