"""`pegboard compare-tokenizers`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pegboard.cli.common import console, no_cache_option, open_registry, plugin_option, print_json, table
from pegboard.cli.lazy import Command

if TYPE_CHECKING:
    from pegboard.tokenizing.compare import TokenizerComparison
    from pegboard.tokenizing.measure import TokenizerFigures

__all__ = ["compare_tokenizers"]


@click.command("compare-tokenizers", cls=Command)
@click.argument("dataset")
@click.option(
    "-t",
    "--tokenizer",
    "tokenizers",
    multiple=True,
    metavar="T",
    help="A name, or NAME:option=value,… for one with options of its own; may be repeated. Default: all installed.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY.PATH=VALUE", help="For all of them: tokenizer.vocab_size=8000."
)
@click.option(
    "--max-length", type=click.IntRange(min=1), metavar="N", help="What is too long [default: each one's own]."
)
@click.option("--sentence", "sentences", multiple=True, metavar="TEXT", help="Show how it is cut; may be repeated.")
@click.option("--html", "html_file", metavar="FILE", help="Write a page with figures and charts.")
@no_cache_option
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def compare_tokenizers(
    dataset: str,
    tokenizers: tuple[str, ...],
    settings: tuple[str, ...],
    max_length: int | None,
    sentences: tuple[str, ...],
    html_file: str | None,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure tokenizers on the same data, side by side.

    Each is trained on the train split of DATASET and measured on the test split, without its own limit of length.
    Speed is measured anew each time, on this machine.

    Example: `pegboard compare-tokenizers moods -t word -t wordpiece:vocab_size=4000`
    """
    from pegboard.files import atomic_write
    from pegboard.pipeline.data import load_data
    from pegboard.tokenizing.choose import choose_tokenizers_or_all, request_of
    from pegboard.tokenizing.compare import compare
    from pegboard.tokenizing.data import with_test_split
    from pegboard.tokenizing.output import check_file
    from pegboard.tokenizing.show import check_texts

    if sentences:
        check_texts(sentences, "--sentence")
    if html_file:
        check_file(Path(html_file), "--html")
    registry = open_registry(plugins)
    request = request_of(registry, dataset, settings)
    chosen = choose_tokenizers_or_all(tokenizers, request, registry, console().note)
    data = load_data(request.dataset, registry, console=console(), labelled=False)
    data = with_test_split(data, request.dataset.options, request.name, console())
    result = compare(
        data,
        request.name,
        chosen,
        registry,
        sentences=sentences,
        max_length=max_length,
        asked_for=bool(tokenizers),
        console=console(),
    )
    if html_file:
        atomic_write(Path(html_file).expanduser(), result.html().encode())
        console().note(f"written: {html_file}")
    if as_json:
        print_json(result.to_dict())
    else:
        click.echo(report(result))


def report(result: TokenizerComparison) -> str:
    """The figures in three tables, then the sentences token by token."""
    figures = [(tokenizer.name, tokenizer.figures) for tokenizer in result.tokenizers]
    test = result.test
    size = f"{test.rows:,} test texts, {test.words:,} words, {test.distinct_words:,} of them distinct"
    cut = any(one.lengths_cut_at for _, one in figures)
    parts = [
        _titled(
            f"Vocabulary and coverage ({size})",
            table(_coverage(figures), header=_COVERAGE, numbers=True),
            "words, distinct, chars: the share of them that hold no [UNK]",
        ),
        _titled(
            "Tokens of a text, if nothing is cut off",
            table(_lengths(figures), header=_LENGTHS, numbers=True),
            "* cuts its texts whatever it is told: longer ones were not seen" if cut else "",
        ),
        _titled("Speed, measured here and now", table(_speed(figures), header=_SPEED, numbers=True)),
        _sentences(result),
    ]
    return "\n\n".join(parts)


_COVERAGE = ("tokenizer", "vocabulary", "tokens/word", "chars/token", "[UNK]", "words", "distinct", "chars")
_LENGTHS = ("tokenizer", "mean", "50 %", "90 %", "95 %", "99 %", "longest", "maximum", "cut off")
_SPEED = ("tokenizer", "training", "MB/s", "encoding", "MB/s")


def _coverage(figures: list[tuple[str, TokenizerFigures]]) -> list[list[str]]:
    from pegboard.pages import percent

    return [
        [
            name,
            f"{one.vocab_size:,}",
            f"{one.tokens_per_word:.2f}",
            f"{one.characters_per_token:.2f}",
            percent(one.unknown_rate),
            percent(one.word_coverage),
            percent(one.distinct_word_coverage),
            percent(one.character_coverage),
        ]
        for name, one in figures
    ]


def _lengths(figures: list[tuple[str, TokenizerFigures]]) -> list[list[str]]:
    from pegboard.pages import percent

    return [
        [
            name,
            f"{one.mean_length:.1f}",
            *(f"{one.lengths[key]:,}" for key in ("50", "90", "95", "99")),
            f"{one.lengths['max']:,}{'*' if one.lengths_cut_at else ''}",
            f"{one.max_length:,}",
            percent(one.truncated),
        ]
        for name, one in figures
    ]


def _speed(figures: list[tuple[str, TokenizerFigures]]) -> list[list[str]]:
    return [
        [
            name,
            f"{one.training.seconds:.2f} s" if one.training else "none",
            f"{one.training.megabytes_per_second:.1f}" if one.training else "",
            f"{one.encoding.seconds:.2f} s",
            f"{one.encoding.megabytes_per_second:.1f}",
        ]
        for name, one in figures
    ]


def _sentences(result: TokenizerComparison) -> str:
    from pegboard.cli.tokens import terminal_width, token_line
    from pegboard.tokenizing.visible import in_one_line

    width = terminal_width()
    parts = []
    for place, batch in enumerate(result.tokenizers[0].sentences):
        lines = [click.style(in_one_line(batch.texts[0].text, width), bold=True)]
        for tokenizer in result.tokenizers:
            shown = tokenizer.sentences[place]
            text = shown.texts[0]
            lines.append(f"{tokenizer.name}, {len(text.tokens):,} tokens{text.fate()}")
            lines.append(token_line(shown, text, width=width))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _titled(title: str, body: str, note: str = "") -> str:
    return "\n".join(filter(None, [click.style(title, bold=True), body, click.style(note, dim=True) if note else ""]))
