"""Ctrl-C and SIGTERM end a command within seconds, whatever it is doing."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

__all__ = ["ending_in_time"]

_PATIENCE = 3.0
"""seconds in which a command may end in order"""

_writing = -1


@contextmanager
def ending_in_time() -> Iterator[None]:
    """While it is entered, SIGTERM raises `SystemExit(143)` as SIGINT raises `KeyboardInterrupt`.

    Python raises neither before a call of compiled code returns, and the training of a tokenizer is one that takes
    minutes. So a thread waits for signals, too, and ends the process if it is still there some seconds after the first:
    files are whole or absent, and the next command removes what is left behind. While a trainer handles signals itself,
    as `signal.set_wakeup_fd` tells, the thread hears of none.
    """
    ours = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL and signal.getsignal(signal.SIGINT) != signal.SIG_IGN
    if os.name == "nt" or threading.current_thread() is not threading.main_thread() or not ours:
        yield
        return
    global _writing
    reading, _writing = os.pipe()
    os.set_blocking(_writing, False)
    over = threading.Event()
    signal.signal(signal.SIGTERM, _leave)
    before = signal.set_wakeup_fd(_writing, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reading, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(_writing)
        _writing = -1


def _watch(reading: int, over: threading.Event) -> None:
    with os.fdopen(reading, "rb", buffering=0) as signals:
        while (number := signals.read(1)) and number[0] not in (signal.SIGINT, signal.SIGTERM):
            pass
    if number and not over.wait(_PATIENCE):
        print("interrupted", file=sys.stderr, flush=True)
        os._exit(128 + number[0])


def _leave(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _in_a_child() -> None:
    """A forked process shares the pipe, and must not have its parent end when it is ended itself."""
    if _writing >= 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_child)
