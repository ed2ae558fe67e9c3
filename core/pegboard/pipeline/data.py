"""Step 1: labelled texts, checked, with three splits, and the fingerprint of their content."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pegboard.console import Console, silent
from pegboard.errors import ComponentError, DataError, PegboardError, one_of
from pegboard.recipe import Choice

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

    from pegboard.plugins.registry import Registry

__all__ = ["SPLITS", "LabelledData", "LabelledSplit", "load_data"]

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class LabelledSplit:
    """Texts and their labels.

    Attributes:
        texts: Arrow `large_string`.
        labels: int64 [rows].
    """

    texts: pa.LargeStringArray
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.labels)


@dataclass(frozen=True)
class LabelledData:
    """The splits of a data set, the names of its labels, and a hash of all of it."""

    splits: dict[str, LabelledSplit]
    label_names: tuple[str, ...]
    fingerprint: str


def load_data(
    choice: Choice, registry: Registry, *, seed: int, console: Console = silent, cut: bool = True
) -> LabelledData:
    """Load a data set, check it, and cut the splits it lacks from train.

    Args:
        choice: the data set component and its options.
        registry: the installed components.
        seed: decides which rows are cut.
        console: is told what was cut.
        cut: whether missing splits are cut from train.

    Raises:
        DataError: the data can't be used.
        ComponentError: the data set's plugin is broken.
    """
    loaded = _load(choice, registry)
    names = _label_names(loaded, choice.component.qualified_name)
    splits = {name: _checked(loaded[name], name, names) for name in SPLITS if name in loaded}
    if cut:
        _check_train(splits, names)
        splits = _with_missing_splits(splits, choice.options, seed, console)
    return LabelledData(splits, names, _fingerprint(splits, names))


def _load(choice: Choice, registry: Registry) -> datasets.DatasetDict:
    component = choice.component
    source = registry.factory_of(component)(choice.options)
    try:
        loaded = source.load()
    except PegboardError:
        raise
    except Exception as error:
        raise ComponentError(
            f"the dataset {component.name!r} of {component.distribution} {component.version} failed: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not hasattr(loaded, "keys") or not set(loaded) & set(SPLITS):
        found = ", ".join(loaded) if hasattr(loaded, "keys") else type(loaded).__name__
        raise DataError(f"a data set has the splits {', '.join(SPLITS)}, this one gave {found}")
    return loaded


def _label_names(loaded: datasets.DatasetDict, who: str) -> tuple[str, ...]:
    named: dict[str, Sequence[str]] = {}
    for split in loaded:
        for column in ("text", "label"):
            if column not in loaded[split].column_names:
                raise DataError(
                    f"the split has no column {column!r}",
                    where=f"{who}, {split}",
                    hint=one_of(column, loaded[split].column_names),
                )
        feature: Any = loaded[split].features["label"]
        if not hasattr(feature, "names"):
            raise DataError("the column 'label' must be a ClassLabel", where=f"{who}, {split}")
        named[split] = feature.names
    first, *others = named.values()
    if any(list(other) != list(first) for other in others):
        raise DataError("the splits disagree on the labels", where=who)
    return tuple(first)


def _checked(split: datasets.Dataset, name: str, label_names: Sequence[str]) -> LabelledSplit:
    """The split as Arrow and NumPy; refuses what can't be trained on, by row."""
    import pyarrow.compute as pc

    from pegboard.text.segments import as_arrow

    table = split.with_format("arrow")[:]
    texts = as_arrow(table.column("text"))
    label_column = table.column("label")
    if label_column.null_count:
        row = label_column.is_null().to_numpy().argmax()
        raise DataError("the label is missing", where=f"{name}, row {row}")
    labels = label_column.to_numpy().astype(np.int64)
    outside = (labels < 0) | (labels >= len(label_names))
    if outside.any():
        row = int(outside.argmax())
        raise DataError(f"label {labels[row]} has no name", where=f"{name}, row {row}")
    blank = pc.equal(pc.utf8_trim_whitespace(texts), "").to_numpy(zero_copy_only=False)
    if blank.any():
        raise DataError("the text is empty", where=f"{name}, row {int(blank.argmax())}")
    if not len(labels):
        raise DataError("the split has no rows", where=name)
    return LabelledSplit(texts, labels)


def _check_train(splits: dict[str, LabelledSplit], names: Sequence[str]) -> None:
    if "train" not in splits:
        raise DataError(
            f"there is no train split, only {', '.join(splits)}", hint="to evaluate use `pegboard evaluate`"
        )
    present = set(np.unique(splits["train"].labels).tolist())
    if len(present) < 2:
        only = names[present.pop()]
        raise DataError(f"train has one label only, {only!r}", hint="a classifier needs at least two")
    for split, rows in splits.items():
        unseen = set(np.unique(rows.labels).tolist()) - present
        if unseen:
            label = min(unseen)
            row = int((rows.labels == label).argmax())
            raise DataError(
                f"the label {names[label]!r} does not occur in train",
                where=f"{split}, row {row}",
                hint=f"add rows of it to train or remove it from {split}; train has "
                + ", ".join(names[i] for i in sorted(present)),
            )


def _with_missing_splits(
    splits: dict[str, LabelledSplit], options: Any, seed: int, console: Console
) -> dict[str, LabelledSplit]:
    shares = {name: getattr(options, f"{name}_share", 0.15) for name in ("validation", "test") if name not in splits}
    if not shares:
        return splits
    train = splits["train"]
    parts = _stratified(train.labels, shares, seed)
    for name in shares:
        if not len(parts[name]):
            raise DataError(
                f"train has too few rows to cut a {name} split from it ({len(train)})",
                hint=f"give a {name} split, or at least {int(1 / shares[name]) + 1} rows of a label",
            )
    cut = {name: LabelledSplit(train.texts.take(rows), train.labels[rows]) for name, rows in parts.items()}
    sizes = " and ".join(f"{name} ({len(cut[name]):,} rows)" for name in shares)
    console.note(
        f"note: the data have no {' and no '.join(shares)} split: {sizes} cut from train, stratified, seed {seed}"
    )
    return {name: {**splits, **cut}[name] for name in SPLITS}


def _stratified(labels: npt.NDArray[np.int64], shares: dict[str, float], seed: int) -> dict[str, npt.NDArray[np.int64]]:
    """Row numbers for train and each share, ascending; every label keeps its proportion, and stays in train."""
    generator = np.random.default_rng(seed)
    taken: dict[str, list[npt.NDArray[np.int64]]] = {"train": [], **{name: [] for name in shares}}
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        for name, share in shares.items():
            count = min(round(share * int((labels == label).sum())), max(0, len(rows) - 1))
            taken[name].append(rows[:count])
            rows = rows[count:]
        taken["train"].append(rows)
    return {name: np.sort(np.concatenate(rows)).astype(np.int64) for name, rows in taken.items()}


def _fingerprint(splits: dict[str, LabelledSplit], names: Sequence[str]) -> str:
    """A hash of texts, labels, their order and the labels' names; nothing else, so a copied file keeps it."""
    import pyarrow.compute as pc

    digest = hashlib.sha256("\0".join(names).encode())
    for name, split in splits.items():
        lengths = pc.binary_length(split.texts).to_numpy().astype(np.int64)
        digest.update(f"\n{name} {len(split)}\n".encode())
        digest.update(lengths.tobytes())
        for text in ("".join(split.texts[i : i + 10_000].to_pylist()) for i in range(0, len(split), 10_000)):
            digest.update(text.encode())
        digest.update(split.labels.tobytes())
    return f"sha256:{digest.hexdigest()}"
