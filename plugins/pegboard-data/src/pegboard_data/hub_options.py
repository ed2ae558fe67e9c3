"""Options of the data set `hub`."""

from __future__ import annotations

from pegboard import DatasetOptions
from pydantic import Field, field_validator, model_validator


class HubOptions(DatasetOptions):
    """Which data set of the Hugging Face Hub, and which of its columns."""

    path: str = Field(min_length=1)
    """the data set as owner/name, for example dair-ai/emotion"""
    config: str | None = Field(None, min_length=1)
    """which of its configurations (subsets), where it has several"""
    revision: str | None = Field(None, min_length=1)
    """branch, tag or commit (default: main); a commit makes the recipe repeatable"""
    text_column: str = "text"
    """the column that holds the text"""
    label_column: str = "label"
    """the column that holds the label: a ClassLabel, text or whole numbers, or lists of these"""

    @field_validator("path")
    @classmethod
    def _has_an_owner(cls, value: str) -> str:
        owner, slash, name = value.partition("/")
        if not (slash and owner and name) or "/" in name or owner in (".", "..", "~"):
            raise ValueError("must read owner/name")
        return value

    @model_validator(mode="after")
    def _columns_differ(self) -> HubOptions:
        if self.text_column == self.label_column:
            raise ValueError(f"text_column and label_column are both {self.text_column!r}")
        return self
