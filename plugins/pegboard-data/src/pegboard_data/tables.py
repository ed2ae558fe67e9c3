"""Arrow columns become a `datasets.DatasetDict`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pegboard import DataError


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
    """Splits from tables with the columns `text` and, if there are labels, `label` by number, or lists of numbers.

    Args:
        tables: the splits.
        names: the labels, by number; `None` if there are none.
    """
    made = datasets.DatasetDict()
    for split, table in tables.items():
        info = datasets.DatasetInfo(features=features_of(names, table.schema))
        made[split] = datasets.Dataset(table, info=info, split=datasets.NamedSplit(split))
    return made


def label_lists(numbers: npt.NDArray[np.integer[Any]], sizes: npt.NDArray[np.int64]) -> pa.ListArray:
    """A column of lists of numbers.

    Args:
        numbers: those of all lists, one after another.
        sizes: how many each list has [rows].
    """
    ends = np.cumsum(sizes)
    if len(numbers) >= 2**31:
        raise DataError("there are more than 2,147,483,647 labels on rows", hint="give the data in several parts")
    offsets = np.concatenate([np.zeros(1, np.int32), ends.astype(np.int32)])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(numbers, pa.int64()))


def features_of(names: Sequence[str] | None, schema: pa.Schema) -> datasets.Features:
    """The columns of a split whose labels have these names, or that has none; `schema` tells whether they are lists."""
    columns: dict[str, Any] = {"text": datasets.Value("string")}
    if names is not None:
        label = datasets.ClassLabel(names=list(names))
        columns["label"] = datasets.Sequence(label) if pa.types.is_list(schema.field("label").type) else label
    return datasets.Features(columns)
