"""Which trackers follow which run, and what happens when one of them fails."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pegboard import PegboardWarning

from pegboard_trackers.history import History, Point, figures_of, read_log

if TYPE_CHECKING:
    from pegboard import RunContext

__all__ = ["Tracker", "finish", "logged", "start"]


class Tracker(Protocol):
    """Writes points somewhere. What it raises switches it off for the rest of the run."""

    def rewrite(self, points: Sequence[Point]) -> None:
        """These are all points of the run so far, whatever was written before."""
        ...

    def append(self, points: Sequence[Point]) -> None:
        """These have come after all others."""
        ...

    def finish(self, history: Sequence[Point], figures: Sequence[Point], metrics: Mapping[str, Any]) -> None:
        """The run is complete: all its points, the figures of the finished model, and the whole `metrics.json`."""
        ...


class Tracked:
    """A run and the trackers that follow it."""

    def __init__(self, run: RunContext) -> None:
        self.history = History()
        for record in read_log(run.folder / "log.jsonl"):
            self.history.add(record)
        self.trackers: dict[str, Tracker] = {}
        self.begun = False
        for name, place in run.track.items():
            self._guarded(name, self._open, name, place, run)

    def logged(self, record: Mapping[str, Any]) -> None:
        """Pass a record on. The first one has everything written anew: who knows what an earlier process left."""
        new = self.history.add(record)
        for name, tracker in list(self.trackers.items()):
            if new is None or not self.begun:
                self._guarded(name, tracker.rewrite, self.history.points)
            elif new:
                self._guarded(name, tracker.append, new)
        self.begun = True

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """Pass on the figures of the finished model."""
        now = time.time()
        figures = [
            point
            for split, content in metrics.items()
            if isinstance(content, dict)
            for point in figures_of(content, f"{split}/", 0, now)
        ]
        for name, tracker in list(self.trackers.items()):
            self._guarded(name, tracker.finish, self.history.points, figures, metrics)

    def _open(self, name: str, place: str, run: RunContext) -> None:
        folder = Path(place).expanduser() if place else None
        if name == "tensorboard":
            from pegboard_trackers.event_files import TensorBoardTracker

            self.trackers[name] = TensorBoardTracker(folder or run.folder / "tensorboard", run.recipe.to_toml())
        elif name == "sqlite":
            from pegboard_trackers.database import SqliteTracker

            self.trackers[name] = SqliteTracker(folder or run.folder.absolute().parent / "runs.sqlite", run)

    def _guarded(self, name: str, action: Callable[..., None], *arguments: Any) -> None:
        """Do it; a tracker that fails is reported and left out from now on."""
        try:
            action(*arguments)
        except Exception as error:
            self.trackers.pop(name, None)
            cause = " ".join(str(error).split()) or type(error).__name__
            warnings.warn(
                f"the tracker {name!r} has stopped: {cause} (training goes on; all figures are in log.jsonl)",
                PegboardWarning,
                stacklevel=2,
            )


_TRACKED: dict[Path, Tracked] = {}


def start(run: RunContext) -> None:
    """Open the trackers that the run asks for."""
    _TRACKED[run.folder.absolute()] = Tracked(run)


def logged(run: RunContext, record: Mapping[str, Any]) -> None:
    """Pass a line of the log to them."""
    tracked = _TRACKED.get(run.folder.absolute())
    if tracked is not None:
        tracked.logged(record)


def finish(run: RunContext) -> None:
    """Pass the figures of the finished model to them, and forget them."""
    tracked = _TRACKED.pop(run.folder.absolute(), None)
    if tracked is not None:
        tracked.finish(json.loads((run.folder / "metrics.json").read_text(encoding="utf-8")))
