"""What is installed: the entry points of plugins, read from metadata without importing anything."""

from __future__ import annotations

import configparser
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import entrypoints

from pegboard.hookspecs import ENTRY_POINT_GROUP, HOOK_API

__all__ = ["PluginEntry", "discover", "normalized"]

_GROUP = re.compile(r"pegboard\.plugins\.v(\d+)")
_LOOKS_MEANT = re.compile(r"pegboard([._-]?plugins?([._-].*)?)?", re.IGNORECASE)
_VALUE = re.compile(r"(?P<module>[A-Za-z_][\w.]*)\s*(?::\s*(?P<attribute>[A-Za-z_][\w.]*))?\s*(\[.*\])?")


@dataclass(frozen=True)
class PluginEntry:
    """One entry point of one installed distribution.

    Attributes:
        name: the entry point's name.
        distribution: the distribution's normalized name, for example `my-plugin`.
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
        >>> normalized("My_Plugin")
        'my-plugin'
    """
    return re.sub(r"[-_.]+", "-", distribution).lower()


def discover(path: Sequence[str] | None = None) -> list[PluginEntry]:
    """All plugin entry points on `path` (default `sys.path`), sorted by distribution and name.

    Where one distribution stands on the path twice, the first counts, as it does for imports. Malformed
    metadata become entries with a `problem`; they hide nobody else's.
    """
    found: list[PluginEntry] = []
    seen: set[str] = set()
    for folder in sys.path if path is None else path:
        for listed in _listed(folder):
            # An interrupted pip leaves folders that start with a tilde; they are no installed distribution.
            if listed.name in seen or listed.name.startswith("~"):
                continue
            exact = _with_exact_name(folder, listed)
            if exact.name not in seen:
                found += _entries(exact)
            seen |= {listed.name, exact.name}
    return sorted(found, key=lambda entry: (entry.distribution, entry.name))


class _Listed(NamedTuple):
    """A distribution that has entry points: group to (name to value), or why they can't be read."""

    name: str
    version: str
    groups: Mapping[str, Mapping[str, str]]
    problem: str = ""


def _listed(folder: str) -> Iterator[_Listed]:
    try:
        scanned = list(entrypoints.iter_files_distros([folder]))
    except Exception:  # whatever one file holds ends that scan, and must not hide the files beside it
        yield from _listed_one_by_one(folder)
        return
    for parser, distribution in scanned:
        yield _Listed(normalized(distribution.name), distribution.version or "", _groups(parser))


def _listed_one_by_one(folder: str) -> Iterator[_Listed]:
    """The same for a folder with a file that can't be parsed, which is a problem if it is a plugin's."""
    from pathlib import Path

    files = [file for kind in ("dist", "egg") for file in Path(folder).glob(f"*.{kind}-info/entry_points.txt")]
    for file in sorted(files):
        distribution = entrypoints.Distribution.from_name_version(file.parent.stem)
        name, version = normalized(distribution.name), distribution.version or ""
        parser = entrypoints.CaseSensitiveConfigParser(delimiters=("=",))
        content = b""
        try:
            content = file.read_bytes()
            parser.read_string(content.decode("utf-8"), source=file.name)
        except (OSError, UnicodeDecodeError, configparser.Error) as error:
            if b"pegboard" in content or "pegboard" in name:
                problem = f"its entry_points.txt can't be read: {' '.join(str(error).split())}"
                yield _Listed(name, version, {ENTRY_POINT_GROUP: {}}, problem)
        else:
            yield _Listed(name, version, _groups(parser))


def _groups(parser: configparser.ConfigParser) -> dict[str, dict[str, str]]:
    return {group: dict(parser.items(group, raw=True)) for group in parser.sections()}


def _with_exact_name(folder: str, listed: _Listed) -> _Listed:
    """The distribution's own word on its name and version.

    Both stand in the name of its metadata's folder. Only where that does not tell them apart, and the distribution
    concerns us, the metadata are read, since that takes as long as everything else together.
    """
    if re.fullmatch(r"\d[^-]*", listed.version) or not any(map(_LOOKS_MEANT.fullmatch, listed.groups)):
        return listed
    from importlib import metadata

    stem = normalized(f"{listed.name}-{listed.version}".strip("-"))
    for candidate in metadata.distributions(path=[folder]):
        own = normalized(candidate.metadata["Name"] or "")
        if stem == own or stem.startswith(normalized(f"{own}-{candidate.version}")):
            return listed._replace(name=own, version=candidate.version)
    return listed


def _entries(listed: _Listed) -> list[PluginEntry]:
    """The entries of a distribution: those for this hook API, or else what is wrong with the others."""
    name, version, groups, problem = listed
    if problem:
        return [PluginEntry(name, name, version, None, problem=problem)]
    others: list[PluginEntry] = []
    for group, lines in groups.items():
        if group != ENTRY_POINT_GROUP and _LOOKS_MEANT.fullmatch(group):
            problem, incompatible = _wrong_group(group, name)
            others += [
                PluginEntry(key, name, version, None, problem=problem, incompatible=incompatible) for key in lines
            ]
    # A distribution may serve several hook APIs at a time.
    return [_entry(key, value, name, version) for key, value in groups.get(ENTRY_POINT_GROUP, {}).items()] or others


def _wrong_group(group: str, distribution: str) -> tuple[str, bool]:
    """What to say of a group that is not ours, and whether it is another hook API's."""
    match = _GROUP.fullmatch(group)
    if not match:
        return f"its entry-point group is {group!r}, it must be {ENTRY_POINT_GROUP!r}", False
    api = int(match[1])
    age, mend = ("newer", "upgrade pegboard") if api > HOOK_API else ("older", f"upgrade {distribution}")
    return f"made for the {age} hook API {api}, this Pegboard has {HOOK_API}: {mend}", True


def _entry(name: str, value: str, distribution: str, version: str) -> PluginEntry:
    match = _VALUE.fullmatch(value.strip())
    if not match:
        problem = f"malformed entry point {name!r} = {value!r}: it must read 'module' or 'module:object'"
        return PluginEntry(name, distribution, version, None, problem=problem)
    return PluginEntry(name, distribution, version, match["module"], match["attribute"])
