"""`pegboard doctor`."""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING, Any

import click

from pegboard.cli.common import plugin_option, print_json
from pegboard.cli.lazy import Command
from pegboard.errors import ComponentError, PegboardError
from pegboard.version import __version__

if TYPE_CHECKING:
    from pegboard.plugins.loading import Plugin

__all__ = ["doctor"]

LIBRARIES = (
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "accelerate",
    "safetensors",
    "pyarrow",
    "numpy",
    "numba",
    "scikit-learn",
    "pydantic",
    "pluggy",
    "click",
    "entrypoints",
)


VARIABLES = ("PEGBOARD_CACHE", "PEGBOARD_CONFIG", "PEGBOARD_DISABLE", "PEGBOARD_STRICT")


@click.command(cls=Command)
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(plugins: tuple[str, ...], as_json: bool) -> None:
    """What to paste into a bug report: versions, device, and every plugin, with the traceback of broken ones.

    Exits with 3 when a plugin is broken, with 2 when the settings or a plugin's file can't be read.
    """
    found, problem = _plugins(plugins)
    facts: dict[str, Any] = {
        "pegboard": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "device": _device(),
        "cache": _cache(),
        "loops": _loops(),
        "settings": {**_settings(), "problem": str(problem) if problem else None},
        "plugins": [_facts(plugin) for plugin in found],
    }
    if as_json:
        print_json(facts)
    else:
        _print(facts)
    if problem:
        raise click.exceptions.Exit(problem.exit_status)
    if any(plugin.state in ("broken", "incompatible") for plugin in found):
        raise click.exceptions.Exit(ComponentError.exit_status)


def _plugins(files: tuple[str, ...]) -> tuple[list[Plugin], PegboardError | None]:
    """Every plugin, or why they can't even be listed."""
    from pegboard.plugins.registry import Registry

    try:
        return Registry(files).plugins, None
    except PegboardError as error:
        return [], error


def _settings() -> dict[str, Any]:
    from pegboard.plugins.settings import settings_file

    variables = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return {"file": str(settings_file()), "environment": variables}


def _version(distribution: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _device() -> str:
    try:
        import torch
    except Exception as error:  # a broken torch is exactly what a doctor must survive
        return f"torch can't be imported: {error}"
    if torch.cuda.is_available():
        return f"cuda: {torch.cuda.get_device_name(0)} x {torch.cuda.device_count()}"
    return f"cpu: {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"


def _cache() -> str:
    from pegboard.cache import Cache, cache_folder
    from pegboard.cli.cache import in_units

    entries = Cache(cache_folder()).entries()
    return f"{cache_folder()}: {len(entries)} entries, {in_units(sum(entry.size for entry in entries))}"


def _loops() -> str:
    from pegboard.text.compiled import Kernels

    problem = Kernels.why_not()
    return f"NumPy's: {problem}" if problem else "compiled"


def _facts(plugin: Plugin) -> dict[str, Any]:
    return {
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.entry.module,
        "state": plugin.state,
        "why": plugin.reason or "; ".join(plugin.deprecations),
        "components": [f"{c.kind} {c.name}" for c in plugin.components],
        "traceback": plugin.traceback,
    }


def _print(facts: dict[str, Any]) -> None:
    for key in ("pegboard", "python", "platform", "device", "cache", "loops"):
        click.echo(f"{key:<10} {facts[key]}")
    versions = ", ".join(f"{name} {version or 'missing'}" for name, version in facts["libraries"].items())
    settings = facts["settings"]
    variables = "".join(f", {name}={value}" for name, value in settings["environment"].items())
    click.echo(f"libraries  {versions}\nsettings   {settings['file']}{variables}")
    if settings["problem"]:
        click.echo(f"plugins    can't be listed: {settings['problem']}")
        return
    click.echo("plugins")
    for plugin in facts["plugins"]:
        provided = "; ".join(filter(None, [", ".join(plugin["components"]), plugin["why"]]))
        click.echo(f"  {plugin['distribution']} {plugin['version']} [{plugin['state']}] {provided}")
        if plugin["traceback"]:
            click.echo("    " + plugin["traceback"].rstrip().replace("\n", "\n    "))
