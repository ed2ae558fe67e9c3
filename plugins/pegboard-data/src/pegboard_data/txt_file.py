"""Rows of a .txt file: a label and a text on each line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pegboard import DataError

from pegboard_data.columns import shorten
from pegboard_data.lines import lines_of
from pegboard_data.options import FilesOptions
from pegboard_data.rows import Rows, collect

_MARK = "__label__"
_MARKED = re.compile(r"__label__(\S+)(?:[ \t](.*))?", re.DOTALL)
_SECOND_MARK = re.compile(r"(?:^|\s)__label__\S")


def read_txt(path: Path, options: FilesOptions) -> Rows:
    r"""The rows of a file whose lines read `__label__joy the text` or `joy<TAB>the text`, all of them alike.

    Args:
        path: the file, plain or .gz.
        options: the encoding.

    Raises:
        DataError: by line: neither form, another form than the first line's, two labels, no text.
    """
    return collect(_records(path, options), lambda line: f"{path}, line {line}")


def _records(path: Path, options: FilesOptions) -> Iterator[tuple[int, str, str]]:
    marked: bool | None = None
    for number, ended in enumerate(lines_of(path, options.encoding), start=1):
        line = ended.rstrip("\r\n")
        if not line:
            continue
        where = f"{path}, line {number}"
        if marked is None:
            marked = _is_marked(line, where)
        label, text = _by_mark(line, where) if marked else _by_tab(line, where)
        yield number, text, label


def _is_marked(line: str, where: str) -> bool:
    if line.startswith(_MARK):
        return True
    if "\t" not in line:
        raise DataError(
            f"the line has no label: {shorten(line)!r}",
            where=where,
            hint=f"write {_MARK}LABEL and a space, or LABEL and a tab, before each text",
        )
    return False


def _by_mark(line: str, where: str) -> tuple[str, str]:
    match = _MARKED.fullmatch(line)
    if match is None:
        raise DataError(
            f"the line does not begin with {_MARK}LABEL, as the first does: {shorten(line)!r}",
            where=where,
            hint="label every line in the same way",
        )
    label, text = match[1], match[2] or ""
    if _SECOND_MARK.search(text):
        raise DataError("the line has two labels", where=where, hint=f"a text has one label; remove the other {_MARK}")
    return label, text


def _by_tab(line: str, where: str) -> tuple[str, str]:
    fields = line.split("\t")
    if len(fields) != 2:
        raise DataError(
            f"the line has {len(fields) - 1} tabs; it must read LABEL, one tab, text",
            where=where,
            hint="label every line in the same way; a file with more columns is a .tsv with a header",
        )
    return fields[0], fields[1]
