"""JSON objects, one a line, read a block at a time with NumPy where they are alike.

Lines that a program wrote differ in their values only. One line is taken apart with care; a line that has the same
bytes between its values, strings where that has strings and numbers where that has numbers, is read by the positions
of its quotes. Any other line is read by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pegboard import DataError

from pegboard_data.escapes import escaping, unescaped
from pegboard_data.rows import Problem, has_blank
from pegboard_data.spans import (
    NEWLINE,
    QUOTE,
    RETURN,
    SPACE,
    Bytes,
    Mask,
    Positions,
    Regular,
    find,
    is_utf8,
    starts_with,
    strings,
    values_of,
    whole_lines,
)

_MOST_FORMS = 8
_FEWEST_OF_A_FORM = 64
_BACKSLASH = ord("\\")
_TOKEN = re.compile(rb'[ \t\r\n]+|"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^ \t\r\n"{}\[\]:,]+')
_SCALAR = r"(?:-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?|true|false|null)"
_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")

ReadLine = Callable[[str, str], "tuple[str, str | int | None] | None"]
"""Reads a line strictly, given it and its place for an error: its text and label; `None` if it is empty."""


class ObjectReader:
    """Reads lines of which each is an object.

    Args:
        text: the key of the text.
        label: that of the label; `None` if it is not read.
        read_line: reads a line strictly.
        empty_texts: whether texts may be empty.
        problem_of: what is wrong with a label.
    """

    def __init__(
        self, text: str, label: str | None, read_line: ReadLine, *, empty_texts: bool, problem_of: Problem
    ) -> None:
        self._problem_of = problem_of
        self._text = text
        self._label = label
        self._read_line = read_line
        self._empty_texts = empty_texts

    def read(self, data: bytes, *, is_last: bool) -> Regular | None:
        """The rows of the whole lines of `data`; `None` if something may be wrong with one of them, or none ends.

        Args:
            data: begins with a line.
            is_last: whether the file ends with it; then its last line need not end.
        """
        data, size, stopped = whole_lines(data, is_last=is_last)
        if not size or not is_utf8(data, len(data)):
            return None
        lines = _lines(np.frombuffer(data, np.uint8))
        try:
            parts = self._alike(data, lines)
            parts += self._one_by_one(data, lines, parts)
        except DataError:
            return None
        kinds = {part.kind_of_label for part in parts}
        if len(kinds) > 1:
            return None
        texts, labels = _joined(parts, labelled=self._label is not None)
        if not self._empty_texts and has_blank(texts):
            return None
        return Regular(size, len(lines.starts), texts, labels, stopped, kinds.pop() if kinds else None)

    def _alike(self, data: bytes, lines: _Lines) -> list[_Part]:
        """The lines of the forms that are frequent."""
        waiting = lines.sound.copy()
        parts: list[_Part] = []
        for _ in range(_MOST_FORMS):
            rows = np.flatnonzero(waiting)
            if len(rows) < (_FEWEST_OF_A_FORM if parts else 1):
                break
            form = self._form_of(data[lines.starts[rows[0]] : lines.ends[rows[0]]])
            waiting[rows[0]] = False
            if form is not None:
                part = form.read(data, lines, rows)
                waiting[part.rows] = False
                parts.append(part)
        return [part for part in parts if len(part.rows)]

    def _one_by_one(self, data: bytes, lines: _Lines, parts: Sequence[_Part]) -> list[_Part]:
        """The lines that are in no part yet, each read by itself.

        Raises:
            DataError: there is something wrong with one.
        """
        left = lines.ends > lines.starts
        for part in parts:
            left[part.rows] = False
        rows, texts, labels = [], [], []
        for row in np.flatnonzero(left).tolist():
            found = self._read_line(data[lines.starts[row] : lines.ends[row]].decode(), "")
            if found is None:
                continue
            text, label = found
            if "\0" in text or (label is not None and self._problem_of(str(label))):
                raise DataError("a NUL, or a label that is none")
            rows.append(row)
            texts.append(text)
            labels.append(label)
        if not rows:
            return []
        if len({type(label) for label in labels}) > 1:
            raise DataError("labels of two kinds")
        try:
            arrow = pa.array(texts, pa.string())
        except UnicodeEncodeError:
            raise DataError("half a surrogate pair") from None
        if self._label is None:
            return [_Part(np.array(rows), arrow, None, None)]
        encoded = pa.array(map(str, labels), pa.string()).dictionary_encode()
        return [_Part(np.array(rows), arrow, encoded, type(labels[0]))]

    def _form_of(self, line: bytes) -> _Form | None:
        """The form of a line; `None` if it is empty or there is something wrong with it."""
        try:
            if self._read_line(line.decode(), "") is None:
                return None
        except DataError:
            return None
        return _Form(line, self._text, self._label, self._problem_of)


class _Lines(NamedTuple):
    """The lines of a block, and where the quotes of their strings are.

    Attributes:
        starts: where each line starts.
        ends: where it ends, without its line end.
        sound: whether it holds something, and no control character.
        quotes: the positions of all quotes that begin or end a string, if all lines are JSON.
        first_quote: for each line the first of these; one more at the end.
        backslashes: how many backslashes stand before each of the quotes.
    """

    starts: Positions
    ends: Positions
    sound: Mask
    quotes: Positions
    first_quote: Positions
    backslashes: Positions


def _lines(block: Bytes) -> _Lines:
    special = find(block, b'"\\', below=32)
    kinds = block[special]
    is_end = kinds == NEWLINE
    newlines = special[is_end]
    starts = np.zeros_like(newlines)
    starts[1:] = newlines[:-1] + 1
    ends = newlines - ((newlines > starts) & (block[newlines - 1] == RETURN))
    sound = ends > starts
    control = special[(kinds < SPACE) & ~is_end & (kinds != RETURN)]
    sound[np.searchsorted(newlines, control)] = False
    is_quote = kinds == QUOTE
    backslashes = special[kinds == _BACKSLASH]
    if len(backslashes):
        escaped = backslashes[escaping(backslashes)] + 1
        is_quote[np.searchsorted(special, escaped[block[escaped] == QUOTE])] = False
    quotes = special[is_quote]
    first_quote = np.zeros(len(newlines) + 1, np.int64)
    first_quote[1:] = np.searchsorted(quotes, newlines)
    return _Lines(starts, ends, sound, quotes, first_quote, np.cumsum(kinds == _BACKSLASH)[is_quote])


class _Part(NamedTuple):
    """Rows of one form.

    Attributes:
        rows: the numbers of their lines, ascending.
        texts: Arrow `string`.
        labels: Arrow dictionary of int32 and `string`; `None` where labels are not read.
        kind_of_label: `str` or `int`.
    """

    rows: Positions
    texts: pa.StringArray
    labels: pa.DictionaryArray | None
    kind_of_label: type | None


class _Value(NamedTuple):
    """Where in a line of some form a value is.

    Attributes:
        kind: `str`, or `int` for a number, true, false or null.
        place: which of the line's strings it is; or which gap it is in.
        number: which of that gap's values it is.
    """

    kind: type
    place: int
    number: int = 0


class _Form:
    """What lines that are alike have in common.

    Between the strings that are values there are gaps. A gap is made of bytes that are the same in all lines, and of
    numbers, true, false or null between each two pieces of these.

    Args:
        line: a line that is an object with a text and, where it is read, a label.
        text: the key of the text.
        label: the key of the label; `None` if it is not read.
        problem_of: what is wrong with a label.
    """

    def __init__(self, line: bytes, text: str, label: str | None, problem_of: Problem) -> None:
        self._problem_of = problem_of
        self._strings = 0
        self._values: list[int] = []
        self._gaps: list[list[bytes]] = [[b""]]
        found: dict[str, _Value] = {}
        key = ""
        depth = 0
        tokens = _TOKEN.findall(line)
        for place, token in enumerate(tokens):
            if token.startswith(b'"') and _is_key(tokens, place):
                key = json.loads(token) if depth == 1 else key
                self._gaps[-1][-1] += token
                self._strings += 1
            elif token.startswith(b'"'):
                if depth == 1:
                    found[key] = _Value(str, self._strings)
                self._values.append(self._strings)
                self._gaps[-1][-1] += b'"'
                self._gaps.append([b'"'])
                self._strings += 1
            elif token[:1] in b"{}[]:, \t":
                depth += (token in b"{[") - (token in b"}]")
                self._gaps[-1][-1] += token
            else:
                if depth == 1:
                    found[key] = _Value(int, len(self._gaps) - 1, len(self._gaps[-1]) - 1)
                self._gaps[-1].append(b"")
        self._text = found[text]
        self._label = found[label] if label is not None else None

    def read(self, data: bytes, lines: _Lines, rows: Positions) -> _Part:
        """Those of the lines `rows` that have this form and whose text and label are sound."""
        rows = rows[lines.first_quote[rows + 1] - lines.first_quote[rows] == 2 * self._strings]
        places = lines.first_quote[rows][:, None] + np.arange(2 * self._strings)
        quotes = lines.quotes[places]
        opening, closing = quotes[:, 0::2], quotes[:, 1::2]
        good = np.ones(len(rows), np.bool_)
        raw_labels: pa.StringArray | None = None
        for number, gap in enumerate(self._gaps):
            starts = closing[:, self._values[number - 1]] if number else lines.starts[rows]
            ends = opening[:, self._values[number]] + 1 if number < len(self._values) else lines.ends[rows]
            wanted = self._label_in_gap(number)
            fits, values = _fits(data, gap, starts, ends, wanted)
            good &= fits
            raw_labels = raw_labels if wanted is None else values
        # What other strings hold is checked for nothing else, so they may hold no escapes.
        escapes = lines.backslashes[places[:, 1::2]] - lines.backslashes[places[:, 0::2]]
        others = [value for value in self._values if _Value(str, value) not in (self._text, self._label)]
        good &= (escapes[:, others] == 0).all(axis=1)
        of_text = opening[:, self._text.place] + 1, closing[:, self._text.place]
        texts, sound = _texts(strings(data, *of_text), escapes[:, self._text.place] > 0)
        good &= sound
        if self._label is not None and self._label.kind is str:
            raw_labels = strings(data, opening[:, self._label.place] + 1, closing[:, self._label.place])
        if self._label is None:
            return _Part(rows[good], texts.filter(pa.array(good)), None, None)
        labels, sound = _labels(raw_labels, self._label.kind, self._problem_of)
        good &= sound
        if not good.all():
            texts, labels = texts.filter(pa.array(good)), labels.filter(pa.array(good))
        return _Part(rows[good], texts, labels, self._label.kind)

    def _label_in_gap(self, number: int) -> int | None:
        """Which of the values in a gap is the label."""
        label = self._label
        return label.number if label is not None and label.kind is int and label.place == number else None


def _is_key(tokens: Sequence[bytes], place: int) -> bool:
    following = tokens[place + 1 : place + 3]
    return b":" in following[:1] or (b":" in following and not following[0].strip(b" \t"))


def _fits(
    data: bytes, gap: Sequence[bytes], starts: Positions, ends: Positions, wanted: int | None
) -> tuple[Mask, pa.StringArray | None]:
    """Whether spans are like a gap, and of its values the one that is wanted."""
    if len(gap) == 1:
        return (ends - starts == len(gap[0])) & starts_with(data, starts, gap[0]), None
    if len(gap) == 2:
        before, after = gap
        first = np.minimum(starts + len(before), ends)
        last = np.maximum(ends - len(after), first)
        fits = starts_with(data, starts, before) & starts_with(data, last, after) & (last + len(after) == ends)
        values = strings(data, first, np.where(fits, last, first))
        return (fits, values) if wanted is not None else (fits & _are_scalars(values), None)
    groups = [_SCALAR if number != wanted else f"(?P<wanted>{_SCALAR})" for number in range(len(gap) - 1)]
    pattern = "^" + "".join(re.escape(piece.decode()) + group for piece, group in zip(gap, [*groups, "$"], strict=True))
    whole = strings(data, starts, ends)
    if wanted is None:
        return _matches(whole, pattern), None
    found = pc.extract_regex(whole, pattern)
    return found.is_valid().to_numpy(zero_copy_only=False), pc.fill_null(pc.struct_field(found, "wanted"), "")


def _are_scalars(values: pa.StringArray) -> Mask:
    """Whether each is a number of usual length, true, false or null."""
    block, offsets = values_of(values)
    lengths = offsets[1:] - offsets[:-1]
    if len(lengths) and lengths.min() and lengths.max() <= 18 and (block - ord("0") < 10).all():
        without_zero: Mask = (lengths == 1) | (block[offsets[:-1]] != ord("0"))
        return without_zero
    return _matches(values, f"^{_SCALAR}$")


def _matches(values: pa.StringArray, pattern: str) -> Mask:
    found: Mask = pc.match_substring_regex(values, pattern).to_numpy(zero_copy_only=False)
    return found


def _texts(raw: pa.StringArray, escapes: Mask) -> tuple[pa.StringArray, Mask]:
    """Texts without their escapes, and which of them are sound."""
    sound = np.ones(len(raw), np.bool_)
    if not escapes.any():
        return raw, sound
    texts, sound[escapes] = unescaped(raw.filter(pa.array(escapes)))
    if escapes.all():
        return texts, sound
    return pc.replace_with_mask(raw, pa.array(escapes), texts), sound


def _labels(raw: pa.StringArray, kind: type, problem_of: Problem) -> tuple[pa.DictionaryArray, Mask]:
    """Labels as JSON has them, without quotes, and which of them are sound."""
    encoded = raw.dictionary_encode()
    numbers: dict[str, int] = {}
    codes = []
    for written in encoded.dictionary.to_pylist():
        label = _label(written, kind, problem_of)
        codes.append(-1 if label is None else numbers.setdefault(label, len(numbers)))
    indices = np.array(codes, np.int32)[encoded.indices.to_numpy()]
    names = pa.array(numbers, pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(indices, mask=indices < 0), names), indices >= 0


def _label(written: str, kind: type, problem_of: Problem) -> str | None:
    if kind is int:
        return written if _WHOLE_NUMBER.fullmatch(written) else None
    try:
        label: str = json.loads(f'"{written}"') if "\\" in written else written
    except ValueError:
        return None
    return None if problem_of(label) else label


def _joined(parts: Sequence[_Part], *, labelled: bool) -> tuple[pa.StringArray, pa.DictionaryArray | None]:
    """The rows of all parts in the order of their lines."""
    if len(parts) == 1:
        return parts[0].texts, parts[0].labels
    if not parts:
        return pa.array([], pa.string()), pa.array([], pa.string()).dictionary_encode() if labelled else None
    order = pa.array(np.argsort(np.concatenate([part.rows for part in parts]), kind="stable"))
    texts = pa.concat_arrays([part.texts for part in parts]).take(order)
    labels = [part.labels.dictionary_decode() for part in parts if part.labels is not None]
    return texts, pa.concat_arrays(labels).take(order).dictionary_encode() if labelled else None
