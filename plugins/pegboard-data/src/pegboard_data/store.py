"""Splits as Arrow files in the cache, and from there as a `datasets.DatasetDict`, memory-mapped."""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import datasets
import datasets.table
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pegboard import DataError, hash_of_file, read_ahead, write_rows

from pegboard_data.rows import Batch, LabelNumbers
from pegboard_data.tables import features_of, label_lists

_NAMES = "labels.json"


def write_split(
    folder: Path, split: str, batches: Iterable[Batch], *, labelled: bool, empty_texts: bool
) -> tuple[int, LabelNumbers, bool]:
    """Write a split's rows, the labels by numbers in the order in which they occur.

    Args:
        folder: where to.
        split: its name.
        batches: its rows.
        labelled: whether they have labels.
        empty_texts: whether texts may be empty.

    Returns:
        How many rows there are, the labels' numbers, and whether rows have lists of labels.
    """
    remaining = read_ahead(batches)
    first = next(remaining, None)
    numbers = LabelNumbers()
    if first is None:
        return 0, numbers, False
    in_lists = first.sizes is not None
    columns = [("text", pa.string()), ("label", pa.list_(pa.int64()) if in_lists else pa.int64())]
    schema = pa.schema(columns[: 1 + labelled])

    def rows() -> Iterator[pa.RecordBatch]:
        for batch in chain([first], remaining):
            own = numbers.of(batch)
            labels = pa.array(own, pa.int64()) if batch.sizes is None else label_lists(own, batch.sizes)
            yield pa.record_batch([batch.texts, labels][: 1 + labelled], schema=schema)

    count = write_rows(_file(folder, split), schema, rows(), checked=not empty_texts)
    return count, numbers, in_lists


def renumber(folder: Path, split: str, new: npt.NDArray[np.int64]) -> None:
    """Give the labels of a split other numbers, in the file, without touching the texts.

    Args:
        folder: where `write_split` wrote.
        split: its name.
        new: the new number of each old one.
    """
    if (new == np.arange(len(new))).all():
        return
    path = _file(folder, split)
    with path.open("r+b") as file:
        for place, count in _label_places(path):
            file.seek(place)
            old = np.frombuffer(file.read(8 * count), np.int64)
            file.seek(place)
            file.write(new[old].tobytes())


def _label_places(path: Path) -> list[tuple[int, int]]:
    """Where in the file the labels of each batch are, and how many."""
    mapped, buffer = _map(path)
    places = []
    with pa.ipc.open_stream(buffer) as batches:
        for batch in batches:
            column = batch.column("label")
            numbers = column.values if pa.types.is_list(column.type) else column
            if len(numbers):
                places.append((numbers.buffers()[1].address - buffer.address, len(numbers)))
            _give_back(mapped)
    return places


def _map(path: Path) -> tuple[mmap.mmap, pa.Buffer]:
    with path.open("rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    return mapped, pa.py_buffer(mapped)


def _give_back(mapped: mmap.mmap) -> None:
    """Have what was read of a map no longer count as memory used; the system maps more than the little that is read."""
    if hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)


def write_names(folder: Path, names: Sequence[str] | None) -> None:
    """Write the labels in the order of their numbers; `None` if there are no labels."""
    (folder / _NAMES).write_text(json.dumps(names), encoding="utf-8")


def open_splits(folder: Path, splits: Iterable[str]) -> datasets.DatasetDict:
    """The splits in a folder that the functions above filled."""
    names = json.loads((folder / _NAMES).read_text(encoding="utf-8"))
    opened = datasets.DatasetDict()
    for split in splits:
        path = _file(folder, split)
        mapped, buffer = _map(path)
        with pa.ipc.open_stream(buffer) as stream:
            table = stream.read_all()
        _give_back(mapped)
        info = datasets.DatasetInfo(features=features_of(names, table.schema))
        opened[split] = datasets.Dataset(
            datasets.table.MemoryMappedTable(table, str(path)), info=info, split=datasets.NamedSplit(split)
        )
    return opened


def _file(folder: Path, split: str) -> Path:
    return folder / f"{split}.arrow"


class Contents:
    """The hash of what files hold, and whether they still do.

    Args:
        files: the files.
        base: the folder relative to which their names count; `None` if they do not.

    Raises:
        DataError: one can't be read.
    """

    def __init__(self, files: Sequence[Path], base: Path | None = None) -> None:
        self._files = files
        self._states = [_state(file) for file in files]
        digest = hashlib.sha256()
        for file in files:
            name = file.relative_to(base).as_posix() if base is not None else ""
            try:
                digest.update(f"{name!r} {hash_of_file(file)}\n".encode())
            except OSError as error:
                raise _not_read(file, error) from None
        self.digest = digest.hexdigest()

    def check_unchanged(self) -> None:
        """Refuse files that were changed since they were hashed.

        Raises:
            DataError: one was.
        """
        for file, state in zip(self._files, self._states, strict=True):
            if _state(file) != state:
                raise DataError("the file was changed while it was read", where=str(file), hint="run it again")


def _state(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError as error:
        raise _not_read(file, error) from None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _not_read(file: Path, error: OSError) -> DataError:
    return DataError(f"can't be read: {error.strerror or error}", where=str(file))
