"""Step 2: a trained tokenizer, and the splits as ids; both are kept in the cache."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pegboard.cache import Cache
from pegboard.console import Console, silent
from pegboard.contracts.tokenizer import Tokenizer
from pegboard.errors import DataError
from pegboard.hashing import hash_of_file
from pegboard.pipeline.blame import blaming
from pegboard.pipeline.data import LabelledSplit
from pegboard.pipeline.parallel import encode_in_processes, processes_for
from pegboard.recipe import Choice
from pegboard.tasks.classify import EncodedSplit
from pegboard.tasks.windows import Windows, encoded_split
from pegboard.text.ahead import read_ahead
from pegboard.text.stored import open_ids, write_ids

if TYPE_CHECKING:
    import pyarrow as pa

    from pegboard.plugins.registry import Registry
    from pegboard.text.texts import Texts

__all__ = ["IdsFile", "encode_splits", "encode_to_files", "new_tokenizer", "prepare_tokenizer"]

_IDS = "input_ids.arrow"
_COUNTS = "counts.json"


class IdsFile(NamedTuple):
    """Where the ids of a split are stored.

    Attributes:
        file: see `write_ids`.
        ids: how many ids it has.
    """

    file: Path
    ids: int


def new_tokenizer(choice: Choice, registry: Registry) -> Tokenizer:
    """The chosen tokenizer, not trained.

    Raises:
        ComponentError: the plugin is broken, or its factory gave something else than a tokenizer.
    """
    with blaming(choice.component):
        tokenizer: Any = registry.factory_of(choice.component)(choice.options)
        if not isinstance(tokenizer, Tokenizer):
            raise TypeError(f"the factory gave a {type(tokenizer).__name__}, not a pegboard.Tokenizer")
    return tokenizer


def prepare_tokenizer(
    choice: Choice, registry: Registry, texts: Texts, cache: Cache, console: Console = silent
) -> Tokenizer:
    """The chosen tokenizer, trained on `texts`, or as an earlier process trained it on the same.

    Args:
        choice: the tokenizer component and its options.
        registry: the installed components.
        texts: those of the train split.
        cache: where trained tokenizers are kept.
        console: shows progress.

    Raises:
        ComponentError: the plugin is broken, or its factory gave something else than a tokenizer.
        DataError: the texts hold nothing to learn from.
    """
    tokenizer = new_tokenizer(choice, registry)
    if not tokenizer.trained:
        with blaming(choice.component):
            tokenizer.train(texts)
        return tokenizer

    def train(folder: Path) -> None:
        with blaming(choice.component), console.progress("training the tokenizer", len(texts)) as progress:
            tokenizer.train(texts.watched(progress.advance))
            tokenizer.save(folder)

    key = {**_identity(choice), "texts": texts.fingerprint()}
    what = f"{choice.component.name} trained on {len(texts):,} texts"
    folder = cache.folder("tokenizer", key, what, train, code=registry.factory_of(choice.component))
    with blaming(choice.component, doing="to load what it saved"):
        loaded = type(tokenizer).load(folder, choice.options)
        if not isinstance(loaded, Tokenizer):
            raise TypeError(f"load() gave a {type(loaded).__name__}, not a pegboard.Tokenizer")
    return loaded


def encode_splits(
    choice: Choice,
    registry: Registry,
    tokenizer: Tokenizer,
    splits: Iterable[LabelledSplit],
    cache: Cache,
    console: Console = silent,
    *,
    windows: Windows | None = None,
) -> Iterator[EncodedSplit]:
    """Splits as ids, with their labels, one after another; the ids are memory-mapped from the cache.

    Args:
        choice: the tokenizer component and its options.
        registry: the installed components.
        tokenizer: the trained tokenizer.
        splits: texts and labels.
        cache: where ids are kept.
        console: shows progress.
        windows: how long texts are cut into windows, if they are.

    Raises:
        ComponentError: the tokenizer breaks its contract, which an embedding would only notice as a bad index.
    """
    first, second = tee(splits)
    files = encode_to_files(choice, registry, tokenizer, (split.texts for split in first), cache, console)
    for split, stored in zip(second, files, strict=True):
        yield encoded_split(open_ids(stored.file), split.labels, tokenizer.pad_id, windows)


def encode_to_files(
    choice: Choice,
    registry: Registry,
    tokenizer: Tokenizer,
    splits: Iterable[Texts],
    cache: Cache,
    console: Console = silent,
) -> Iterator[IdsFile]:
    """The files of the cache with the ids of some splits, one after another; see `encode_splits`.

    What is not in the cache is encoded when its turn comes.
    """
    with tempfile.TemporaryDirectory() as temporary:
        saved = Path(temporary)
        with blaming(choice.component, doing="to save"):
            tokenizer.save(saved)
        files = {file.name: hash_of_file(file) for file in sorted(saved.rglob("*")) if file.is_file()}
        code = registry.factory_of(choice.component)
        for texts in splits:
            key = {**_identity(choice), "files": files, "texts": texts.fingerprint()}
            what = f"{len(texts):,} texts by {choice.component.name}"
            encode = partial(_encode, choice, registry, tokenizer, saved, texts, console)
            folder = cache.folder("tokens", key, what, encode, code=code)
            rows, ids = json.loads((folder / _COUNTS).read_text("ascii"))
            if rows != len(texts):
                raise DataError(f"holds {rows} rows for {len(texts)} texts", where=str(folder))
            yield IdsFile(folder / _IDS, ids)


def _encode(
    choice: Choice,
    registry: Registry,
    tokenizer: Tokenizer,
    saved: Path,
    texts: Texts,
    console: Console,
    folder: Path,
) -> None:
    """Write the ids of texts into `folder`."""
    processes = processes_for(texts, registry, tokenizer)
    with (
        blaming(choice.component, hint=f"it is a bug of {choice.component.distribution}"),
        console.progress("encoding", len(texts)) as progress,
    ):
        if processes > 1:
            ids = encode_in_processes(
                processes,
                choice,
                registry,
                tokenizer,
                saved,
                texts,
                folder=folder,
                advance=progress.advance,
                console=console,
            )
        else:
            ids = tokenizer.encode_blocks(texts.watched(progress.advance).blocks())
        counts = write_ids(folder / _IDS, read_ahead(_checked(ids, tokenizer, len(texts))))
    # Beside the ids, since what is read through a memory map counts as memory used.
    (folder / _COUNTS).write_text(json.dumps(counts), "ascii")


def _identity(choice: Choice) -> dict[str, Any]:
    """What a tokenizer's work depends on, but for the texts and the code."""
    component = choice.component
    return {
        "tokenizer": component.qualified_name,
        "version": component.version,
        "options": choice.options.model_dump(mode="json"),
    }


def _checked(blocks: Iterator[pa.LargeListArray], tokenizer: Tokenizer, count: int) -> Iterator[pa.LargeListArray]:
    """The blocks of ids, as they are; refuses ids that are none of the tokenizer's, and another number of rows."""
    rows = 0
    for block in blocks:
        values = block.flatten().to_numpy()
        low, high = int(values.min(initial=0)), int(values.max(initial=0))
        if low < 0 or high >= tokenizer.vocab_size:
            raise ValueError(f"it gave ids from {low} to {high}, but its vocab_size is {tokenizer.vocab_size}")
        lengths = block.value_lengths().to_numpy()
        if tokenizer.long_texts != "windows" and int(np.max(lengths, initial=0)) > tokenizer.max_length:
            raise ValueError(f"it gave {lengths.max()} ids for a text, but its max_length is {tokenizer.max_length}")
        rows += len(block)
        yield block
    if rows != count:
        raise ValueError(f"it gave {rows} rows of ids for {count} texts")
