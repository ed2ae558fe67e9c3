"""Long texts as overlapping windows: each is a row for the network, and their outputs are pooled for the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pegboard.contracts.tokenizer import Tokenizer, window_step
from pegboard.tasks.classify import ALL, EncodedSplit
from pegboard.tasks.task import Task

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from pegboard.text.stored import StoredIds

__all__ = ["WindowedSplit", "Windows", "encoded_split", "pooled_logits", "windows_of"]

Rows = npt.NDArray[np.int64]


class Windows(NamedTuple):
    """How texts are cut into windows.

    Attributes:
        max_length: the most ids of a window, special tokens included.
        step: how many ids further the next one starts.
        before: special tokens at the beginning of a text, which every window gets.
        after: special tokens at its end, which every window gets.
        pooling: what the predictions of a text's windows become: their `mean`, or for each label the `max`.
        multi_label: whether each label has a probability of its own, or all of them together add up to 1.
    """

    max_length: int
    step: int
    before: int = 0
    after: int = 0
    pooling: str = "mean"
    multi_label: bool = False


def windows_of(tokenizer: Tokenizer, task: Task) -> Windows | None:
    """How a tokenizer's options have long texts cut into windows; `None` if they have not.

    Raises:
        RecipeError: the windows overlap so much that none would get further.
    """
    before, after = tokenizer.frame
    step = window_step(tokenizer.options, before + after)
    if not step:
        return None
    return Windows(tokenizer.max_length, step, before, after, task.options.window_pooling, task.multi_label)


def encoded_split(
    ids: pa.LargeListArray | StoredIds, labels: npt.NDArray[Any] | None, pad_id: int, windows: Windows | None
) -> EncodedSplit:
    """Encoded texts, each of them a row, or as many rows as it has windows."""
    return WindowedSplit(ids, labels, pad_id, windows) if windows else EncodedSplit(ids, labels, pad_id)


class WindowedSplit(EncodedSplit):
    """Texts whose rows are windows; the ids of a text are stored once, whole.

    The windows are those of the `tokenizers` library: each starts `step` ids after the one before, the last one ends
    with the text. In the loss a window counts as one over the number of its text's windows, so that a text counts as
    much as any other.

    Args:
        input_ids: those of whole texts, special tokens included.
        labels: the labels of the texts, or `None`.
        pad_id: the id that fills a batch.
        windows: how they are cut.

    Attributes:
        lengths: ids of each window, int64 [windows].
        texts: the text of each window, int64 [windows]; ascending.

    Example:
        >>> ids = pa.array([[2, 5, 6, 7, 8, 3], [2, 9, 3]], pa.large_list(pa.int32()))
        >>> split = WindowedSplit(ids, None, 0, Windows(max_length=5, step=2, before=1, after=1))
        >>> split.collate(np.arange(3))["input_ids"].tolist()
        [[2, 5, 6, 7, 3], [2, 7, 8, 3, 0], [2, 9, 3, 0, 0]]
    """

    def __init__(
        self,
        input_ids: pa.LargeListArray | StoredIds,
        labels: npt.NDArray[Any] | None,
        pad_id: int,
        windows: Windows,
    ) -> None:
        super().__init__(input_ids, labels, pad_id)
        self._windows = windows
        self._whole = self.lengths
        beyond = np.maximum(self._whole - windows.max_length, 0)
        self._counts = 1 + -(-beyond // windows.step)
        self._firsts: Rows = np.cumsum(self._counts) - self._counts
        self.texts: Rows = np.repeat(np.arange(len(self._whole)), self._counts)
        self._skipped: Rows = (np.arange(len(self.texts)) - self._firsts[self.texts]) * windows.step
        self.lengths = np.minimum(self._whole[self.texts] - self._skipped, windows.max_length)

    def collate(self, rows: Rows) -> dict[str, Tensor]:
        """As `EncodedSplit.collate`, and `weights` float32 [batch] where there are labels and texts of several windows.

        They say how much each row counts in the loss.
        """
        batch = super().collate(rows)
        if self.labels is not None and len(self.texts) > len(self._whole):
            import torch

            batch["weights"] = torch.from_numpy((1.0 / self.for_rows(self._counts, rows)).astype(np.float32))
        return batch

    def for_rows(self, values: npt.NDArray[Any], rows: Rows | slice = ALL) -> npt.NDArray[Any]:
        """What each text has, for each of some windows."""
        return values[self.texts[rows]]

    def pooled(self, outputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The outputs of the windows as outputs of the texts; see `pooled_logits`."""
        windows = self._windows
        return pooled_logits(outputs, self._firsts, windows.pooling, multi_label=windows.multi_label)

    def _positions(self, rows: Rows, time: int) -> Rows:
        text, windows = self.texts[rows], self._windows
        columns, first = np.arange(time), self._starts[text][:, None]
        positions = first + columns + self._skipped[rows][:, None]
        positions[:, : windows.before] -= self._skipped[rows][:, None]
        from_end = self.lengths[rows][:, None] - columns
        last = first + self._whole[text][:, None] - from_end
        return np.where((from_end >= 1) & (from_end <= windows.after), last, positions)


def pooled_logits(
    logits: npt.NDArray[np.float32], firsts: Rows, pooling: str, *, multi_label: bool = False
) -> npt.NDArray[np.float32]:
    """Logits for texts from those for their windows; a text of one window keeps its logits to the bit.

    Args:
        logits: float32 [windows, labels], the windows of a text side by side.
        firsts: the first window of each text, int64 [texts].
        pooling: `mean`: the softmax of the result is the mean of the windows' probabilities; `max`: it is in proportion
            to the largest probability that a window gives each label.
        multi_label: the probabilities are not the softmax but the sigmoid of each logit, and are pooled as they are.

    Example:
        >>> logits = np.log(np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]], np.float32))
        >>> np.exp(pooled_logits(logits, np.array([0, 2]), "mean")).round(2)
        array([[0.7, 0.3],
               [0.2, 0.8]], dtype=float32)
    """
    pooled = logits[firsts]
    counts = np.diff(firsts, append=len(logits))
    several = counts > 1
    if several.any():
        wide = logits.astype(np.float64)
        if not multi_label:
            wide -= np.logaddexp.reduce(wide, axis=-1, keepdims=True)
        if pooling == "max":
            of_texts = np.maximum.reduceat(wide, firsts, axis=0)
        elif multi_label:
            # The logit of their mean: the log of their sum less the log of the sum of what each lacks to 1.
            having, lacking = -np.logaddexp(0, -wide), -np.logaddexp(0, wide)
            of_texts = np.logaddexp.reduceat(having, firsts, axis=0) - np.logaddexp.reduceat(lacking, firsts, axis=0)
        else:
            of_texts = np.logaddexp.reduceat(wide, firsts, axis=0) - np.log(counts)[:, None]
        pooled[several] = of_texts[several]
    return pooled
