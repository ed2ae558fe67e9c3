"""What is installed: the entry points of plugins, read from metadata without importing anything."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from configparser import ConfigParser
from dataclasses import dataclass
from importlib import metadata

import entrypoints

from pegboard.hookspecs import HOOK_API

__all__ = ["PluginEntry", "discover", "normalized"]

_GROUP = re.compile(r"pegboard\.plugins\.v(\d+)")
_VALUE = re.compile(r"(?P<module>[A-Za-z_][\w.]*)\s*(?::\s*(?P<attribute>[A-Za-z_][\w.]*))?\s*(\[.*\])?")


@dataclass(frozen=True)
class PluginEntry:
    """One entry point of one installed distribution.

    Attributes:
        name: the entry point's name.
        distribution: the distribution's normalized name, for example `pegboard-char`.
        version: its version.
        module: the module to import, or `None` when the metadata are malformed.
        attribute: an object inside the module, if the entry point names one.
        problem: why it can't be loaded by this version, or `None`.
        incompatible: the problem is the hook API's version.
        source: for a one-file plugin, the file.
    """

    name: str
    distribution: str
    version: str
    module: str | None
    attribute: str | None = None
    problem: str | None = None
    incompatible: bool = False
    source: str | None = None


def normalized(distribution: str) -> str:
    """The canonical form of a distribution's name (PEP 503).

    Example:
        >>> normalized("Pegboard_Char")
        'pegboard-char'
    """
    return re.sub(r"[-_.]+", "-", distribution).lower()


def discover(path: Sequence[str] | None = None) -> list[PluginEntry]:
    """All plugin entry points on `path` (default `sys.path`), sorted by distribution and name.

    Where one distribution stands on the path twice, the first counts, as it does for imports. Malformed
    metadata become entries with a `problem`; they hide nobody else's.
    """
    found: list[PluginEntry] = []
    for sections, name, version in _distributions(path):
        for group, lines in sections.items():
            match = _GROUP.fullmatch(group)
            if match:
                found += [_entry(int(match[1]), key, value, name, version) for key, value in lines.items()]
    return sorted(found, key=lambda entry: (entry.distribution, entry.name))


def _distributions(path: Sequence[str] | None) -> Iterable[tuple[dict[str, dict[str, str]], str, str]]:
    """Entry-point sections, name and version of each distribution that has any."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scanned = list(entrypoints.iter_files_distros(path))
        return [(_sections(parser), normalized(dist.name), dist.version or "") for parser, dist in scanned]
    except (ValueError, OSError, Exception) as _:  # one unreadable file ends the scan of all: go one by one
        return list(_distributions_one_by_one(path))


def _sections(parser: ConfigParser) -> dict[str, dict[str, str]]:
    return {group: dict(parser.items(group, raw=True)) for group in parser.sections()}


def _distributions_one_by_one(
    path: Sequence[str] | None,
) -> Iterable[tuple[dict[str, dict[str, str]], str, str]]:
    seen: set[str] = set()
    for distribution in metadata.distributions() if path is None else metadata.distributions(path=list(path)):
        name = normalized(distribution.metadata["Name"] or "")
        if name in seen:
            continue
        seen.add(name)
        try:
            text = distribution.read_text("entry_points.txt") or ""
            parser = entrypoints.CaseSensitiveConfigParser(delimiters=("=",))
            parser.read_string(text)
            yield _sections(parser), name, distribution.version
        except Exception:
            # Only a distribution that means to be a plugin is worth a word.
            if "pegboard" in name or "pegboard.plugins" in text:
                yield {f"pegboard.plugins.v{HOOK_API}": {name: ""}}, name, distribution.version


def _entry(api: int, name: str, value: str, distribution: str, version: str) -> PluginEntry:
    if api != HOOK_API:
        age = "newer" if api > HOOK_API else "older"
        mend = "upgrade pegboard" if api > HOOK_API else f"upgrade {distribution}"
        problem = f"made for the {age} hook API {api}, this Pegboard has {HOOK_API}: {mend}"
        return PluginEntry(name, distribution, version, None, problem=problem, incompatible=True)
    match = _VALUE.fullmatch(value.strip())
    if not match:
        problem = f"malformed entry point {name!r} = {value!r}: it must read 'module' or 'module:object'"
        return PluginEntry(name, distribution, version, None, problem=problem)
    return PluginEntry(name, distribution, version, match["module"], match["attribute"])
