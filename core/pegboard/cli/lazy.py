"""Command groups that import a command's module only when that command runs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from pegboard.errors import nearest

__all__ = ["Command", "LazyGroup"]


class LazyGroup(click.Group):
    """A group whose commands stand in a table: name to (`"module:attribute"`, one line of help).

    click's own recipe for lazy groups still imports every command for `--help`, because the help text asks each
    command object for its summary; here the table has it.
    """

    def __init__(self, *args: Any, commands_table: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands_table = commands_table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(self.commands_table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in self.commands_table:
            return None
        module, _, attribute = self.commands_table[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a misspelled one gets the nearest names."""
        name = args[0]
        if name not in self.commands_table and not name.startswith("-"):
            close = nearest(name, self.commands_table)
            hint = f"Did you mean {' or '.join(close)}?" if close else f"Commands: {', '.join(self.commands_table)}."
            raise click.UsageError(f"There is no command {name!r}. {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.commands_table.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete command names without importing anything."""
        return [
            CompletionItem(name, help=summary)
            for name, (_, summary) in self.commands_table.items()
            if name.startswith(incomplete)
        ]


class Command(click.Command):
    """A command that takes `--debug` and `--quiet` after its own name, too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, help_text in (("debug", "Show tracebacks."), ("quiet", "Show results and warnings only.")):
            option = click.Option(
                [f"--{name}"], is_flag=True, expose_value=False, is_eager=True, callback=_remember, help=help_text
            )
            self.params.append(option)


def _remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        ctx.find_root().ensure_object(dict)[parameter.name] = True
