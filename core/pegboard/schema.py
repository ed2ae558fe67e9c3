"""The JSON Schema of recipes, for editors and for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard.errors import ComponentError
from pegboard.recipe import DEFAULT_SEED
from pegboard.specs import KINDS
from pegboard.tasks.options import ClassifyOptions

if TYPE_CHECKING:
    from pegboard.options import Options
    from pegboard.plugins.registry import Registry

__all__ = ["recipe_schema"]


def recipe_schema(registry: Registry) -> dict[str, Any]:
    """A schema (draft 2020-12) that accepts the recipes that the installed components understand.

    Components whose option schema can't be imported are left out.
    """
    properties: dict[str, Any] = {
        "seed": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1, "default": DEFAULT_SEED},
        "plugins": {"type": "array", "items": {"type": "string"}, "description": "one-file plugins"},
        "resolved": {"type": "object", "description": "versions and data; written into a run's recipe"},
        "task": _table("classify", ClassifyOptions, "classification"),
    }
    for kind in KINDS:
        tables = []
        for component in registry.of_kind(kind):
            try:
                schema = registry.options_of(component)
            except ComponentError:
                continue
            tables.append(_table(component.name, schema, component.spec.summary))
        properties[kind] = {"anyOf": [{"type": "string", "description": "a name"}, *tables]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Pegboard recipe",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _table(name: str, schema: type[Options], description: str) -> dict[str, Any]:
    table = schema.model_json_schema()
    table.pop("title", None)
    return {
        **table,
        "description": description,
        "properties": {"name": {"const": name}, **table.get("properties", {})},
    }
