"""The data set `hub`: labelled texts from the Hugging Face Hub, through the `datasets` library and its cache."""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pegboard import DataError, PegboardError, PegboardWarning, one_of

from pegboard_data.hub_options import HubOptions
from pegboard_data.rows import is_list
from pegboard_data.tables import dataset_dict, in_memory, label_lists

__all__ = ["HubDataset"]

SPLITS = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
"""What the splits are called on the Hub, the usual name first."""


class HubDataset:
    """Labelled texts from a repository of data files on the Hub.

    Loading scripts are programs and are never run; a repository that has only one is refused. What was loaded once
    is in the cache of `datasets` and loads without a network.

    Args:
        options: which data set, and which of its columns.

    Example:
        >>> data = HubDataset(HubOptions(path="dair-ai/emotion", config="split")).load()
        >>> data["train"].features["label"].names
        ['sadness', 'joy', 'love', 'anger', 'fear', 'surprise']
    """

    def __init__(self, options: HubOptions) -> None:
        self.options = options
        self._where = f"hub:{options.path}"

    def load(self) -> datasets.DatasetDict:
        """The splits that are there and have labels, in the order train, validation, test.

        A ClassLabel stays as it is; text and whole numbers become one, with the names of train in order. Lists of
        these stay lists.

        Returns:
            Splits with `text: string` and `label: ClassLabel`, or lists of it.

        Raises:
            DataError: the data set can't be had, a column is missing, or a row has no text or no label.
        """
        found = self._usual_splits(self._downloaded())
        texts = {name: self._texts(split, name) for name, split in found.items()}
        labels = {name: self._labels(split) for name, split in found.items()}
        feature = next(iter(found.values())).features[self.options.label_column]
        if any(is_list(column.type) for column in labels.values()):
            return self._with_lists(texts, labels, feature)
        labels = self._without_unlabelled(labels, feature)
        names, numbers = self._numbered(labels, feature)
        return dataset_dict({name: (texts[name], numbers[name]) for name in numbers}, names)

    def _with_lists(
        self, texts: Mapping[str, pa.ChunkedArray], labels: Mapping[str, pa.ChunkedArray], feature: Any
    ) -> datasets.DatasetDict:
        """The splits where each row has a list of labels."""
        flat, sizes, rows = {}, {}, {}
        single = [name for name, column in labels.items() if not is_list(column.type)]
        if single:
            raise DataError(
                f"the split {single[0]} has one label a row, the others have lists of labels", where=self._where
            )
        for name, column in labels.items():
            self._refuse(column.is_null(), "the list of labels is missing", name)
            sizes[name] = pc.list_value_length(column).to_numpy().astype(np.int64)
            flat[name] = pc.list_flatten(column)
            rows[name] = np.repeat(np.arange(len(column)), sizes[name])
            self._refuse(flat[name].is_null(), "a label in the list is missing", name, rows[name])
            pairs = rows[name] * max(1, len(flat[name])) + pc.index_in(flat[name], pc.unique(flat[name])).to_numpy()
            again = np.ones(len(pairs), np.bool_)
            again[np.unique(pairs, return_index=True)[1]] = False
            self._refuse(pa.chunked_array([again]), "the list has a label twice", name, rows[name])
        inner = feature[0] if isinstance(feature, list) else feature.feature
        names, numbers = self._numbered(flat, inner, rows)
        tables = {
            name: pa.table({"text": texts[name], "label": label_lists(numbers[name], sizes[name])}) for name in labels
        }
        return in_memory(tables, names)

    def _downloaded(self) -> datasets.DatasetDict:
        path, revision = self.options.path, self.options.revision
        if Path(path).exists():
            raise DataError(
                "a folder or file of that name lies in the working directory and would be read instead",
                where=self._where,
                hint=f"to read it: --dataset ./{path}; to read the Hub, run elsewhere",
            )
        # Before datasets 4 a loading script would be run after asking on the terminal, unless this says no.
        accepted = inspect.signature(datasets.load_dataset_builder).parameters
        code = {"trust_remote_code": False} if "trust_remote_code" in accepted else {}
        with _bars_on_terminals_only(), self._explained():
            builder = datasets.load_dataset_builder(path, name=self.options.config, revision=revision, **code)
            self._check_cached(builder)
            builder.download_and_prepare()
            return builder.as_dataset()

    def _check_cached(self, builder: Any) -> None:
        """Without the Hub, `datasets` takes what it cached last; accept it only if it is the revision asked for."""
        if not type(builder).__module__.endswith("packaged_modules.cache.cache"):
            return
        asked = self.options.revision or "main"
        known = asked if asked == builder.hash else _cached_commit(self.options.path, asked)
        if known != builder.hash:
            raise DataError(
                f"the Hub can't be reached, and the cache has the commit {builder.hash}, "
                f"which is not known to be {asked!r}",
                where=self._where,
                hint=f"connect to the Hub, or take that one: --set dataset.revision={builder.hash}",
            )
        warnings.warn(f"{self._where}: the Hub can't be reached; using the cached commit {known}", PegboardWarning, 2)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """What goes wrong in `datasets` as a DataError that says what to do."""
        try:
            yield
        except PegboardError:
            raise
        except Exception as error:
            text = " ".join(str(error).split()) or type(error).__name__
            raise DataError(_shortened(text), where=self._where, hint=self._hint(error, text)) from error

    def _hint(self, error: Exception, text: str) -> str:
        if re.search(r"\bscripts?\b|custom code", text) and not isinstance(error, OSError):
            return (
                "a loading script is a program and is never run; the Hub's own copy in Parquet may do: "
                "--set dataset.revision=refs/convert/parquet"
            )
        if re.search(r"BuilderConfig|[Cc]onfig name|for config|configurations", text) and isinstance(error, ValueError):
            return "choose with --set dataset.config=NAME"
        if re.search(r"\bgated\b", text):
            return "accept its terms on the Hub, then `hf auth login`"
        if isinstance(error, datasets.exceptions.DatasetNotFoundError):
            return "check the spelling and dataset.revision; a private data set needs `hf auth login`"
        if isinstance(error, datasets.exceptions.DatasetGenerationError):
            return "its files can't be read as they are: download them, mend them, and give the path"
        if isinstance(error, FileNotFoundError):
            return "a data set needs files such as train.csv, train.jsonl or train.parquet"
        if datasets.config.HF_HUB_OFFLINE:
            return "it is not in the cache, and HF_HUB_OFFLINE or HF_DATASETS_OFFLINE is set: unset it once"
        return "check the connection; what was loaded once loads without it"

    def _usual_splits(self, found: Mapping[str, datasets.Dataset]) -> dict[str, datasets.Dataset]:
        chosen = {
            name: next(other for other in called if other in found)
            for name, called in SPLITS.items()
            if any(other in found for other in called)
        }
        left_out = [str(name) for name in found if name not in chosen.values()]
        if not chosen:
            raise DataError(
                f"has the splits {', '.join(left_out)}, and none of {', '.join(SPLITS)}",
                where=self._where,
                hint="a data set needs train; choose another configuration with --set dataset.config=NAME",
            )
        if left_out:
            splits = "split" if len(left_out) == 1 else "splits"
            warnings.warn(f"{self._where}: ignoring the {splits} {', '.join(left_out)}", PegboardWarning, 2)
        return {name: found[there] for name, there in chosen.items()}

    def _column(self, split: datasets.Dataset, option: str) -> pa.ChunkedArray:
        name = getattr(self.options, option)
        if name not in split.column_names:
            raise DataError(
                f"there is no column {name!r}; there are {', '.join(split.column_names)}",
                where=self._where,
                hint=f"{one_of(name, split.column_names)} --set dataset.{option}=NAME",
            )
        return split.data.column(name)

    def _texts(self, split: datasets.Dataset, name: str) -> pa.ChunkedArray:
        """The texts as Arrow `string`, still in the memory-mapped cache file where that holds strings."""
        column = self._column(split, "text_column")
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            raise DataError(
                f"the column {self.options.text_column!r} holds {column.type}, not text",
                where=self._where,
                hint="choose another with --set dataset.text_column=NAME",
            )
        self._refuse(column.is_null(), "the text is missing", name)
        return column.cast(pa.string())

    def _labels(self, split: datasets.Dataset) -> pa.ChunkedArray:
        column = self._column(split, "label_column")
        of_type = column.type
        if is_list(of_type) and (pa.types.is_integer(of_type.value_type) or pa.types.is_string(of_type.value_type)):
            return column
        if pa.types.is_integer(of_type):
            return column.cast(pa.int64())
        as_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean, pa.types.is_null)
        if any(is_one(of_type) for is_one in as_text):
            return column.cast(pa.string())
        raise DataError(
            f"the column {self.options.label_column!r} holds {of_type}, not labels",
            where=self._where,
            hint="a label is text, a whole number or a ClassLabel, or a list of these; "
            "choose another with --set dataset.label_column=NAME",
        )

    def _without_unlabelled(self, labels: Mapping[str, pa.ChunkedArray], feature: Any) -> dict[str, pa.ChunkedArray]:
        """Leave out splits whose every label is missing or -1, as the test splits of GLUE; refuse single such rows.

        Where train has -1 as a plain number it is a label like any other.
        """
        kept = {}
        for name, column in labels.items():
            missing = column.is_null()
            numbers = pa.types.is_integer(column.type)
            if numbers and (isinstance(feature, datasets.ClassLabel) or not _has(-1, labels.get("train", column))):
                missing = pc.or_kleene(missing, pc.equal(column, -1))
            if name != "train" and len(column) and pc.all(missing).as_py():
                warnings.warn(f"{self._where}: ignoring the split {name}, which has no labels", PegboardWarning, 2)
                continue
            self._refuse(missing, "the label is missing", name)
            kept[name] = column
        if not kept:
            raise DataError("no split has labels", where=self._where)
        return kept

    def _numbered(
        self,
        labels: Mapping[str, pa.ChunkedArray],
        feature: Any,
        rows: Mapping[str, npt.NDArray[np.int64]] | None = None,
    ) -> tuple[list[str], dict[str, npt.NDArray[np.int64]]]:
        """The names of the labels, and each label as its place among them; `rows` as in `_refuse`."""
        row_of = rows or {}
        if isinstance(feature, datasets.ClassLabel):
            for name, column in labels.items():
                outside = pc.or_(pc.less(column, 0), pc.greater_equal(column, feature.num_classes))
                self._refuse(
                    outside, f"the label is none of the {feature.num_classes} there are", name, row_of.get(name)
                )
            return list(feature.names), {name: column.to_numpy() for name, column in labels.items()}
        shown = [labels["train"]] if "train" in labels else list(labels.values())
        chunks = [chunk for column in shown for chunk in column.chunks]
        known = pc.unique(pa.chunked_array(chunks, shown[0].type))
        known = known.take(pc.sort_indices(known))
        numbers = {}
        for name, column in labels.items():
            places = pc.index_in(column, known)
            self._refuse(places.is_null(), "the label does not occur in train", name, row_of.get(name))
            numbers[name] = places.to_numpy().astype(np.int64)
        return [str(value) for value in known.to_pylist()], numbers

    def _refuse(
        self, bad: pa.ChunkedArray, problem: str, split: str, rows: npt.NDArray[np.int64] | None = None
    ) -> None:
        """Refuse the first that is bad; `rows` tells the row of each, if it is not its own."""
        row = pc.index(bad, True).as_py()
        if row >= 0:
            row = row if rows is None else int(rows[row])
            raise DataError(problem, where=f"{self._where}, {split}, row {row}", hint="mend or remove the row")


def _has(value: int, column: pa.ChunkedArray) -> bool:
    return bool(pc.index(column, value).as_py() >= 0)


def _cached_commit(path: str, revision: str) -> str | None:
    """The commit that a revision was when the Hub was last asked; `None` if it never was."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(path, repo_type="dataset", revision=revision, local_files_only=True)).name
    except (OSError, ValueError):
        return None


@contextmanager
def _bars_on_terminals_only() -> Iterator[None]:
    disabled = datasets.are_progress_bars_disabled()
    if sys.stderr.isatty() or disabled:
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()


def _shortened(text: str, most: int = 300) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
