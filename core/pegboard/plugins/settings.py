"""What the user has switched off: remembered in one small file, or for one call in `PEGBOARD_DISABLE`."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pegboard.files import atomic_write
from pegboard.plugins.discovery import normalized

__all__ = ["disabled_plugins", "set_disabled", "settings_file"]


def settings_file() -> Path:
    """The user's settings: `$PEGBOARD_CONFIG`, else `pegboard/plugins.json` under the XDG configuration folder."""
    explicit = os.environ.get("PEGBOARD_CONFIG")
    if explicit:
        return Path(explicit).expanduser()
    root = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(root).expanduser() / "pegboard" / "plugins.json"


def disabled_plugins() -> set[str]:
    """Normalized names of the distributions (or entry points) that are switched off."""
    for_this_call = os.environ.get("PEGBOARD_DISABLE", "").split(",")
    return {normalized(name.strip()) for name in (*for_this_call, *_remembered()) if name.strip()}


def set_disabled(distribution: str, off: bool) -> bool:
    """Remember that a plugin is switched off (or on); answers whether that changed anything."""
    before = set(_remembered())
    name = normalized(distribution)
    after = before | {name} if off else before - {name}
    if after != before:
        text = json.dumps({"disabled": sorted(after)}, indent=2) + "\n"
        settings_file().parent.mkdir(parents=True, exist_ok=True)
        atomic_write(settings_file(), text.encode())
    return after != before


def _remembered() -> list[str]:
    try:
        names = json.loads(settings_file().read_text(encoding="utf-8"))["disabled"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [normalized(name) for name in names if isinstance(name, str)]
