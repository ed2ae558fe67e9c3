"""The packages that the project publishes, so that an error about a missing component can say which to install."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from pegboard.specs import KINDS

__all__ = [
    "known_names",
    "packages_with",
    "packages_with_default",
    "packages_with_scheme",
    "published_packages",
    "starter_packages",
]


def packages_with(kind: str, name: str) -> list[str]:
    """The packages that provide a component."""
    return _where(f"{kind}s", name)


def packages_with_default(kind: str) -> list[str]:
    """The packages that provide the component of a kind that is used when a recipe names none."""
    return _where("default", kind)


def packages_with_scheme(scheme: str) -> list[str]:
    """The packages with a data set that takes references of a scheme: `path`, or the `prefix` of `prefix:rest`."""
    return _where("schemes", scheme)


def known_names(kind: str) -> set[str]:
    """The names of all published components of a kind."""
    return {name for package in _catalogue().values() for name in package.get(f"{kind}s", ())}


def published_packages() -> set[str]:
    """All packages."""
    return set(_catalogue())


def starter_packages() -> list[str]:
    """The packages that provide the default components."""
    return sorted({package for kind in KINDS for package in packages_with_default(kind)})


def _where(key: str, value: str) -> list[str]:
    return [package for package, provides in sorted(_catalogue().items()) if value in provides.get(key, ())]


@cache
def _catalogue() -> dict[str, dict[str, Any]]:
    from pegboard.toml import read_toml

    return read_toml(Path(__file__).with_name("catalogue.toml"))
