"""Which file or folder holds which split."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pegboard import DataError

KINDS = ("csv", "tsv", "jsonl", "parquet", "txt")
READABLE = ".csv, .tsv, .jsonl, .txt (each also with .gz), .parquet"
SPLIT_OF = {"train": "train", "validation": "validation", "val": "validation", "valid": "validation"}
SPLIT_OF |= {"dev": "validation", "test": "test"}
LABEL_FOLDERS = "label folders"
_OTHER_DATA = (".json", ".xlsx", ".xls", ".gz", ".zip", ".bz2", ".xz", ".zst", ".arrow", ".feather")
_SUFFIX = re.compile(rf"\.({'|'.join(KINDS)})(\.gz)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """What holds one split.

    Attributes:
        path: a file, or a folder that has a folder for each label.
        kind: `csv`, `tsv`, `jsonl`, `parquet`, `txt`, or `LABEL_FOLDERS`.
    """

    path: Path
    kind: str


def find_sources(path: Path) -> dict[str, Source]:
    """The source of each split at `path`, in the order train, validation, test.

    A file is train; a folder has files or folders named after the splits, or is train with a folder per label.

    Raises:
        DataError: there is nothing at the path, or nothing that can be read, or two files for one split.
    """
    try:
        is_folder = path.is_dir()
        exists = is_folder or path.exists()
    except (OSError, ValueError) as error:  # a name that is too long, or holds a NUL
        raise DataError(f"can't be read: {error}", where=str(path)) from None
    if not exists:
        raise _missing(path)
    if is_folder:
        return _in_folder(path)
    return {"train": Source(path, _kind_of_file(path))}


def visible(folder: Path) -> list[Path]:
    """What is in a folder, sorted by name, without hidden files.

    Raises:
        DataError: the folder can't be read.
    """
    try:
        return sorted((entry for entry in folder.iterdir() if not entry.name.startswith(".")), key=lambda e: e.name)
    except OSError as error:
        raise DataError(f"can't be read: {error.strerror or error}", where=str(folder)) from None


def kind_of(path: Path) -> str | None:
    """The kind of file that a name stands for, or `None` if it is no kind that can be read."""
    name = path.name.lower()
    suffix = Path(name.removesuffix(".gz")).suffix.removeprefix(".")
    return None if suffix not in KINDS or name.endswith(".parquet.gz") else suffix


def _kind_of_file(path: Path) -> str:
    if not path.is_file():
        raise DataError("is neither a file nor a folder", where=str(path))
    kind = kind_of(path)
    if kind is not None:
        return kind
    name = path.name.lower()
    if name.endswith(".parquet.gz"):
        raise DataError(
            "Parquet in gzip can't be read", where=str(path), hint="unpack it (gunzip); Parquet compresses by itself"
        )
    suffix = "".join(Path(name).suffixes[-2:] if name.endswith(".gz") else [Path(name).suffix])
    what = f"files that end in {suffix!r} can't be read" if suffix else "the name has no suffix that tells its format"
    hints = {
        ".json": "name it .jsonl if it has one JSON object a line",
        ".xlsx": "save it as CSV",
        ".xls": "save it as CSV",
    }
    raise DataError(what, where=str(path), hint=hints.get(suffix, f"these can: {READABLE}"))


def _in_folder(folder: Path) -> dict[str, Source]:
    entries = [entry for entry in visible(folder) if entry.is_dir() or kind_of(entry) or _is_unreadable_split(entry)]
    found: dict[str, Source] = {}
    for entry in entries:
        split = SPLIT_OF.get(_stem(entry))
        if _is_unreadable_split(entry):
            _kind_of_file(entry)  # says why
        if split in found:
            raise DataError(
                f"{found[split].path.name} and {entry.name} are both {split}",
                where=str(folder),
                hint="keep one of them in the folder",
            )
        if split:
            found[split] = Source(entry, LABEL_FOLDERS if entry.is_dir() else _kind_of_file(entry))
    if found:
        _refuse_misspelt(folder, entries)
        return {split: found[split] for split in ("train", "validation", "test") if split in found}
    if any(entry.is_dir() for entry in entries):
        return {"train": Source(folder, LABEL_FOLDERS)}
    raise _nothing_usable(folder, entries)


def _is_unreadable_split(entry: Path) -> bool:
    """Whether it is `test.json` or `test.parquet.gz`: left out silently, another test split would be cut from train."""
    name = entry.name.lower()
    is_split = name.partition(".")[0] in SPLIT_OF and not entry.is_dir()
    return is_split and kind_of(entry) is None and name.endswith(_OTHER_DATA)


def _stem(entry: Path) -> str:
    return (entry.name if entry.is_dir() else _SUFFIX.sub("", entry.name)).lower()


def _refuse_misspelt(folder: Path, entries: Iterable[Path]) -> None:
    """Refuse `tets.csv` beside `train.csv`, for the same reason."""
    for entry in entries:
        close = get_close_matches(_stem(entry), SPLIT_OF, n=1, cutoff=0.75)
        if close and _stem(entry) not in SPLIT_OF:
            raise DataError(
                f"the name {entry.name} is like that of a split, but is none",
                where=str(folder),
                hint=f"name it {close[0]}{entry.name[len(_stem(entry)) :]}, or move it to another folder",
            )


def _nothing_usable(folder: Path, entries: list[Path]) -> DataError:
    if len(entries) == 1:
        hint = f"name the file itself: {entries[0]}"
    else:
        hint = f"it needs files named train, validation or test ({READABLE}), or a folder for each label"
    present = _some(entry.name for entry in visible(folder))
    return DataError(f"the folder has no data that can be used; it has {present}", where=str(folder), hint=hint)


def _missing(path: Path) -> DataError:
    folder = path.parent
    if not folder.is_dir():
        return DataError("no such file", where=str(path), hint=f"there is no folder {folder} either")
    names = [entry.name for entry in visible(folder)]
    close = get_close_matches(path.name, names, n=3)
    if close:
        hint = f"did you mean {' or '.join(str(folder / name) for name in close)}?"
    else:
        hint = f"the folder {folder} has {_some(names)}"
    return DataError("no such file or folder", where=str(path), hint=hint)


def _some(names: Iterable[str], most: int = 8) -> str:
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "nothing"
