"""Option schemas: what a component can be told, with types, defaults, ranges and help."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pegboard.errors import RecipeError, one_of

__all__ = ["Options", "check_options"]


class Options(BaseModel):
    """Base of all option schemas: frozen, strict types, no unknown keys.

    Declare options as annotated fields; `pydantic.Field` adds ranges and help. Keep the module light: it is
    imported when a recipe is checked, before anything heavy is needed.

    Example:
        >>> from pydantic import Field
        >>> class DashOptions(Options):
        ...     keep_dashes: bool = Field(False, description="keep the dashes as tokens")
        >>> DashOptions(keep_dashes=True).keep_dashes
        True
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


Schema = TypeVar("Schema", bound=Options)


def check_options(
    schema: type[Schema], values: Mapping[str, Any], *, table: str, elsewhere: Iterable[str] = ()
) -> Schema:
    """Validate `values` against `schema`.

    Args:
        schema: the option schema.
        values: what the recipe says.
        table: the recipe's table, for the message: `tokenizer`.
        elsewhere: dotted keys of other tables, for hints at an option that stands elsewhere.

    Raises:
        RecipeError: an unknown key (with the nearest names), a wrong type, or a value out of range.
    """
    for key in values:
        if key not in schema.model_fields:
            raise RecipeError(
                f"there is no option {key!r}",
                where=f"{table}.{key}",
                hint=_hint(key, schema, table, elsewhere),
            )
    try:
        return schema(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "options"
        given = f", not {first['input']!r}" if first["loc"] and first["type"] != "missing" else ""
        text = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
        raise RecipeError(f"{text}{given}", where=f"{table}.{key}") from None


def _hint(key: str, schema: type[Options], table: str, elsewhere: Iterable[str]) -> str:
    same_leaf = [dotted for dotted in elsewhere if dotted.rpartition(".")[2] == key]
    if same_leaf:
        return f"did you mean {' or '.join(same_leaf)}?"
    if not schema.model_fields:
        return f"this {table} has no options"
    return one_of(key, schema.model_fields)
