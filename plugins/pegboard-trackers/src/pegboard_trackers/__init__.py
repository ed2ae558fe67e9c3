"""The trackers `tensorboard` and `sqlite`, for runs that ask for them: `pegboard train --track sqlite`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pegboard import hookimpl

if TYPE_CHECKING:
    from pegboard import RunContext

NAMES = ("tensorboard", "sqlite")


@hookimpl
def pegboard_tracker_names() -> Iterable[str]:
    """What `--track` can switch on."""
    return NAMES


@hookimpl
def pegboard_run_started(run: RunContext) -> None:
    """Open the trackers that the user asked for."""
    if any(name in run.track for name in NAMES):
        from pegboard_trackers.tracking import start

        start(run)


@hookimpl
def pegboard_logged(run: RunContext, record: Mapping[str, Any]) -> None:
    """Pass on what was logged."""
    if any(name in run.track for name in NAMES):
        from pegboard_trackers.tracking import logged

        logged(run, record)


@hookimpl
def pegboard_run_finished(run: RunContext) -> None:
    """Add the figures of the finished model."""
    if any(name in run.track for name in NAMES):
        from pegboard_trackers.tracking import finish

        finish(run)
