"""Do the work of an iterator in a thread, while its last result is used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from typing import TypeVar

__all__ = ["read_ahead"]

T = TypeVar("T")

_END = object()


def read_ahead(items: Iterable[T], depth: int = 2) -> Generator[T, None, None]:
    """The same items; from the second on they are made in a thread, at most `depth` ahead of their use.

    An error that is raised where they are made is raised where they are used. A generator of items is closed when no
    more are wanted. NumPy and Arrow let other threads run while they work on arrays.

    Example:
        >>> list(read_ahead(n * n for n in range(4)))
        [0, 1, 4, 9]
    """
    iterator = iter(items)
    try:
        for first in iterator:
            yield first
            yield from _made_in_a_thread(iterator, depth)
            return
    finally:
        if isinstance(iterator, Generator):
            iterator.close()


def _made_in_a_thread(iterator: Iterator[T], depth: int) -> Iterator[T]:
    ready: queue.Queue[object] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: object) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def make() -> None:
        try:
            for item in iterator:
                if not put(item):
                    return
            put(_END)
        except BaseException as error:
            put(_Raised(error))

    thread = threading.Thread(target=make, name="pegboard-read-ahead", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not _END:
            if isinstance(item, _Raised):
                raise item.error
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        thread.join()


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error
