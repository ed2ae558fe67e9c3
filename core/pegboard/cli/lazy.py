"""Command groups that import a command's module only when that command runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from pegboard.errors import RunError, nearest

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["Command", "Group", "LazyGroup"]

_STOPPED_BY_SIGTERM = 128 + 15


class Command(click.Command):
    """A command that takes `--debug` and `--quiet` after its own name, too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _global_options()

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a component that calls `sys.exit` must not pass for success.

        Status 143 passes: it is how a trainer leaves that was told to stop by SIGTERM and has saved its state.
        """
        try:
            return super().invoke(ctx)
        except SystemExit as error:
            if error.code == _STOPPED_BY_SIGTERM:
                raise
            raise RunError(
                f"a component called sys.exit({error.code!r})", hint="run it again with --debug to see which"
            ) from error


class Group(click.Group):
    """A group of `Command`s that takes `--debug` and `--quiet` and answers a misspelled command with the nearest."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _global_options()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command.

        Raises:
            click.UsageError: there is none of that name.
        """
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-"):
            close = nearest(name, known)
            hint = f"Did you mean {' or '.join(close)}?" if close else f"Commands: {', '.join(known)}."
            raise click.UsageError(f"There is no command {name!r}. {hint}", ctx)
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """A group with commands that stand in a table: name to (`"module:attribute"`, one line of help).

    click's own recipe for lazy groups still imports every command for `--help`, because the help text asks each
    command object for its summary; here the table has it. Commands can be added to the group itself as well.
    """

    def __init__(self, *args: Any, commands_table: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands_table = commands_table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names: the group's own, then those of the table, in order."""
        return [*self.commands, *self.commands_table]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in self.commands_table:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.commands_table[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write names and summaries without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete command names, and options, without importing any command."""
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name, help=text) for name, text in self._summaries() if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def _summaries(self) -> Iterator[tuple[str, str]]:
        for name, command in self.commands.items():
            yield name, command.get_short_help_str(limit=80)
        for name, (_, summary) in self.commands_table.items():
            yield name, summary


def _global_options() -> list[click.Parameter]:
    return [
        click.Option([f"--{name}"], is_flag=True, expose_value=False, is_eager=True, callback=_remember, help=text)
        for name, text in (("debug", "Show tracebacks."), ("quiet", "Show results and warnings only."))
    ]


def _remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        ctx.find_root().ensure_object(dict)[parameter.name] = True
