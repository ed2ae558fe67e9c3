"""The data set `files`: labelled texts from a file or a folder of one's own, read strictly and exactly."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pegboard import DataError, one_of

from pegboard_data.csv_file import read_csv
from pegboard_data.jsonl_file import read_jsonl
from pegboard_data.label_folders import read_label_folders
from pegboard_data.layout import Source, find_sources
from pegboard_data.options import FilesOptions
from pegboard_data.parquet_file import read_parquet
from pegboard_data.rows import Rows
from pegboard_data.tables import dataset_dict
from pegboard_data.txt_file import read_txt

if TYPE_CHECKING:
    import datasets

_MANY_LABELS = 100
"""More than these an error does not list."""


class FilesDataset:
    """Labelled texts from files.

    A file is the train split. A folder has files or folders named `train`, `validation` (or `val`, `valid`, `dev`)
    and `test`, or one folder per label. Every value is text and stays as it is: `NA`, `007` and `True` too. What
    can't be read exactly is refused, by file and line.

    Args:
        options: where the texts are, and how to read them.

    Example:
        >>> data = FilesDataset(FilesOptions(path="reviews.csv", label_column="stars")).load()
        >>> data["train"][0]
        {'text': 'A fine film.', 'label': 4}
    """

    def __init__(self, options: FilesOptions) -> None:
        self.options = options

    def load(self) -> datasets.DatasetDict:
        """The splits that are there, in the order train, validation, test.

        Returns:
            Splits with `text: string` and `label: ClassLabel`.

        Raises:
            DataError: something can't be read; the message names file and line.
        """
        path = Path(self.options.path)
        with suppress(RuntimeError):  # a home that does not exist: then it is an odd name of a file
            path = path.expanduser()
        splits = {split: self._read(source) for split, source in find_sources(path).items()}
        names = label_names(splits, self.options.label_names)
        return dataset_dict({split: (rows.texts, _numbered(rows, names)) for split, rows in splits.items()}, names)

    def _read(self, source: Source) -> Rows:
        if source.kind in ("csv", "tsv"):
            rows = read_csv(source.path, source.kind, self.options)
        elif source.kind == "jsonl":
            rows = read_jsonl(source.path, self.options)
        elif source.kind == "txt":
            rows = read_txt(source.path, self.options)
        elif source.kind == "parquet":
            rows = read_parquet(source.path, self.options)
        else:
            rows = read_label_folders(source.path, self.options)
        if not len(rows.codes):
            raise DataError("there are no rows", where=str(source.path), hint="add rows or remove the file")
        return rows


def label_names(splits: Mapping[str, Rows], given: Sequence[str] | None) -> list[str]:
    """The labels in the order of their numbers: those given, or those of train, sorted.

    Args:
        splits: the rows of each split; without train all of them say which labels there are.
        given: the option `label_names`.

    Raises:
        DataError: a row has a label that was not given, or that train does not have, or two labels differ only in
            white space at their ends.
    """
    found = (
        splits["train"].labels if "train" in splits else [label for rows in splits.values() for label in rows.labels]
    )
    for rows in splits.values():
        if given:
            _refuse_unknown(rows, given, "is none of label_names")
        _refuse_unknown(rows, found, "does not occur in train")
        _refuse_lookalikes(rows, found)
    return list(given or sorted(set(found)))


def _refuse_unknown(rows: Rows, known: Collection[str], why: str) -> None:
    names = set(known)
    for label in rows.labels:
        if label not in names:
            raise DataError(f"the label {label!r} {why}", where=rows.place_of(label), hint=_hint(label, names))


def _hint(label: str, names: Collection[str]) -> str:
    if len(names) > _MANY_LABELS:
        return f"there are {len(names):,} labels; are text_column and label_column the right way round?"
    return one_of(label, names)


def _refuse_lookalikes(rows: Rows, found: Collection[str]) -> None:
    names = set(found)
    for label in rows.labels:
        if label != label.strip() and label.strip() in names:
            raise DataError(
                f"the label {label!r} differs from {label.strip()!r} in white space only",
                where=rows.place_of(label),
                hint="write both alike",
            )


def _numbered(rows: Rows, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Each row's label as its place in `names`."""
    number_of = {name: number for number, name in enumerate(names)}
    return np.array([number_of[label] for label in rows.labels], np.int64)[rows.codes]
