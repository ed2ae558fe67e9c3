"""Ctrl-C and SIGTERM become a wish to stop, which the loop grants after the step under way."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, NoReturn

__all__ = ["Interrupts"]


class Interrupts:
    """While it is entered, SIGINT and SIGTERM are remembered; a second one stops at once.

    Outside the main thread Python allows no handlers, and nothing is caught.

    Attributes:
        requested: whether a signal has come.
    """

    def __init__(self) -> None:
        self.requested = False
        self._signal = signal.SIGINT
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
        if self.requested:
            self.stop()
        self.requested = True
        self._signal = signal.Signals(number)
