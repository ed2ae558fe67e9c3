"""Rows of a folder that has a folder for each label, with one text a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pegboard import DataError

from pegboard_data.layout import kind_of, visible
from pegboard_data.lines import text_of
from pegboard_data.options import FilesOptions
from pegboard_data.rows import Rows, collect


def read_label_folders(folder: Path, options: FilesOptions) -> Rows:
    """The texts of `folder/LABEL/*.txt`, by label and then by name of file.

    A text is the whole file, without the line end that an editor puts last.

    Args:
        folder: has a folder for each label.
        options: the encoding.

    Raises:
        DataError: a label has no texts, or there is a file that is none, or can't be decoded.
    """
    files = _files(folder)
    texts = (
        (i, _without_last_line_end(text_of(file, options.encoding)), file.parent.name) for i, file in enumerate(files)
    )
    return collect(texts, lambda i: str(files[i]))


def _files(folder: Path) -> list[Path]:
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
