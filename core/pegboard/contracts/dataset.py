"""What a data set must do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pydantic import Field

from pegboard.options import Options

if TYPE_CHECKING:
    import datasets

__all__ = ["DatasetOptions", "DatasetSource"]


class DatasetOptions(Options):
    """Options that every data set has."""

    validation_share: float = Field(0.15, gt=0, lt=0.5)
    """the share of train that becomes the validation split where the data have none"""
    test_share: float = Field(0.15, gt=0, lt=0.5)
    """the share of train that becomes the test split where the data have none"""
    label_text: bool = False
    """add a column `label_text` with each label's name"""


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
