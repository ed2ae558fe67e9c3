"""A whole data set as ids: in the cache, and where they are asked for in files."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pegboard.cache import Cache
from pegboard.console import Console, silent
from pegboard.contracts.tokenizer import Tokenizer
from pegboard.errors import UsageError
from pegboard.files import atomic_folder
from pegboard.pipeline.blame import blaming
from pegboard.pipeline.labels import as_arrow
from pegboard.pipeline.tokens import encode_to_files, prepare_tokenizer
from pegboard.tokenizing.data import train_split
from pegboard.tokenizing.output import check_new_folder

if TYPE_CHECKING:
    from pegboard.pipeline.data import LabelledData
    from pegboard.plugins.registry import Registry
    from pegboard.text.texts import Texts
    from pegboard.tokenizing.choose import NamedTokenizer

__all__ = ["TokenizedData", "TokenizedSplit", "check_targets", "encode_data"]


@dataclass(frozen=True)
class TokenizedSplit:
    """One split as ids.

    Attributes:
        rows: number of texts.
        tokens: ids of all texts, special tokens included, cut at the tokenizer's maximum.
        bytes: UTF-8 bytes of the texts.
        seconds: how long it took, checking the cache included.
        from_cache: whether it had been encoded before.
    """

    rows: int
    tokens: int
    bytes: int
    seconds: float
    from_cache: bool

    @property
    def megabytes_per_second(self) -> float | None:
        """Millions of bytes of text encoded in a second; `None` where nothing was encoded."""
        return None if self.from_cache else self.bytes / 1e6 / max(self.seconds, 1e-9)

    def to_dict(self) -> dict[str, Any]:
        """All of it, and megabytes a second."""
        return {**asdict(self), "megabytes_per_second": self.megabytes_per_second}


@dataclass(frozen=True)
class TokenizedData:
    """A data set as ids.

    Attributes:
        dataset: its name or path.
        fingerprint: a hash of the data.
        facts: the tokenizer's name, component, version and options.
        vocab_size: number of ids.
        max_length: the most ids of a text.
        tokenizer_seconds: how long it took to train it, or to find it in the cache.
        tokenizer_from_cache: whether it had been trained before, or was never to be trained.
        splits: by name.
        saved: the folder the tokenizer was written to.
        output: the folder the ids were written to.
        tokenizer: the trained tokenizer.
    """

    dataset: str
    fingerprint: str
    facts: dict[str, Any]
    vocab_size: int
    max_length: int
    tokenizer_seconds: float
    tokenizer_from_cache: bool
    splits: dict[str, TokenizedSplit]
    saved: Path | None
    output: Path | None
    tokenizer: Tokenizer = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """All but the tokenizer itself, as a document holds it."""
        return {
            "dataset": self.dataset,
            "fingerprint": self.fingerprint,
            "tokenizer": {
                **self.facts,
                "vocab_size": self.vocab_size,
                "max_length": self.max_length,
                "seconds": self.tokenizer_seconds,
                "from_cache": self.tokenizer_from_cache,
            },
            "splits": {name: split.to_dict() for name, split in self.splits.items()},
            "saved": str(self.saved) if self.saved else None,
            "output": str(self.output) if self.output else None,
        }


def check_targets(save: str | Path | None, output: str | Path | None) -> tuple[Path | None, Path | None]:
    """The folders to write, looked at before any work is done.

    Raises:
        UsageError: one is not empty or can't be made, or one lies in the other.
    """
    folders = [Path(folder).expanduser().absolute() if folder else None for folder in (save, output)]
    for folder, option in zip(folders, ("--save", "--output"), strict=True):
        if folder:
            check_new_folder(folder, option)
    saved, written = folders
    if saved and written and (saved.is_relative_to(written) or written.is_relative_to(saved)):
        raise UsageError("--save and --output need a folder each, side by side", where=str(saved))
    return saved, written


def encode_data(
    data: LabelledData,
    dataset: str,
    named: NamedTokenizer,
    registry: Registry,
    *,
    cache: Cache,
    save: Path | None = None,
    output: Path | None = None,
    console: Console = silent,
) -> TokenizedData:
    """Train a tokenizer on train and encode every split; what the cache has is taken from there.

    Args:
        data: the splits.
        dataset: what to call the data.
        named: the tokenizer.
        registry: the installed components.
        cache: where the tokenizer and the ids are kept.
        save: a new or empty folder for the tokenizer.
        output: a new or empty folder for a file `SPLIT.parquet` for each split.
        console: where a person reads along.

    Raises:
        DataError: there is no train split, or nothing in it to learn from.
        ComponentError: the tokenizer is broken.
        RunError: something can't be written.
    """
    choice, watched = named.choice, _WatchedCache(cache.root, console)
    start = time.perf_counter()
    tokenizer = prepare_tokenizer(choice, registry, train_split(data, dataset).texts, watched, console)
    seconds, trained = time.perf_counter() - start, watched.built > 0
    stored: dict[str, Path] = {}
    splits: dict[str, TokenizedSplit] = {}
    texts = (split.texts for split in data.splits.values())
    files = encode_to_files(choice, registry, tokenizer, texts, watched, console)
    for name, split in data.splits.items():
        before, start = watched.built, time.perf_counter()
        stored[name], tokens = next(files)
        needed = time.perf_counter() - start
        splits[name] = TokenizedSplit(
            rows=len(split),
            tokens=tokens,
            bytes=_bytes_of(split.texts),
            seconds=needed,
            from_cache=watched.built == before,
        )
    if save:
        with atomic_folder(save) as folder, blaming(choice.component, doing="to save"):
            tokenizer.save(folder)
    if output:
        with atomic_folder(output) as folder:
            for name, ids in stored.items():
                console.note(f"writing {name}.parquet")
                _write_parquet(folder / f"{name}.parquet", ids, data.splits[name].labels, data.label_names)
    return TokenizedData(
        dataset,
        data.fingerprint,
        named.facts(),
        tokenizer.vocab_size,
        tokenizer.max_length,
        seconds,
        not trained,
        splits,
        save,
        output,
        tokenizer,
    )


class _WatchedCache(Cache):
    """A cache that counts what it had to build."""

    built = 0

    def folder(
        self, kind: str, key: Mapping[str, Any], description: str, build: Callable[[Path], None], code: Any = None
    ) -> Path:
        """See `Cache.folder`."""

        def counted(folder: Path) -> None:
            self.built += 1
            build(folder)

        return super().folder(kind, key, description, counted, code)


def _bytes_of(texts: Texts) -> int:
    return sum(pc.sum(pc.binary_length(block)).as_py() or 0 for block in texts.blocks())


def _write_parquet(file: Path, stored: Path, labels: npt.NDArray[Any] | None, label_names: tuple[str, ...]) -> None:
    """`input_ids` list<int32>, and `label` int64, or list<int64>, where there are labels.

    There is no attention mask, since nothing is padded: it would be all ones. The ids are read as a stream, not through
    a memory map, since pages of a map that were touched count as memory used.
    """
    import pyarrow.parquet as pq

    schema = _schema(label_names, in_lists=labels is not None and labels.ndim == 2)
    start = 0
    with (
        pa.OSFile(str(stored)) as source,
        pa.ipc.open_stream(source) as batches,
        pq.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        for batch in batches:
            columns = [batch.column(0).cast(schema.field("input_ids").type)]
            if label_names:
                assert labels is not None
                columns.append(as_arrow(labels[start : start + len(batch)]).cast(schema.field("label").type))
            writer.write_table(pa.table(columns, schema=schema))
            start += len(batch)


def _schema(label_names: tuple[str, ...], *, in_lists: bool) -> pa.Schema:
    """The columns, with what the `datasets` library reads the names of the labels from."""
    import datasets

    features: dict[str, Any] = {"input_ids": datasets.Sequence(datasets.Value("int32"))}
    if label_names:
        label = datasets.ClassLabel(names=list(label_names))
        features["label"] = datasets.Sequence(label) if in_lists else label
    return datasets.Features(features).arrow_schema
