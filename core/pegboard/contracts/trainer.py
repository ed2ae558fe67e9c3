"""What a trainer must do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor, nn

    from pegboard.pipeline.context import RunContext

__all__ = ["Split", "StepOutput", "Trainer", "TrainingData"]


class StepOutput(NamedTuple):
    """What `model(**batch)` returns.

    The loss is a sum and its weight, not a mean, so that uneven batches, accumulated steps and several processes
    average to exactly the loss of the whole.

    Attributes:
        outputs: float [batch, ...], what the task predicts from; for classification the logits.
        loss_sum: scalar, the weighted sum of the rows' losses.
        loss_weight: scalar, the sum of their weights.
    """

    outputs: Tensor
    loss_sum: Tensor
    loss_weight: Tensor


class Split(Protocol):
    """Encoded rows of one split, ready to be put into batches.

    The rows to learn from may have an attribute `sampling_weights`, float64 [rows] or `None`: how often each row
    is to be trained on, compared with the others. A trainer that goes by it declares `samples`.
    """

    lengths: npt.NDArray[np.int64]
    """tokens of each row, int64 [rows]"""

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def collate(self, rows: npt.NDArray[np.int64]) -> dict[str, Tensor]:
        """The batch of these rows, padded on the right to the longest of them; `model(**batch)` takes it.

        It depends on the rows alone, and may be called in several threads at once.
        """
        ...


class TrainingData(Protocol):
    """What a trainer is given: two splits and the task's view of how good outputs are."""

    @property
    def train(self) -> Split:
        """The rows to learn from."""
        ...

    @property
    def validation(self) -> Split:
        """The rows to choose the best weights by."""
        ...

    def metrics(self, outputs: npt.NDArray[np.float32]) -> dict[str, float]:
        """Figures for the model's outputs on the validation rows, in row order; names such as `accuracy`."""
        ...


class Trainer(ABC):
    """Minimizes what the task defines; knows nothing of classes.

    It owns the loop, the device, checkpoints and resuming.

    Args:
        options: an instance of the option schema its `ComponentSpec` names.
    """

    resumes: ClassVar[bool] = False
    """whether `fit`, run again after an interrupt, goes on from where it was; declare it where it is true"""

    samples: ClassVar[bool] = False
    """whether it goes by `data.train.sampling_weights`; a recipe that needs that refuses other trainers"""

    def __init__(self, options: Any) -> None:
        self.options = options

    @abstractmethod
    def fit(self, model: nn.Module, data: TrainingData, run: RunContext) -> dict[str, Any]:
        """Train `model` in place; on return it holds the weights to keep, on the CPU or the training device.

        `run.checkpoints` is where state is kept; when it holds an unfinished state of this run, training goes on
        from there. Each logged step goes to `run.log`, each epoch's figures to `run.epoch_finished`.

        Returns:
            The figures of the training for `metrics.json`: `seconds`, `epochs`, `examples_per_second`,
            `tokens_per_second` and whatever else is worth keeping.

        Raises:
            RunError: the loss is not a number, or state can't be written.
        """
