"""What a data set must do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import Field

from pegboard.errors import DataError
from pegboard.options import Options

if TYPE_CHECKING:
    import datasets

__all__ = ["DatasetOptions", "DatasetSource", "label_feature", "with_label_text"]


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

        Each split has the columns `text: string` and `label: ClassLabel`, and all splits share one ClassLabel. Where
        a text has any number of labels, `label` is `datasets.Sequence` of that (`List` in newer versions).
        Rows come in the same order at every load.

        Raises:
            DataError: the data can't be used; the message names file and line.
        """
        ...


def with_label_text(loaded: datasets.DatasetDict) -> datasets.DatasetDict:
    """What `DatasetSource.load` gave, with a column `label_text` that holds each label's name, or list of names.

    Raises:
        DataError: `label` is no ClassLabel nor a list of it, a label has no name, or there is such a column already.
    """
    import datasets

    return datasets.DatasetDict({name: _with_names(rows, name) for name, rows in loaded.items()})


def _with_names(rows: datasets.Dataset, split: str) -> datasets.Dataset:
    import pyarrow as pa
    import pyarrow.compute as pc

    feature, in_lists = label_feature(rows) if "label" in rows.column_names else (None, False)
    names = getattr(feature, "names", None)
    if names is None:
        raise DataError("the column 'label' must be a ClassLabel to have its text beside it", where=split)
    if "label_text" in rows.column_names:
        raise DataError("there is a column 'label_text' already", where=split, hint="leave out label_text=True")
    labels = rows.with_format("arrow")[:].column("label").combine_chunks()
    try:
        text = pa.array(names, pa.string()).take(pc.list_flatten(labels) if in_lists else labels)
    except pa.ArrowIndexError:
        raise DataError("a label has no name", where=split) from None
    if in_lists:
        ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(labels), 0).cast(pa.int64()))
        offsets = pa.concat_arrays([pa.array([0], pa.int64()), ends])
        text = pa.LargeListArray.from_arrays(offsets, text, mask=labels.is_null() if labels.null_count else None)
    return rows.add_column("label_text", text)


def label_feature(split: datasets.Dataset) -> tuple[Any, bool]:
    """The ClassLabel of a split's column `label`, or what stands in its place, and whether rows have lists of it."""
    feature: Any = split.features["label"]
    if isinstance(feature, list) and len(feature) == 1:
        return feature[0], True
    inner = getattr(feature, "feature", None)
    return (inner, True) if inner is not None else (feature, False)
