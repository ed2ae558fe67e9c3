"""`pegboard train`."""

from __future__ import annotations

from pathlib import Path

import click

from pegboard.cli.common import choice_options, console, no_cache_option, open_registry, print_json
from pegboard.cli.lazy import Command
from pegboard.cli.report import report

__all__ = ["train"]


@click.command(cls=Command)
@choice_options
@click.option("--out", metavar="RUN", help="The run folder [default: runs/DATASET-TOKENIZER-ENCODER].")
@click.option("--overwrite", is_flag=True, help="Start afresh where the folder holds a run.")
@click.option(
    "--track",
    multiple=True,
    metavar="NAME[=PLACE]",
    help="Tell a tracker of the run, for example tensorboard [default: those in PEGBOARD_TRACK].",
)
@no_cache_option
@click.option("--json", "as_json", is_flag=True, help="Print metrics.json instead of tables.")
def train(
    recipe: str | None,
    dataset: str | None,
    tokenizer: str | None,
    encoder: str | None,
    trainer: str | None,
    settings: tuple[str, ...],
    seed: int | None,
    plugins: tuple[str, ...],
    out: str | None,
    overwrite: bool,
    track: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train a classifier and report how good it is.

    Without arguments it trains the default components on the built-in data set. The same command continues a
    run that was interrupted, and does nothing for one that is complete.
    """
    from pegboard.api import default_folder
    from pegboard.pipeline.context import is_main_process
    from pegboard.recipe import document_of, resolve
    from pegboard.run import run_recipe
    from pegboard.tracking import trackers_asked_for

    asked = trackers_asked_for(track or None)
    choices = {"dataset": dataset, "tokenizer": tokenizer, "encoder": encoder, "trainer": trainer}
    document = document_of(
        Path(recipe) if recipe else None, choices=choices, settings=settings, seed=seed, plugins=plugins
    )
    registry = open_registry(document["plugins"])
    resolved = resolve(document, registry)
    folder = Path(out) if out else default_folder(resolved)
    run = run_recipe(resolved, registry, folder, overwrite=overwrite, console=console(), track=asked)
    if not is_main_process():
        return
    if run.was_complete:
        console().note(f"{folder} holds this very run, complete; nothing was done (--overwrite trains it again)")
    if as_json:
        print_json(run.metrics)
        return
    click.echo(f"\nrun: {click.style(str(folder), bold=True)}\n")
    click.echo(report({name: run.metrics[name] for name in ("validation", "test")}))
    console().note(f'\ntry: pegboard predict {folder} "your text"')
