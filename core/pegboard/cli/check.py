"""`pegboard plugins check`."""

from __future__ import annotations

from typing import Any

import click

from pegboard.cli.common import console, open_registry, plugin_option, print_json
from pegboard.cli.lazy import Command
from pegboard.cli.plugins import named_components
from pegboard.errors import RecipeError
from pegboard.recipe import set_value

__all__ = ["check"]

_MARKS = {"pass": ("✓", "green"), "fail": ("✗", "red"), "not applicable": ("-", None)}


@click.command(cls=Command)
@click.argument("name")
@click.option(
    "--set", "settings", multiple=True, metavar="KIND.KEY=VALUE", help="Options, where its defaults won't do."
)
@click.option("--property", "properties", multiple=True, metavar="P", help="Check this property only.")
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def check(
    name: str, settings: tuple[str, ...], properties: tuple[str, ...], plugins: tuple[str, ...], as_json: bool
) -> None:
    """Check a component against everything its kind must do.

    NAME is a component, or a distribution for all its components. Exits with 1 when a property fails.
    """
    from pegboard.testing import check_component

    document: dict[str, Any] = {}
    for setting in settings:
        set_value(document, setting)
    files = [str(file) for file in plugins]
    results, failed = [], 0
    for component in named_components(open_registry(files), name):
        options = document.get(component.kind, {})
        if not isinstance(options, dict):
            raise RecipeError("must read KIND.KEY=VALUE", where=f"--set {component.kind}=…")
        if not as_json:
            click.echo(click.style(f"{component.kind} {component.qualified_name} {component.version}", bold=True))
        verdicts = check_component(
            component.kind, component.qualified_name, options=options, plugins=files, properties=properties
        )
        for verdict in verdicts:
            failed += verdict.outcome == "fail"
            results.append({"kind": component.kind, "component": component.name, **vars(verdict)})
            if not as_json:
                _print(verdict)
    if as_json:
        print_json(results)
    else:
        applicable = sum(result["outcome"] != "not applicable" for result in results)
        console().note(f"{applicable - failed} of {applicable} properties hold")
    if failed:
        raise click.exceptions.Exit(1)


def _print(verdict: Any) -> None:
    mark, colour = _MARKS[verdict.outcome]
    reason = f" ({verdict.problem})" if verdict.outcome == "not applicable" else ""
    click.echo(f"  {click.style(mark, fg=colour)} {verdict.statement}{reason}")
    if verdict.outcome == "fail":
        click.echo(click.style(f"      {verdict.problem}", fg="red"))
        click.echo(f"      why it matters: {verdict.why}")
