"""Rows of a .jsonl file: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

from pegboard import DataError

from pegboard_data.blocks import Blocks
from pegboard_data.columns import shorten, text_and_label
from pegboard_data.objects import ObjectReader
from pegboard_data.options import FilesOptions
from pegboard_data.rows import Problem, Record
from pegboard_data.spans import Regular

_DEEPEST = 100
"""Objects and lists within each other. A parser calls itself for each, so a line must not decide how deep it goes."""

_KINDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


class JsonlFormat:
    """Reads a file with one JSON object a line; other keys than those of text and label are left aside.

    A label is text or a whole number, or a list of these, the same in all rows.

    Args:
        options: the keys of text and label.
        problem_of: what is wrong with a label.
    """

    def __init__(self, options: FilesOptions, problem_of: Problem) -> None:
        self._options = options
        self._kind_of_label: type | None = None
        self._kind_in_lists: type | None = None
        self._objects = ObjectReader(
            options.text_column,
            options.label_column if options.labelled else None,
            self._without_list,
            empty_texts=options.empty_texts == "keep",
            problem_of=problem_of,
        )

    def begin(self, blocks: Blocks) -> None:
        """There is nothing before the rows."""

    def end_of_rows(self, data: bytes) -> int:
        """Where the last whole line of `data` ends; 0 if there is none."""
        return data.rfind(b"\n") + 1

    def accepts(self, found: Regular) -> bool:
        """Whether rows of `regular` can follow those before: not with labels of another kind."""
        if self._kind_of_label is not None and found.kind_of_label not in (None, self._kind_of_label):
            return False
        self._kind_of_label = found.kind_of_label or self._kind_of_label
        return True

    def regular(self, data: bytes, *, is_last: bool) -> Regular | None:
        """The rows at the beginning of `data`, if there is no doubt about them."""
        return None if self._kind_of_label is list else self._objects.read(data, is_last=is_last)

    def strict(self, blocks: Blocks) -> Generator[Record, None, None]:
        """The line, text and label of each row.

        Raises:
            DataError: by line: no JSON, no object, a key missing or doubled, a value of the wrong kind.
        """
        for line in blocks.lines():
            where = f"{blocks.path}, line {blocks.line - 1}"
            row = self._row(line, where)
            if row is None:
                continue
            text, label = row
            if label is None:
                yield blocks.line - 1, text, None
                continue
            if type(label) is not self._kind_of_label and self._kind_of_label is not None:
                raise DataError(
                    f"the label is {_kind(label)}, in the rows before it is {_KINDS[self._kind_of_label]}",
                    where=where,
                    hint="write all labels as text, or all as whole numbers, or all as lists",
                )
            self._kind_of_label = type(label)
            yield blocks.line - 1, text, self._in_list(label, where) if isinstance(label, list) else str(label)

    def _in_list(self, labels: list[Any], where: str) -> tuple[str, ...]:
        """The labels of a row as text."""
        for label in labels:
            if type(label) not in (str, int):
                hint = "a label is text in double quotes or a whole number; no label is an empty list"
                raise DataError(f"a label in the list is {_kind(label)}", where=where, hint=hint)
            if type(label) is not self._kind_in_lists and self._kind_in_lists is not None:
                raise DataError(
                    f"a label in the list is {_kind(label)}, before it is {_KINDS[self._kind_in_lists]}",
                    where=where,
                    hint="write all labels as text or all as whole numbers",
                )
            self._kind_in_lists = type(label)
        if len(set(labels)) < len(labels):
            doubled = next(label for label in labels if labels.count(label) > 1)
            raise DataError(f"the label {doubled!r} is there twice in the list", where=where)
        return tuple(map(str, labels))

    def _without_list(self, line: str, where: str) -> tuple[str, str | int | None] | None:
        """As `_row`; lists are read by `strict` only."""
        row = self._row(line, where)
        if row is not None and isinstance(row[1], list):
            raise DataError("the label is a list", where=where)
        return row

    def _row(self, line: str, where: str) -> tuple[str, Any] | None:
        """The text and the label of a line; `None` if it is empty."""
        if not line.strip(" \t\r\n"):
            return None
        options = self._options
        row = _object(line, where)
        if options.text_column not in row or (options.labelled and options.label_column not in row):
            text_and_label(list(row), options, where)
        text = row[options.text_column]
        if type(text) is not str:
            raise DataError(f"the text is {_kind(text)}", where=where, hint="put it in double quotes")
        if not options.labelled:
            return text, None
        label = row[options.label_column]
        if type(label) is list and options.label_separator is not None:
            raise DataError("the label is a list already", where=where, hint="leave out dataset.label_separator")
        if type(label) not in (str, int, list):
            hint = "a label is text in double quotes or a whole number, or a list of these"
            raise DataError(f"the label is {_kind(label)}", where=where, hint=hint)
        return text, label


def _object(line: str, where: str) -> dict[str, Any]:
    if _depth(line) > _DEEPEST:
        raise DataError(f"the JSON is more than {_DEEPEST} objects and lists deep", where=where)
    try:
        value = _decode(line)
    except json.JSONDecodeError as error:
        raise DataError(
            f"is not valid JSON: {error.msg} (column {error.colno})", where=where, hint="each line is one JSON object"
        ) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"is not valid JSON: {error}", where=where) from None
    if not isinstance(value, dict):
        raise DataError(
            f"the line is {_kind(value)}, not an object",
            where=where,
            hint='each line reads {"text": "…", "label": "…"}',
        )
    return value


def _depth(line: str) -> int:
    """How deep brackets go outside of strings; counted only where there are enough of them to matter."""
    if line.count("[") + line.count("{") <= _DEEPEST:
        return 0
    depth = deepest = 0
    in_string = escaped = False
    for character in line:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        doubled = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shorten(doubled)!r} is there twice")
    return row


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


_decode = json.JSONDecoder(object_pairs_hook=_without_doubles, parse_constant=_no_constant).decode


def _kind(value: Any) -> str:
    return "null" if value is None else _KINDS[type(value)]
