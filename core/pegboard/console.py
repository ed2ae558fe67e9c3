"""What a person sees while work goes on: notes, warnings and a progress bar, all on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Console", "Progress", "silent"]


class Progress:
    """A bar with loss and rate; on anything but a terminal it shows nothing."""

    def __init__(self, bar: Any = None, task: Any = None) -> None:
        self._bar = bar
        self._task = task
        self._start = time.perf_counter()
        self._done = 0

    def advance(self, examples: int, *, loss: float | None = None) -> None:
        """`examples` more are done; `loss` is the latest."""
        self._done += examples
        if self._bar is not None:
            rate = self._done / max(1e-9, time.perf_counter() - self._start)
            shown = f"{'' if loss is None else f'loss {loss:.4f}  '}{rate:,.0f} examples/s"
            self._bar.update(self._task, advance=examples, shown=shown)


class Console:
    """Writes to stderr what a person wants to know while waiting.

    Args:
        quiet: show warnings only.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet

    def note(self, text: str) -> None:
        """A line of information."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """A line that is worth attention; shown also when quiet."""
        print(f"warning: {text}", file=sys.stderr, flush=True)

    @contextmanager
    def progress(self, description: str, total: int, done: int = 0) -> Iterator[Progress]:
        """A progress bar over `total` examples, of which `done` are behind us."""
        if self.quiet or not sys.stderr.isatty():
            yield Progress()
            return
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[shown]}"),
            TimeRemainingColumn(),
        )
        with Bar(*columns, console=RichConsole(stderr=True), transient=True) as bar:
            yield Progress(bar, bar.add_task(description, total=total, completed=done, shown=""))


silent = Console(quiet=True)
