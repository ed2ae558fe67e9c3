"""`pegboard plugins check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pegboard.cli.common import console, open_registry, plugin_option, print_json
from pegboard.cli.lazy import Command
from pegboard.cli.plugins import named_components
from pegboard.errors import RecipeError, one_of
from pegboard.recipe import set_value

if TYPE_CHECKING:
    from pegboard.plugins.loading import Component
    from pegboard.plugins.registry import Registry

__all__ = ["check"]

_MARKS = {"pass": ("✓", "green"), "fail": ("✗", "red"), "not applicable": ("-", None)}


@click.command(cls=Command)
@click.argument("name")
@click.option(
    "--set", "settings", multiple=True, metavar="KIND.KEY=VALUE", help="Options, where its defaults won't do."
)
@click.option(
    "--vocabulary", type=click.IntRange(min=3), metavar="N", help="Encoders: ids to build it for, as a checkpoint's."
)
@click.option("--property", "properties", multiple=True, metavar="P", help="Check this property only.")
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def check(
    name: str,
    settings: tuple[str, ...],
    vocabulary: int | None,
    properties: tuple[str, ...],
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check a component against everything its kind must do.

    NAME is a component, or a distribution for all its components. Exits with 1 when a property fails.
    """
    from pegboard.testing import check_component

    files = [str(file) for file in plugins]
    registry = open_registry(files)
    components = named_components(registry, name)
    given = _given_options(registry, components, settings)
    if vocabulary and "encoder" not in given:
        raise RecipeError(f"{name} has no encoder", where="--vocabulary")
    results, failed, told = [], 0, ""
    for component in components:
        if not as_json:
            click.echo(click.style(f"{component.kind} {component.qualified_name} {component.version}", bold=True))
        more = {"vocabulary": vocabulary} if vocabulary and component.kind == "encoder" else {}
        chosen = {"options": given[component.kind], "plugins": files, "properties": properties, **more}
        for verdict in check_component(component.kind, component.qualified_name, **chosen):
            results.append({"kind": component.kind, "component": component.name, **vars(verdict)})
            if not as_json:
                _print(verdict, told)
            if verdict.outcome == "fail":
                failed, told = failed + 1, verdict.problem
    if as_json:
        print_json(results)
    else:
        applicable = sum(result["outcome"] != "not applicable" for result in results)
        console().note(f"{applicable - failed} of {applicable} properties hold")
    if failed:
        raise click.exceptions.Exit(1)


def _given_options(registry: Registry, components: list[Component], settings: tuple[str, ...]) -> dict[str, Any]:
    """The options of each kind.

    Raises:
        RecipeError: one is unknown, wrong or missing; once, instead of as often as there are properties.
    """
    from pegboard.suggestions import check_component_options

    given: dict[str, Any] = {component.kind: {} for component in components}
    kinds = sorted(given)
    for setting in settings:
        set_value(given, setting)
    for kind in given:
        if kind not in kinds:
            raise RecipeError(f"what is checked is no {kind}", where=f"--set {kind}.…", hint=one_of(kind, kinds))
    for component in components:
        options = given[component.kind]
        if not isinstance(options, dict):
            raise RecipeError("must read KIND.KEY=VALUE", where=f"--set {component.kind}=…")
        check_component_options(component, registry.options_of(component), options, component.kind)
    return given


def _print(verdict: Any, told: str) -> None:
    """Print a verdict; a problem that was told with the last failure is not told again."""
    mark, colour = _MARKS[verdict.outcome]
    reason = f" ({verdict.problem})" if verdict.outcome == "not applicable" else ""
    click.echo(f"  {click.style(mark, fg=colour)} {verdict.statement}{reason}")
    if verdict.outcome == "fail":
        problem = "the same problem" if verdict.problem == told else verdict.problem.replace("\n", "\n      ")
        click.echo(click.style(f"      {problem}", fg="red"))
        click.echo(f"      why it matters: {verdict.why}")
