"""A trained classifier, ready to predict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pegboard.artifact import SavedModel, load_model
from pegboard.pipeline.predict import best_device, predict_outputs
from pegboard.tasks.classify import EncodedSplit, classification_report, probabilities
from pegboard.text.ragged import concatenate
from pegboard.text.segments import as_arrow

if TYPE_CHECKING:
    from pegboard.pipeline.data import LabelledSplit
    from pegboard.plugins.registry import Registry

__all__ = ["Classifier"]

_BLOCK = 4096


class Classifier:
    """Predicts labels for texts.

    Args:
        saved: a saved model.
        device: where to compute (default: a GPU if there is one).

    Example:
        >>> classifier = pegboard.load("runs/moods-word-rnn")
        >>> classifier.predict(["what a lovely day"])
        ['joy']
    """

    def __init__(self, saved: SavedModel, device: Any = None) -> None:
        self.label_names = saved.label_names
        self.tokenizer = saved.tokenizer
        self._network = saved.network.to(device or best_device())

    @classmethod
    def from_folder(cls, folder: Path, registry: Registry, device: Any = None) -> Classifier:
        """The classifier of a model folder; see `pegboard.load` for run folders."""
        return cls(load_model(folder, registry), device)

    def predict(self, texts: Iterable[str] | pa.Array | pa.ChunkedArray) -> list[str]:
        """The most probable label of each text."""
        return [self.label_names[i] for i in self.predict_proba(texts).argmax(axis=-1)]

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
        """Blocks of a few thousand texts with their probabilities; memory stays flat for endless input.

        Raises:
            DataError: a text is missing or is not a Unicode string; `where` has its number.
        """
        first = 0
        for block in _in_blocks(texts):
            ids = self.tokenizer.encode_batch(as_arrow(block, first=first))
            encoded = EncodedSplit(ids, None, self.tokenizer.pad_id)
            yield block, probabilities(predict_outputs(self._network, encoded))
            first += len(block)

    def evaluate(
        self, split: LabelledSplit, encoded: EncodedSplit | None = None
    ) -> tuple[dict[str, Any], npt.NDArray[np.float32]]:
        """All figures of a split, and the probabilities they came from; see `classification_report`.

        Args:
            split: texts and labels.
            encoded: the same as ids, where they are known already.
        """
        if encoded is None:
            ids = concatenate(list(self.tokenizer.encode_blocks(split.texts.blocks())))
            encoded = EncodedSplit(ids, split.labels, self.tokenizer.pad_id)
        logits = predict_outputs(self._network, encoded)
        return classification_report(logits, split.labels, self.label_names), probabilities(logits)


def _in_blocks(texts: Iterable[str] | pa.Array | pa.ChunkedArray) -> Iterator[list[str]]:
    if isinstance(texts, (pa.Array, pa.ChunkedArray)):
        for start in range(0, len(texts), _BLOCK):
            yield texts[start : start + _BLOCK].to_pylist()
        return
    iterator = iter(texts)
    while block := list(islice(iterator, _BLOCK)):
        yield block
