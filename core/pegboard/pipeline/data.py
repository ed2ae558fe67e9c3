"""Step 1: labelled texts, checked, with three splits, and the fingerprint of their content."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from pegboard.cache import Cache, content_key
from pegboard.console import Console, silent
from pegboard.contracts.dataset import label_feature
from pegboard.errors import DataError, one_of
from pegboard.pipeline.blame import blaming
from pegboard.pipeline.labels import labels_of, occurring, rows_with, stratified
from pegboard.recipe import Choice

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

    from pegboard.plugins.registry import Registry
    from pegboard.text.texts import Texts, TextsHash

__all__ = ["SPLITS", "LabelledData", "LabelledSplit", "label_names", "load_data", "load_splits"]

SPLITS = ("train", "validation", "test")

_ROWS_AT_ONCE = 2**16
_FINGERPRINT = "fingerprint.txt"


@dataclass(frozen=True)
class LabelledSplit:
    """Texts and their labels.

    Attributes:
        texts: the texts; they need not fit into memory.
        labels: integers [rows], -1 where the data have none; bool [rows, labels] where a row has any number of them.
    """

    texts: Texts
    labels: npt.NDArray[Any]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.labels)


@dataclass(frozen=True)
class LabelledData:
    """The splits of a data set.

    Attributes:
        splits: by name.
        label_names: the names of the labels; none if there are no labels.
        fingerprint: a hash of all of it.
        multi_label: whether each row has a list of labels.
    """

    splits: dict[str, LabelledSplit]
    label_names: tuple[str, ...]
    fingerprint: str
    multi_label: bool = False


def load_data(
    choice: Choice, registry: Registry, *, console: Console = silent, cut: bool = True, labelled: bool = True
) -> LabelledData:
    """Load a data set, check it, and cut the splits it lacks from train.

    Args:
        choice: the data set component and its options.
        registry: the installed components.
        console: is told what was cut.
        cut: whether missing splits are cut from train; never where there are no labels.
        labelled: whether the texts must have labels, and train those that a classifier needs.

    Raises:
        DataError: the data can't be used.
        ComponentError: the data set's plugin is broken.
    """
    loaded = load_splits(choice, registry, console)
    if not labelled and not any("label" in split.column_names for split in loaded.values()):
        texts = {name: _checked_texts(split, name, console) for name, split in loaded.items()}
        splits = {name: LabelledSplit(rows, np.full(len(rows), -1, np.int8)) for name, rows in texts.items()}
        return LabelledData(splits, (), _fingerprint(splits, ()))
    names = label_names(loaded, choice.component.qualified_name)
    multi_label = label_feature(next(iter(loaded.values())))[1]
    splits = {name: _checked(split, name, names, console) for name, split in loaded.items()}
    if cut and labelled:
        _check_train(splits, names, console)
    if cut and "train" in splits:
        splits = _with_missing_splits(splits, choice.options, console)
    return LabelledData(splits, names, _fingerprint(splits, names), multi_label)


def load_splits(choice: Choice, registry: Registry, console: Console = silent) -> dict[str, datasets.Dataset]:
    """What a data set has of the usual splits, in their usual order; any other is left out, with a note.

    Raises:
        DataError: the data can't be used, or have no split of a usual name.
        ComponentError: the data set's plugin is broken.
    """
    import datasets

    with blaming(choice.component):
        source: Any = registry.factory_of(choice.component)(choice.options)
        loaded = source.load()
        if not isinstance(loaded, Mapping):
            raise TypeError(f"load() gave a {type(loaded).__name__}, not a datasets.DatasetDict")
        for name, split in loaded.items():
            if not isinstance(split, datasets.Dataset):
                raise TypeError(f"its split {name!r} is a {type(split).__name__}, not a datasets.Dataset")
    used = {name: loaded[name] for name in SPLITS if name in loaded}
    others = sorted(set(loaded) - set(used))
    if not used:
        raise DataError(
            f"there is no split of the names {', '.join(SPLITS)}, but {', '.join(others) or 'none at all'}",
            where=choice.component.qualified_name,
            hint="to train it takes train, to evaluate any of them",
        )
    if others:
        console.note(f"note: not used: the split {' and '.join(others)}")
    return used


def label_names(loaded: Mapping[str, datasets.Dataset], who: str) -> tuple[str, ...]:
    """The names of the labels, the same in all splits.

    Args:
        loaded: what `load_splits` gave.
        who: the data set, for the message of an error.

    Raises:
        DataError: a split lacks a column, its labels are no ClassLabel or lists of it, or the splits disagree.
    """
    if all(split.column_names == ["text"] for split in loaded.values()):
        hint = "to train and to evaluate each text needs a label; `pegboard tokenize` takes texts alone"
        raise DataError("the texts have no labels", where=who, hint=hint)
    named: dict[str, tuple[list[str], bool]] = {}
    for name, split in loaded.items():
        for column in ("text", "label"):
            if column not in split.column_names:
                raise DataError(
                    f"the split has no column {column!r}",
                    where=f"{who}, {name}",
                    hint=one_of(column, split.column_names),
                )
        feature, in_lists = label_feature(split)
        if not hasattr(feature, "names"):
            raise DataError("the column 'label' must be a ClassLabel, or a list of it", where=f"{who}, {name}")
        named[name] = list(feature.names), in_lists
    (first, (names, lists)), *others = named.items()
    for name, (other, in_lists) in others:
        if in_lists != lists:
            one, many = (first, name) if in_lists else (name, first)
            raise DataError(f"{many} has lists of labels, {one} has one label a row", where=who)
        if other != names:
            raise DataError(f"{first} and {name} disagree on the labels: {names} and {other}", where=who)
    return tuple(names)


def _checked(split: datasets.Dataset, name: str, label_names: Sequence[str], console: Console) -> LabelledSplit:
    """The split's texts and labels; refuses what can't be trained on, by row."""
    from pegboard.text.texts import Texts, TextsHash, batches_of

    texts = _known_texts(split, name, console)
    if texts is not None:
        columns = (batch.column(0) for batch in batches_of(split, ["label"]))
        return LabelledSplit(texts, labels_of(columns, len(label_names), name))
    hashed = TextsHash()
    labels = labels_of(_hashed(_checked_rows(split, name, ["text", "label"]), hashed), len(label_names), name)
    return LabelledSplit(Texts.of_dataset(split, fingerprint=hashed.hexdigest()), labels)


def _checked_texts(split: datasets.Dataset, name: str, console: Console) -> Texts:
    """The texts of a split without labels."""
    from pegboard.text.texts import Texts

    texts = _known_texts(split, name, console)
    return texts if texts is not None else Texts.of_dataset(split, fingerprint=_fingerprint_of(split, name))


def _known_texts(split: datasets.Dataset, name: str, console: Console) -> Texts | None:
    """The texts of a file of the cache, which are checked and hashed once; `None` if the split is no such file."""
    from pegboard.text.rows_file import fingerprint_beside
    from pegboard.text.texts import Texts, own_file

    file = own_file(split)
    key = content_key(file) if file is not None else None
    if file is None or key is None:
        return None
    found = fingerprint_beside(file)
    if found is None:
        found = _remembered({**key, "column": "text"}, len(split), lambda: _fingerprint_of(split, name), console)
    return Texts.of_dataset(split, fingerprint=found)


def _remembered(key: Mapping[str, Any], count: int, compute: Callable[[], str], console: Console) -> str:
    """The fingerprint of some texts that `compute` gives, or gave an earlier process for the same `key`."""
    from pegboard.text.texts import TextsHash

    def build(folder: Path) -> None:
        (folder / _FINGERPRINT).write_text(compute(), "ascii")

    what = f"that {count:,} texts are sound, and their hash"
    folder = Cache.open(console).folder("texts", key, what, build, code=TextsHash)
    return (folder / _FINGERPRINT).read_text("ascii")


def _fingerprint_of(split: datasets.Dataset, name: str) -> str:
    """Check the texts of a split, and hash them."""
    from pegboard.text.texts import TextsHash

    texts = TextsHash()
    for _ in _hashed(_checked_rows(split, name, ["text"]), texts):
        pass
    return texts.hexdigest()


def _hashed(rows: Iterator[pa.RecordBatch], texts: TextsHash) -> Iterator[pa.Array]:
    """The last column of the rows; their texts are hashed while those that come next are checked."""
    from pegboard.text.ahead import read_ahead

    for batch in read_ahead(rows):
        texts.update(batch.column(0))
        yield batch.column(batch.num_columns - 1)


def _checked_rows(split: datasets.Dataset, name: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Columns of a split, the texts first; refuses texts that are missing or empty, by row."""
    from pegboard.text.texts import batches_of, check_texts

    if not len(split):
        raise DataError("the split has no rows", where=name)
    if "text" not in split.column_names:
        raise DataError("the split has no column 'text'", where=name, hint=one_of("text", split.column_names))
    first = 0
    for batch in batches_of(split, columns):
        check_texts(batch.column(0), name, first)
        first += len(batch)
        yield batch


def _check_train(splits: Mapping[str, LabelledSplit], names: Sequence[str], console: Console) -> None:
    if "train" not in splits:
        raise DataError(
            f"there is no train split, only {', '.join(splits)}", hint="to evaluate use `pegboard evaluate`"
        )
    present = set(occurring(splits["train"].labels))
    if len(present) < 2:
        what = f"train has one label only, {names[present.pop()]!r}" if present else "no row of train has a label"
        raise DataError(what, hint="a classifier needs at least two")
    for split, rows in splits.items():
        unseen = set(occurring(rows.labels)) - present
        if unseen:
            label = min(unseen)
            row = int(rows_with(rows.labels, label)[0])
            raise DataError(
                f"the label {names[label]!r} does not occur in train",
                where=f"{split}, row {row}",
                hint=f"add rows of it to train or remove it from {split}; train has "
                + ", ".join(names[i] for i in sorted(present)),
            )
    absent = [name for i, name in enumerate(names) if i not in present]
    if absent:
        shown = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
        console.note(f"note: no row has the label {shown}: it can't be learned, and counts 0 in the macro F1")


def _with_missing_splits(splits: dict[str, LabelledSplit], options: Any, console: Console) -> dict[str, LabelledSplit]:
    shares = {name: getattr(options, f"{name}_share", 0.15) for name in ("validation", "test") if name not in splits}
    if not shares:
        return splits
    train, seed = splits["train"], getattr(options, "split_seed", 42)
    parts = stratified(train.labels, shares, seed)
    for name in shares:
        if not len(parts[name]):
            raise DataError(
                f"train has too few rows to cut a {name} split from it ({len(train)})",
                hint=f"give a {name} split, or at least {int(0.5 / shares[name]) + 1} rows of a label",
            )
    cut = {name: LabelledSplit(_some(train.texts, rows, console), train.labels[rows]) for name, rows in parts.items()}
    sizes = " and ".join(f"{name} ({len(cut[name]):,} rows)" for name in shares)
    console.note(
        f"note: the data have no {' and no '.join(shares)} split: {sizes} cut from train, stratified, seed {seed}"
    )
    return {name: {**splits, **cut}[name] for name in SPLITS}


def _some(texts: Texts, rows: npt.NDArray[np.int64], console: Console) -> Texts:
    """Some of the texts; those of a file of the cache are hashed once."""
    chosen = texts.take(rows)
    if texts.file is not None and content_key(texts.file) is not None:
        key = {"of": texts.fingerprint(), "rows": blake3(rows.tobytes()).hexdigest()}
        chosen = texts.take(rows, fingerprint=_remembered(key, len(rows), chosen.fingerprint, console))
    return chosen


def _fingerprint(splits: Mapping[str, LabelledSplit], names: Sequence[str]) -> str:
    """A hash of texts, labels, their order and the labels' names; nothing else, so a copied file keeps it."""
    digest = blake3(json.dumps(names).encode())
    for name, split in splits.items():
        digest.update(f"\n{name} {len(split)} {split.texts.fingerprint()}\n".encode())
        for start in range(0, len(split), _ROWS_AT_ONCE):
            labels = split.labels[start : start + _ROWS_AT_ONCE]
            digest.update(labels.astype(np.bool_ if labels.ndim == 2 else np.int64).tobytes())
    return f"blake3:{digest.hexdigest()}"
