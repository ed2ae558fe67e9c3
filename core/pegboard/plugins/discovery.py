"""What is installed: the entry points of plugins, read from metadata without importing anything."""

from __future__ import annotations

import configparser
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import entrypoints

from pegboard.hookspecs import ENTRY_POINT_GROUP, HOOK_API

__all__ = ["PluginEntry", "discover", "folders_of", "normalized"]

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
    for folder in map(str, sys.path if path is None else path):
        for listed in _listed(folder):
            # An interrupted pip leaves folders that start with a tilde; they are no installed distribution.
            if listed.name in seen or listed.name.startswith("~"):
                continue
            exact = _with_exact_name(folder, listed)
            if exact.name not in seen:
                found += _entries(exact)
            seen |= {listed.name, exact.name}
    return sorted(found, key=lambda entry: (entry.distribution, entry.name))


def folders_of(distribution: str) -> list[str]:
    """The folders of the path in which a plugin's distribution stands; the first is the one that counts."""
    return [
        folder
        for folder in dict.fromkeys(map(str, sys.path))
        if any(distribution in (listed.name, _with_exact_name(folder, listed).name) for listed in _listed(folder))
    ]


class _Listed(NamedTuple):
    """A distribution that has entry points: group to (name to value), or why they can't be read."""

    name: str
    version: str
    groups: Mapping[str, Mapping[str, str]]
    problem: str = ""


def _listed(folder: str) -> Iterator[_Listed]:
    """The distributions in one place of the path; one that can't be read hides no other."""
    try:
        with os.scandir(folder or ".") as places:
            metadata = [place for place in places if place.name.endswith((".dist-info", ".egg-info"))]
    except (OSError, ValueError):
        metadata = []
    if not metadata:
        yield from _listed_in_archive(folder)
        return
    # One parser for all, and only for the files of plugins: it takes longer to make one than to read a file.
    parser = _new_parser()
    for place in sorted(metadata, key=lambda place: (place.name.endswith(".egg-info"), place.name)):
        yield from _listed_in_metadata(place, parser)


def _listed_in_archive(path: str) -> Iterator[_Listed]:
    """The distributions in a zip file or an egg, if that is what it is."""
    try:
        scanned = list(entrypoints.iter_files_distros([path]))
    except Exception:  # whatever a file on the path may be, the others count
        return
    for parser, distribution in scanned:
        yield _Listed(normalized(distribution.name), distribution.version or "", _groups(parser))


def _listed_in_metadata(folder: os.DirEntry[str], parser: configparser.ConfigParser) -> Iterator[_Listed]:
    """The distribution that a folder describes, if it has entry points."""
    distribution = entrypoints.Distribution.from_name_version(folder.name.rpartition(".")[0])
    name, version = normalized(distribution.name), distribution.version or ""
    content, groups = b"", {}
    try:
        with open(f"{folder.path}/entry_points.txt", "rb") as file:  # noqa: PTH123
            content = file.read()
        if b"pegboard" in content.lower():
            parser.clear()
            parser.read_string(content.decode("utf-8"), source="entry_points.txt")
            groups = _groups(parser)
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        if content or "pegboard" in name:
            problem = f"its entry_points.txt can't be read: {' '.join(str(error).split())}"
            yield _Listed(name, version, {ENTRY_POINT_GROUP: {}}, problem)
    else:
        yield _Listed(name, version, groups)


def _new_parser() -> configparser.ConfigParser:
    # No section is called "", so none stands for the others: what one file says must not come up in the next.
    parser: configparser.ConfigParser = entrypoints.CaseSensitiveConfigParser(delimiters=("=",), default_section="")
    return parser


def _groups(parser: configparser.ConfigParser) -> dict[str, dict[str, str]]:
    """The groups that are ours, or were meant to be."""
    groups = [group for group in parser.sections() if _LOOKS_MEANT.fullmatch(group)]
    return {group: dict(parser.items(group, raw=True)) for group in groups}


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
