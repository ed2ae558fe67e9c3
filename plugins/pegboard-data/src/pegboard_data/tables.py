"""Arrow columns become a `datasets.DatasetDict`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import numpy as np
import numpy.typing as npt
import pyarrow as pa


def dataset_dict(
    splits: Mapping[str, tuple[Any, npt.NDArray[np.integer[Any]]]], names: Sequence[str]
) -> datasets.DatasetDict:
    """Splits with the columns `text: string` and `label: ClassLabel`, in memory, without a cache file.

    Args:
        splits: for each split its texts (Arrow `string`) and the numbers of its labels [rows].
        names: the labels, by number.
    """
    tables = {
        split: pa.table({"text": texts, "label": pa.array(numbers, pa.int64())})
        for split, (texts, numbers) in splits.items()
    }
    return in_memory(tables, names)


def in_memory(tables: Mapping[str, pa.Table], names: Sequence[str] | None) -> datasets.DatasetDict:
    """Splits from tables with the columns `text` and, if there are labels, `label` by number.

    Args:
        tables: the splits.
        names: the labels, by number; `None` if there are none.
    """
    made = datasets.DatasetDict()
    for split, table in tables.items():
        info = datasets.DatasetInfo(features=features_of(names))
        made[split] = datasets.Dataset(table, info=info, split=datasets.NamedSplit(split))
    return made


def features_of(names: Sequence[str] | None) -> datasets.Features:
    """The columns of a split whose labels have these names, or that has none."""
    columns: dict[str, Any] = {"text": datasets.Value("string")}
    if names is not None:
        columns["label"] = datasets.ClassLabel(names=list(names))
    return datasets.Features(columns)
