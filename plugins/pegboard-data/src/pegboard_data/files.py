"""The data set `files`: texts from a file or a folder of one's own, read strictly and exactly."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pegboard import Cache, DataError, one_of

from pegboard_data.label_folders import files_of
from pegboard_data.layout import LABEL_FOLDERS, Source, find_sources
from pegboard_data.options import FilesOptions
from pegboard_data.reading import batches
from pegboard_data.rows import LabelNumbers
from pegboard_data.store import Contents, open_splits, renumber, write_names, write_split
from pegboard_data.tables import in_memory, label_lists

if TYPE_CHECKING:
    import datasets

_SMALL_BYTES = 16 * 2**20
"""Files that together are not larger are read faster than they are found in the cache, if they are not packed."""

_MANY_LABELS = 100
"""More than these an error does not list."""

_OF_NO_MATTER = {"path", "validation_share", "test_share", "split_seed"}
"""Options on which the rows of a file do not depend."""


class FilesDataset:
    """Labelled texts from files.

    A file is the train split. A folder has files or folders named `train`, `validation` (or `val`, `valid`, `dev`)
    and `test`, or one folder per label. Every value is text and stays as it is: `NA`, `007` and `True` too. What
    can't be read exactly is refused, by file and line.

    Files of any size are read in bounded memory: what is larger than 16 MB, or packed, goes to the cache as Arrow and
    is memory-mapped from there.

    Args:
        options: where the texts are, and how to read them.

    Example:
        >>> data = FilesDataset(FilesOptions(path="reviews.csv", label_column="stars")).load()
        >>> data["train"][0]
        {'text': 'A fine film.', 'label': 4}
    """

    def __init__(self, options: FilesOptions) -> None:
        self.options = options

    def load(self) -> datasets.DatasetDict:
        """The splits that are there, in the order train, validation, test.

        Returns:
            Splits with `text: string` and `label: ClassLabel`, or lists of it; only `text` with the
            option `labelled=false`.

        Raises:
            DataError: something can't be read; the message names file and line.
        """
        path = Path(self.options.path)
        with suppress(RuntimeError):  # a home that does not exist: then it is an odd name of a file
            path = path.expanduser()
        sources = find_sources(path)
        return self._in_memory(sources) if _are_small(sources.values()) else self._from_cache(sources, path)

    def _in_memory(self, sources: Mapping[str, Source]) -> datasets.DatasetDict:
        numbers: dict[str, LabelNumbers] = {}
        texts: dict[str, pa.ChunkedArray] = {}
        codes: dict[str, npt.NDArray[np.int32]] = {}
        sizes: dict[str, npt.NDArray[np.int64] | None] = {}
        for split, source in sources.items():
            numbers[split] = LabelNumbers()
            parts = [(batch.texts, numbers[split].of(batch), batch.sizes) for batch in batches(source, self.options)]
            if not parts:
                raise _no_rows(source)
            texts[split] = pa.chunked_array([part[0] for part in parts], pa.string())
            codes[split] = np.concatenate([part[1] for part in parts])
            own_sizes = [part[2] for part in parts if part[2] is not None]
            sizes[split] = np.concatenate(own_sizes) if own_sizes else None
        if not self.options.labelled:
            return in_memory({split: pa.table({"text": column}) for split, column in texts.items()}, None)
        _refuse_mixed(sources, {split: own is not None for split, own in sizes.items()})
        names = label_names(numbers, self.options.label_names)
        tables = {}
        for split in sources:
            places, own = _places(numbers[split], names)[codes[split]], sizes[split]
            labels = places if own is None else label_lists(places, own)
            tables[split] = pa.table({"text": texts[split], "label": labels})
        return in_memory(tables, names)

    def _from_cache(self, sources: Mapping[str, Source], path: Path) -> datasets.DatasetDict:
        contents = {split: _contents(source) for split, source in sources.items()}

        def build(folder: Path) -> None:
            numbers: dict[str, LabelNumbers] = {}
            in_lists: dict[str, bool] = {}
            for split, source in sources.items():
                rows = batches(source, self.options)
                empty_texts = self.options.empty_texts == "keep"
                count, numbers[split], in_lists[split] = write_split(
                    folder, split, rows, labelled=self.options.labelled, empty_texts=empty_texts
                )
                if not count:
                    raise _no_rows(source)
                contents[split].check_unchanged()
            if not self.options.labelled:
                write_names(folder, None)
                return
            _refuse_mixed(sources, in_lists)
            names = label_names(numbers, self.options.label_names)
            for split in sources:
                renumber(folder, split, _places(numbers[split], names))
            write_names(folder, names)

        key = {
            "options": self.options.model_dump(mode="json", exclude=_OF_NO_MATTER),
            "splits": {split: [sources[split].kind, found.digest] for split, found in contents.items()},
        }
        folder = Cache.open().folder("data", key, f"rows of {path}", build, code=type(self))
        return open_splits(folder, sources)


def label_names(splits: Mapping[str, LabelNumbers], given: Sequence[str] | None) -> list[str]:
    """The labels in the order of their numbers: those given, or those of train, sorted.

    Args:
        splits: the labels of each split; without train all of them say which labels there are.
        given: the option `label_names`.

    Raises:
        DataError: a row has a label that was not given, or that train does not have, or two labels differ only in
            white space at their ends.
    """
    known = [splits["train"]] if "train" in splits else splits.values()
    found = {label for labels in known for label in labels.first}
    if not found and not given:
        raise DataError("no row has a label", hint="are label_column and label_separator right?")
    for labels in splits.values():
        if given:
            _refuse_unknown(labels, set(given), "is none of label_names")
        _refuse_unknown(labels, found, "does not occur in train")
        _refuse_lookalikes(labels, found)
    return list(given or sorted(found))


def _refuse_mixed(sources: Mapping[str, Source], in_lists: Mapping[str, bool]) -> None:
    """Refuse splits of which some have lists of labels and others one label a row."""
    first = next(iter(sources))
    for split, source in sources.items():
        if in_lists[split] != in_lists[first]:
            kinds = "one label", "a list of labels"
            raise DataError(
                f"each row has {kinds[in_lists[split]]}, each row of {first} has {kinds[in_lists[first]]}",
                where=str(source.path),
                hint=f"write all labels alike; the other file is {sources[first].path}",
            )


def _refuse_unknown(labels: LabelNumbers, known: Collection[str], why: str) -> None:
    for label, row in labels.first.items():
        if label not in known:
            raise DataError(f"the label {label!r} {why}", where=str(row), hint=_hint(label, known))


def _hint(label: str, names: Collection[str]) -> str:
    if len(names) > _MANY_LABELS:
        return f"there are {len(names):,} labels; are text_column and label_column the right way round?"
    return one_of(label, names)


def _refuse_lookalikes(labels: LabelNumbers, found: Collection[str]) -> None:
    for label, row in labels.first.items():
        if label != label.strip() and label.strip() in found:
            raise DataError(
                f"the label {label!r} differs from {label.strip()!r} in white space only",
                where=str(row),
                hint="write both alike",
            )


def _places(labels: LabelNumbers, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """For each number of a label, its place in `names`."""
    place_of = {name: place for place, name in enumerate(names)}
    return np.array([place_of[label] for label in labels.first], np.int64)


def _are_small(sources: Collection[Source]) -> bool:
    """Whether the files hold few bytes; what is packed may hold any number."""
    files = [file for source in sources for file in (files_of(source.path) if _is_folder(source) else [source.path])]
    if any(file.suffix.lower() in (".gz", ".parquet") for file in files):
        return False
    try:
        return sum(file.stat().st_size for file in files) <= _SMALL_BYTES
    except OSError as error:
        raise DataError(f"can't be read: {error.strerror or error}", where=error.filename) from None


def _is_folder(source: Source) -> bool:
    return source.kind == LABEL_FOLDERS


def _contents(source: Source) -> Contents:
    if _is_folder(source):
        return Contents(files_of(source.path), source.path)
    return Contents([source.path])


def _no_rows(source: Source) -> DataError:
    return DataError("there are no rows", where=str(source.path), hint="add rows or remove the file")
