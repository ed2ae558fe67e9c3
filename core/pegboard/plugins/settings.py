"""What the user has switched off: remembered in one small file, or for one call in `PEGBOARD_DISABLE`."""

from __future__ import annotations

import os
from pathlib import Path

from pegboard.errors import UsageError
from pegboard.plugins.discovery import normalized

__all__ = ["disabled_for_this_call", "disabled_plugins", "remembered", "set_disabled", "settings_file"]


def settings_file() -> Path:
    """The user's settings: `$PEGBOARD_CONFIG`, else `pegboard/plugins.json` under the XDG configuration folder."""
    explicit = os.environ.get("PEGBOARD_CONFIG")
    path = explicit or f"{os.environ.get('XDG_CONFIG_HOME') or '~/.config'}/pegboard/plugins.json"
    # Path.expanduser raises where nobody has a home, as in many containers.
    return Path(os.path.expanduser(path))  # noqa: PTH111


def disabled_plugins() -> set[str]:
    """Normalized names of the distributions (or entry points) that are switched off; `*` stands for all.

    Raises:
        UsageError: the settings file can't be read.
    """
    return disabled_for_this_call() | remembered()


def disabled_for_this_call() -> set[str]:
    """The names in `PEGBOARD_DISABLE`, which are separated by commas."""
    names = os.environ.get("PEGBOARD_DISABLE", "").split(",")
    return {normalized(name.strip()) for name in names if name.strip()}


def remembered() -> set[str]:
    """The names in the settings file.

    Raises:
        UsageError: the file can't be read; a plugin that was switched off must not come back unnoticed.
    """
    file = settings_file()
    try:
        content = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as error:
        raise UsageError(f"the settings can't be read: {error.strerror}", where=str(file)) from None
    import json

    try:
        names = json.loads(content)["disabled"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("'disabled' is not a list of names")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            f"these are no settings: {type(error).__name__}: {error}",
            where=str(file),
            hint='it must read {"disabled": ["my-plugin"]}; remove the file to enable all plugins',
        ) from None
    return {normalized(name) for name in names}


def set_disabled(distribution: str, off: bool) -> bool:
    """Remember that a plugin is switched off (or on); answers whether that changed anything.

    Raises:
        UsageError: the settings file can't be read.
        RunError: it can't be written.
    """
    import json

    from pegboard.files import atomic_write, cannot_write

    before = remembered()
    name = normalized(distribution)
    after = before | {name} if off else before - {name}
    if after != before:
        file = settings_file()
        text = json.dumps({"disabled": sorted(after)}, indent=2) + "\n"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(file.parent, error) from error
        atomic_write(file, text.encode())
    return after != before
