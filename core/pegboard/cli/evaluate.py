"""`pegboard evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from pegboard.cli.common import console, open_registry, plugin_option, precision_option, print_json
from pegboard.cli.lazy import Command
from pegboard.cli.report import report

__all__ = ["evaluate"]


@click.command(cls=Command)
@click.argument("run")
@click.argument("dataset", required=False)
@click.option("--split", default="test", show_default=True, metavar="S", help="train, validation or test.")
@click.option("--set", "settings", multiple=True, metavar="dataset.KEY=VALUE", help="Options of DATASET.")
@precision_option
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def evaluate(
    run: str,
    dataset: str | None,
    split: str,
    settings: tuple[str, ...],
    precision: str,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure a trained classifier on labelled data.

    Without DATASET it measures on the data that RUN was trained with, and gives exactly the figures that stand
    in its metrics.json, unless it is told to compute in another precision than f32.
    """
    from pegboard.pipeline.evaluate import evaluate_run
    from pegboard.run import Run

    opened = Run.open(Path(run))
    registry = open_registry(plugins)
    name, metrics = evaluate_run(
        opened, registry, dataset, split=split, settings=settings, precision=precision, console=console()
    )
    if as_json:
        print_json(metrics)
    else:
        click.echo(report({name: metrics}))
