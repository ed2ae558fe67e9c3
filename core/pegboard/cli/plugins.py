"""`pegboard plugins`: what is installed, and whether it is used."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import click

from pegboard.cli.common import console, open_registry, plugin_option, print_json, table
from pegboard.cli.lazy import LazyGroup
from pegboard.errors import ComponentError, UsageError, one_of
from pegboard.specs import KINDS

if TYPE_CHECKING:
    from pegboard.options import Options
    from pegboard.plugins.loading import Component, Plugin
    from pegboard.plugins.registry import Registry

__all__ = ["component_details", "named_components", "options_table", "plugins"]

COMMANDS = {
    "new": ("pegboard.cli.new:new", "Write a plugin package that installs, passes its own tests and trains at once."),
    "check": ("pegboard.cli.check:check", "Check a component against everything its kind must do."),
    "install": ("pegboard.cli.install:install", "Install plugins with pip, or with uv, and say what they brought."),
    "uninstall": ("pegboard.cli.install:uninstall", "Remove plugins with pip, or with uv."),
}


@click.group(cls=LazyGroup, commands_table=COMMANDS)
def plugins() -> None:
    """List and manage plugins and their components.

    A plugin is an installed package (or, with --plugin, one Python file) that provides components.
    """


@plugins.command("list")
@click.option("--kind", type=click.Choice(KINDS), help="Only components of one kind.")
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option("--requirements", is_flag=True, help="Print a requirements file from which pip installs them again.")
def list_(kind: str | None, plugins: tuple[str, ...], as_json: bool, requirements: bool) -> None:
    """Every component, where it comes from, and its state.

    A plugin that is switched off or broken stands in a line of its own, with the reason.
    """
    if requirements:
        if kind or as_json:
            raise UsageError("--requirements is of all plugins, in pip's form", hint="leave --kind and --json out")
        _print_requirements(plugins)
        return
    from pegboard.plugins.registry import Registry, starter_packages

    registry = Registry(plugins)
    registry.check_strictly()
    rows = [row for plugin in registry.plugins for row in _rows(plugin) if kind in (None, row["kind"])]
    rows.sort(key=lambda row: (KINDS.index(row["kind"]) if row["kind"] in KINDS else len(KINDS), row["component"]))
    if as_json:
        print_json(rows)
    elif rows:
        columns = ("component", "kind", "distribution", "version", "state", "summary")
        click.echo(table([[row[column] for column in columns] for row in rows], header=columns))
    for problem in (
        registry.problems() if kind else [*registry.outdated(), *registry.misnamed()]
    ):  # what the table does not have
        console().warn(problem)
    if not rows and not as_json:
        console().note(f"no {kind or 'plugin'} is installed; try: pip install {' '.join(starter_packages())}")


@plugins.command()
@click.argument("name")
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an object, or a list where the name has several.")
def show(name: str, plugins: tuple[str, ...], as_json: bool) -> None:
    """The options of a component, with types, defaults and help, and where its code lives.

    NAME is a component, distribution:component, or a distribution, which stands for all its components.
    """
    registry = open_registry(plugins)
    details = [component_details(registry, component) for component in named_components(registry, name)]
    if as_json:
        print_json(details if len(details) > 1 else details[0])
    else:
        click.echo("\n\n".join(map(_for_a_person, details)))


@plugins.command()
@click.argument("distribution")
def disable(distribution: str) -> None:
    """Switch a plugin off: nothing of it is imported until it is enabled again."""
    _switch(distribution, off=True)


@plugins.command()
@click.argument("distribution")
def enable(distribution: str) -> None:
    """Switch a plugin on again."""
    _switch(distribution, off=False)


def _print_requirements(files: tuple[str, ...]) -> None:
    from pegboard.plugins.discovery import discover
    from pegboard.plugins.installed import requirement_lines

    for line in requirement_lines(discover(), files):
        click.echo(line)


def _rows(plugin: Plugin) -> list[dict[str, Any]]:
    shared = {
        "distribution": plugin.distribution,
        "version": plugin.version,
        "state": plugin.state,
        "why": plugin.reason,
    }
    rows = [{"component": c.name, "kind": c.kind, "summary": c.spec.summary, **shared} for c in plugin.components]
    summary = plugin.reason or f"listens: {', '.join(plugin.hooks)}"
    return rows or [{"component": "-", "kind": "-", "summary": summary, **shared}]


def named_components(registry: Registry, reference: str) -> list[Component]:
    """The components of a name, of whatever kind; else those of a distribution.

    Raises:
        ComponentError: there are none, or they are not to be had.
    """
    from pegboard.plugins.catalogue import packages_with
    from pegboard.plugins.discovery import normalized
    from pegboard.plugins.registry import cannot_load

    distribution, _, name = reference.rpartition(":")
    of_name = [c for c in registry.components if c.name == name]
    if distribution:
        of_name = [c for c in of_name if c.distribution in (distribution, normalized(distribution))]
    found = of_name or [c for c in registry.components if c.distribution in (reference, normalized(reference))]
    if found:
        return found
    for plugin in registry.plugins:
        if plugin.distribution in (reference, normalized(reference)):
            if plugin.state != "ok":
                raise cannot_load(plugin)
            hooks = ", ".join(plugin.hooks)
            raise ComponentError(f"{plugin.distribution} {plugin.version} provides no component; it implements {hooks}")
    for kind in KINDS:
        if packages_with(kind, name):
            registry.find(kind, reference)  # knows what to do about it
    raise ComponentError(
        f"no installed plugin provides a component {reference!r}",
        hint=one_of(name, [c.name for c in registry.components]),
    )


def component_details(registry: Registry, component: Component) -> dict[str, Any]:
    """All that is known of a component without building it."""
    return {
        "component": component.name,
        "kind": component.kind,
        "summary": component.spec.summary,
        "distribution": component.distribution,
        "version": component.version,
        "code": component.spec.factory,
        "file": _file_of(component),
        "requires": list(component.spec.requires),
        "reads": component.spec.reads,
        "suggests": {key: str(value) for key, value in component.spec.suggests.items()},
        "options": options_table(registry.options_of(component)),
    }


def _file_of(component: Component) -> str | None:
    """The file of a component's factory, whose module is not imported for that; `None` if there is none."""
    from importlib.util import find_spec

    found = None
    # The packages around the module are imported, which may do anything.
    with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(Exception, SystemExit):
        found = find_spec(component.spec.factory.partition(":")[0])
    return found.origin if found is not None and found.has_location else None


def options_table(schema: type[Options]) -> dict[str, dict[str, Any]]:
    """Type, default and help of every option of a schema, and whether it must be given."""
    description = schema.model_json_schema()
    return {
        key: {
            "type": _type_of(field, description.get("$defs", {})),
            "default": field.get("default"),
            "required": key in description.get("required", ()),
            "help": field.get("description", ""),
        }
        for key, field in description.get("properties", {}).items()
    }


def _type_of(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A short name of a JSON Schema type: `int >= 1`, `gru|lstm|rnn`, `list[str]`, `str?` where it may be unset."""
    if "$ref" in field:
        field = definitions[field["$ref"].rpartition("/")[2]]
    if "anyOf" in field:
        named = [_type_of(part, definitions) for part in field["anyOf"] if part.get("type") != "null"]
        optional = len(named) < len(field["anyOf"])
        return "|".join(named) + ("?" if optional else "")
    if "enum" in field:
        return "|".join(map(str, field["enum"]))
    if "const" in field:
        return str(field["const"])
    names = {
        "integer": "int",
        "number": "float",
        "string": "str",
        "boolean": "bool",
        "array": "list",
        "object": "table",
    }
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    name = names.get(field.get("type", ""), "any")
    if name == "list" and field.get("items"):
        name = f"list[{_type_of(field['items'], definitions)}]"
    limits = ", ".join(f"{sign} {field[key]}" for key, sign in bounds.items() if key in field)
    return f"{name} {limits}".strip()


def _for_a_person(details: dict[str, Any]) -> str:
    lines = [
        click.style(f"{details['component']} ({details['kind']})", bold=True) + f": {details['summary']}",
        f"from {details['distribution']} {details['version']}, {details['code']}"
        + (f" in {details['file']}" if details["file"] else ""),
    ]
    if details["requires"]:
        lines.append(f"requires {', '.join(details['requires'])}")
    if details["reads"]:
        lines.append(f"reads models that {details['distribution']} {details['reads']} saved")
    if details["suggests"]:
        lines.append("suggests " + ", ".join(f"{key} = {value}" for key, value in details["suggests"].items()))
    if not details["options"]:
        return "\n".join([*lines, "it has no options"])
    rows = [
        [key, option["type"], "required" if option["required"] else repr(option["default"]), option["help"]]
        for key, option in details["options"].items()
    ]
    return "\n".join([*lines, "", table(rows, header=["option", "type", "default", "help"])])


def _switch(name: str, *, off: bool) -> None:
    """Remember the state; nothing is imported, so a plugin that breaks everything can be switched off."""
    from pegboard.plugins.discovery import discover, normalized
    from pegboard.plugins.settings import disabled_for_this_call, remembered, set_disabled, settings_file

    name = normalized(name)
    entries = discover()
    known = {entry.distribution for entry in entries} | (set() if off else remembered())
    if name not in known:
        carriers = sorted({entry.distribution for entry in entries if normalized(entry.name) == name})
        if len(carriers) > 1:
            raise UsageError(f"{len(carriers)} plugins are called {name!r}", hint=f"name one: {' or '.join(carriers)}")
        if not carriers:
            raise ComponentError(f"no plugin {name!r} is installed", hint=one_of(name, known))
        name = carriers[0]
    changed = set_disabled(name, off)
    state = "disabled" if off else "enabled"
    click.echo(f"{name} is {'now' if changed else 'already'} {state} (remembered in {settings_file()})")
    if not off and name in disabled_for_this_call():
        console().warn("PEGBOARD_DISABLE still switches it off in this environment")
