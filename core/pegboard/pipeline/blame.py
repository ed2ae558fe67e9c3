"""What happens when a component raises something that it should not."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from pegboard.errors import ComponentError, PegboardError, RunError
from pegboard.plugins.loading import Component

__all__ = ["blaming"]

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def blaming(component: Component, *, doing: str = "", hint: str = "run with --debug to see where") -> Iterator[None]:
    """Turn an unexpected exception into an error that names the component at work.

    Errors of Pegboard pass, since they say already what to do.

    Args:
        component: what is at work.
        doing: what it is doing, if "failed" alone says too little.
        hint: what to do about it.

    Raises:
        RunError: memory or disk ran out, which is nobody's fault.
        ComponentError: anything else.
    """
    try:
        yield
    except PegboardError:
        raise
    except Exception as error:
        who = f"the {component.kind} {component.name!r} of {component.distribution} {component.version}"
        what = f"{who} failed{doing and f' {doing}'}: {type(error).__name__}: {error}"
        if _out_of_memory(error):
            raise RunError(what, hint="make the batches, the texts or the model smaller") from error
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            raise RunError(what, hint="free some space; what was complete is untouched") from error
        raise ComponentError(what, hint=hint) from error


def _out_of_memory(error: Exception) -> bool:
    # torch has a type of its own for GPUs only; on a CPU it is a RuntimeError whose text says so.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
    )
