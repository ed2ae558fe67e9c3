"""Where a training stands, and which epoch was best."""

from __future__ import annotations

from dataclasses import dataclass, field

from pegboard_accelerate.options import AccelerateOptions

__all__ = ["State"]


@dataclass
class State:
    """Where a training stands; with weights, optimizer and random numbers it is all that is needed to go on.

    Attributes:
        step: optimizer steps done.
        epoch: the epoch under way, from 1.
        step_in_epoch: optimizer steps done in it.
        finished: nothing is left to do.
        out_of_time: `max_minutes` are over.
        micro_batch_size: rows that are computed at once; halved when memory runs out.
        validation_tokens: tokens that validation computes at once; halved when memory runs out.
        best_epoch: the epoch with the best figure so far, 0 before the first.
        best_value: that figure.
        patience_value: the figure that an epoch must better by `min_delta` for patience to start anew.
        epochs_without_improvement: epochs in a row that did not.
        seconds: of the whole training so far.
        train_seconds: without validation and checkpoints.
        epoch_seconds: of the epoch under way.
        examples: rows trained on so far.
        tokens: their tokens.
        history: the figures of each epoch.
    """

    step: int = 0
    epoch: int = 1
    step_in_epoch: int = 0
    finished: bool = False
    out_of_time: bool = False
    micro_batch_size: int = 0
    validation_tokens: int = 16_384
    best_epoch: int = 0
    best_value: float | None = None
    patience_value: float | None = None
    epochs_without_improvement: int = 0
    seconds: float = 0.0
    train_seconds: float = 0.0
    epoch_seconds: float = 0.0
    examples: int = 0
    tokens: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    def judge(self, value: float, options: AccelerateOptions) -> bool:
        """Take note of the monitored figure of the epoch under way; gives whether it is the best so far."""
        if _is_better(value, self.patience_value, options, by=options.min_delta):
            self.patience_value, self.epochs_without_improvement = value, 0
        else:
            self.epochs_without_improvement += 1
        if not _is_better(value, self.best_value, options):
            return False
        self.best_value, self.best_epoch = value, self.epoch
        return True

    def is_out_of_patience(self, options: AccelerateOptions) -> bool:
        """Whether too many epochs in a row were no better."""
        return options.patience is not None and self.epochs_without_improvement >= options.patience


def _is_better(value: float, than: float | None, options: AccelerateOptions, *, by: float = 0.0) -> bool:
    greater = options.greater_is_better
    if greater is None:
        greater = not options.monitor.endswith(("loss", "perplexity", "error"))
    return than is None or (value > than + by if greater else value < than - by)
