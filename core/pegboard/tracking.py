"""Trackers that a user switches on with `--track`: which are asked for, and whether somebody provides them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pegboard.errors import ComponentError, UsageError, one_of

if TYPE_CHECKING:
    from pegboard.plugins.registry import Registry

__all__ = ["check_trackers", "trackers_asked_for"]

_VARIABLE = "PEGBOARD_TRACK"


def trackers_asked_for(given: Iterable[str] | None) -> dict[str, str]:
    """Each tracker that is asked for, with where it is to write; an empty place leaves that to the tracker.

    Args:
        given: texts such as `tensorboard` or `sqlite=~/runs.sqlite`; `None` takes those of `PEGBOARD_TRACK`, which are
            separated by commas.

    Raises:
        UsageError: a text has no name.

    Example:
        >>> trackers_asked_for(["tensorboard", "sqlite=~/runs.sqlite"])
        {'tensorboard': '', 'sqlite': '~/runs.sqlite'}
    """
    texts = os.environ.get(_VARIABLE, "").split(",") if given is None else list(given)
    asked = {}
    for text in texts:
        name, _, place = text.strip().partition("=")
        if name:
            asked[name] = place
        elif given is not None or place:
            raise UsageError(f"{text!r} names no tracker", where=_VARIABLE if given is None else "--track")
    return asked


def check_trackers(asked: Mapping[str, str], registry: Registry) -> None:
    """Raise before any work is done if nothing that is installed provides one of them.

    Raises:
        ComponentError: there is no such tracker; the message has the package to install, or the nearest names.
    """
    from pegboard.plugins.catalogue import known_names, packages_with

    if not asked:
        return
    provided = registry.trackers
    for name in asked:
        if name in provided:
            continue
        packages = packages_with("tracker", name)
        absent = [package for package in packages if package not in {p.distribution for p in registry.plugins}]
        if absent:
            raise ComponentError(f"the tracker {name!r} is not installed", hint=f"pip install {absent[0]}")
        known = {*provided, *known_names("tracker")}
        hint = f"`pegboard plugins list` says what became of {packages[0]}" if packages else one_of(name, known)
        raise ComponentError(f"no installed plugin provides the tracker {name!r}", hint=hint)
