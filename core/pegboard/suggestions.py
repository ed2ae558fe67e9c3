"""The options of chosen components: what is given, what the components suggest for each other, the defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pegboard.errors import PegboardError, RecipeError
from pegboard.options import Options, Schema, check_options
from pegboard.plugins.loading import Component, in_one_line
from pegboard.plugins.registry import broken
from pegboard.specs import SameAs

__all__ = ["check_component_options", "complete"]


@dataclass(frozen=True)
class _Suggestion:
    value: Any
    who: str


def complete(
    components: Mapping[str, Component],
    schemas: Mapping[str, type[Options]],
    given: Mapping[str, dict[str, Any]],
) -> tuple[dict[str, Options], dict[str, str]]:
    """The options of each table: what is given, else suggested, else the default.

    Args:
        components: by kind.
        schemas: by table, for each kind and `task`.
        given: by table, what the recipe says.

    Returns:
        The options by table, and by dotted key where each value comes from that is not given.

    Raises:
        RecipeError: an option is unknown or wrong; the message says so when a component has suggested it.
        ComponentError: a component suggests what makes no sense.
    """
    suggested = _suggestions(components, schemas)
    elsewhere = [f"{table}.{key}" for table, schema in schemas.items() for key in schema.model_fields]
    options: dict[str, Options] = {}
    origins: dict[str, str] = {}
    errors: list[RecipeError] = []
    for table, schema in schemas.items():
        values = dict(given[table])
        for key in schema.model_fields:
            dotted = f"{table}.{key}"
            if key in values:
                continue
            origins[dotted] = "default"
            if dotted in suggested:
                value = _value_of(dotted, given, suggested, schemas)
                if value is not None:
                    values[key] = value
                    origins[dotted] = f"suggested by the {suggested[dotted].who}"
        try:
            options[table] = check_component_options(components.get(table), schema, values, table, elsewhere)
        except RecipeError as error:
            errors.append(error)
    # What the user wrote comes first: it may have been handed on to other tables and be wrong there as well.
    for wrong in sorted(errors, key=lambda error: bool(_suggester(error, origins))):
        suggester = _suggester(wrong, origins)
        if not suggester:
            raise wrong
        raise RecipeError(
            f"{wrong.what}, which is {suggester}",
            where=wrong.where,
            hint=f"set it yourself: --set {wrong.where}=…",
        )
    return options, origins


def _suggester(error: RecipeError, origins: Mapping[str, str]) -> str:
    """Who suggested the value that is wrong; empty for a value that the user gave."""
    origin = origins.get(".".join((error.where or "").split(".")[:2]), "")
    return origin if origin.startswith("suggested") else ""


def _suggestions(components: Mapping[str, Component], schemas: Mapping[str, type[Options]]) -> dict[str, _Suggestion]:
    """What the chosen components suggest for options of the others, by dotted key."""
    suggested: dict[str, _Suggestion] = {}
    for kind, component in components.items():
        for dotted, value in component.spec.suggests.items():
            if isinstance(value, SameAs) and not _exists(value.key, schemas):
                if value.key.startswith(f"{kind}."):
                    raise broken(component, f"it suggests {dotted} = {value}, an option it does not have")
                continue
            if _exists(dotted, schemas):
                suggested[dotted] = _Suggestion(value, f"{kind} {component.name}")
    return suggested


def _exists(dotted: str, schemas: Mapping[str, type[Options]]) -> bool:
    table, _, key = dotted.partition(".")
    return key in schemas[table].model_fields


def _value_of(
    dotted: str,
    given: Mapping[str, dict[str, Any]],
    suggested: Mapping[str, _Suggestion],
    schemas: Mapping[str, type[Options]],
    asked: tuple[str, ...] = (),
) -> Any:
    """An option's value before it is checked: given, else suggested, else its default; `None` if it has none."""
    table, _, key = dotted.partition(".")
    if key in given[table]:
        return given[table][key]
    if dotted in suggested and dotted not in asked:  # options that follow each other in a circle have their defaults
        value = suggested[dotted].value
        if isinstance(value, SameAs):
            value = _value_of(value.key, given, suggested, schemas, (*asked, dotted))
        if value is not None:
            return value
    field = schemas[table].model_fields[key]
    return None if field.is_required() else field.get_default(call_default_factory=True)


def check_component_options(
    component: Component | None,
    schema: type[Schema],
    values: Mapping[str, Any],
    table: str,
    elsewhere: Iterable[str] = (),
) -> Schema:
    """As `check_options`; an error that is the schema's own is its plugin's fault."""
    try:
        return check_options(schema, values, table=table, elsewhere=elsewhere)
    except PegboardError:
        raise
    except Exception as error:
        if component is None:
            raise
        raise broken(component, f"its options can't be checked: {in_one_line(error)}") from error
