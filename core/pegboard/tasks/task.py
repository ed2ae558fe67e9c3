"""What a task of labelling texts decides; the pipeline asks it and knows nothing of losses and figures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from pegboard.errors import DataError, RecipeError, one_of
from pegboard.tasks.options import TaskOptions

if TYPE_CHECKING:
    from torch import Tensor

    from pegboard.tasks.network import ClassifierNetwork

__all__ = ["Floats", "Labels", "Task", "task_of"]

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[Any]
"""What a split holds: int64 [rows], a label a row; or bool [rows, labels], which labels a row has."""


class Task(ABC):
    """Labelling texts: with one label each, or with any number.

    Args:
        options: the recipe's `[task]` table.
    """

    multi_label: ClassVar[bool]
    """whether a text has any number of labels; its labels are then bool [rows, labels], else int64 [rows]"""

    def __init__(self, options: TaskOptions) -> None:
        self.options: Any = options

    def check(self, names: Sequence[str], *, multi_label: bool) -> None:
        """Refuse data that the task is not for, and options about labels that the data do not have.

        Args:
            names: the labels of the data.
            multi_label: whether each row has a list of labels.

        Raises:
            DataError: the data have lists of labels and the task takes one, or the other way round.
            RecipeError: an option names an unknown label.
        """
        if multi_label and not self.multi_label:
            raise DataError(
                f"each text has a list of labels; the task {self.options.task} learns one label a text",
                where="dataset",
                hint="--set task.name=multi-label",
            )
        if self.multi_label and not multi_label:
            raise DataError(
                f"each text has one label; the task {self.options.task} learns lists of labels",
                where="dataset",
                hint="--set task.name=classify; labels that are text such as a|b become lists with "
                "--set dataset.label_separator='|'",
            )
        weights = self.options.class_weights
        for name in weights if isinstance(weights, Mapping) else ():
            if name not in names:
                raise RecipeError(
                    f"the data have no label {name!r}", where=f"task.class_weights.{name}", hint=one_of(name, names)
                )

    def network(self, encoder: Any, label_count: int, class_weights: Tensor | None = None) -> ClassifierNetwork:
        """The network with its loss.

        Args:
            encoder: keeps the contract of `pegboard.Encoder`.
            label_count: number of labels.
            class_weights: float [labels], only to train.
        """
        return self.network_class()(
            encoder,
            label_count,
            dropout=self.options.dropout,
            label_smoothing=self.options.label_smoothing,
            class_weights=class_weights,
            focal_gamma=self.options.focal_gamma,
        )

    @abstractmethod
    def network_class(self) -> type[ClassifierNetwork]:
        """What `network` makes; its loss is that of the task."""

    def class_weights(self, labels: Labels, names: Sequence[str]) -> Tensor | None:
        """Weights float [labels] for the loss, or `None` where all are 1.

        Args:
            labels: those of train.
            names: the labels' names.
        """
        chosen = self.options.class_weights
        if chosen == "none":
            return None
        import torch

        if isinstance(chosen, Mapping):
            return torch.tensor([float(chosen.get(name, 1.0)) for name in names])
        return self.balanced_weights(torch.from_numpy(labels), len(names))

    @abstractmethod
    def balanced_weights(self, labels: Tensor, count: int) -> Tensor:
        """What `class_weights=balanced` stands for, float [labels]."""

    @abstractmethod
    def sampling_weights(self, labels: Labels) -> npt.NDArray[np.float64] | None:
        """How often each row is to be trained on, float64 [rows], or `None` for each once."""

    @abstractmethod
    def probabilities(self, logits: Floats) -> Floats:
        """Probabilities float32 [rows, labels] of logits of the same shape."""

    @abstractmethod
    def decide(self, probabilities: Floats) -> Labels:
        """What is predicted at these probabilities [rows, labels], as a split holds it."""

    @abstractmethod
    def named(self, labels: Labels, names: Sequence[str]) -> list[Any]:
        """Labels as a person reads them: a name for each row, or a list of names."""

    @abstractmethod
    def report(self, logits: Floats, labels: Labels, names: Sequence[str]) -> dict[str, Any]:
        """All figures of a split for `metrics.json`; those that are one number can be monitored in training."""

    @abstractmethod
    def after_training(self, logits: Callable[[], Floats], labels: Labels) -> None:
        """Settle what is learned from the validation rows once the network is trained.

        Args:
            logits: computes those of the validation rows, float32 [rows, labels].
            labels: of the validation rows.
        """

    @property
    def learned(self) -> dict[str, Any]:
        """What `after_training` settled, for `config.json`; `task_of` takes it."""
        return {}


def task_of(options: TaskOptions, learned: Mapping[str, Any] | None = None) -> Task:
    """The task with these options.

    Args:
        options: the recipe's `[task]` table.
        learned: `Task.learned` of a saved model.

    Raises:
        ValueError: `learned` is not what the task has written.
    """
    from pegboard.tasks.classify import Classify
    from pegboard.tasks.multi_label import MultiLabel

    return MultiLabel(options, learned) if options.task == MultiLabel.name else Classify(options)
