"""`pegboard predict`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from pegboard.cli.common import open_registry, plugin_option
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
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")
def predict(
    run: str,
    texts: tuple[str, ...],
    input_file: str | None,
    output_file: str | None,
    column: str,
    top: int | None,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Label texts with a trained classifier.

    RUN is a run folder or the model folder in it. Texts come as arguments, from a file, or (with --input -) one a
    line from stdin; results keep their order.
    """
    from pegboard.api import load_with
    from pegboard.text.reading import read_texts
    from pegboard.text.writing import writer_for

    if bool(texts) == bool(input_file):
        raise UsageError("give either texts or --input FILE", hint=f'pegboard predict {run} "some text"')
    classifier = load_with(Path(run), plugins, open_registry)
    source: Any = iter(texts) if texts else read_texts(input_file or "-", column)
    human = output_file is None and not as_json and bool(texts)
    if human:
        for text in source:
            click.echo(_for_a_person(text, classifier.predict_proba([text])[0], classifier.label_names, top))
        return
    with writer_for(output_file or "-", classifier.label_names, top) as write:
        for block, probabilities in classifier.stream(source):
            write(block, probabilities)
    sys.stdout.flush()


def _for_a_person(text: str, probabilities: Any, names: Any, top: int | None) -> str:
    order = probabilities.argsort()[::-1][: top or len(names)]
    best = int(order[0])
    shown = text if len(text) <= 80 else f"{text[:79]}…"
    lines = [f"{click.style(names[best], bold=True)}  {probabilities[best]:.3f}  {shown}"]
    width = max(len(names[i]) for i in order)
    for i in order:
        bar = "█" * round(float(probabilities[i]) * 30)
        lines.append(f"    {names[i]:<{width}}  {probabilities[i]:.3f}  {bar}".rstrip())
    return "\n".join(lines)
