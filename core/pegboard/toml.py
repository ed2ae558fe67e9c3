"""Read and write TOML, whichever parser this Python has."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pegboard.errors import RecipeError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["parse_toml", "parse_value", "read_toml", "write_toml"]


def parse_toml(text: str) -> dict[str, Any]:
    """The document in a text; raises `ValueError` where it is not TOML."""
    return dict(tomllib.loads(text))


def read_toml(path: Path) -> dict[str, Any]:
    """The document in a TOML file.

    Raises:
        RecipeError: no such file, not UTF-8, or not TOML (the message has line and column).
    """
    try:
        return parse_toml(path.read_text(encoding="utf-8-sig"))  # some editors begin with a byte order mark
    except OSError as error:
        raise RecipeError(f"can't be read: {error.strerror}", where=str(path), hint=_meant(path)) from None
    except UnicodeDecodeError:
        raise RecipeError("is not UTF-8 text", where=str(path), hint=_meant(path) or "TOML files are UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RecipeError(f"is not valid TOML: {error}", where=str(path), hint=_meant(path)) from None


def _meant(path: Path) -> str | None:
    """What someone may have meant who gives something else in the place of a TOML file."""
    if (path / "recipe.toml").is_file():
        return f"its recipe is {path / 'recipe.toml'}"
    if path.suffix != ".toml":
        return f"if it holds data: --dataset {path}"
    return None


def parse_value(text: str) -> Any:
    """The value that `text` has in TOML, or `text` itself where it is no TOML value, or a date.

    Example:
        >>> parse_value("8000"), parse_value("true"), parse_value("gru"), parse_value("[1, 2]")
        (8000, True, 'gru', [1, 2])
    """
    try:
        document = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    value = document.get("value")
    written_as_value = set(document) == {"value"} and isinstance(value, (str, bool, int, float, list, dict))
    return value if written_as_value else text


def write_toml(document: dict[str, Any]) -> str:
    """A TOML document as text; keys whose value is `None` are left out, since TOML has no null."""
    import tomli_w

    return tomli_w.dumps(_without_none(document))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value
