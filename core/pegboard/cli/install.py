"""`pegboard plugins install|uninstall`: the installer of this environment, and a look at what it did."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pegboard.cli.common import console, table
from pegboard.cli.lazy import Command
from pegboard.errors import ComponentError, RunError, UsageError
from pegboard.plugins.discovery import discover, folders_of
from pegboard.plugins.installed import distribution_to_remove, installed_from, is_installed

__all__ = ["install", "installer", "uninstall"]


@click.command(cls=Command)
@click.argument("packages", nargs=-1, required=True, metavar="PACKAGE...")
@click.option("--editable", "-e", is_flag=True, help="They are folders: changes to their code count at once.")
@click.option("--upgrade", "-U", is_flag=True, help="Also where one is installed already.")
def install(packages: tuple[str, ...], editable: bool, upgrade: bool) -> None:
    """Install plugins with pip, or with uv if that made the environment, and say what they brought.

    PACKAGE is whatever pip takes: a name, name==version, a folder, a wheel, an address.
    """
    _refuse_options(packages)
    before = _versions()
    flags = ["--upgrade"] if upgrade else []
    wanted = [part for package in packages for part in (("--editable", package) if editable else (package,))]
    _run([*installer("install"), *flags, *wanted], failed=f"{', '.join(packages)} could not be installed")
    after = _versions()
    named = {_distribution_of(package) or installed_from(package) for package in packages}
    arrived = {name for name, version in after.items() if before.get(name) != version or name in named}
    for name in sorted(filter(None, named - after.keys())):
        if is_installed(name):
            console().warn(f"{name} is installed, but it is no plugin: it has no entry point for Pegboard")
    if arrived:
        _report(arrived)
    elif None in named or not named - after.keys():
        console().warn("no plugin has arrived; `pegboard plugins list` has what is installed")


@click.command(cls=Command)
@click.argument("packages", nargs=-1, required=True, metavar="PACKAGE...")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def uninstall(packages: tuple[str, ...], yes: bool) -> None:
    """Remove plugins with pip, or with uv if that made the environment.

    PACKAGE is a plugin's distribution; nothing of it is imported, so a broken one goes as well.
    """
    _refuse_options(packages)
    names = list(dict.fromkeys(map(distribution_to_remove, packages)))
    if not yes:
        if not _somebody_is_there():
            raise UsageError(f"nobody is there to confirm that {', '.join(names)} is to be removed", hint="give --yes")
        if not click.confirm(f"Remove {', '.join(names)}?", err=True):
            raise click.exceptions.Exit(1)
    places = _places(names)
    while places:
        _run([*installer("uninstall"), *places], failed=f"{', '.join(places)} could not be removed")
        before, places = places, _places(names)
        if any(len(places[name]) >= len(before[name]) for name in places):
            raise RunError(
                "; ".join(f"{name} is still there, in {', '.join(folders)}" for name, folders in places.items()),
                hint="it was put on the path by other means; remove it by hand",
            )
    click.echo(f"removed {', '.join(names)}")


def installer(verb: str) -> list[str]:
    """How to have packages installed (or uninstalled) in this environment: by uv if that made it, else by its pip.

    Raises:
        RunError: it has neither.
    """
    uv, made_by_uv, has_pip = shutil.which("uv"), _made_by_uv(), _find_pip()
    if uv and (made_by_uv or not has_pip):
        return [uv, "pip", verb, "--python", sys.executable]
    if has_pip:
        return [sys.executable, "-m", "pip", verb, *(["--yes"] if verb == "uninstall" else [])]
    raise RunError(
        f"there is no pip in {sys.prefix}" + (", which uv made, and uv is not on the PATH" if made_by_uv else ""),
        hint="put uv on the PATH" if made_by_uv else f"{sys.executable} -m ensurepip",
    )


def _find_pip() -> bool:
    return importlib.util.find_spec("pip") is not None


def _somebody_is_there() -> bool:
    return sys.stdin.isatty()


def _made_by_uv() -> bool:
    try:
        lines = (Path(sys.prefix) / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return any(line.partition("=")[0].strip() == "uv" for line in lines)


def _refuse_options(packages: Sequence[str]) -> None:
    """A name that begins with a dash would be an option to the installer."""
    for package in packages:
        if package.startswith("-") or not package.strip():
            raise UsageError("is no package", where=repr(package), hint="other options of pip: call pip itself")


def _run(command: list[str], *, failed: str) -> None:
    """Show and run an installer; what it prints goes to stderr, since it is no result of ours.

    Raises:
        RunError: it left with another status than 0, or can't be started.
    """
    console().note(f"$ {shlex.join(command)}")
    sys.stderr.flush()
    try:
        status = subprocess.run(command, stdout=2, check=False).returncode
    except OSError as error:
        raise RunError(f"{failed}: {command[0]} can't be started: {error.strerror}") from error
    if status:
        raise RunError(f"{failed}: the installer ended with status {status}", hint="its own messages stand above")


def _versions() -> dict[str, str]:
    importlib.invalidate_caches()
    return {entry.distribution: entry.version for entry in discover()}


def _places(names: Sequence[str]) -> dict[str, list[str]]:
    """Of those that are there, where; an installer removes one copy at a time of what stands on the path twice."""
    importlib.invalidate_caches()
    found = {name: folders_of(name) for name in names}
    return {name: folders for name, folders in found.items() if folders}


def _distribution_of(package: str) -> str | None:
    """The distribution that a command line names, as far as that can be told."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    # As pip reads it: a bare word is a name, even where a folder has that name, unless it is that of an archive.
    is_path = "@" not in package and ("/" in package or package[0] == "." or package.endswith((".whl", ".gz", ".zip")))
    try:
        return None if is_path else str(canonicalize_name(Requirement(package).name))
    except InvalidRequirement:
        return None


def _report(distributions: set[str]) -> None:
    """What the plugins of these distributions provide.

    A new process looks: this one has read its path before they came, and does not see an editable installation.
    """
    command = [sys.executable, "-m", "pegboard", "plugins", "list", "--json"]
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}  # the working folder is not to be imported from
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    try:
        listed: list[dict[str, Any]] = json.loads(done.stdout)
    except ValueError:
        raise ComponentError(
            f"{', '.join(sorted(distributions))} is installed, but the plugins can't be listed",
            hint=done.stderr.strip() or "pegboard doctor",
        ) from None
    rows = [row for row in listed if row["distribution"] in distributions]
    columns = ("component", "kind", "distribution", "version", "state", "summary")
    click.echo(table([[row[column] for column in columns] for row in rows], header=columns))
    for row in rows:
        if row["state"] == "disabled":
            console().warn(f"{row['distribution']} is disabled: pegboard plugins enable {row['distribution']}")
    broken = sorted({row["distribution"] for row in rows if row["state"] in ("broken", "incompatible")})
    if broken:
        raise ComponentError(
            f"installed, but {', '.join(broken)} can't be used", hint="`pegboard doctor` has the details"
        )
