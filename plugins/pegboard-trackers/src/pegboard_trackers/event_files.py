"""The tracker `tensorboard`: an event file in the run folder, written with TensorBoard's own record writer.

No thread and no buffer: what was logged is in the file, whatever happens to the process.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pegboard import ComponentError, atomic_write

from pegboard_trackers.history import Point

try:
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.text.summary_v2 import text_pb
    from tensorboard.summary.writer.record_writer import RecordWriter
except ImportError as error:
    raise ComponentError(
        f"it needs the package tensorboard ({error}): pip install 'pegboard-trackers[tensorboard]'"
    ) from None

__all__ = ["TensorBoardTracker"]

_NAME = "events.out.tfevents.{number:010d}.pegboard"


class TensorBoardTracker:
    """Writes scalars and the recipe for `tensorboard --logdir runs`.

    An event file can't be corrected. Where steps are to be done again, a new file takes the place of the old one; its
    name sorts after the old one's, so that a TensorBoard that is watching turns to it.

    Args:
        folder: where event files lie.
        recipe: shown under Text.
    """

    def __init__(self, folder: Path, recipe: str) -> None:
        self._folder = folder
        self._recipe = recipe
        self._file: Path | None = None

    def rewrite(self, points: Sequence[Point]) -> None:
        """Begin a new file with these points, and remove the ones before it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        before = sorted(self._folder.glob("events.out.tfevents.*.pegboard"))
        number = 1 + max((int(file.name.split(".")[3]) for file in before), default=0)
        start = points[0].time if points else time.time()
        text = "".join(f"    {line}\n" for line in self._recipe.splitlines())  # four spaces are code in Markdown
        events = [
            Event(wall_time=start, file_version="brain.Event:2"),
            # Has a TensorBoard that has read the file before forget its points.
            Event(wall_time=start, step=0, session_log=SessionLog(status=SessionLog.START)),
            Event(wall_time=start, step=0, summary=text_pb("recipe", text)),
        ]
        self._file = self._folder / _NAME.format(number=number)
        atomic_write(self._file, _encoded([*events, *map(_event, points)]))
        for file in before:
            file.unlink()

    def append(self, points: Sequence[Point]) -> None:
        """Add points to the end of the file."""
        assert self._file is not None
        with self._file.open("ab") as stream:
            stream.write(_encoded(list(map(_event, points))))

    def finish(self, history: Sequence[Point], figures: Sequence[Point], metrics: Mapping[str, Any]) -> None:
        """Add the figures of the finished model, as curves of one point."""
        if self._file is None:
            self.rewrite(history)
        self.append(figures)


def _event(point: Point) -> Event:
    value = Summary.Value(tag=point.name, simple_value=point.value)
    return Event(wall_time=point.time, step=point.step, summary=Summary(value=[value]))


def _encoded(events: Sequence[Event]) -> bytes:
    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
    for event in events:
        writer.write(event.SerializeToString())
    return buffer.getvalue()
