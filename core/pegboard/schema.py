"""The JSON Schema of recipes, for editors and for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard.errors import ComponentError
from pegboard.recipe import DEFAULT_SEED
from pegboard.specs import KINDS
from pegboard.tasks.options import TASKS, ClassifyOptions

if TYPE_CHECKING:
    from pegboard.options import Options
    from pegboard.plugins.registry import Registry

__all__ = ["recipe_schema"]

_TEXT = {"type": "string"}


def recipe_schema(registry: Registry) -> dict[str, Any]:
    """A schema (draft 2020-12) that accepts the recipes that the installed components understand.

    Components whose option schema can't be imported are left out.
    """
    definitions: dict[str, Any] = {}
    properties: dict[str, Any] = {
        "seed": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1, "default": DEFAULT_SEED},
        "plugins": {"type": "array", "items": _TEXT, "description": "one-file plugins"},
        "resolved": {"type": "object", "description": "versions and data; written into a run's recipe"},
    }
    for kind in KINDS:
        tables = []
        for component in registry.of_kind(kind):
            try:
                schema = registry.options_of(component)
            except ComponentError:
                continue
            table = _table(schema, component.qualified_name, definitions)
            name: dict[str, Any] = {"enum": [component.name, component.qualified_name]}
            if component.spec.schemes:  # its name may be a reference, which says where the data are
                name = _TEXT
                table["required"] = [key for key in table.get("required", ()) if key != "path"]
            tables.append(_named(table, name, component.spec.summary))
        properties[kind] = {"anyOf": [{**_TEXT, "description": "a name"}, *tables]}
    tasks = []
    for task, options in TASKS.items():
        described = _named(_table(options, task, definitions), {"const": task}, f"the task {task}")
        if task != ClassifyOptions.task:  # which is meant where a table has no name
            described["required"] = ["name"]
        tasks.append(described)
    properties["task"] = {"anyOf": [{"enum": list(TASKS)}, *tasks]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Pegboard recipe",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": definitions,
    }


def _table(schema: type[Options], owner: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a table of options; models inside it are moved to the root, where references find them."""
    table = schema.model_json_schema(ref_template=f"#/$defs/{owner}.{{model}}")
    for model, definition in table.pop("$defs", {}).items():
        definitions[f"{owner}.{model}"] = definition
    return table


def _named(table: dict[str, Any], name: dict[str, Any], description: str) -> dict[str, Any]:
    table.pop("title", None)
    return {**table, "description": description, "properties": {"name": name, **table.get("properties", {})}}
