"""Rows on their way from a file, a batch at a time, checked; whatever the format, they pass through here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pegboard import DataError, first_blank

MOST_LABELS = 1_000_000
"""More labels than these are refused: then a column of texts was taken for that of the labels."""

Place = Callable[[int], str]
"""Where the row with this number came from: `data.csv, line 7`."""

Record = tuple[int, str, "str | tuple[str, ...] | None"]
"""A row's position, whatever that is in its format; its text; its label or all of its labels, or `None` where they are
not read."""

Problem = Callable[[str], "str | None"]
"""What is wrong with a label by itself, if anything."""


@dataclass(frozen=True)
class Batch:
    """Some consecutive rows.

    Attributes:
        texts: Arrow `string` without nulls.
        labels: Arrow dictionary of int32 and `string`, the labels of all rows; `None` where labels are not read.
        place: where a row of this batch came from, for an error; it may have to read the file again.
        sizes: how many labels each row has, int64 [rows]; `None` where each has one and not a list.
    """

    texts: pa.StringArray
    labels: pa.DictionaryArray | None
    place: Place
    sizes: npt.NDArray[np.int64] | None = None


class FirstRow(NamedTuple):
    """Where a label occurs first."""

    place: Place
    row: int

    def __str__(self) -> str:
        return self.place(self.row)


class LabelNumbers:
    """Numbers for labels in the order in which they occur.

    Attributes:
        first: each label's first row; the n-th label has the number n.
    """

    def __init__(self) -> None:
        self.first: dict[str, FirstRow] = {}
        self._numbers: dict[str, int] = {}

    def of(self, batch: Batch) -> npt.NDArray[np.int32]:
        """The numbers of a batch's labels [labels]; labels that are new get the next ones. Without labels all are 0.

        Raises:
            DataError: there are too many labels.
        """
        if batch.labels is None:
            return np.zeros(len(batch.texts), np.int32)
        codes = batch.labels.indices.to_numpy(zero_copy_only=False)
        names = batch.labels.dictionary.to_pylist()
        new = [(code, name) for code, name in enumerate(names) if name not in self._numbers]
        if new:
            first = np.full(len(names), -1)
            first[codes[::-1]] = np.arange(len(codes))[::-1]  # the last that is written stays
        for code, name in new:
            if name in self._numbers or first[code] < 0:  # a dictionary may have a name twice, or one that no row has
                continue
            self._numbers[name] = len(self._numbers)
            row = int(first[code])
            if batch.sizes is not None:
                row = int(np.searchsorted(np.cumsum(batch.sizes), row, side="right"))
            self.first[name] = FirstRow(batch.place, row)
        if len(self.first) > MOST_LABELS:
            raise DataError(
                f"there are more than {MOST_LABELS:,} labels",
                where=str(list(self.first.values())[MOST_LABELS]),
                hint="are text_column and label_column the right way round?",
            )
        numbers: npt.NDArray[np.int32] = np.array([self._numbers.get(name, -1) for name in names], np.int32)[codes]
        return numbers


def batch_of(
    records: Iterable[Record], place: Callable[[int], str], *, empty_texts: bool, problem_of: Problem | None = None
) -> Batch:
    """A batch of (position, text, label), checked row by row, so that the first row that is wrong is the one named.

    Args:
        records: in order, with labels or all without.
        place: the name of a position, for errors.
        empty_texts: whether texts may be empty.
        problem_of: what is wrong with a label; `problem_of_label` by default.

    Raises:
        DataError: a text or a label is empty, holds a NUL, or is no valid Unicode; or what `records` raises.
    """
    positions: list[int] = []
    texts: list[str] = []
    labels: list[str] = []
    sizes: list[int] = []
    known: set[str] = set()
    problem_of = problem_of or problem_of_label
    labelled = False
    try:
        for position, text, label in records:
            own = (label,) if isinstance(label, str) else label or ()
            for one in own:
                if one not in known and (problem := problem_of(one)):
                    raise DataError(problem, where=place(position))
            known.update(own)
            positions.append(position)
            texts.append(text)
            labels.extend(own)
            labelled = label is not None
            if isinstance(label, tuple):
                sizes.append(len(label))
    except DataError:
        _as_strings(texts, lambda row: place(positions[row]), empty_texts=empty_texts)  # a row before may be wrong too
        raise
    strings = _as_strings(texts, lambda row: place(positions[row]), empty_texts=empty_texts)
    encoded = pa.array(labels, pa.string()).dictionary_encode() if labelled else None
    return Batch(strings, encoded, lambda row: place(positions[row]), np.array(sizes, np.int64) if sizes else None)


def check_texts(texts: pa.Array, place: Place, *, empty_texts: bool) -> None:
    """Refuse texts that hold a NUL, or are empty, by their place.

    Args:
        texts: Arrow `string` without nulls.
        place: where a row came from.
        empty_texts: whether texts may be empty.

    Raises:
        DataError: the first such text.
    """
    blank = None if empty_texts else first_blank(texts)
    with_nul = pc.index(pc.match_substring(texts, "\0"), True).as_py()
    found = [row for row in (blank, with_nul) if row is not None and row >= 0]
    if found:
        what = "the text is empty" if min(found) == blank else "the text holds a NUL character"
        raise DataError(what, where=place(min(found)), hint="mend or remove the row")


def has_blank(texts: pa.Array) -> bool:
    """Whether a text is nothing but white space."""
    return first_blank(texts) is not None


def problem_of_label(label: str) -> str | None:
    """What is wrong with a label by itself."""
    if not label.strip():
        return "the label is empty"
    if "\0" in label:
        return "the label holds a NUL character"
    return None if _is_unicode(label) else "the label holds half a surrogate pair, which is no character"


def problem_of_lists(separator: str) -> Problem:
    """What is wrong with labels that are written as one text.

    Args:
        separator: what stands between them.

    Example:
        >>> problem_of_lists("|")("joy||awe")
        "a label is empty in 'joy||awe'"
    """

    def problem_of(written: str) -> str | None:
        labels = written.split(separator) if written else []
        for label in labels:
            if not label:
                return f"a label is empty in {written!r}"
            if label.strip() != label:
                return f"the label {label!r} in {written!r} has white space at its ends; may the separator hold some?"
            if problem := problem_of_label(label):
                return problem
            if labels.count(label) > 1:
                return f"the label {label!r} is there twice in {written!r}"
        return None

    return problem_of


def is_list(of_type: pa.DataType) -> bool:
    """Whether a column of this type holds lists, however they are stored."""
    return bool(pa.types.is_list(of_type) or pa.types.is_large_list(of_type) or pa.types.is_fixed_size_list(of_type))


def with_lists(batch: Batch, separator: str) -> Batch:
    """The batch with its labels, texts such as `a|b` in which nothing is wrong, taken apart."""
    if batch.labels is None or batch.sizes is not None:
        return batch
    written = [text.split(separator) if text else [] for text in batch.labels.dictionary.to_pylist()]
    numbers = {label: number for number, label in enumerate(dict.fromkeys(label for own in written for label in own))}
    parts = np.array([numbers[label] for own in written for label in own], np.int32)
    counts = np.array([len(own) for own in written], np.int64)
    codes = batch.labels.indices.to_numpy(zero_copy_only=False)
    sizes = counts[codes]
    first_part = (np.cumsum(counts) - counts)[codes] - (np.cumsum(sizes) - sizes)
    indices = parts[np.repeat(first_part, sizes) + np.arange(int(sizes.sum()))]
    labels = pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(numbers, pa.string()))
    return Batch(batch.texts, labels, batch.place, sizes)


def _as_strings(texts: list[str], place: Place, *, empty_texts: bool) -> pa.StringArray:
    try:
        strings = pa.array(texts, pa.string())
    except UnicodeEncodeError:
        row = next(row for row, text in enumerate(texts) if not _is_unicode(text))
        _as_strings(texts[:row], place, empty_texts=empty_texts)
        raise DataError(
            "the text holds half a surrogate pair, which is no character",
            where=place(row),
            hint="mend or remove the row",
        ) from None
    check_texts(strings, place, empty_texts=empty_texts)
    return strings


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
