"""A few texts of each label, drawn at random but always the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pegboard.inspection.block import NO_LABEL, Split

__all__ = ["LONGEST", "samples", "shortened"]

LONGEST = 500
"""Characters of a text that the report shows."""


def samples(split: Split, names: Sequence[str], *, most: int = 3) -> list[dict[str, Any]]:
    """At most `most` rows of each label, or of all without labels; `label`, `split`, `row` and `text` of each."""
    order = np.random.default_rng(0).permutation(len(split))
    chosen: list[tuple[str | None, int]] = []
    if split.sets is not None:
        for label, name in enumerate(names):
            chosen += [(name, int(row)) for row in np.sort(order[split.sets[order, label]][:most])]
    elif split.labels is None:
        chosen = [(None, int(row)) for row in np.sort(order[:most])]
    else:
        shuffled = split.labels[order]
        by_label = np.argsort(shuffled, kind="stable")
        starts = np.searchsorted(shuffled[by_label], np.arange(NO_LABEL, len(names) + 1))
        for label, name in enumerate(names):
            rows = order[by_label[starts[label + 1] : starts[label + 2]]][:most]
            chosen += [(name, int(row)) for row in np.sort(rows)]
    texts = split.some([row for _, row in chosen])
    return [{"label": label, "split": split.name, "row": row, "text": shortened(texts[row])} for label, row in chosen]


def shortened(text: str) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
