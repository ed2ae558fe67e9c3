"""`pegboard predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pegboard.cli.common import open_registry, plugin_option, precision_option, say_precision
from pegboard.cli.lazy import Command
from pegboard.errors import UsageError

__all__ = ["predict"]


@click.command(cls=Command)
@click.argument("run")
@click.argument("texts", nargs=-1, metavar="[TEXT ...]")
@click.option(
    "--input", "input_file", metavar="FILE|-", help="Read texts: .txt, .csv, .tsv, .jsonl (also .gz), .parquet."
)
@click.option("--output", "output_file", metavar="FILE|-", help="Write .jsonl, .csv, .tsv or .parquet.")
@click.option("--column", default="text", show_default=True, metavar="C", help="The column of the texts.")
@click.option("--top", type=click.IntRange(min=1), metavar="K", help="Only the K most probable labels.")
@precision_option
@click.option(
    "--label-separator",
    default="|",
    show_default=True,
    metavar="S",
    help="Between the labels of a text in .csv and .tsv.",
)
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")
def predict(
    run: str,
    texts: tuple[str, ...],
    input_file: str | None,
    output_file: str | None,
    column: str,
    top: int | None,
    precision: str,
    label_separator: str,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Label texts with a trained classifier.

    RUN is a run folder or the model folder in it. Texts come as arguments, from a file, or (with --input -) one a
    line from stdin; results keep their order, and memory stays flat for files of any size.
    """
    from pegboard.api import load_with
    from pegboard.text.reading import read_texts
    from pegboard.text.writing import check_target, writer_for

    if bool(texts) == bool(input_file):
        raise UsageError("give either texts or --input FILE", hint=f'pegboard predict {run} "some text"')
    if as_json and output_file not in (None, "-"):
        raise UsageError("--json writes to stdout, --output to a file", hint="leave one of them out")
    source: Any = texts or read_texts(input_file or "-", column)
    check_target(output_file or "-")
    classifier = load_with(Path(run), plugins, open_registry, precision=precision)
    if texts and output_file is None and not as_json:
        for text, row in zip(texts, classifier.predict_proba(texts), strict=True):
            lists = classifier.lists and classifier.lists(row[None])[0]
            click.echo(_for_a_person(text, row, classifier.label_names, top, lists))
        say_precision(precision, classifier)
        return
    described = dict if precision == "f32" else classifier.described
    names, decide = classifier.label_names, classifier.lists
    with writer_for(output_file or "-", names, top, described, decide, label_separator) as write:
        for block, probabilities in classifier.stream(source):
            write(block, probabilities)
    say_precision(precision, classifier)


def _for_a_person(text: str, probabilities: Any, names: Any, top: int | None, lists: list[str] | None) -> str:
    """The best label or the list of labels, and a bar for each; a text that is long or has many lines is cut to one."""
    order = (-probabilities).argsort(kind="stable")[: top or len(names)]
    best = int(order[0])
    shown = " ".join(text.split())
    shown = shown if len(shown) <= 80 else f"{shown[:79]}…"
    lines = [f"{click.style(names[best], bold=True)}  {probabilities[best]:.3f}  {shown}"]
    if lists is not None:
        lines = [f"{click.style(', '.join(lists) or '(no label)', bold=True)}  {shown}"]
    width = max(len(names[i]) for i in order)
    for i in order:
        bar = "█" * round(float(probabilities[i]) * 30)
        lines.append(f"    {names[i]:<{width}}  {probabilities[i]:.3f}  {bar}".rstrip())
    return "\n".join(lines)
