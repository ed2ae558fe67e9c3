"""Rows of a .txt file: a label and a text on each line, or texts alone."""

from __future__ import annotations

import re
from collections.abc import Generator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pegboard import DataError

from pegboard_data.blocks import Blocks
from pegboard_data.cells import Layout
from pegboard_data.columns import shorten
from pegboard_data.fields import FieldReader
from pegboard_data.options import FilesOptions
from pegboard_data.rows import Problem, Record, has_blank
from pegboard_data.spans import (
    NEWLINE,
    RETURN,
    SPACE,
    TAB,
    Bytes,
    Positions,
    Regular,
    find,
    is_utf8,
    starts_with,
    strings,
    whole_lines,
)

_MARK = "__label__"
_MARKED = re.compile(r"__label__(\S+)(?:[ \t](.*))?", re.DOTALL)
_SECOND_MARK = re.compile(r"(?:^|\s)__label__\S")
_LONGEST_LABEL = 256


class TxtFormat:
    r"""Reads a file whose lines read `__label__joy the text` or `joy<TAB>the text`, all of them alike; or texts alone.

    Empty lines are no rows.

    Args:
        options: whether there are labels.
        problem_of: what is wrong with a label.
    """

    def __init__(self, options: FilesOptions, problem_of: Problem) -> None:
        self._problem_of = problem_of
        self._labelled = options.labelled
        self._empty_texts = options.empty_texts == "keep"
        self._marked = False
        self._by_tab: FieldReader | None = None

    def begin(self, blocks: Blocks) -> None:
        """See which form the first row has.

        Raises:
            DataError: it has neither.
        """
        if not self._labelled:
            return
        with Blocks(blocks.path, blocks.encoding) as ahead:
            for line in ahead.lines():
                if line.rstrip("\r\n"):
                    self._marked = _is_marked(line.rstrip("\r\n"), f"{blocks.path}, line {ahead.line - 1}")
                    break
        if not self._marked:
            self._by_tab = FieldReader(
                Layout(TAB, columns=2, text=1, label=0, quotes=False),
                empty_texts=self._empty_texts,
                problem_of=self._problem_of,
                file_bytes=blocks.size,
            )

    def end_of_rows(self, data: bytes) -> int:
        """Where the last whole line of `data` ends; 0 if there is none."""
        return data.rfind(b"\n") + 1

    def accepts(self, found: Regular) -> bool:
        """Whether rows of `regular` can follow those before: always."""
        return True

    def regular(self, data: bytes, *, is_last: bool) -> Regular | None:
        """The rows at the beginning of `data`, if there is no doubt about them."""
        if self._by_tab is not None:
            return self._by_tab.read(data, is_last=is_last)
        data, size, stopped = whole_lines(data, is_last=is_last)
        if not size or not is_utf8(data, len(data)):
            return None
        block = np.frombuffer(data, np.uint8)
        newlines = find(block, b"\n")
        starts, ends = lines_in(block, newlines, returns=b"\r" in data)
        labels = None
        if self._labelled:
            found = _marked_labels(data, block, starts, ends, self._problem_of)
            if found is None:
                return None
            starts, labels = found
        texts = strings(data, starts, ends)
        if not self._empty_texts and has_blank(texts):
            return None
        if self._labelled and data.count(_MARK.encode()) != len(texts) and _has_second_mark(texts):
            return None
        return Regular(size, len(newlines), texts, labels, stopped)

    def strict(self, blocks: Blocks) -> Generator[Record, None, None]:
        """The line, text and label of each row.

        Raises:
            DataError: by line: neither form, another form than the first line's, two labels.
        """
        for ended in blocks.lines():
            line = ended.rstrip("\r\n")
            if not line:
                continue
            number = blocks.line - 1
            if not self._labelled:
                yield number, line, None
                continue
            where = f"{blocks.path}, line {number}"
            label, text = _by_mark(line, where) if self._marked else _by_tab(line, where)
            yield number, text, label


def lines_in(block: Bytes, newlines: Positions, *, returns: bool) -> tuple[Positions, Positions]:
    r"""Where the lines that are not empty start and end, without their line ends.

    Args:
        block: the bytes.
        newlines: the positions of `\n`.
        returns: whether there may be `\r` before them.
    """
    starts = np.zeros_like(newlines)
    starts[1:] = newlines[:-1] + 1
    ends = newlines - ((newlines > starts) & (block[newlines - 1] == RETURN)) if returns else newlines
    full = ends > starts
    return (starts, ends) if full.all() else (starts[full], ends[full])


def _marked_labels(
    data: bytes, block: Bytes, starts: Positions, ends: Positions, problem_of: Problem
) -> tuple[Positions, pa.DictionaryArray] | None:
    """Where the texts of lines begin, and their labels; `None` if a line does not begin with a mark and a label."""
    starts = starts + len(_MARK)
    if not (starts < ends).all() or not starts_with(data, starts - len(_MARK), _MARK.encode()).all():
        return None
    label_ends = starts.copy()
    waiting = np.arange(len(starts))
    for _ in range(_LONGEST_LABEL):
        here = block[label_ends[waiting]]
        waiting = waiting[(here != SPACE) & (here != TAB) & (here != NEWLINE)]
        if not len(waiting):
            break
        label_ends[waiting] += 1
    if len(waiting) or not (label_ends < ends).all():
        return None
    labels = strings(data, starts, label_ends).dictionary_encode()
    for label in labels.dictionary.to_pylist():
        match = _MARKED.fullmatch(_MARK + label)
        if match is None or match[1] != label or problem_of(label):
            return None
    return label_ends + 1, labels


def _has_second_mark(texts: pa.StringArray) -> bool:
    suspects = texts.filter(pc.match_substring(texts, _MARK))
    return any(_SECOND_MARK.search(text) for text in suspects.to_pylist())


def _is_marked(line: str, where: str) -> bool:
    if line.startswith(_MARK):
        return True
    if "\t" not in line:
        raise DataError(
            f"the line has no label: {shorten(line)!r}",
            where=where,
            hint=f"write {_MARK}LABEL and a space, or LABEL and a tab, before each text; "
            "if they are texts alone: --set dataset.labelled=false",
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
        hint = f"a text has one label: remove the other {_MARK}; or write {_MARK}a|b and set dataset.label_separator"
        raise DataError("the line has two labels", where=where, hint=hint)
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
