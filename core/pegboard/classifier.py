"""A trained classifier, ready to predict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pegboard.artifact import SavedModel, load_model
from pegboard.pipeline.predict import best_device, in_blocks, predict_outputs
from pegboard.precision import Comparison, PreciseNetwork
from pegboard.tasks.windows import encoded_split, windows_of
from pegboard.text.ragged import concatenate
from pegboard.text.segments import as_arrow

if TYPE_CHECKING:
    from torch import nn

    from pegboard.pipeline.data import LabelledSplit
    from pegboard.plugins.registry import Registry
    from pegboard.tasks.classify import EncodedSplit

__all__ = ["Classifier"]


class Classifier:
    """Predicts labels for texts.

    Args:
        saved: a saved model.
        device: where to compute (default: a GPU if there is one).
        precision: `f32`, `bf16`, `int8`, or `auto` for the fastest that suits.

    Raises:
        UsageError: the machine or the model can't compute in that precision.

    Example:
        >>> classifier = pegboard.load("runs/moods-word-rnn")
        >>> classifier.predict(["what a lovely day"])
        ['joy']
    """

    def __init__(self, saved: SavedModel, device: Any = None, precision: str = "f32") -> None:
        self.label_names = saved.label_names
        self.task = saved.task
        self.tokenizer = saved.tokenizer
        self._networks = PreciseNetwork(saved.network.to(device or best_device()), precision)
        self.windows = windows_of(saved.tokenizer, saved.task)

    @classmethod
    def from_folder(cls, folder: Path, registry: Registry, device: Any = None, precision: str = "f32") -> Classifier:
        """The classifier of a model folder; see `pegboard.load` for run folders."""
        return cls(load_model(folder, registry), device, precision)

    @property
    def precision(self) -> str:
        """What it predicts in: `f32`, `bf16` or `int8`; `auto` is `f32` until 1,024 texts came at once."""
        return self._networks.precision

    @property
    def compared(self) -> Comparison | None:
        """How labels agreed with those of float32 on up to 1,024 of the texts; `None` in float32, or before them."""
        return self._networks.compared

    @property
    def tried(self) -> dict[str, Comparison | str]:
        """What `auto` found out about each precision: how it did, or why the model can't be predicted in it."""
        return dict(self._networks.tried)

    def described(self) -> dict[str, Any]:
        """The precision, and the share of compared texts whose labels agree with those of float32, for a report."""
        share = {} if self.compared is None else {"agreement": self.compared.agreement}
        return {"precision": self.precision, **share}

    @property
    def lists(self) -> Callable[[npt.NDArray[np.float32]], list[list[str]]] | None:
        """For a multi-label model what gives the list of each text's labels, of probabilities [texts, labels]."""
        return self._decide if self.task.multi_label else None

    def _decide(self, probabilities: npt.NDArray[np.float32]) -> list[Any]:
        return self.task.named(self.task.decide(probabilities), self.label_names)

    def predict(self, texts: Iterable[str] | pa.Array | pa.ChunkedArray) -> list[Any]:
        """The most probable label of each text; of a multi-label model the list of each text's labels."""
        return self._decide(self.predict_proba(texts))

    def predict_proba(self, texts: Iterable[str] | pa.Array | pa.ChunkedArray) -> npt.NDArray[np.float32]:
        """Probabilities float32 [texts, labels]; columns are in the order of `label_names`.

        Raises:
            DataError: a text is missing or is not a Unicode string.
        """
        parts = [probability for _, probability in self.stream([texts] if isinstance(texts, str) else texts)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.label_names)), np.float32)

    def stream(
        self, texts: Iterable[str] | pa.Array | pa.ChunkedArray
    ) -> Iterator[tuple[list[str], npt.NDArray[np.float32]]]:
        """Blocks of up to 16,384 texts with their probabilities; memory stays flat for endless input.

        A text that occurs several times in a block is predicted once.

        Raises:
            DataError: a text is missing or is not a Unicode string; `where` has its number.
        """
        first = 0
        for block in in_blocks(texts):
            distinct = as_arrow(block, first=first).dictionary_encode()
            self._compare(len(distinct.dictionary), lambda: distinct.dictionary)  # noqa: B023 - used at once
            logits = self._outputs(self._networks.network, self._encoded(distinct.dictionary))
            yield block, self.task.probabilities(logits)[distinct.indices.to_numpy()]
            first += len(block)

    def evaluate(
        self, split: LabelledSplit, encoded: EncodedSplit | None = None
    ) -> tuple[dict[str, Any], npt.NDArray[np.float32]]:
        """All figures of a split, and the probabilities they came from; see `Task.report`.

        Args:
            split: texts and labels.
            encoded: the same as ids, where they are known already.
        """
        if encoded is None:
            ids = concatenate(list(self.tokenizer.encode_blocks(split.texts.blocks())))
            encoded = encoded_split(ids, split.labels, self.tokenizer.pad_id, self.windows)
        self._compare(len(split), split.texts.array)
        logits = self._outputs(self._networks.network, encoded)
        return self.task.report(logits, split.labels, self.label_names), self.task.probabilities(logits)

    def _encoded(self, texts: pa.LargeStringArray) -> EncodedSplit:
        return encoded_split(self.tokenizer.encode_batch(texts), None, self.tokenizer.pad_id, self.windows)

    def _outputs(self, network: nn.Module, encoded: EncodedSplit) -> npt.NDArray[np.float32]:
        """The outputs for the texts, not for their windows."""
        return encoded.pooled(predict_outputs(network, encoded))

    def _compare(self, count: int, texts: Callable[[], pa.LargeStringArray]) -> None:
        """Compare precisions on a sample of `count` texts, as far as that is still wanted."""
        sample = self._networks.sample(count)
        if len(sample):
            encoded = self._encoded(texts().take(pa.array(sample)))
            self._networks.compare(lambda network: self._labels(self._outputs(network, encoded)))

    def _labels(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        return self.task.decide(self.task.probabilities(logits))
