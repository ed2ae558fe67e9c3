"""The data sets keep the contract of their kind; that of the Hub is checked beside its stand-in, in test_data_hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from pegboard.testing import DatasetConformance

ROWS = [(f"{mood} day number {i}", mood) for i in range(4) for mood in ("sunny", "rainy", "windy")]


class TestMoods(DatasetConformance):
    component = "moods"


class OfFiles(DatasetConformance):
    component = "files"
    options: ClassVar[dict[str, Any]] = {}

    @pytest.fixture(autouse=True)
    def _written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(type(self), "options", {"path": str(self.write(tmp_path))})

    def write(self, folder: Path) -> Path:
        """Write the data; gives what `path` is to be."""
        raise NotImplementedError


class TestOneCsv(OfFiles):
    def write(self, folder: Path) -> Path:
        lines = ["text,label", *(f"{text},{label}" for text, label in ROWS)]
        (folder / "days.csv").write_text("\n".join(lines) + "\n")
        return folder / "days.csv"


class TestFolderOfSplits(OfFiles):
    def write(self, folder: Path) -> Path:
        for split in ("train", "validation", "test"):
            lines = ["text\tlabel", *(f"{split}: {text}\t{label}" for text, label in ROWS)]
            (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n")
        return folder


class TestFolderPerLabel(OfFiles):
    def write(self, folder: Path) -> Path:
        for i, (text, label) in enumerate(ROWS):
            (folder / label).mkdir(exist_ok=True)
            (folder / label / f"{i}.txt").write_text(text)
        return folder
