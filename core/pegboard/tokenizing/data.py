"""The splits that tokenizers are trained and measured on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pegboard.console import Console, silent
from pegboard.errors import DataError
from pegboard.pipeline.data import LabelledData, LabelledSplit

__all__ = ["train_split", "with_test_split"]


def train_split(data: LabelledData, dataset: str) -> LabelledSplit:
    """The split to train on.

    Raises:
        DataError: there is none.
    """
    if "train" not in data.splits:
        raise DataError(
            f"there is no train split to train a tokenizer on, only {', '.join(data.splits)}",
            where=dataset,
            hint="name the file train.…, or give the file itself",
        )
    return data.splits["train"]


def with_test_split(data: LabelledData, options: Any, dataset: str, console: Console = silent) -> LabelledData:
    """The data with a test split; where it has none, which only happens without labels, one is cut from train.

    Raises:
        DataError: there is no train split, or too little of it.
    """
    train = train_split(data, dataset)
    if "test" in data.splits:
        return data
    share, seed = getattr(options, "test_share", 0.15), getattr(options, "split_seed", 42)
    count = round(share * len(train))
    if not 0 < count < len(train):
        raise DataError(f"train has too few rows to cut a test split from it ({len(train)})", where=dataset)
    order = np.random.default_rng(seed).permutation(len(train))
    parts = {"train": np.sort(order[count:]), "test": np.sort(order[:count])}
    console.note(f"note: the data have no test split: {count:,} rows cut from train, seed {seed}")
    cut = {name: LabelledSplit(train.texts.take(rows), train.labels[rows]) for name, rows in parts.items()}
    return replace(data, splits={**data.splits, **cut})
