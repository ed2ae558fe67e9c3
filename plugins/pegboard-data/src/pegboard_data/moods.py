"""The data set `moods`: short texts in six moods, in the package itself; see MOODS.md."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pegboard import DatasetOptions
from pyarrow import csv

from pegboard_data.tables import dataset_dict

if TYPE_CHECKING:
    import datasets

LABELS = ("sadness", "joy", "love", "anger", "fear", "surprise")


class MoodsDataset:
    """7,171 short English texts, each with one of six moods, split 70/15/15 within each mood.

    The texts were written for this package and are in the public domain (CC0-1.0). They need no network. They are
    for trying things out, not for comparing models with published figures; `MOODS.md` beside this file says why.

    Args:
        options: the shares are unused, since all three splits are there.

    Example:
        >>> data = MoodsDataset(DatasetOptions()).load()
        >>> {split: len(rows) for split, rows in data.items()}
        {'train': 2516, 'validation': 540, 'test': 540}
    """

    def __init__(self, options: DatasetOptions) -> None:
        self.options = options

    def load(self) -> datasets.DatasetDict:
        """The splits train, validation and test; the labels are in the order of `LABELS`."""
        columns = ("text", "label", "split")
        as_text = csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()))
        with (resources.files(__package__) / "moods.csv").open("rb") as file:
            table = csv.read_csv(file, convert_options=as_text)
        splits = {}
        for split in ("train", "validation", "test"):
            rows = table.filter(pc.equal(table["split"], split))
            numbers = pc.index_in(rows["label"], pa.array(LABELS))
            splits[split] = (rows["text"], numbers.to_numpy())
        return dataset_dict(splits, LABELS)
