"""Ctrl-C and SIGTERM become a wish to stop, which the loop grants after the step under way."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, NoReturn

__all__ = ["Interrupts"]


_REPEATS_AFTER = 1.0


class Interrupts:
    """While it is entered, SIGINT and SIGTERM are remembered.

    Ctrl-C once more, at least a second later, stops at once. Sooner it is an echo: launchers pass on to their
    processes what the terminal has sent to all of them already. Of several processes none may stop alone.

    Outside the main thread Python allows no handlers, and nothing is caught.

    Args:
        processes: number of processes that train together.

    Attributes:
        requested: whether a signal has come.
    """

    def __init__(self, processes: int = 1) -> None:
        self.requested = False
        self._alone = processes == 1
        self._signal = signal.SIGINT
        self._first = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        """Put the handlers in place."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Restore the handlers that were there before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def stop(self) -> NoReturn:
        """Raise what the signal would have raised: `KeyboardInterrupt`, or `SystemExit(143)` for SIGTERM."""
        if self._signal == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        raise KeyboardInterrupt

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if not self.requested:
            self.requested, self._signal, self._first = True, signal.Signals(number), time.monotonic()
        elif self._alone and number == signal.SIGINT and time.monotonic() - self._first > _REPEATS_AFTER:
            raise KeyboardInterrupt
