"""What happens when a component raises something that it should not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pegboard.errors import ComponentError, PegboardError, RunError
from pegboard.files import DISK_FAILURES, DISK_HINT
from pegboard.plugins.loading import Component, in_one_line

__all__ = ["blaming"]

_ERROR_IN_RUST = re.compile(r"\(os error (\d+)\)")
_STOPPED_BY_SIGTERM = 128 + 15


@contextmanager
def blaming(component: Component, *, doing: str = "", hint: str = "run with --debug to see where") -> Iterator[None]:
    """Turn an unexpected exception into an error that names the component at work.

    Errors of Pegboard pass, since they say already what to do, and so does being interrupted or told to stop.

    Args:
        component: what is at work.
        doing: what it is doing, if "failed" alone says too little.
        hint: what to do about it; how to do without the component is added.

    Raises:
        RunError: memory or disk ran out or failed, which is nobody's fault.
        ComponentError: anything else.
    """
    try:
        yield
    except (PegboardError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # extensions written in Rust panic with one that is no Exception
        if isinstance(error, SystemExit) and error.code == _STOPPED_BY_SIGTERM:
            raise
        cause = in_one_line(error) if isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"
        who = f"the {component.kind} {component.name!r} of {component.distribution} {component.version}"
        what = f"{who} failed{doing and f' {doing}'}: {cause}"
        if _out_of_memory(error):
            raise RunError(what, hint="make the batches, the texts or the model smaller") from error
        if _errno(error) in DISK_FAILURES:
            raise RunError(what, hint=DISK_HINT) from error
        raise ComponentError(what, hint=f"{hint}; {_way_out(component)}") from error


def _way_out(component: Component) -> str:
    if component.source:
        return f"mend {component.source}, or choose another {component.kind}"
    name = component.distribution
    return f"upgrade {name}, or choose another {component.kind}; `pegboard plugins disable {name}` switches it off"


def _errno(error: BaseException) -> int | None:
    if isinstance(error, OSError):
        return error.errno
    found = _ERROR_IN_RUST.search(str(error))  # the message is all that extensions written in Rust pass on
    return int(found[1]) if found else None


def _out_of_memory(error: BaseException) -> bool:
    # torch has a type of its own for GPUs only; on a CPU it is a RuntimeError whose text says so.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
    )
