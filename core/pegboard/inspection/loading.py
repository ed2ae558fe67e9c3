"""The rows of a data set as they are: what training refuses is left in, to be counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pegboard.console import Console, silent
from pegboard.contracts.dataset import label_feature
from pegboard.errors import DataError
from pegboard.inspection.block import NO_LABEL, Split
from pegboard.pipeline.data import label_names, load_splits
from pegboard.pipeline.labels import indicators
from pegboard.recipe import Choice
from pegboard.text.texts import Texts

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

    from pegboard.plugins.registry import Registry

__all__ = ["counted_by_label", "load_all", "without_nulls"]


def load_all(choice: Choice, registry: Registry, console: Console = silent) -> tuple[list[Split], tuple[str, ...]]:
    """The splits that the data have, with all of their rows, and the names of the labels.

    Empty and missing texts stay, and rows without a label. Without a column of labels there are no names.

    Raises:
        DataError: there are no texts, the splits disagree on the labels, or the files can't be read.
        ComponentError: the data set's plugin is broken.
    """
    import pyarrow as pa

    loaded = load_splits(choice, registry, console)
    who = choice.component.qualified_name
    labelled = any("label" in split.column_names for split in loaded.values())
    names = label_names(loaded, who) if labelled else ()
    splits = []
    for name, split in loaded.items():
        if "text" not in split.column_names:
            raise DataError("the split has no column 'text'", where=f"{who}, {name}")
        kind = split.data.schema.field("text").type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
            raise DataError(f"expected a column of text, not of {kind}", where=f"{name}, column 'text'")
        labels, sets = None, None
        if labelled and label_feature(split)[1]:
            labels, sets = _lists(split, len(names))
        elif labelled:
            labels = _labels(split, len(names))
        splits.append(Split(name, Texts.of_dataset(split), labels, sets))
    if not any(len(split) for split in splits):
        raise DataError("there are no rows", where=who)
    _number_sets(splits)
    return splits, names


def without_nulls(texts: Texts) -> Texts:
    """The texts, an empty one for each that is missing, as a tokenizer takes them."""
    import pyarrow.compute as pc

    def blocks() -> Iterator[pa.LargeStringArray]:
        for block in texts.blocks():
            yield pc.fill_null(block, "") if block.null_count else block

    return Texts(blocks, len(texts))


def _labels(split: datasets.Dataset, count: int) -> npt.NDArray[np.int64]:
    """The labels; `NO_LABEL` for one that is missing or has no name."""
    import pyarrow.compute as pc

    column = pc.fill_null(split.with_format("arrow").select_columns("label")[:].column("label"), NO_LABEL)
    labels: npt.NDArray[np.int64] = column.to_numpy().astype(np.int64)
    return np.where((labels < 0) | (labels >= count), NO_LABEL, labels)


def _lists(split: datasets.Dataset, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """0 or `NO_LABEL` for each row, and its labels, bool [rows, labels].

    A row whose list is missing, or holds a label that is missing or has no name, counts as one without a label.
    """
    import pyarrow.compute as pc

    column = split.with_format("arrow").select_columns("label")[:].column("label")
    sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.int64)
    rows = np.repeat(np.arange(len(column)), sizes)
    numbers = pc.fill_null(pc.list_flatten(column), NO_LABEL).to_numpy().astype(np.int64)
    labels = np.where(column.is_null().to_numpy(), NO_LABEL, 0)
    wrong = (numbers < 0) | (numbers >= count)
    labels[rows[wrong]] = NO_LABEL
    sound = labels[rows] != NO_LABEL
    return labels, indicators(rows[sound], numbers[sound], len(column), count)


def _number_sets(splits: Sequence[Split]) -> None:
    """Give each row the number of its list of labels, so that equal lists have equal numbers in all splits."""
    found = [np.packbits(split.sets, axis=1) for split in splits if split.sets is not None]
    if not found:
        return
    packed = np.ascontiguousarray(np.concatenate(found))
    _, numbers = np.unique(packed.view(f"V{packed.shape[1]}").ravel(), return_inverse=True)
    start = 0
    for split in splits:
        assert split.labels is not None
        own = numbers[start : start + len(split.labels)]
        split.labels = np.where(split.labels == NO_LABEL, NO_LABEL, own)
        start += len(own)


def counted_by_label(split: Split, names: tuple[str, ...]) -> Mapping[str, int] | None:
    """How many rows each label has."""
    if split.labels is None:
        return None
    return {name: int(count) for name, count in zip(names, split.label_counts(len(names)), strict=True)}
