"""`pegboard doctor`."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

import click

from pegboard.cli.common import plugin_option, print_json
from pegboard.cli.lazy import Command
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
    "scikit-learn",
    "pydantic",
    "pluggy",
    "click",
    "entrypoints",
)


@click.command(cls=Command)
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(plugins: tuple[str, ...], as_json: bool) -> None:
    """What to paste into a bug report: versions, device, and every plugin, with the traceback of broken ones.

    Exits with 3 when a plugin is broken.
    """
    from pegboard.plugins.registry import Registry

    found = Registry(plugins).plugins
    facts: dict[str, Any] = {
        "pegboard": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "device": _device(),
        "plugins": [_facts(plugin) for plugin in found],
    }
    if as_json:
        print_json(facts)
    else:
        _print(facts)
    if any(plugin.state in ("broken", "incompatible") for plugin in found):
        raise click.exceptions.Exit(3)


def _version(distribution: str) -> str | None:
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


def _facts(plugin: Plugin) -> dict[str, Any]:
    return {
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.entry.module,
        "state": plugin.state,
        "why": plugin.reason,
        "components": [f"{c.kind} {c.name}" for c in plugin.components],
        "traceback": plugin.traceback,
    }


def _print(facts: dict[str, Any]) -> None:
    for key in ("pegboard", "python", "platform", "device"):
        click.echo(f"{key:<10} {facts[key]}")
    versions = ", ".join(f"{name} {version or 'missing'}" for name, version in facts["libraries"].items())
    click.echo(f"libraries  {versions}\nplugins")
    for plugin in facts["plugins"]:
        provided = ", ".join(plugin["components"]) or plugin["why"]
        click.echo(f"  {plugin['distribution']} {plugin['version']} [{plugin['state']}] {provided}")
        if plugin["traceback"]:
            click.echo("    " + plugin["traceback"].rstrip().replace("\n", "\n    "))
