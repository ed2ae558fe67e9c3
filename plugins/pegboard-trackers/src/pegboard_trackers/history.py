"""The curves of a run, as its `log.jsonl` tells them.

A training that was killed logs some steps again once it goes on. Here each of them counts once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["History", "Point", "figures_of", "read_log"]

_STEP, _EPOCH = "step/", "epoch/"


class Point(NamedTuple):
    """One value of one curve.

    Attributes:
        name: the curve: `step/loss`, `epoch/validation_accuracy`, `test/macro_f1`.
        step: optimizer steps for `step/`, epochs for `epoch/`, 0 for figures of the finished model.
        value: the figure.
        time: when it was logged, in seconds since 1970.
    """

    name: str
    step: int
    value: float
    time: float


class History:
    """All points of a run so far, each once, in the order in which they came.

    Example:
        >>> history = History()
        >>> history.add({"event": "step", "step": 50, "loss": 1.5, "time": 7.0})
        [Point(name='step/loss', step=50, value=1.5, time=7.0)]
        >>> history.add({"event": "resumed", "step": 40}) is None
        True
        >>> history.points
        []
    """

    def __init__(self) -> None:
        self._points: dict[tuple[str, int], Point] = {}
        self._last = {_STEP: 0, _EPOCH: 0}

    @property
    def points(self) -> list[Point]:
        """Every point."""
        return list(self._points.values())

    def add(self, record: Mapping[str, Any]) -> list[Point] | None:
        """Take in a line of the log; gives the new points, or `None` where earlier ones have become void."""
        event = record.get("event")
        if event == "started":
            return self._forget(1, 1)
        if event == "resumed":
            return self._forget(_number(record, "step") + 1, _number(record, "epoch") or self._last[_EPOCH] + 1)
        group = {"step": _STEP, "epoch": _EPOCH}.get(str(event))
        if group is None:
            return []
        place = _number(record, str(event))
        # A trainer that can't resume begins anew without saying so.
        again = place <= self._last[group]
        if again:
            self._forget(place if group == _STEP else math.inf, place if group == _EPOCH else math.inf)
        self._last[group] = place
        new = list(figures_of(record, group, place, float(record.get("time", 0.0)), without=("event", "time", event)))
        self._points |= {(point.name, point.step): point for point in new}
        return None if again else new

    def _forget(self, step: float, epoch: float) -> list[Point] | None:
        """Drop the points of this step and epoch and all later ones."""
        first = {_STEP: step, _EPOCH: epoch}
        kept = {
            key: point for key, point in self._points.items() if point.step < first[f"{point.name.partition('/')[0]}/"]
        }
        for group, begin in first.items():
            self._last[group] = int(min(self._last[group], begin - 1))
        unchanged = len(kept) == len(self._points)
        self._points = kept
        return [] if unchanged else None


def figures_of(
    record: Mapping[str, Any], group: str, step: int, time: float, *, without: tuple[Any, ...] = ()
) -> Iterator[Point]:
    """A point for each entry that is one finite number."""
    for name, value in record.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if is_number and name not in without:
            yield Point(group + name, step, float(value), time)


def read_log(file: Path) -> Iterator[dict[str, Any]]:
    """The lines of a `log.jsonl`; one that a full disk has cut short is left out."""
    if not file.is_file():
        return
    for line in file.read_bytes().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record


def _number(record: Mapping[str, Any], name: str) -> int:
    value = record.get(name, 0)
    return value if isinstance(value, int) else 0
