"""Write the reference pages that the code can write itself: the command line, the hooks, the options.

python docs/generate.py           write them
python docs/generate.py --check   exit with 1 if one is out of date
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import click
from pegboard import hookspecs
from pegboard.cli.main import cli
from pegboard.cli.plugins import component_details, options_table
from pegboard.plugins.registry import Registry
from pegboard.specs import KINDS
from pegboard.tasks.options import ClassifyOptions

REFERENCE = Path(__file__).parent / "reference"
NOTICE = "<!-- Written by docs/generate.py; edit the code instead. -->\n"


def main() -> int:
    """Write or compare every generated page."""
    pages = {"cli.md": cli_page(), "hooks.md": hooks_page(), "options.md": options_page()}
    check = "--check" in sys.argv[1:]
    stale = [name for name, text in pages.items() if _current(name) != text]
    for name in stale:
        if check:
            print(f"docs/reference/{name} is out of date: run python docs/generate.py")
        else:
            (REFERENCE / name).write_text(pages[name], encoding="utf-8")
    return 1 if check and stale else 0


def cli_page() -> str:
    """The help text of every command."""
    parts = [NOTICE, "# The command line\n", "Exit status: 0 done; 1 the work failed; 2 bad usage, recipe or data;"]
    parts.append("3 a component or plugin is missing or broken; 130 interrupted.\n")
    for path, command in _commands(("pegboard",), cli):
        context = click.Context(command, info_name=" ".join(path), max_content_width=100, terminal_width=100)
        context.help_option_names = ["-h", "--help"]
        parts.append(f"## {' '.join(path)}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def hooks_page() -> str:
    """Signature and docstring of every hook."""
    parts = [NOTICE, "# Hooks\n", inspect.cleandoc(hookspecs.__doc__ or "") + "\n"]
    for name, function in vars(hookspecs).items():
        if name.startswith("pegboard_"):
            signature = str(inspect.signature(function)).replace("'", "")
            parts.append(f"## {name}\n\n```python\n{name}{signature}\n```\n\n{_markdown(function)}\n")
    return "\n".join(parts)


def options_page() -> str:
    """The options of every component that this project ships."""
    registry = Registry()
    parts = [NOTICE, "# Components and their options\n"]
    parts.append("Set an option with `--set KIND.OPTION=VALUE` or in the recipe's table `[KIND]`.\n")
    for kind in KINDS:
        parts.append(f"## {kind}\n")
        for component in registry.of_kind(kind):
            details = component_details(registry, component)
            parts.append(f"### {component.name}\n\n{details['summary']} (`pip install {component.distribution}`)\n")
            if details["suggests"]:
                suggested = ", ".join(f"`{key} = {value}`" for key, value in details["suggests"].items())
                parts.append(f"Suggests for the others: {suggested}.\n")
            parts.append(_table(details["options"]))
    parts.append("## task\n\n### classify\n\nThe `[task]` table: what is learned.\n")
    parts.append(_table(options_table(ClassifyOptions)))
    return "\n".join(parts)


def _current(name: str) -> str | None:
    file = REFERENCE / name
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _commands(path: tuple[str, ...], command: click.Command) -> Any:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _commands((*path, name), found)


def _markdown(function: Any) -> str:
    """A Google-style docstring as Markdown: sections become bold words, examples code."""
    lines = []
    for line in inspect.cleandoc(function.__doc__ or "").splitlines():
        if line.rstrip() in ("Args:", "Example:", "Returns:", "Raises:"):
            lines.append(f"**{line.rstrip(':')}**\n")
        elif line.startswith("    ") and lines and line.strip().startswith((">>>", "...")):
            lines.append(f"    {line.strip()[4:]}")
        elif line.startswith("    "):
            lines.append(f"- {line.strip()}")
        else:
            lines.append(line)
    return "\n".join(lines)


def _table(options: dict[str, Any]) -> str:
    if not options:
        return "No options.\n"
    rows = ["| option | type | default | what it does |", "| --- | --- | --- | --- |"]
    for name, option in options.items():
        kind = option["type"].replace("|", "\\|")
        default = "required" if option["required"] else f"`{option['default']!r}`"
        rows.append(f"| `{name}` | {kind} | {default} | {option['help']} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main())
