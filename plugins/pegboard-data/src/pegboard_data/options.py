"""Options of the data set `files`."""

from __future__ import annotations

from typing import Literal

from pegboard import DatasetOptions
from pydantic import Field, field_validator, model_validator


class FilesOptions(DatasetOptions):
    """Where the texts are, and how to read them."""

    path: str = Field(min_length=1)
    """a file (.csv, .tsv, .jsonl, .parquet, .txt, also .gz) or a folder"""
    text_column: str = "text"
    """the column, or JSON key, that holds the text"""
    label_column: str = "label"
    """the column, or JSON key, that holds the label"""
    label_separator: str | None = Field(None, min_length=1)
    """what stands between the labels of a text where it has any number of them, | for example; an empty value is then
    no label. Lists in .jsonl and .parquet need none"""
    encoding: str = "utf-8"
    """the encoding of text files, by the name that Python has for it: utf-8, latin-1, cp1252, utf-16"""
    delimiter: str | None = None
    """what separates the columns of .csv and .tsv; default a comma in .csv and a tab in .tsv"""
    quotes: bool = True
    """whether a column of .csv and .tsv may stand in double quotes; if false, a quote is a character like any other"""
    label_names: list[str] | None = None
    """the labels, in the order of their numbers; default those of train, sorted as text"""
    labelled: bool = True
    """whether there are labels; if not, only texts are read, of a .txt file one a line, and nothing can be trained"""
    empty_texts: Literal["refuse", "keep"] = "refuse"
    """what to do with rows whose text is empty: refuse the file, or keep them to be looked at"""

    @field_validator("encoding")
    @classmethod
    def _is_an_encoding(cls, value: str) -> str:
        try:
            b" ".decode(value)
        except UnicodeError:  # one byte is no whole character of it; an encoding all the same
            pass
        except (LookupError, ValueError):
            raise ValueError("must be a text encoding that Python knows, as utf-8, latin-1, cp1252 or utf-16") from None
        return value

    @field_validator("delimiter")
    @classmethod
    def _is_one_character(cls, value: str | None) -> str | None:
        value = "\t" if value == "\\t" else value  # as a shell passes it on
        if value is not None and (len(value) != 1 or value in '"\r\n\0'):
            raise ValueError("must be one character, and no quote or line break")
        return value

    @field_validator("label_separator")
    @classmethod
    def _is_within_a_line(cls, value: str | None) -> str | None:
        if value is not None and set(value) & set("\r\n\0"):
            raise ValueError("must not hold a line break")
        return value

    @field_validator("label_names")
    @classmethod
    def _are_distinct(cls, value: list[str] | None) -> list[str] | None:
        if value is None:
            return value
        if not value or not all(name.strip() for name in value):
            raise ValueError("must be a list of names, none of them empty")
        if len(set(value)) < len(value):
            raise ValueError("must not name a label twice")
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> FilesOptions:
        if self.label_separator is not None and any(self.label_separator in name for name in self.label_names or ()):
            raise ValueError("label_names has a name that holds the label_separator, so no row could have it")
        if not self.labelled and self.label_separator is not None:
            raise ValueError("label_separator says how labels are written, labelled=false that there are none")
        if not self.labelled and self.label_names is not None:
            raise ValueError("label_names says which labels there are, labelled=false that there are none")
        if self.labelled and self.text_column == self.label_column:
            raise ValueError(f"text_column and label_column are both {self.text_column!r}")
        return self
