"""`pegboard`: the table of commands, the global options, and the one place that prints errors."""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Any, NoReturn

import click

from pegboard.cli.lazy import LazyGroup
from pegboard.cli.signals import ending_in_time
from pegboard.errors import PegboardError, PegboardWarning
from pegboard.threads import settle_threads
from pegboard.version import __version__

__all__ = ["cli", "main"]

COMMANDS = {
    "train": ("pegboard.cli.train:train", "Train a classifier and report how good it is."),
    "evaluate": ("pegboard.cli.evaluate:evaluate", "Measure a trained classifier on labelled data."),
    "predict": ("pegboard.cli.predict:predict", "Label texts with a trained classifier."),
    "tokenize": (
        "pegboard.cli.tokenize:tokenize",
        "Encode a whole data set into the cache, or show how a text is cut.",
    ),
    "compare-tokenizers": (
        "pegboard.cli.compare_tokenizers:compare_tokenizers",
        "Measure tokenizers on the same data, side by side.",
    ),
    "inspect": ("pegboard.cli.inspect:inspect", "What is in a data set, and what will go wrong with it."),
    "cache": ("pegboard.cli.cache:cache", "Show and free what is kept between runs."),
    "recipe": ("pegboard.cli.recipe:recipe", "Show, check or describe recipes."),
    "plugins": ("pegboard.cli.plugins:plugins", "List and manage plugins and their components."),
    "doctor": ("pegboard.cli.doctor:doctor", "What to paste into a bug report."),
}


@click.group(
    cls=LazyGroup,
    commands_table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, "--version", prog_name="pegboard")
def cli() -> None:
    """Text classification in which every part is chosen by name.

    `pegboard train` trains on the built-in data set; `pegboard train --dataset data.csv` on yours.
    """


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; leaves with an exit status, never with a traceback unless asked to.

    0 done; 1 the work failed; 2 bad usage, recipe or data; 3 a component is missing or broken; 130 interrupted;
    143 terminated.
    """
    settle_threads()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a narrow encoding must not end the work at its last line
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    _show_only_our_warnings(debug)
    with ending_in_time():
        status = _run(arguments, debug)
    sys.exit(status)


def _run(arguments: list[str], debug: bool) -> int:
    try:
        # Not standalone, click hands back the status of a command that leaves with one, as --help and doctor do.
        status = cli.main(arguments, prog_name="pegboard", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of a pipe has gone; give Python nowhere to complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except PegboardError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except BaseException as error:  # extensions written in Rust panic with one that is no Exception
        if debug or isinstance(error, (SystemExit, GeneratorExit)):
            raise
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
        print("  -> this should not happen: run it again with --debug and report what it prints", file=sys.stderr)
        return 1


def _show_only_our_warnings(debug: bool) -> None:
    """Warnings of Pegboard and its plugins, one line each; those of the libraries below only with --debug."""
    if debug:
        return

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, PegboardWarning):
            print(f"warning: {message}", file=sys.stderr)

    warnings.showwarning = show
    warnings.simplefilter("always", PegboardWarning)
