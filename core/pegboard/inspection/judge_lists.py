"""Where a text has any number of labels: how many, and what of that makes a model's work odd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pegboard.inspection.block import NO_LABEL, Split
from pegboard.inspection.evidence import Evidence
from pegboard.inspection.findings import Finding, listed, plural

__all__ = ["judge_lists", "labels_per_row"]

_MANY_WITHOUT = 0.5
_NEARLY_ALL = 0.9
_SHOWN = 3


def labels_per_row(split: Split) -> dict[str, Any] | None:
    """How many labels the rows of a split have; `None` where rows have no lists.

    Returns:
        `mean`, over the rows that have a list; `none`, the rows whose list is empty; `rows`, how many rows have each
        number of labels; `distinct`, how many different lists there are.
    """
    if split.sets is None or split.labels is None:
        return None
    known = split.labels != NO_LABEL
    sizes = split.sets[known].sum(axis=1)
    numbers, rows = np.unique(sizes, return_counts=True)
    return {
        "mean": round(float(sizes.mean()), 4) if len(sizes) else 0.0,
        "none": int((sizes == 0).sum()),
        "rows": {str(number): int(count) for number, count in zip(numbers, rows, strict=True)},
        "distinct": len(np.unique(split.labels[known])),
    }


def judge_lists(evidence: Evidence) -> Iterator[Finding]:
    """What is to be said of lists of labels."""
    first = evidence.splits.get("train") or next(iter(evidence.splits.values()))
    figures = labels_per_row(first)
    if figures is None or first.sets is None or not figures["rows"]:
        return
    most = max(map(int, figures["rows"]))
    if most <= 1 and not figures["none"]:
        yield Finding(
            code="lists_of_one",
            level="note",
            title=f"every row of {first.name} has exactly one label",
            advice="write the label alone, not in a list, to train with task.name=classify: it knows that one label "
            "excludes the others",
            rows=0,
        )
    counted = sum(figures["rows"].values())
    if figures["none"] >= _MANY_WITHOUT * counted:
        rows = np.flatnonzero(~first.sets.any(axis=1) & (first.labels != NO_LABEL))
        yield Finding(
            code="many_without_labels",
            level="note",
            title=f"{figures['none'] / counted:.0%} of {first.name} have no label at all ({plural(len(rows), 'row')})",
            advice="an empty list says that no label applies; rows that nobody labelled teach a model to say nothing",
            rows=len(rows),
            places={first.name: rows},
            examples=evidence.examples([(first.name, int(row)) for row in rows[:_SHOWN]]),
        )
    yield from _nearly_always(evidence, first, counted)
    yield from _always_together(evidence, first)


def _nearly_always(evidence: Evidence, split: Split, counted: int) -> Iterator[Finding]:
    counts = split.label_counts(len(evidence.names))
    names = [evidence.names[i] for i in np.flatnonzero(counts > _NEARLY_ALL * counted).tolist()]
    if names:
        yield Finding(
            code="label_nearly_always",
            level="note",
            title=f"nearly every row of {split.name} has the label {listed([repr(name) for name in names])}",
            advice="a model that always answers it is nearly always right: look at the figures of the other labels",
            rows=0,
        )


def _always_together(evidence: Evidence, split: Split) -> Iterator[Finding]:
    """Labels that the same rows have, each of them at least twice."""
    assert split.sets is not None
    columns = np.ascontiguousarray(np.packbits(split.sets, axis=0).T)
    _, first, group = np.unique(columns.view(f"V{columns.shape[1]}").ravel(), return_index=True, return_inverse=True)
    counts = split.label_counts(len(evidence.names))
    groups = [np.flatnonzero(group == number).tolist() for number in range(len(first))]
    together = [labels for labels in groups if len(labels) > 1 and counts[labels[0]] > 1]
    if together:
        together.sort(key=lambda labels: -int(counts[labels[0]]))
        shown = "; ".join(listed([repr(evidence.names[i]) for i in labels]) for labels in together[:_SHOWN])
        yield Finding(
            code="labels_always_together",
            level="note",
            title=f"some labels are always on the same rows of {split.name}: {shown}",
            advice="no model can learn what tells them apart; make one label of them, or add rows that have only one",
            rows=int(sum(counts[labels[0]] for labels in together)),
        )
