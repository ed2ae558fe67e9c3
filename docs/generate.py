"""Write the reference pages that the code can write itself: the command line, one a hook, the options.

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
from pegboard.plugins.loading import TRACKERS_HOOK
from pegboard.plugins.registry import Registry
from pegboard.specs import KINDS
from pegboard.tasks.options import TASKS

REFERENCE = Path(__file__).parent / "reference"
NOTICE = "<!-- Written by docs/generate.py; edit the code instead. -->\n"
HOOKS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("pegboard_")}
HOW_TO = {f"pegboard_{kind}s": f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}" for kind in KINDS}


def main() -> int:
    """Write or compare every generated page."""
    pages = {"cli.md": cli_page(), "options.md": options_page(), "hooks/README.md": hooks_index()}
    pages |= {f"hooks/{name}.md": hook_page(name) for name in HOOKS}
    check = "--check" in sys.argv[1:]
    stale = [name for name, text in pages.items() if _current(name) != text]
    gone = [file for file in (REFERENCE / "hooks").glob("*.md") if f"hooks/{file.name}" not in pages]
    for name in [*stale, *(f"hooks/{file.name}" for file in gone)]:
        if check:
            print(f"docs/reference/{name} is out of date: run python docs/generate.py")
    if not check:
        for name in stale:
            (REFERENCE / name).parent.mkdir(exist_ok=True)
            (REFERENCE / name).write_text(pages[name], encoding="utf-8")
        for file in gone:
            file.unlink()
    return 1 if check and (stale or gone) else 0


def cli_page() -> str:
    """The help text of every command."""
    parts = [NOTICE, "# The command line\n", "Exit status: 0 done; 1 the work failed; 2 bad usage, recipe or data;"]
    parts.append("3 a component or plugin is missing or broken; 130 interrupted; 143 terminated.\n")
    for path, command in _commands(("pegboard",), cli):
        context = click.Context(command, info_name=" ".join(path), max_content_width=100, terminal_width=100)
        context.help_option_names = ["-h", "--help"]
        parts.append(f"## {' '.join(path)}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def hooks_index() -> str:
    """What hooks are, and a table of them."""
    parts = [NOTICE, "# Hooks\n", inspect.cleandoc(hookspecs.__doc__ or "") + "\n"]
    rows = ["| hook | what it is for |", "| --- | --- |"]
    rows += [f"| [`{name}`]({name}.md) | {_first_line(hook)} |" for name, hook in HOOKS.items()]
    parts.append("\n".join(rows) + "\n")
    parts.append("When they are called: [the life of a plugin](../plugins.md) and [of a run](../../architecture.md).")
    parts.append("What may change, and how that is announced: [stability](../plugin-api.md).\n")
    return "\n".join(parts)


def hook_page(name: str) -> str:
    """Signature and docstring of a hook."""
    signature = str(inspect.signature(HOOKS[name])).replace("'", "")
    parts = [NOTICE, f"# {name}\n", f"```python\n{name}{signature}\n```\n", _markdown(HOOKS[name])]
    if name == TRACKERS_HOOK:
        parts.append("One that does it: [pegboard-trackers](../../../plugins/pegboard-trackers/README.md).")
    elif name in HOW_TO:
        anchor = HOW_TO[name].replace(" ", "-")
        parts.append(f"A whole plugin with it: [write {HOW_TO[name]}](../../how-to/write-a-plugin.md#{anchor}).")
    else:
        parts.append("Where it stands in a run: [the life of a run](../../architecture.md#the-life-of-a-run).")
    parts.append("\nAll hooks: [index](README.md)\n")
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
    parts.append("## task\n\nThe `[task]` table: what is learned. `name` is `classify` unless it is set.\n")
    for name, options in TASKS.items():
        parts.append(f"### {name}\n\n{_first_line(options).partition(': ')[2].capitalize()}.\n")
        parts.append(_table(options_table(options)))
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
    """A Google-style docstring as Markdown: sections become bold words, the example at its end code."""
    lines: list[str] = []
    for line in inspect.cleandoc(function.__doc__ or "").splitlines():
        text = line.strip()
        if text in ("Args:", "Example:", "Returns:", "Raises:"):
            lines.append(f"**{text.rstrip(':')}**\n")
        elif text.startswith((">>>", "...")):
            lines += ["```python"] if text.startswith(">>>") else []
            lines.append(text[4:])
        else:
            lines.append(f"- {text}" if line.startswith("    ") else line)
    return "\n".join([*lines, *(["```"] if "```python" in lines else []), ""])


def _first_line(documented: Any) -> str:
    return inspect.cleandoc(documented.__doc__ or "").partition("\n")[0].rstrip(".")


def _table(options: dict[str, Any]) -> str:
    if not options:
        return "No options.\n"
    rows = ["| option | type | default | what it does |", "| --- | --- | --- | --- |"]
    for name, option in options.items():
        kind = option["type"].replace("|", "\\|")
        default = "required" if option["required"] else f"`{option['default']!r}`"
        rows.append(f"| `{name}` | {kind} | {default} | {' '.join(option['help'].split())} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main())
