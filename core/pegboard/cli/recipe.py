"""`pegboard recipe show|check|schema`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pegboard.cli.common import choice_options, open_registry, plugin_option, print_json
from pegboard.cli.lazy import Group
from pegboard.specs import KINDS

if TYPE_CHECKING:
    from pegboard.plugins.registry import Registry
    from pegboard.recipe import Recipe

__all__ = ["recipe"]


@click.group(cls=Group)
def recipe() -> None:
    """Show, check or describe recipes.

    A recipe is a TOML file with a table for each kind of component; `pegboard train RECIPE.toml` runs it.
    """


@recipe.command()
@choice_options
@click.option("--json", "as_json", is_flag=True, help="Print the document as JSON.")
def show(as_json: bool, **choices: Any) -> None:
    """The complete recipe: every option with its value, and where the value comes from.

    The output is a recipe itself: `pegboard recipe show > mine.toml` is a good start.
    """
    resolved, _ = _resolved(choices)
    if as_json:
        print_json(resolved.document())
    else:
        click.echo(resolved.to_annotated_toml(), nl=False)


@recipe.command()
@choice_options
def check(**choices: Any) -> None:
    """Say what is wrong with a recipe, without running it."""
    resolved, registry = _resolved(choices)
    for choice in resolved.choices.values():
        registry.check_requirements(choice.component)
    names = ", ".join(f"{kind} {choice.component.qualified_name}" for kind, choice in resolved.choices.items())
    click.echo(f"ok: {names}")


@recipe.command()
@plugin_option
def schema(plugins: tuple[str, ...]) -> None:
    """The JSON Schema of recipes, with the options of every installed component."""
    from pegboard.schema import recipe_schema

    print_json(recipe_schema(open_registry(plugins)))


def _resolved(choices: dict[str, Any]) -> tuple[Recipe, Registry]:
    from pegboard.recipe import document_of, resolve

    file = choices.pop("recipe")
    document = document_of(
        Path(file) if file else None,
        choices={kind: choices[kind] for kind in KINDS},
        settings=choices["settings"],
        seed=choices["seed"],
        plugins=choices["plugins"],
    )
    registry = open_registry(document["plugins"])
    return resolve(document, registry), registry
