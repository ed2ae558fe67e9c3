"""The distributions that carry plugins, as an installer sees them: where they came from, and how to get them again.

Only metadata are read; nothing of a plugin is imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pegboard.errors import ComponentError, UsageError, one_of
from pegboard.plugins.discovery import PluginEntry, discover, normalized

__all__ = ["distribution_to_remove", "installed_from", "is_installed", "requirement_lines"]


def distribution_to_remove(name: str) -> str:
    """The distribution of a plugin, by its name or by that of its entry point; a broken plugin is one, too.

    Raises:
        UsageError: it is Pegboard itself, or an installed package that is no plugin, or the name is ambiguous.
        ComponentError: nothing of that name is installed.
    """
    wanted = normalized(name)
    if wanted == "pegboard":
        raise UsageError("that is the toolkit itself, not a plugin", where=name, hint="pip uninstall pegboard")
    entries = discover()
    known = {entry.distribution for entry in entries}
    if wanted in known:
        return wanted
    carriers = sorted({entry.distribution for entry in entries if normalized(entry.name) == wanted})
    if len(carriers) == 1:
        return carriers[0]
    if carriers:
        raise UsageError(f"{len(carriers)} plugins are called {name!r}", hint=f"name one: {' or '.join(carriers)}")
    if is_installed(wanted):
        raise UsageError("is installed, but it is no plugin of Pegboard", where=name, hint=f"pip uninstall {wanted}")
    raise ComponentError(f"no plugin {name!r} is installed", hint=one_of(wanted, known))


def installed_from(place: str) -> str | None:
    """The distribution that was installed from a folder or file, if its installer wrote that down."""
    wanted = Path(place).expanduser().resolve()
    for entry in discover():
        url = urlsplit(_origin(entry.distribution).get("url", ""))
        if url.scheme == "file" and Path(unquote(url.path)).resolve() == wanted:
            return entry.distribution
    return None


def is_installed(distribution: str) -> bool:
    """Whether a distribution of that name is on the path, plugin or not."""
    return _metadata(distribution) is not None


def requirement_lines(entries: Iterable[PluginEntry], files: Iterable[str] = ()) -> list[str]:
    """Lines of a pip requirements file that installs the same plugins again.

    A published package is pinned to its version. One that came from a folder, a file or a repository is written with
    that place, which only holds where the place is. What pip can't install is a comment.

    Args:
        entries: what was discovered.
        files: one-file plugins.
    """
    versions = {entry.distribution: entry.version for entry in entries if not entry.source}
    lines = [_requirement(distribution, version) for distribution, version in sorted(versions.items())]
    return [*lines, *(f"# one-file plugin, not for pip: --plugin {file}" for file in files)]


def _requirement(distribution: str, version: str) -> str:
    origin = _origin(distribution)
    url = origin.get("url", "")
    if not url:
        return f"{distribution}=={version}" if version else f"# {distribution}: its metadata have no version"
    if origin.get("dir_info", {}).get("editable"):
        return f"-e {url}"
    vcs, archive = origin.get("vcs_info", {}), origin.get("archive_info", {})
    if vcs:
        url = f"{vcs.get('vcs', 'git')}+{url}@{vcs.get('commit_id', 'HEAD')}"
    hashes = {**dict([archive["hash"].split("=", 1)] if archive.get("hash") else []), **archive.get("hashes", {})}
    fragment = [f"sha256={hashes['sha256']}"] if "sha256" in hashes else []
    fragment += [f"subdirectory={origin['subdirectory']}"] if origin.get("subdirectory") else []
    return f"{distribution} @ {url}" + (f"#{'&'.join(fragment)}" if fragment else "")


def _origin(distribution: str) -> dict[str, Any]:
    """What its installer wrote of where it came from (PEP 610); nothing where it came from an index."""
    found = _metadata(distribution)
    text = found.read_text("direct_url.json") if found else None
    try:
        origin = json.loads(text) if text else {}
    except ValueError:
        return {}
    infos = ("dir_info", "vcs_info", "archive_info")
    if not isinstance(origin, dict) or not all(isinstance(origin.get(info, {}), dict) for info in infos):
        return {}
    return origin


def _metadata(distribution: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(distribution)
    except (metadata.PackageNotFoundError, ValueError):
        return None
