"""Arrow columns become a `datasets.DatasetDict`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import numpy as np
import numpy.typing as npt
import pyarrow as pa


def dataset_dict(
    splits: Mapping[str, tuple[Any, npt.NDArray[np.integer[Any]]]], names: Sequence[str], *, label_text: bool
) -> datasets.DatasetDict:
    """Splits with the columns `text: string` and `label: ClassLabel`, in memory, without a cache file.

    Args:
        splits: for each split its texts (Arrow `string`) and the numbers of its labels [rows].
        names: the labels, by number.
        label_text: add the column `label_text: string` with each label's name.
    """
    features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list(names))}
    if label_text:
        features["label_text"] = datasets.Value("string")
    schema = datasets.Features(features)
    made = datasets.DatasetDict()
    for split, (texts, numbers) in splits.items():
        columns = {"text": texts, "label": pa.array(numbers, pa.int64())}
        if label_text:
            columns["label_text"] = pa.array(list(names), pa.string()).take(columns["label"])
        info = datasets.DatasetInfo(features=schema)
        made[split] = datasets.Dataset(pa.table(columns), info=info, split=datasets.NamedSplit(split))
    return made
