"""What a person sees while work goes on: notes, warnings and a progress bar, all on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Console", "Progress", "silent"]


class Progress:
    """A bar with loss, rate and time left; on anything but a terminal it shows nothing."""

    def __init__(self, bar: Any = None, task: Any = None) -> None:
        self._bar = bar
        self._task = task
        self._start = time.perf_counter()
        self._done = 0

    def advance(
        self, examples: int, *, loss: float | None = None, left: float | None = None, at_most: bool = False
    ) -> None:
        """`examples` more are done.

        Args:
            examples: how many.
            loss: the latest.
            left: seconds until the whole work is done, where that is more than this bar shows.
            at_most: `left` is an upper bound: the work may end sooner.
        """
        self._done += examples
        if self._bar is not None:
            seconds = max(1e-9, time.perf_counter() - self._start)
            rate = self._done / seconds
            shown = f"{'' if loss is None else f'loss {loss:.4f}  '}{rate:,.0f} examples/s"
            self._bar.update(self._task, advance=examples, shown=shown, left=self._left(examples, rate, left, at_most))

    def _left(self, examples: int, rate: float, left: float | None, at_most: bool) -> str:
        if left is None:
            task = self._bar.tasks[self._task]
            left = max(0, task.total - task.completed - examples) / max(1e-9, rate)
        return f"{'at most ' if at_most else ''}{as_time(left)} left"


def as_time(seconds: float) -> str:
    """Minutes and seconds, hours, or days, as coarse as a forecast is.

    Example:
        >>> as_time(75), as_time(3 * 3600 + 125), as_time(3e5)
        ('1:15', '3:02:05', '3 days 11 h')
    """
    whole = round(seconds)
    if whole >= 48 * 3600:
        return f"{whole // 86400} days {whole % 86400 // 3600} h"
    minutes = f"{whole // 60 % 60:02}" if whole >= 3600 else f"{whole // 60}"
    return f"{f'{whole // 3600}:' if whole >= 3600 else ''}{minutes}:{whole % 60:02}"


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
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[shown]}"),
            TextColumn("{task.fields[left]}"),
        )
        with Bar(*columns, console=RichConsole(stderr=True), transient=True) as bar:
            yield Progress(bar, bar.add_task(description, total=total, completed=done, shown="", left=""))


silent = Console(quiet=True)
