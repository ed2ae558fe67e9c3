"""Rows of one split, checked, and where each came from; whatever the format, they end here."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pegboard import DataError

_BATCH = 16_384

Place = Callable[[int], str]
"""Where the row with this number came from: `data.csv, line 7`."""


@dataclass(frozen=True)
class Rows:
    """Labelled texts.

    Attributes:
        texts: Arrow `string`, chunked.
        codes: int32 [rows], each row's place in `labels`.
        labels: the distinct labels, in the order in which they occur.
        place: where a row came from, for an error.
    """

    texts: pa.ChunkedArray
    codes: npt.NDArray[np.int32]
    labels: Sequence[str]
    place: Place

    def place_of(self, label: str) -> str:
        """Where the first row with this label came from."""
        return self.place(int((self.codes == list(self.labels).index(label)).argmax()))


def collect(records: Iterable[tuple[int, str, str]], place: Callable[[int], str]) -> Rows:
    """Rows from (position, text, label), position by position.

    Args:
        records: in order; the position is whatever `place` understands: a line, the number of a file.
        place: the name of a position, for errors.

    Raises:
        DataError: a text or a label is empty, holds a NUL, or is no valid Unicode.
    """
    positions = array("q")
    codes = array("i")
    numbers: dict[str, int] = {}
    chunks: list[pa.Array] = []
    batch: list[str] = []

    def flush() -> None:
        first = len(positions) - len(batch)
        chunks.extend(_as_strings(batch, lambda row: place(positions[first + row])))
        batch.clear()

    for position, text, label in records:
        positions.append(position)
        batch.append(text)
        number = numbers.get(label)
        if number is None:
            if problem := _problem_of_label(label):
                raise DataError(problem, where=place(position))
            number = numbers[label] = len(numbers)
        codes.append(number)
        if len(batch) == _BATCH:
            flush()
    flush()
    texts = pa.chunked_array(chunks, pa.string())
    return Rows(texts, np.array(codes, np.int32), list(numbers), lambda row: place(positions[row]))


def check_texts(texts: pa.Array, place: Place) -> None:
    """Refuse texts that are empty or hold a NUL, by their place.

    Args:
        texts: Arrow `string` without nulls.
        place: where a row came from.

    Raises:
        DataError: the first such text.
    """
    blank = pc.equal(pc.utf8_trim_whitespace(texts), "")
    with_nul = pc.match_substring(texts, "\0")
    bad = pc.or_(blank, with_nul)
    if pc.any(bad).as_py():
        row = pc.index(bad, True).as_py()
        what = "the text is empty" if blank[row].as_py() else "the text holds a NUL character"
        raise DataError(what, where=place(row), hint="mend or remove the row")


def _as_strings(texts: list[str], place: Place) -> list[pa.Array]:
    try:
        strings = pa.array(texts, pa.string())
    except UnicodeEncodeError:
        row = next(row for row, text in enumerate(texts) if not _is_unicode(text))
        _as_strings(texts[:row], place)
        raise DataError(
            "the text holds half a surrogate pair, which is no character",
            where=place(row),
            hint="mend or remove the row",
        ) from None
    chunks = strings.chunks if isinstance(strings, pa.ChunkedArray) else [strings]  # chunks beyond 2 GB
    first = 0
    for chunk in chunks:
        check_texts(chunk, lambda row, first=first: place(first + row))  # type: ignore[misc]
        first += len(chunk)
    return list(chunks)


def _problem_of_label(label: str) -> str | None:
    if not label.strip():
        return "the label is empty"
    if "\0" in label:
        return "the label holds a NUL character"
    return None if _is_unicode(label) else "the label holds half a surrogate pair, which is no character"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
