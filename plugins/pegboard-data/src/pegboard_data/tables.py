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
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list(names))})
    made = datasets.DatasetDict()
    for split, (texts, numbers) in splits.items():
        table = pa.table({"text": texts, "label": pa.array(numbers, pa.int64())})
        info = datasets.DatasetInfo(features=features)
        made[split] = datasets.Dataset(table, info=info, split=datasets.NamedSplit(split))
    return made
