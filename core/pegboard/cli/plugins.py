"""`pegboard plugins list|show|enable|disable`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pegboard.cli.common import console, open_registry, plugin_option, print_json, table
from pegboard.cli.lazy import Command
from pegboard.errors import ComponentError, one_of
from pegboard.specs import KINDS

if TYPE_CHECKING:
    from pegboard.options import Options
    from pegboard.plugins.loading import Component, Plugin
    from pegboard.plugins.registry import Registry

__all__ = ["component_details", "options_table", "plugins"]


@click.group()
def plugins() -> None:
    """List and manage plugins and their components.

    A plugin is an installed package (or, with --plugin, one Python file) that provides components.
    """


@plugins.command("list", cls=Command)
@click.option("--kind", type=click.Choice(KINDS), help="Only components of one kind.")
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_(kind: str | None, plugins: tuple[str, ...], as_json: bool) -> None:
    """Every component, where it comes from, and its state."""
    from pegboard.plugins.registry import Registry, starter_packages

    rows = [row for plugin in Registry(plugins).plugins for row in _rows(plugin) if kind in (None, row["kind"])]
    rows.sort(key=lambda row: (KINDS.index(row["kind"]) if row["kind"] in KINDS else len(KINDS), row["component"]))
    if as_json:
        print_json(rows)
        return
    if not rows:
        console().note(f"no plugin is installed; try: pip install {' '.join(starter_packages())}")
        return
    columns = ("component", "kind", "distribution", "version", "state", "summary")
    click.echo(table([[row[column] for column in columns] for row in rows], header=columns))


@plugins.command(cls=Command)
@click.argument("name")
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(name: str, plugins: tuple[str, ...], as_json: bool) -> None:
    """The options of a component, with types, defaults and help, and where its code lives."""
    registry = open_registry(plugins)
    for component in _named(registry, name):
        details = component_details(registry, component)
        if as_json:
            print_json(details)
        else:
            click.echo(_for_a_person(details))


@plugins.command(cls=Command)
@click.argument("distribution")
def disable(distribution: str) -> None:
    """Switch a plugin off: nothing of it is imported until it is enabled again."""
    _switch(distribution, off=True)


@plugins.command(cls=Command)
@click.argument("distribution")
def enable(distribution: str) -> None:
    """Switch a plugin on again."""
    _switch(distribution, off=False)


def _rows(plugin: Plugin) -> list[dict[str, str]]:
    shared = {
        "distribution": plugin.distribution,
        "version": plugin.version,
        "state": plugin.state,
        "why": plugin.reason,
    }
    rows = [{"component": c.name, "kind": c.kind, "summary": c.spec.summary, **shared} for c in plugin.components]
    return rows or [{"component": "-", "kind": "-", "summary": plugin.reason, **shared}]


def _named(registry: Registry, reference: str) -> list[Component]:
    distribution, _, name = reference.rpartition(":")
    found = [c for c in registry.components if c.name == name and distribution in ("", c.distribution)]
    if not found:
        raise ComponentError(
            f"no installed plugin provides a component {reference!r}",
            hint=one_of(name, [c.name for c in registry.components]),
        )
    return found


def component_details(registry: Registry, component: Component) -> dict[str, Any]:
    """All that is known of a component without building it."""
    return {
        "component": component.name,
        "kind": component.kind,
        "summary": component.spec.summary,
        "distribution": component.distribution,
        "version": component.version,
        "code": component.spec.factory,
        "requires": list(component.spec.requires),
        "suggests": {key: str(value) for key, value in component.spec.suggests.items()},
        "options": options_table(registry.options_of(component)),
    }


def options_table(schema: type[Options]) -> dict[str, dict[str, Any]]:
    """Type, default and help of every option of a schema."""
    properties = schema.model_json_schema().get("properties", {})
    return {
        key: {"type": _type_of(field), "default": field.get("default"), "help": field.get("description", "")}
        for key, field in properties.items()
    }


def _type_of(field: dict[str, Any]) -> str:
    """A short name of a JSON Schema type: `int >= 1`, `gru|lstm|rnn`, `str?`."""
    if "anyOf" in field:
        named = [_type_of(part) for part in field["anyOf"] if part.get("type") != "null"]
        optional = len(named) < len(field["anyOf"])
        return "|".join(named) + ("?" if optional else "")
    if "enum" in field:
        return "|".join(map(str, field["enum"]))
    if "const" in field:
        return str(field["const"])
    names = {"integer": "int", "number": "float", "string": "str", "boolean": "bool", "array": "list", "object": "dict"}
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    name = names.get(field.get("type", ""), "any")
    limits = ", ".join(f"{sign} {field[key]}" for key, sign in bounds.items() if key in field)
    return f"{name} {limits}".strip()


def _for_a_person(details: dict[str, Any]) -> str:
    lines = [
        click.style(f"{details['component']} ({details['kind']})", bold=True) + f": {details['summary']}",
        f"from {details['distribution']} {details['version']}, {details['code']}",
    ]
    if details["requires"]:
        lines.append(f"requires {', '.join(details['requires'])}")
    if details["suggests"]:
        lines.append("suggests " + ", ".join(f"{key} = {value}" for key, value in details["suggests"].items()))
    if not details["options"]:
        return "\n".join([*lines, "it has no options"])
    rows = [[key, o["type"], repr(o["default"]), o["help"]] for key, o in details["options"].items()]
    return "\n".join([*lines, "", table(rows, header=["option", "type", "default", "help"])])


def _switch(distribution: str, *, off: bool) -> None:
    """Remember the state; nothing is imported, so a plugin that breaks everything can be switched off."""
    from pegboard.plugins.discovery import discover, normalized
    from pegboard.plugins.settings import set_disabled, settings_file

    installed = {entry.distribution for entry in discover()} | {entry.name for entry in discover()}
    name = normalized(distribution)
    if name not in installed and distribution not in installed and off:
        raise ComponentError(f"no plugin {distribution!r} is installed", hint=one_of(name, installed))
    changed = set_disabled(name, off)
    state = "disabled" if off else "enabled"
    click.echo(f"{name} is {'now' if changed else 'already'} {state} (remembered in {settings_file()})")
