"""`pegboard plugins new`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from pegboard.cli.common import print_json
from pegboard.cli.lazy import Command
from pegboard.scaffold import LICENSES, PLACES_TO_EDIT, new_plugin
from pegboard.specs import KINDS

__all__ = ["new"]


@click.command(cls=Command)
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What it provides.")
@click.option("--dir", "folder", default=".", metavar="D", help="Where its folder appears [default: here].")
@click.option("--license", "license_name", type=click.Choice(list(LICENSES)), default="apache-2.0", show_default=True)
@click.option("--author", default="", metavar="A", help="Who writes it, for its metadata and licence.")
@click.option("--json", "as_json", is_flag=True, help="Print folder, files and next commands as JSON.")
def new(name: str, kind: str, folder: str, license_name: str, author: str, as_json: bool) -> None:
    """Write a plugin package that installs, passes its own tests and trains at once.

    NAME is the component's name; the package is called pegboard-NAME.
    """
    target = new_plugin(name, kind, Path(folder).expanduser(), license_name=license_name, author=author)
    component = name.removeprefix("pegboard-").removeprefix("pegboard_")
    files = sorted(file.relative_to(target).as_posix() for file in target.rglob("*") if file.is_file())
    shown = str(target) if target.is_absolute() else f"./{target}"
    file, method = PLACES_TO_EDIT[kind]
    edit = next(f"{shown}/{path}" for path in files if path.startswith("src/") and path.endswith(f"/{file}"))
    commands = [
        f"pip install -e {shlex.quote(shown)}",
        f"pegboard plugins check {component}",
        f"pegboard train --{kind} {component}",
    ]
    if as_json:
        print_json({"folder": str(target), "files": files, "next": commands, "edit": edit})
        return
    click.echo(f"wrote {click.style(shown, bold=True)}\n" + "".join(f"    {file}\n" for file in files))
    click.echo("next\n" + "".join(f"    {command}\n" for command in commands))
    click.echo(f"then edit `{method}` in {edit}")
