"""What a data set must do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pydantic import Field

from pegboard.errors import DataError
from pegboard.options import Options

if TYPE_CHECKING:
    import datasets

__all__ = ["DatasetOptions", "DatasetSource", "with_label_text"]


class DatasetOptions(Options):
    """Options that every data set has."""

    validation_share: float = Field(0.15, gt=0, lt=0.5)
    """the share of train that becomes the validation split where the data have none"""
    test_share: float = Field(0.15, gt=0, lt=0.5)
    """the share of train that becomes the test split where the data have none"""
    split_seed: int = Field(42, ge=0, lt=2**32)
    """decides which rows those are; not the recipe's seed, so that runs over several seeds share their test rows"""


@runtime_checkable
class DatasetSource(Protocol):
    """Loads labelled texts.

    It is built as `factory(options)` with its option schema. Splits it lacks are cut from train by the core,
    stratified and seeded, so a source returns what it has.
    """

    def load(self) -> datasets.DatasetDict:
        """The splits it has, of `train`, `validation` and `test`; at least `train`, or `test` to evaluate only.

        Each split has the columns `text: string` and `label: ClassLabel`, and all splits share one ClassLabel.
        Rows come in the same order at every load.

        Raises:
            DataError: the data can't be used; the message names file and line.
        """
        ...


def with_label_text(loaded: datasets.DatasetDict) -> datasets.DatasetDict:
    """What `DatasetSource.load` gave, with a column `label_text: string` that holds each label's name.

    Raises:
        DataError: there is no ClassLabel `label`, a label has no name, or there is such a column already.
    """
    import datasets

    return datasets.DatasetDict({name: _with_names(rows, name) for name, rows in loaded.items()})


def _with_names(rows: datasets.Dataset, split: str) -> datasets.Dataset:
    import pyarrow as pa

    names = getattr(rows.features.get("label"), "names", None)
    if names is None:
        raise DataError("the column 'label' must be a ClassLabel to have its text beside it", where=split)
    if "label_text" in rows.column_names:
        raise DataError("there is a column 'label_text' already", where=split, hint="leave out label_text=True")
    labels = rows.with_format("arrow")[:].column("label")
    try:
        text = pa.array(names, pa.string()).take(labels)
    except pa.ArrowIndexError:
        raise DataError("a label has no name", where=split) from None
    return rows.add_column("label_text", text.combine_chunks())
