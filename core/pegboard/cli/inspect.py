"""`pegboard inspect`."""

from __future__ import annotations

from pathlib import Path

import click

from pegboard.cli.common import console, no_cache_option, open_registry, plugin_option, print_json
from pegboard.cli.lazy import Command

__all__ = ["inspect"]

_WIDTH_OF_A_FILE = 100


@click.command(cls=Command)
@click.argument("dataset")
@click.option("--tokenizer", metavar="T", help="Whose tokens are counted; a name.")
@click.option("--encoder", metavar="E", help="Whose maximum context counts, too; a name.")
@click.option("--set", "settings", multiple=True, metavar="KEY.PATH=VALUE", help="dataset.label_column=topic.")
@click.option("--html", metavar="FILE", help="Write the report with plots as one HTML page.")
@no_cache_option
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def inspect(
    dataset: str,
    tokenizer: str | None,
    encoder: str | None,
    settings: tuple[str, ...],
    html: str | None,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """What is in a data set, and what will go wrong with it.

    Warnings come first: labels that contradict each other, rows of test that stand in train, texts that are empty, too
    long or damaged. Then labels, lengths, repeated texts, scripts, and a sample of each label. Tokens are those of the
    tokenizer that `train` would use.
    """
    from shutil import get_terminal_size

    from pegboard.files import atomic_write
    from pegboard.inspection.inspection import inspect_document
    from pegboard.recipe import document_of

    choices = {"dataset": dataset, "tokenizer": tokenizer, "encoder": encoder}
    document = document_of(None, choices=choices, settings=settings, plugins=plugins)
    registry = open_registry(document["plugins"])
    chosen = "tokenizer" in document or "encoder" in document
    found = inspect_document(document, registry, chosen=chosen, console=console())
    if html:
        atomic_write(Path(html), found.html().encode())
        console().note(f"written: {html}")
    if as_json:
        print_json(found.to_dict())
    else:
        width = get_terminal_size((_WIDTH_OF_A_FILE, 24)).columns
        click.echo(found.text(min(max(60, width), 120)))
