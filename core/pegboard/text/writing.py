"""Write predictions in the order in which they come."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from pegboard.errors import UsageError
from pegboard.files import atomic_file

__all__ = ["check_target", "writer_for"]

Probabilities = npt.NDArray[np.float32]
Write = Callable[[Sequence[str], Probabilities], None]
Describe = Callable[[], dict[str, Any]]
Decide = Callable[[Probabilities], Sequence[Sequence[str]]]

_KINDS = (".jsonl", ".csv", ".tsv", ".parquet")
_DIGITS = 6
"""decimal places of a probability in text; more would be noise of the device"""


def check_target(target: str) -> None:
    """Refuse a name that nothing can be written to, before any work is done.

    Raises:
        UsageError: the suffix is not known, or the folder is not there.
    """
    if target == "-":
        return
    path = Path(target).expanduser()
    if path.suffix.lower() not in _KINDS:
        raise UsageError("is of no kind that can be written", where=target, hint=f"known: {', '.join(_KINDS)}")
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise UsageError(what, where=target, hint="name a file in a folder that exists")


@contextmanager
def writer_for(
    target: str,
    names: Sequence[str],
    top: int | None = None,
    described: Describe = dict,
    decide: Decide | None = None,
    separator: str = "|",
) -> Iterator[Write]:
    """A function that writes blocks of texts with their probabilities float32 [texts, labels].

    A file appears under its name when the block ends without an error; `-` writes JSON lines to stdout.

    Args:
        target: a `.jsonl`, `.csv`, `.tsv` or `.parquet` file, or `-`.
        names: the labels' names.
        top: keep the probabilities of the most probable labels only.
        described: what each JSON object says besides; asked once a block.
        decide: gives the list of each text's labels, where a text has any number of them; by default a text has the
            most probable one.
        separator: what stands between the labels of such a list in `.csv` and `.tsv`.

    Raises:
        UsageError: the suffix is not known, the folder is not there, or a label holds the separator.
        RunError: the file can't be written.
    """
    check_target(target)
    if target == "-":
        yield _json_lines(sys.stdout, names, top, described, decide)
        sys.stdout.flush()
        return
    path = Path(target).expanduser()
    kind = path.suffix.lower()
    if decide is not None and kind in (".csv", ".tsv"):
        _check_separator(separator, names)
    with atomic_file(path) as beside:
        if kind == ".parquet":
            with _parquet(beside, names, top, decide) as write:
                yield write
            return
        with beside.open("w", encoding="utf-8", newline="") as stream:
            if kind == ".jsonl":
                yield _json_lines(stream, names, top, described, decide)
            else:
                yield _delimited(stream, names, top, "\t" if kind == ".tsv" else ",", decide, separator)


def _check_separator(separator: str, names: Sequence[str]) -> None:
    for name in names:
        if separator in name:
            raise UsageError(
                f"the label {name!r} holds the separator {separator!r}",
                where="--label-separator",
                hint="choose another, or write .jsonl or .parquet, which have lists",
            )


def _decided(probabilities: Probabilities, names: Sequence[str], decide: Decide | None) -> Sequence[Any]:
    """What is predicted for each text: a name, or a list of names."""
    return [names[i] for i in probabilities.argmax(axis=-1)] if decide is None else decide(probabilities)


def _json_lines(
    stream: TextIO, names: Sequence[str], top: int | None, described: Describe, decide: Decide | None
) -> Write:
    escaped = "utf" not in (stream.encoding or "utf-8").lower()  # a terminal or pipe that can't hold every character

    def write(texts: Sequence[str], probabilities: Probabilities) -> None:
        more = described()
        predictions = _decided(probabilities, names, decide)
        for text, prediction, row in zip(texts, predictions, probabilities, strict=True):
            order = _best(row, top)
            record = {
                "text": text,
                "prediction": prediction,
                "probabilities": {names[i]: round(float(row[i]), _DIGITS) for i in order},
                **more,
            }
            stream.write(json.dumps(record, ensure_ascii=escaped) + "\n")
        stream.flush()

    return write


def _delimited(
    stream: TextIO, names: Sequence[str], top: int | None, delimiter: str, decide: Decide | None, separator: str
) -> Write:
    # Quoting every text, since the csv module leaves a lone carriage return unquoted, which ends a row for a reader.
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(["text", "prediction", *_columns(names, top)])

    def write(texts: Sequence[str], probabilities: Probabilities) -> None:
        predictions = _decided(probabilities, names, decide)
        for text, prediction, row in zip(texts, predictions, probabilities, strict=True):
            cells = [round(cell, _DIGITS) if isinstance(cell, float) else cell for cell in _cells(row, names, top)]
            writer.writerow([text, prediction if decide is None else separator.join(prediction), *cells])

    return write


@contextmanager
def _parquet(path: Path, names: Sequence[str], top: int | None, decide: Decide | None) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = _columns(names, top)
    numeric = [top is None or place % 2 == 1 for place in range(len(columns))]
    types = [pa.float32() if is_number else pa.string() for is_number in numeric]
    predicted = pa.string() if decide is None else pa.list_(pa.string())
    schema = pa.schema([("text", pa.large_string()), ("prediction", predicted), *zip(columns, types, strict=True)])
    with pq.ParquetWriter(path, schema) as writer:

        def write(texts: Sequence[str], probabilities: Probabilities) -> None:
            predictions = pa.array(_decided(probabilities, names, decide), predicted)
            cells = zip(*(_cells(row, names, top) for row in probabilities), strict=True)
            arrays = [pa.array(column, type_) for column, type_ in zip(cells, types, strict=True)]
            writer.write_table(pa.table([pa.array(texts, pa.large_string()), predictions, *arrays], schema=schema))

        yield write


def _best(row: npt.NDArray[np.float32], top: int | None) -> npt.NDArray[np.int64]:
    """Labels by falling probability; of equal ones the first comes first, as with argmax."""
    order: npt.NDArray[np.int64] = np.argsort(-row, kind="stable")[:top]
    return order


def _columns(names: Sequence[str], top: int | None) -> list[str]:
    """Without `top` a probability a label; with it, the k-th label and its probability."""
    if top is None:
        return [f"probability_{name}" for name in names]
    return [name for k in range(1, min(top, len(names)) + 1) for name in (f"label_{k}", f"probability_{k}")]


def _cells(row: npt.NDArray[np.float32], names: Sequence[str], top: int | None) -> list[Any]:
    if top is None:
        return row.tolist()  # type: ignore[no-any-return]
    return [cell for i in _best(row, top) for cell in (names[i], float(row[i]))]
