"""All that is measured of a data set, in one pass over its texts and a second one for the tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pegboard.console import Console, silent
from pegboard.inspection.block import NO_LABEL, Split
from pegboard.inspection.characters import Characters
from pegboard.inspection.duplicates import Across, Duplicates, Hashed, Within
from pegboard.inspection.findings import Example
from pegboard.inspection.lengths import Lengths
from pegboard.inspection.near import Near, NearDuplicates
from pegboard.inspection.samples import shortened
from pegboard.inspection.scripts import Scripts
from pegboard.inspection.tokens import Context, Tokens

__all__ = ["Evidence", "gather"]

Rows = npt.NDArray[np.int64]


@dataclass
class Evidence:
    """What was measured.

    Attributes:
        splits: the splits by name, in the order train, validation, test.
        names: the labels' names; none for data without labels.
        lengths: for each split.
        within: for each split its repeated texts.
        across: for each pair of splits the texts that both have; the later split comes first.
        near: the near-duplicates for each pair of splits, and of each split with itself.
        near_rows: for the same pairs all rows concerned, repeated texts included.
        compared: how many rows of each split were looked at for near-duplicates.
        scripts: of all texts.
        characters: odd ones, of all texts.
        context: what tokenizer and encoder take at most; `None` where no tokens were counted.
        tokens: for each split; empty where none were counted.
    """

    splits: Mapping[str, Split]
    names: Sequence[str]
    lengths: Mapping[str, Lengths]
    within: Mapping[str, Within]
    across: Mapping[tuple[str, str], Across]
    near: Mapping[tuple[str, str], Near]
    near_rows: Mapping[tuple[str, str], Rows]
    compared: Mapping[str, int]
    scripts: Scripts
    characters: Characters
    context: Context | None
    tokens: Mapping[str, Tokens]

    @property
    def multi_label(self) -> bool:
        """Whether rows have lists of labels."""
        return any(split.sets is not None for split in self.splits.values())

    @property
    def held_out(self) -> list[str]:
        """The splits that a model is measured on, where there is a train split."""
        return [name for name in self.splits if name != "train"] if "train" in self.splits else []

    def label_of(self, split: str, row: int) -> str | None:
        """The name of a row's label, those of its labels, or `None`."""
        labels, sets = self.splits[split].labels, self.splits[split].sets
        if labels is None or labels[row] == NO_LABEL:
            return None
        if sets is not None:
            return ", ".join(self.names[i] for i in np.flatnonzero(sets[row]).tolist()) or "no label"
        return self.names[int(labels[row])]

    def examples(self, places: Sequence[tuple[str, int]], why: Sequence[str] = ()) -> list[Example]:
        """Rows with their texts, in the order given."""
        texts = {
            split: self.splits[split].some([row for name, row in places if name == split])
            for split in {split for split, _ in places}
        }
        reasons = list(why) or [""] * len(places)
        return [
            Example(split, int(row), shortened(texts[split][int(row)]), self.label_of(split, int(row)), reason)
            for (split, row), reason in zip(places, reasons, strict=True)
        ]


def gather(splits: Sequence[Split], names: Sequence[str], console: Console = silent) -> Evidence:
    """Measure everything but tokens.

    Args:
        splits: in the order train, validation, test.
        names: the labels' names.
        console: shows progress.
    """
    by_name = {split.name: split for split in splits}
    lengths = {name: Lengths() for name in by_name}
    hashed = {name: Hashed() for name in by_name}
    signatures = NearDuplicates({name: len(split) for name, split in by_name.items()})
    scripts, characters = Scripts(), Characters()
    with console.progress("reading the texts", sum(map(len, splits))) as progress:
        for split in splits:
            collectors: tuple[Any, ...] = (lengths[split.name], hashed[split.name], signatures, scripts, characters)
            for block in split.blocks():
                for collector in collectors:
                    collector.add(block)
                progress.advance(len(block))
    duplicates = Duplicates(hashed, {split.name: split.labels for split in splits})
    pairs = [(later.name, earlier.name) for i, later in enumerate(splits) for earlier in splits[: i + 1]]
    near, near_rows = {}, {}
    for later, earlier in pairs:
        texts, texts_there = duplicates.texts[later], duplicates.texts[earlier]
        found = signatures.find(by_name[later], by_name[earlier], texts, texts_there)
        near[later, earlier] = found
        near_rows[later, earlier] = np.flatnonzero(np.isin(texts, texts[found.rows]))
    return Evidence(
        splits=by_name,
        names=names,
        lengths=lengths,
        within={name: duplicates.within(name) for name in by_name},
        across={(later, there): duplicates.across(later, there) for later, there in pairs if later != there},
        near=near,
        near_rows=near_rows,
        compared=signatures.compared,
        scripts=scripts,
        characters=characters,
        context=None,
        tokens={},
    )
