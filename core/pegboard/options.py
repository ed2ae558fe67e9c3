"""Option schemas: what a component can be told, with types, defaults, ranges and help."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pegboard.errors import RecipeError, one_of

__all__ = ["Options", "as_document", "check_options"]


class Options(BaseModel):
    """Base of all option schemas: frozen, strict types, finite numbers, no unknown keys.

    Declare options as annotated fields; `pydantic.Field` adds ranges, and a docstring under the field is its help.
    Every option but a required one needs a default that TOML can write. Keep the module light: it is imported when
    a recipe is checked, before anything heavy is needed.

    Example:
        >>> from pydantic import Field
        >>> class DashOptions(Options):
        ...     keep_dashes: bool = Field(False, description="keep the dashes as tokens")
        >>> DashOptions(keep_dashes=True).keep_dashes
        True

    Attributes:
        changes_no_result: names of options that decide how something is computed and not what comes out to the last
            bit, as a number of workers does. They are no part of a run's identity: what was started with one value can
            be continued with another.
    """

    changes_no_result: ClassVar[frozenset[str]] = frozenset()

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


Schema = TypeVar("Schema", bound=Options)

_WITHOUT_VALUE = {"missing": "is required", "extra_forbidden": "there is no such option"}
"""What to say of a problem that is not about a value."""


def check_options(
    schema: type[Schema], values: Mapping[str, Any], *, table: str, elsewhere: Iterable[str] = ()
) -> Schema:
    """Validate `values` against `schema`.

    Values are what a document can hold, so that a list stands for a tuple and text for a path or a member of an
    enumeration; apart from that, types are strict.

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
    for key, value in values.items():
        try:
            json.dumps(value, default=_plain)
        except (TypeError, ValueError, RecursionError):
            raise RecipeError(f"{value!r} can't stand in a recipe", where=f"{table}.{key}") from None
    try:
        return schema.model_validate_json(json.dumps(dict(values), default=_plain))
    except ValidationError as error:
        raise _explained(error, table) from None


def as_document(options: Options) -> dict[str, Any]:
    """Options as a document can hold them, which `check_options` reads back: text, numbers, lists and tables."""
    return options.model_dump(mode="json")


def _plain(value: Any) -> str:
    """Dates and times of TOML, and paths from Python, as text; a schema that wants them reads them from it."""
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    raise TypeError


def _explained(error: ValidationError, table: str) -> RecipeError:
    """The first option that is wrong, in a sentence; the alternatives of a union are joined."""
    problems = error.errors(include_url=False)
    first = problems[0]
    same = [problem for problem in problems if problem["loc"][:1] == first["loc"][:1]]
    # Where a union fails, each of its alternatives is a problem and part of the place's name.
    place = first["loc"] if len(same) == 1 else first["loc"][:1]
    where = ".".join(map(str, (table, *place)))
    if first["type"] in _WITHOUT_VALUE:
        hint = f"--set {where}=…" if first["type"] == "missing" else None
        return RecipeError(_WITHOUT_VALUE[first["type"]], where=where, hint=hint)
    what = " or ".join(dict.fromkeys(map(_message, same)))
    if not place:
        return RecipeError(what, where=where)
    hint = None
    if first["type"] == "string_type" and isinstance(first["input"], (bool, int, float)):
        quoted = f'"{json.dumps(first["input"])}"'
        hint = f"text that looks like something else needs quotes: --set '{where}={quoted}'"
    return RecipeError(f"{what}, not {first['input']!r}", where=where, hint=hint)


def _message(problem: Any) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return message.replace("should be an object", "should be a table")  # as TOML calls it


def _hint(key: str, schema: type[Options], table: str, elsewhere: Iterable[str]) -> str:
    same_leaf = [dotted for dotted in elsewhere if dotted.rpartition(".")[2] == key]
    if same_leaf:
        return f"did you mean {' or '.join(same_leaf)}?"
    if not schema.model_fields:
        return f"this {table} has no options"
    return one_of(key, schema.model_fields)
