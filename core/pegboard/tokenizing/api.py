"""The Python face of `pegboard tokenize` and `pegboard compare-tokenizers`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard.api import open_registry
from pegboard.cache import Cache
from pegboard.console import Console, silent

if TYPE_CHECKING:
    from pegboard.tokenizing.compare import TokenizerComparison
    from pegboard.tokenizing.encode import TokenizedData
    from pegboard.tokenizing.show import ShownTokens

__all__ = ["compare_tokenizers", "show_tokens", "tokenize"]


def tokenize(
    dataset: str,
    tokenizer: str | None = None,
    *,
    save: str | Path | None = None,
    output: str | Path | None = None,
    cache: bool = True,
    plugins: Iterable[str] = (),
    console: Console = silent,
    settings: Iterable[str] = (),
    **options: Any,
) -> TokenizedData:
    """Train a tokenizer on a data set's train split and encode all of its splits into the cache.

    Args:
        dataset: a name, a path, or `hub:owner/name`.
        tokenizer: a name, or `"name:option=value,option=value"`; by default the one that recipes have by default.
        save: a new folder for the trained tokenizer: `tokenizer.json` and what else it saves.
        output: a new folder for files `SPLIT.parquet` with `input_ids`, a list of int32, and `label`, a number, where
            there is one.
        cache: whether to look into the cache, and to keep the result there.
        plugins: one-file plugins to load.
        console: where progress is shown, `pegboard.console.Console()` for stderr.
        settings: options as `"tokenizer.vocab_size=8000"`, as on the command line.
        **options: options as `tokenizer_vocab_size=8000` or `dataset_text_column="message"`.

    Returns:
        The trained `tokenizer`, and how much each split is; `.to_dict()` has the figures.

    Raises:
        PegboardError: what happened, where, and what to do.

    Example:
        >>> done = pegboard.tokenize("moods", "wordpiece", tokenizer_vocab_size=4000, output="ids")
        >>> done.splits["train"].tokens, done.tokenizer.tokens("a core task")
    """
    from pegboard.pipeline.data import load_data
    from pegboard.tokenizing.choose import choose_tokenizers, request_of
    from pegboard.tokenizing.encode import check_targets, encode_data

    folders = check_targets(save, output)
    registry = open_registry(plugins)
    request = request_of(registry, dataset, settings, options)
    [named] = choose_tokenizers([tokenizer] if tokenizer else [], request.options, registry)
    data = load_data(request.dataset, registry, console=console, labelled=False)
    with _cache(cache, console) as found:
        return encode_data(
            data, request.name, named, registry, cache=found, save=folders[0], output=folders[1], console=console
        )


def show_tokens(
    texts: str | Iterable[str],
    tokenizers: str | Sequence[str] = (),
    *,
    dataset: str | None = None,
    cache: bool = True,
    plugins: Iterable[str] = (),
    console: Console = silent,
    settings: Iterable[str] = (),
    **options: Any,
) -> list[ShownTokens]:
    """Texts as tokenizers see them: tokens, ids, special tokens, padding and attention mask.

    Args:
        texts: one text or several; several make a batch, padded to its longest.
        tokenizers: names, or `"name:option=value,option=value"`; by default every installed one that needs no option,
            with [CLS] and [SEP] around each text where it can have them.
        dataset: what they are trained on; by default the built-in data set.
        cache: whether trained tokenizers are kept for the next time.
        plugins: one-file plugins to load.
        console: where progress is shown.
        settings: options as `"tokenizer.vocab_size=8000"`, as on the command line.
        **options: options as `tokenizer_vocab_size=8000`.

    Returns:
        For each tokenizer a record whose `.texts` have `.tokens`, `.input_ids` and `.attention_mask`.

    Raises:
        PegboardError: what happened, where, and what to do.

    Example:
        >>> [shown] = pegboard.show_tokens(["Tokenizing text", "Text"], "wordpiece")
        >>> shown.texts[1].tokens, shown.texts[1].attention_mask
        (('text', '[PAD]', '[PAD]', '[PAD]', '[PAD]'), (1, 0, 0, 0, 0))
    """
    from pegboard.pipeline.data import load_data
    from pegboard.tokenizing.choose import choose_tokenizers_or_all, request_of
    from pegboard.tokenizing.show import BERT_FRAME, check_texts, show_batches

    batch = check_texts(texts, "texts")
    registry = open_registry(plugins)
    request = request_of(registry, dataset, settings, options)
    chosen = choose_tokenizers_or_all(_listed(tokenizers), request, registry, console.note, BERT_FRAME)
    data = load_data(request.dataset, registry, console=console, labelled=False)
    with _cache(cache, console) as found:
        return show_batches(
            data,
            request.name,
            chosen,
            registry,
            batch,
            cache=found,
            asked_for=bool(tokenizers),
            console=console,
        )


def compare_tokenizers(
    dataset: str,
    tokenizers: str | Sequence[str] = (),
    *,
    sentences: str | Iterable[str] = (),
    max_length: int | None = None,
    plugins: Iterable[str] = (),
    console: Console = silent,
    settings: Iterable[str] = (),
    **options: Any,
) -> TokenizerComparison:
    """Train tokenizers on a data set's train split and measure them on its test split.

    Nothing comes from the cache, so that the speed is measured. Lengths are those without the tokenizers' own limit.

    Args:
        dataset: a name, a path, or `hub:owner/name`.
        tokenizers: names, or `"name:option=value,option=value"`; by default every installed one that needs no option.
        sentences: texts to show token by token; by default three.
        max_length: what counts as too long; by default each tokenizer's own maximum.
        plugins: one-file plugins to load.
        console: where progress is shown.
        settings: options of all of them, as `"tokenizer.vocab_size=8000"`.
        **options: the same as `tokenizer_vocab_size=8000`.

    Returns:
        The figures; `.to_dict()` has them as JSON would, `.html()` is a page.

    Raises:
        PegboardError: what happened, where, and what to do.

    Example:
        >>> result = pegboard.compare_tokenizers("moods", ["word", "wordpiece:vocab_size=4000"])
        >>> {tokenizer.name: tokenizer.figures.unknown_rate for tokenizer in result.tokenizers}
    """
    from pegboard.errors import UsageError
    from pegboard.pipeline.data import load_data
    from pegboard.tokenizing.choose import choose_tokenizers_or_all, request_of
    from pegboard.tokenizing.compare import compare
    from pegboard.tokenizing.data import with_test_split
    from pegboard.tokenizing.show import check_texts

    shown = [sentences] if isinstance(sentences, str) else list(sentences)
    if shown:
        check_texts(shown, "sentences")
    if max_length is not None and max_length < 1:
        raise UsageError(f"must be at least 1, not {max_length}", where="max_length")
    registry = open_registry(plugins)
    request = request_of(registry, dataset, settings, options)
    chosen = choose_tokenizers_or_all(_listed(tokenizers), request, registry, console.note)
    data = load_data(request.dataset, registry, console=console, labelled=False)
    data = with_test_split(data, request.dataset.options, request.name, console)
    return compare(
        data,
        request.name,
        chosen,
        registry,
        sentences=shown,
        max_length=max_length,
        asked_for=bool(tokenizers),
        console=console,
    )


def _listed(tokenizers: str | Sequence[str]) -> list[str]:
    return [tokenizers] if isinstance(tokenizers, str) else list(tokenizers)


@contextmanager
def _cache(wanted: bool, console: Console) -> Iterator[Cache]:
    if wanted:
        yield Cache.open(console)
        return
    with tempfile.TemporaryDirectory(prefix="pegboard-") as folder:
        yield Cache(Path(folder), console)
