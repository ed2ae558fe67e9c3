"""What `train` and `evaluate` print of the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from pegboard.cli.common import table

__all__ = ["report"]

_WIDEST_NAME = 12
_MOST_COLUMNS = 12
_MOST_CONFUSIONS = 15
_FIGURES = {"accuracy": "accuracy", "macro_f1": "macro F1", "loss": "loss"}
_OF_LISTS = {
    "subset_accuracy": "all labels right",
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "hamming_loss": "Hamming loss",
    "loss": "loss",
}
_OF_A_LABEL = {"precision": "precision", "recall": "recall", "f1": "F1"}
_OF_A_LABEL_IN_LISTS = {**_OF_A_LABEL, "average_precision": "avg. precision"}
"""What is shown of `metrics.json`, and what it is called; `_LISTS` where a text has any number of labels."""


def report(metrics: Mapping[str, Any]) -> str:
    """What a person wants to know of `metrics.json`: splits, classes, and what was taken for what.

    Args:
        metrics: for each split its figures; classes and confusions are those of the last split.
    """
    splits = sorted(metrics, key=("train", "validation", "test").index)
    last = metrics[splits[-1]]
    several = "decisions" in last
    shown_figures, shown_of_class = (_OF_LISTS, _OF_A_LABEL_IN_LISTS) if several else (_FIGURES, _OF_A_LABEL)
    overview = table(
        [
            [name, *(f"{metrics[name][key]:.4f}" for key in shown_figures), f"{metrics[name]['rows']:,}"]
            for name in splits
        ],
        header=["split", *shown_figures.values(), "rows"],
        numbers=True,
    )
    classes = table(
        [
            [name, *(f"{figures[key]:.3f}" for key in shown_of_class), f"{figures['support']:,}"]
            for name, figures in last["per_class"].items()
        ],
        header=[f"label ({splits[-1]})", *shown_of_class.values(), "rows"],
        numbers=True,
    )
    if several:
        return f"{overview}\n\n{classes}\n\n{_decisions(last)}"
    names = list(last["per_class"])
    shown = _matrix if len(names) <= _MOST_COLUMNS else _most_confused
    return f"{overview}\n\n{classes}\n\n{shown(names, last['confusion'])}"


def _decisions(figures: Mapping[str, Any]) -> str:
    """How many labels a row has and is given; a label's confusion is in its precision and recall."""
    decisions = figures["decisions"]
    return (
        f"a row has {decisions['labels_per_row']:.2f} labels and is given {decisions['predicted_per_row']:.2f}: "
        f"those with a probability of at least {decisions['threshold']:.3g}"
    )


def _matrix(names: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    """A row a true label, a column a prediction, the right ones in bold; long names stand as numbers in the head."""
    rows, head = list(names), list(names)
    if max(map(len, names)) > _WIDEST_NAME:
        head = [str(i) for i in range(1, len(names) + 1)]
        rows = [f"{number} {name}" for number, name in zip(head, names, strict=True)]
    corner = "true \\ predicted"
    width = max(4, *map(len, head), *(len(f"{count:,}") for row in matrix for count in row))
    first = max(len(corner), *map(len, rows))
    lines = [click.style(corner.ljust(first) + "".join(f"  {name:>{width}}" for name in head), bold=True)]
    for i, (name, row) in enumerate(zip(rows, matrix, strict=True)):
        cells = [f"  {count:>{width},}" if count else f"  {'·':>{width}}" for count in row]
        cells[i] = click.style(cells[i], bold=True, fg="green")
        lines.append(name.ljust(first) + "".join(cells))
    return "\n".join(lines)


def _most_confused(names: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    """The most frequent mistakes, where a matrix would be too wide to read."""
    mistakes = [(count, i, j) for i, row in enumerate(matrix) for j, count in enumerate(row) if count and i != j]
    mistakes.sort(key=lambda mistake: (-mistake[0], mistake[1:]))
    if not mistakes:
        return "no mistakes"
    rows = [
        [f"{names[i]} → {names[j]}", f"{count:,}", f"{count / sum(matrix[i]):.0%}"]
        for count, i, j in mistakes[:_MOST_CONFUSIONS]
    ]
    more = len(mistakes) - len(rows)
    lines = table(rows, header=["true → predicted", "rows", "of the label"], numbers=True)
    return f"{lines}\nand {more:,} more kinds of mistake (--json has the whole matrix)" if more else lines
