"""Ctrl-C and SIGTERM become a wish to stop, which is granted after the step under way, or sooner if that is slow."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, NoReturn

__all__ = ["Interrupts"]


_REPEATS_AFTER = 1.0
_PATIENCE = 2.0
"""seconds that the computation under way is given to come to its end"""


class Interrupts:
    """While it is entered, SIGINT and SIGTERM are remembered.

    Ctrl-C once more, at least a second later, stops at once. Sooner it is an echo: launchers pass on to their
    processes what the terminal has sent to all of them already. Of several processes none may stop alone.

    A step may take minutes, and Python runs no handler before it is done. So a thread waits beside it: where the state
    of the last whole step is still what it was, as `at_rest` says, the thread has it saved and ends the process.

    Outside the main thread Python allows no handlers, and nothing is caught.

    Args:
        processes: number of processes that train together.

    Attributes:
        requested: whether a signal has come.
        rescue: saves the state of the last whole step; called in another thread. `None` = every step is waited for.
    """

    def __init__(self, processes: int = 1) -> None:
        self.requested = False
        self.rescue: Callable[[], None] | None = None
        self._busy = threading.Lock()  # held wherever the state is between that of two steps
        self._busy.acquire()
        self._over = threading.Event()
        self._writing: int | None = None
        self._wakeup_before = -1
        self._alone = processes == 1
        self._signal = signal.SIGINT
        self._first = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        """Put the handlers in place."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._remember)
            if self._alone and os.name != "nt":
                self._watch_over_slow_steps()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Restore the handlers that were there before."""
        self._over.set()
        self._busy.release()
        if self._writing is not None:
            signal.set_wakeup_fd(self._wakeup_before)
            os.close(self._writing)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def stop(self) -> NoReturn:
        """Raise what the signal would have raised: `KeyboardInterrupt`, or `SystemExit(143)` for SIGTERM."""
        if self._signal == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        raise KeyboardInterrupt

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """While it is entered, what is saved of the training does not change."""
        self._busy.release()
        try:
            yield
        finally:
            self._busy.acquire()  # never again, once the thread saves

    def _watch_over_slow_steps(self) -> None:
        reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._wakeup_before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        threading.Thread(target=self._wait_for_a_signal, args=(reading, os.getpid()), daemon=True).start()

    def _wait_for_a_signal(self, reading: int, process: int) -> None:
        with os.fdopen(reading, "rb", buffering=0) as signals:
            while (number := signals.read(1)) and number[0] not in (signal.SIGINT, signal.SIGTERM):
                pass
        if not number or os.getpid() != process or self._over.wait(_PATIENCE):
            return
        with self._busy:
            if self.rescue is None or self._over.is_set():
                return
            status = 128 + number[0]
            try:
                self.rescue()
            except Exception as error:
                print(f"error: {error}", file=sys.stderr)
                status = 1
            if not hasattr(sys, "ps1"):  # a notebook or a prompt must not die of it
                sys.stderr.flush()
                os._exit(status)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if not self.requested:
            self.requested, self._signal, self._first = True, signal.Signals(number), time.monotonic()
        elif self._alone and number == signal.SIGINT and time.monotonic() - self._first > _REPEATS_AFTER:
            raise KeyboardInterrupt
