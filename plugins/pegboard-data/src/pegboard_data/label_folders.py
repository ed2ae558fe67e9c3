"""Rows of a folder that has a folder for each label, with one text a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pegboard import DataError

from pegboard_data.blocks import text_of
from pegboard_data.layout import kind_of, visible
from pegboard_data.options import FilesOptions
from pegboard_data.rows import Batch, Problem, Record, batch_of

_BATCH_FILES = 8192
_BATCH_CHARACTERS = 4 * 2**20


def read_label_folders(folder: Path, options: FilesOptions, problem_of: Problem) -> Iterator[Batch]:
    """The texts of `folder/LABEL/*.txt`, by label and then by name of file.

    A text is the whole file, without the line end that an editor puts last.

    Args:
        folder: has a folder for each label.
        options: the encoding, and whether labels are read.
        problem_of: what is wrong with a label.

    Raises:
        DataError: a label has no texts, or there is a file that is none, or can't be decoded.
    """
    files = files_of(folder)
    done = 0

    def records() -> Iterator[Record]:
        nonlocal done
        characters = 0
        for file in files[done : done + _BATCH_FILES]:
            text = _without_last_line_end(text_of(file, options.encoding))
            yield done, text, file.parent.name if options.labelled else None
            done += 1
            characters += len(text)
            if characters >= _BATCH_CHARACTERS:
                return

    while done < len(files):
        first = done
        keep = options.empty_texts == "keep"
        batch = batch_of(records(), lambda i: str(files[i]), empty_texts=keep, problem_of=problem_of)
        yield Batch(batch.texts, batch.labels, lambda row, first=first: str(files[first + row]))  # type: ignore[misc]


def files_of(folder: Path) -> list[Path]:
    """The files of all labels, by label and then by name.

    Raises:
        DataError: a label has no texts, or there is something else in the folder.
    """
    files: list[Path] = []
    labels = visible(folder)
    _refuse_others(
        (entry for entry in labels if entry.is_file() and kind_of(entry) == "txt"), "stands beside the labels"
    )
    for label in (entry for entry in labels if entry.is_dir()):
        texts = visible(label)
        _refuse_others((text for text in texts if not text.is_file() or kind_of(text) != "txt"), "is no .txt file")
        if not texts:
            raise DataError("the folder of this label has no .txt files", where=str(label), hint="remove the folder")
        files += texts
    if not files:
        raise DataError(
            "has no folder for any label",
            where=str(folder),
            hint=f"texts go to {folder.name}/LABEL/NAME.txt, one a file",
        )
    return files


def _refuse_others(entries: Iterable[Path], why: str) -> None:
    for entry in entries:
        raise DataError(
            f"{entry.name} {why}",
            where=str(entry.parent),
            hint="put one text a file into the label's folder, or move it away",
        )


def _without_last_line_end(text: str) -> str:
    return text[:-2] if text.endswith("\r\n") else text[:-1] if text.endswith(("\n", "\r")) else text
