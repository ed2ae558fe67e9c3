"""A tiny learnable problem for trainers: rows, a network, and a run that writes to a temporary folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pegboard.pipeline.context import RunContext
from pegboard.tasks.classify import ClassificationData, EncodedSplit

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "SpyingSplit",
    "TinyRun",
    "tiny_data",
    "tiny_multi_label_data",
    "tiny_multi_label_network",
    "tiny_network",
]

LABELS = ("low", "middle", "high")
VOCABULARY = 32


class SpyingSplit(EncodedSplit):
    """A split that tells which rows were asked for."""

    def watch(self, seen: Callable[[npt.NDArray[np.int64]], None] | None) -> None:
        """Have `seen` called with the rows of each batch; `None` ends it."""
        self._seen = seen

    def collate(self, rows: npt.NDArray[np.int64]) -> dict[str, Tensor]:
        """The batch, after telling."""
        seen = getattr(self, "_seen", None)
        if seen is not None:
            seen(np.asarray(rows))
        return super().collate(rows)


def tiny_data(rows: int = 96, validation_rows: int = 30) -> ClassificationData:
    """Rows of random ids whose label is told by the range that most ids lie in."""
    return ClassificationData(_split(rows, seed=1), _split(validation_rows, seed=2), LABELS)


def tiny_multi_label_data(rows: int = 96, validation_rows: int = 30) -> ClassificationData:
    """Rows of random ids, of ranges that mean a label each: a row has the labels of none to all of them."""
    from pegboard.tasks.multi_label import MultiLabel
    from pegboard.tasks.options import MultiLabelOptions

    task = MultiLabel(MultiLabelOptions.model_validate({}))
    train, validation = _multi_label_split(rows, seed=3), _multi_label_split(validation_rows, seed=4)
    return ClassificationData(train, validation, LABELS, task)


def tiny_multi_label_network(seed: int = 0) -> nn.Module:
    """The same network for rows with any number of labels."""
    from pegboard.pipeline.model import seed_everything
    from pegboard.tasks.network import MultiLabelNetwork
    from pegboard.testing.tiny_encoder import TinyEncoder

    seed_everything(seed)
    return MultiLabelNetwork(TinyEncoder(VOCABULARY), len(LABELS), dropout=0.1)


def tiny_network(seed: int = 0) -> nn.Module:
    """A classifier of a few hundred parameters, with dropout, seeded."""
    from pegboard.pipeline.model import seed_everything
    from pegboard.tasks.network import ClassifierNetwork
    from pegboard.testing.tiny_encoder import TinyEncoder

    seed_everything(seed)
    return ClassifierNetwork(TinyEncoder(VOCABULARY), len(LABELS), dropout=0.1)


class TinyRun(RunContext):
    """A run context without a recipe: seed, identity and folder are given, hooks are recorded.

    Attributes:
        epochs: the figures of each epoch that was reported.
    """

    def __init__(self, folder: Path, *, seed: int = 7) -> None:
        super().__init__(folder=folder, recipe=_Recipe(seed), registry=_Nobody(), is_main=True)  # type: ignore[arg-type]
        object.__setattr__(self, "epochs", [])
        folder.mkdir(parents=True, exist_ok=True)

    def epoch_finished(self, metrics: Mapping[str, float]) -> None:
        """Record the figures."""
        epochs: list[dict[str, float]] = self.epochs  # type: ignore[attr-defined]
        epochs.append(dict(metrics))


class _Recipe:
    """As much of a recipe as a trainer may ask for."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def identity(self) -> str:
        return f"tiny-{self.seed}"


class _Nobody:
    """A registry in which nobody listens."""

    def lifecycle(self, hook: str, **arguments: Any) -> None:
        """Do nothing."""


def _split(rows: int, *, seed: int) -> SpyingSplit:
    import pyarrow as pa

    generator = np.random.default_rng(seed)
    labels = np.arange(rows) % len(LABELS)
    ids = []
    for label in labels:
        length = int(generator.integers(2, 9))
        low = 2 + 10 * int(label)
        ids.append(generator.integers(low, low + 10, length).tolist())
    return SpyingSplit(pa.array(ids, pa.large_list(pa.int32())), labels.astype(np.int64), pad_id=0)


def _multi_label_split(rows: int, *, seed: int) -> SpyingSplit:
    import pyarrow as pa

    generator = np.random.default_rng(seed)
    labels = generator.random((rows, len(LABELS))) < 0.5
    ids = []
    for row in labels:
        of_labels = [generator.integers(2 + 10 * label, 12 + 10 * label, 3) for label in np.flatnonzero(row)]
        ids.append(np.concatenate([[1], *of_labels]).tolist())
    return SpyingSplit(pa.array(ids, pa.large_list(pa.int32())), labels, pad_id=0)
