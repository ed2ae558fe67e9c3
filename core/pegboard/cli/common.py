"""What several commands share: their options, the registry, and the way to print."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pegboard.console import Console

if TYPE_CHECKING:
    from pegboard.classifier import Classifier
    from pegboard.plugins.registry import Registry

__all__ = [
    "choice_options",
    "console",
    "no_cache_option",
    "open_registry",
    "plugin_option",
    "precision_option",
    "print_json",
    "say_precision",
    "table",
]

Function = TypeVar("Function", bound=Callable[..., Any])


def _with_those_of_the_project(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> tuple[str, ...]:
    """One-file plugins: those that the project's pyproject.toml lists, and those given."""
    if context.resilient_parsing:  # a shell completes a line; nothing is to be reported
        return given
    from pegboard.plugins.project import project_plugins

    return (*project_plugins(), *given)


plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="FILE.py",
    callback=_with_those_of_the_project,
    help="Load a one-file plugin, beside those in [tool.pegboard] plugins of pyproject.toml.",
)


def _forget_the_cache(context: click.Context, parameter: click.Parameter, given: bool) -> None:
    if given and not context.resilient_parsing:
        from pegboard.cache import without_cache

        context.call_on_close(without_cache())


precision_option = click.option(
    "--precision",
    type=click.Choice(["f32", "bf16", "int8", "auto"]),
    default="f32",
    show_default=True,
    help="Numbers to compute in; auto is the fastest whose labels agree with those of f32.",
)

no_cache_option = click.option(
    "--no-cache",
    is_flag=True,
    expose_value=False,
    callback=_forget_the_cache,
    help="Keep nothing for later and use nothing kept: a temporary folder serves instead.",
)


def choice_options(function: Function) -> Function:
    """The options that make up a recipe on the command line."""
    options = [
        click.argument("recipe", required=False, metavar="[RECIPE.toml]"),
        click.option("--dataset", metavar="D", help="A name, a file or folder, or hub:owner/name."),
        click.option("--tokenizer", metavar="T", help="A name; `pegboard plugins list` has all."),
        click.option("--encoder", metavar="E", help="A name."),
        click.option("--trainer", metavar="R", help="A name."),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="KEY.PATH=VALUE",
            help="Set an option: tokenizer.vocab_size=8000.",
        ),
        click.option("--seed", type=int, metavar="N", help="Seed of everything random."),
        plugin_option,
    ]
    for option in reversed(options):
        function = option(function)
    return function


def console() -> Console:
    """Where notes and progress go; silent with --quiet."""
    return Console(quiet=bool(click.get_current_context().find_root().ensure_object(dict).get("quiet")))


def open_registry(files: Iterable[str] = ()) -> Registry:
    """The installed components; says once what is broken."""
    from pegboard.plugins.registry import Registry

    registry = Registry(files)
    registry.check_strictly()
    for problem in registry.problems():
        console().warn(problem)
    return registry


def say_precision(wanted: str, classifier: Classifier) -> None:
    """What was predicted in, and how labels agree with those of float32, where anything but float32 was asked for."""
    if wanted == "f32":
        return
    if wanted == "auto" and not classifier.tried:
        console().note("predicted in f32: auto compares precisions where 1,024 different texts or more come together")
        return
    for precision, found in classifier.tried.items():
        speed = "" if isinstance(found, str) else f"{found.speedup:.1f} times as fast as f32, "
        console().note(f"{precision}: {speed}{found}")
    of_these = f"; {classifier.compared} that were compared" if classifier.compared else ""
    console().note(f"predicted in {classifier.precision}{of_these}")


def print_json(value: Any) -> None:
    """A result for a program, on stdout."""
    escaped = "utf" not in (sys.stdout.encoding or "utf-8").lower()
    click.echo(json.dumps(value, indent=2, ensure_ascii=escaped))


def table(rows: Sequence[Sequence[str]], *, header: Sequence[str] = (), numbers: bool = False) -> str:
    """Aligned columns; with `numbers` all columns but the first are aligned to the right."""
    everything = [list(header), *map(list, rows)] if header else [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*everything, strict=True)]
    lines = []
    for row in everything:
        cells = [
            cell.rjust(width) if numbers and i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    if header:
        lines[0] = click.style(lines[0], bold=True)
    return "\n".join(lines)
