"""One-file plugins that belong to a project: `[tool.pegboard] plugins = ["my_tokenizer.py"]` in its pyproject.toml."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pegboard.errors import RecipeError, one_of

__all__ = ["project_plugins"]

_KEYS = ("plugins",)


def project_plugins(folder: Path | None = None) -> list[str]:
    """The one-file plugins of the project that a folder (default: the working folder) lies in, as absolute paths.

    The nearest pyproject.toml with a table `[tool.pegboard]` counts, in the folder or above it, up to the repository
    (a folder with `.git`) or the user's home. Listing a file has it executed, so it must lie inside that project's
    folder, and a folder that anybody may write to is not looked into on the way up.

    Raises:
        RecipeError: the table is wrong, or a file is not there or lies outside, or the folder is that of a trained
            model; the message names pyproject.toml.
    """
    for file in _candidates((folder or Path()).absolute()):
        table = _table(file)
        if table is not None:
            names = _names(file, table)
            if names and _holds_a_model(file.parent):
                raise RecipeError(
                    "a plugin that lies beside a trained model may have come with it, and is not loaded by itself",
                    where=f"{file}, tool.pegboard.plugins",
                    hint=f"if you know what it does: --plugin {names[0]} from another folder, or remove the table",
                )
            return [_plugin(file, name) for name in names]
    return []


def _holds_a_model(folder: Path) -> bool:
    """Whether a folder is a saved model or a run: these are handed around as data."""
    if (folder / "manifest.json").exists() and (folder / "config.json").exists():
        return True
    return (folder / "recipe.toml").exists() and (folder / "model" / "manifest.json").exists()


def _candidates(folder: Path) -> Iterator[Path]:
    home = _home()
    for place in (folder, *folder.parents):
        if place != folder and _writable_by_all(place):
            return
        yield place / "pyproject.toml"
        if place == home or (place / ".git").exists():
            return


def _table(file: Path) -> dict[str, Any] | None:
    """The file's table `[tool.pegboard]`, if there is such a file, and one in it."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    if b"pegboard" not in content:  # most are other people's business, and need not even be parsed
        return None
    from pegboard.toml import read_toml

    tools = read_toml(file).get("tool")
    table = tools.get("pegboard") if isinstance(tools, dict) else None
    if table is not None and not isinstance(table, dict):
        raise RecipeError(f"must be a table, not {table!r}", where=f"{file}, tool.pegboard")
    return table


def _names(file: Path, table: dict[str, Any]) -> list[str]:
    for key in table:
        if key not in _KEYS:
            raise RecipeError(f"there is no key {key!r}", where=f"{file}, tool.pegboard", hint=one_of(key, _KEYS))
    names = table.get("plugins", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RecipeError(f"must be a list of files, not {names!r}", where=f"{file}, tool.pegboard.plugins")
    return names


def _plugin(file: Path, name: str) -> str:
    path, where = file.parent / name, f"{file}, tool.pegboard.plugins"
    if not path.resolve().is_relative_to(file.parent.resolve()):
        raise RecipeError(
            f"{name!r} lies outside the project", where=where, hint=f"to load it nevertheless: --plugin {name}"
        )
    if not path.is_file():
        raise RecipeError(f"there is no file {name!r}", where=where, hint="paths are relative to this pyproject.toml")
    return str(path)


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # nobody has a home in some containers
        return None


def _writable_by_all(folder: Path) -> bool:
    try:
        return bool(folder.stat().st_mode & stat.S_IWOTH)
    except OSError:
        return True
