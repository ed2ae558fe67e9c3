"""Which code a component runs, so that a cache does not serve what an older version of it made."""

from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

__all__ = ["code_version"]

_OF_THE_CORE = ("numpy", "pyarrow", "tokenizers")
"""Libraries whose versions count, of those that the core uses, for what components make of texts."""

_SITES = frozenset({"site-packages", "dist-packages"})


def code_version(component: Any) -> dict[str, str]:
    """The versions of the packages that a class or function uses, or hashes of their sources.

    A package that was installed as usual is known by its version. One that is edited in place, of an editable
    installation or a one-file plugin, is known by its source files, and so is every such package that these import.

    Args:
        component: a class or function that was imported.

    Returns:
        Package to version or hash, sorted by package.

    Example:
        >>> list(code_version(pegboard.LibraryTokenizer))
        ['numpy', 'pegboard', 'pyarrow', 'tokenizers']
    """
    owners = getattr(component, "__mro__", (component,))
    waiting = {str(owner.__module__).partition(".")[0] for owner in owners}
    # Typed into an interpreter: no two sessions can be told to have the same code.
    versions = {package: f"unknown {uuid4().hex}" for package in waiting if _has_no_file(package)}
    while waiting:
        package = waiting.pop()
        if package in versions or package in sys.stdlib_module_names:
            continue
        files = _sources(package)
        if not files:
            versions[package] = _version(package)
            waiting |= set(_OF_THE_CORE) if package == "pegboard" else set()
            continue
        versions[package] = _hash(files)
        waiting |= set(_OF_THE_CORE) if package == "pegboard" else set(_imported(files))
    return dict(sorted(versions.items()))


def _has_no_file(package: str) -> bool:
    module = sys.modules.get(package)
    return module is not None and package == "__main__" and not Path(getattr(module, "__file__", None) or "").is_file()


def _sources(package: str) -> list[Path]:
    """The files of a package that is edited in place; none if it was installed as usual, or can't be found."""
    from importlib.util import find_spec

    module = sys.modules.get(package)
    try:
        spec = module.__spec__ if module is not None else find_spec(package)
    except (ImportError, ValueError):
        spec = None
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    origin = getattr(module, "__file__", None) or (spec.origin if spec is not None else None)
    if not places:
        file = Path(origin or "")
        return [file] if file.suffix == ".py" and file.is_file() and not _is_installed(file) else []
    return sorted(file for place in places if not _is_installed(Path(place)) for file in Path(place).rglob("*.py"))


def _is_installed(file: Path) -> bool:
    file = file.resolve()
    if not _SITES.isdisjoint(file.parts):  # an environment may see another one's packages
        return True
    folders = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    return any(folder in file.parents for folder in folders)


def _hash(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)}\n".encode() + content)
    return f"source {digest.hexdigest()[:16]}"


def _imported(files: list[Path]) -> Iterator[str]:
    """The packages that source files import, wherever in them."""
    for file in files:
        yield from _imports_of(file.read_bytes())


@lru_cache(maxsize=1000)
def _imports_of(source: bytes) -> frozenset[str]:
    try:
        nodes = list(_statements(ast.parse(source)))
    except SyntaxError:  # a file that is no part of what runs
        return frozenset()
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return frozenset(module.partition(".")[0] for module in modules)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement, however deep; what is within expressions, which are most of a tree, is no import."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for node in getattr(tree, field, ()) if not isinstance(tree, ast.expr) else ():
            yield node
            yield from _statements(node)


def _version(package: str) -> str:
    from importlib import metadata

    with_version = getattr(sys.modules.get(package), "__version__", None)
    if isinstance(with_version, str):
        return with_version
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        pass
    names = metadata.packages_distributions().get(package, [])
    return metadata.version(names[0]) if names else "absent"
