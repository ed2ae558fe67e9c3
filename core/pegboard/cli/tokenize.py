"""`pegboard tokenize`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pegboard.cli.common import console, no_cache_option, open_registry, plugin_option, print_json, table
from pegboard.cli.lazy import Command
from pegboard.errors import UsageError

if TYPE_CHECKING:
    from pegboard.tokenizing.encode import TokenizedData
    from pegboard.tokenizing.show import ShownTokens

__all__ = ["tokenize"]

_LONGEST_FOR_A_PAIR = 200


@click.command(cls=Command)
@click.argument("dataset", required=False)
@click.option("--show", "texts", multiple=True, metavar="TEXT", help="Show a text's tokens; several make a batch.")
@click.option(
    "-t",
    "--tokenizer",
    "tokenizers",
    multiple=True,
    metavar="T",
    help="A name, or NAME:option=value,… for one with options of its own; with --show several.",
)
@click.option("--dataset", "other_dataset", metavar="D", help="The same as DATASET.")
@click.option("--set", "settings", multiple=True, metavar="KEY.PATH=VALUE", help="tokenizer.vocab_size=8000.")
@click.option("--save", metavar="DIR", help="Write the trained tokenizer into a new folder.")
@click.option("--output", metavar="DIR", help="Write SPLIT.parquet files with input_ids into a new folder.")
@no_cache_option
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def tokenize(
    dataset: str | None,
    texts: tuple[str, ...],
    tokenizers: tuple[str, ...],
    other_dataset: str | None,
    settings: tuple[str, ...],
    save: str | None,
    output: str | None,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Encode a whole data set into the cache, or show how a text is cut into tokens.

    Examples: `pegboard tokenize moods --tokenizer wordpiece --save my-tokenizer`,
    `pegboard tokenize --show "Tokenizing text is a core task"`

    The tokenizer is trained on the train split of DATASET; to show a text, on the built-in data set if none is given.
    Without --tokenizer, --show takes every one that is installed, with [CLS] and [SEP], and shows a short text beside
    its beginning, so that the padding can be seen.
    """
    if dataset and other_dataset:
        raise UsageError("DATASET and --dataset are the same; give one of them")
    dataset = dataset or other_dataset
    if texts:
        if save or output:
            raise UsageError("--show shows; --save and --output belong to a whole data set", hint="leave out --show")
        _show(dataset, texts, tokenizers, settings, plugins, as_json)
        return
    if not dataset:
        raise UsageError("give a DATASET to encode, or a text to --show", hint='pegboard tokenize --show "some text"')
    if len(tokenizers) > 1:
        raise UsageError("a data set is encoded by one tokenizer at a time", hint="pegboard compare-tokenizers")
    _encode(dataset, tokenizers, settings, plugins, save, output, as_json)


def _show(
    dataset: str | None,
    texts: tuple[str, ...],
    tokenizers: tuple[str, ...],
    settings: tuple[str, ...],
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    from pegboard.cache import Cache
    from pegboard.pipeline.data import load_data
    from pegboard.tokenizing.choose import choose_tokenizers_or_all, request_of
    from pegboard.tokenizing.show import BERT_FRAME, check_texts, show_batches

    batch = check_texts(texts, "--show")
    if not tokenizers and len(batch) == 1:
        batch += _beginning(batch[0])
    cache = Cache.open(console())
    registry = open_registry(plugins)
    request = request_of(registry, dataset, settings)
    chosen = choose_tokenizers_or_all(tokenizers, request, registry, console().note, BERT_FRAME)
    data = load_data(request.dataset, registry, console=console(), labelled=False)
    shown = show_batches(
        data, request.name, chosen, registry, batch, cache=cache, asked_for=bool(tokenizers), console=console()
    )
    if as_json:
        print_json({"dataset": request.name, "tokenizers": [one.to_dict() for one in shown]})
        return
    if any(one.trained for one in shown):
        click.echo(f"trained on {len(data.splits['train']):,} texts of {request.name}")
    for one in shown:
        click.echo(f"\n{_batch_for_a_person(one)}")
    if len(batch) > len(texts):
        console().note("\nthe second text is the beginning of the first, to show the padding")


def _batch_for_a_person(batch: ShownTokens) -> str:
    from pegboard.cli.tokens import table_of_special_tokens, terminal_width, token_grid
    from pegboard.tokenizing.visible import in_one_line

    width = terminal_width()
    size = f"vocabulary {batch.vocab_size:,}, at most {batch.max_length:,} tokens"
    lines = [
        f"{click.style(batch.name, bold=True)}  {'' if batch.trained else 'pretrained, '}{size}",
        f"special tokens: {table_of_special_tokens(batch)}",
    ]
    for text in batch.texts:
        count = sum(text.attention_mask)
        padding = len(text.tokens) - count
        padded = f", {padding:,} of padding" if padding else ""
        tail = f"  {count:,} token{'s' * (count != 1)}{text.fate()}{padded}"
        lines.append("")
        lines.append(click.style(in_one_line(text.text, max(20, width - len(tail))), italic=True) + tail)
        lines.append(token_grid(batch, text, width=width))
    return "\n".join(lines)


def _beginning(text: str) -> list[str]:
    """The first half of a text's words, as a text of its own; nothing of a text too long to be padded, or too short."""
    words = text.split()
    return [" ".join(words[: len(words) // 2])] if len(words) > 1 and len(text) <= _LONGEST_FOR_A_PAIR else []


def _encode(
    dataset: str,
    tokenizers: tuple[str, ...],
    settings: tuple[str, ...],
    plugins: tuple[str, ...],
    save: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    from pegboard.cache import Cache
    from pegboard.pipeline.data import load_data
    from pegboard.tokenizing.choose import choose_tokenizers, request_of
    from pegboard.tokenizing.encode import check_targets, encode_data

    folders = check_targets(save, output)
    cache = Cache.open(console())
    registry = open_registry(plugins)
    request = request_of(registry, dataset, settings)
    [named] = choose_tokenizers(tokenizers, request.options, registry)
    registry.factory_of(named.choice.component)  # a broken component is found before the data are read
    data = load_data(request.dataset, registry, console=console(), labelled=False)
    result = encode_data(
        data, request.name, named, registry, cache=cache, save=folders[0], output=folders[1], console=console()
    )
    if as_json:
        print_json(result.to_dict())
    else:
        click.echo(_encoded_for_a_person(result))


def _encoded_for_a_person(result: TokenizedData) -> str:
    header = ["split", "rows", "tokens", "tokens/row", "MB", "seconds", "MB/s", "encoded"]
    rows = [
        [
            name,
            f"{split.rows:,}",
            f"{split.tokens:,}",
            f"{split.tokens / max(1, split.rows):.1f}",
            f"{split.bytes / 1e6:,.1f}",
            f"{split.seconds:.2f}",
            "" if split.megabytes_per_second is None else f"{split.megabytes_per_second:,.1f}",
            "before" if split.from_cache else "now",
        ]
        for name, split in result.splits.items()
    ]
    how = "from the cache" if result.tokenizer_from_cache else "trained"
    windows = result.tokenizer.long_texts == "windows"
    if not result.tokenizer.trained:
        how = "pretrained"
    lines = [
        f"{click.style(result.facts['name'], bold=True)} on {result.dataset}: vocabulary {result.vocab_size:,}, "
        f"at most {result.max_length:,} tokens a {'window' if windows else 'text'}, {how} in "
        f"{result.tokenizer_seconds:.2f} s",
        "",
        table(rows, header=header, numbers=True),
    ]
    if windows:
        lines.append("\ntexts are stored whole; they are cut into windows when they are trained on")
    lines += [f"\n{what}: {folder}" for what, folder in (("tokenizer", result.saved), ("ids", result.output)) if folder]
    return "\n".join(lines)
