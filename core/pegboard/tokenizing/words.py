"""The words of a column of texts, each once, with how often it occurs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pegboard.text.texts import Texts

__all__ = ["Corpus", "count_words"]

_ROWS_BETWEEN_MERGES = 2_000_000


class Corpus(NamedTuple):
    """The size of a column of texts, in all units that figures of a tokenizer refer to.

    Attributes:
        rows: number of texts.
        bytes: of UTF-8.
        characters: Unicode code points.
        words: what white space separates.
        distinct: the distinct words, `large_string`.
        counts: how often each of them occurs, int64.
    """

    rows: int
    bytes: int
    characters: int
    words: int
    distinct: pa.LargeStringArray
    counts: npt.NDArray[np.int64]


def count_words(texts: Texts) -> Corpus:
    """Measure a column of texts, block by block; memory holds the distinct words.

    Example:
        >>> corpus = count_words(Texts.of(["to be or", "not  to be"]))
        >>> corpus.words, dict(zip(corpus.distinct.to_pylist(), corpus.counts.tolist()))
        (6, {'to': 2, 'be': 2, 'or': 1, 'not': 1})
    """
    rows = size = characters = 0
    parts: list[pa.Table] = []
    for block in texts.blocks():
        rows += len(block)
        size += pc.sum(pc.binary_length(block)).as_py() or 0
        characters += pc.sum(pc.utf8_length(block)).as_py() or 0
        words = pc.utf8_split_whitespace(block).flatten()
        counted = pc.value_counts(words.filter(pc.not_equal(words, "")))
        parts.append(pa.table({"word": counted.field("values"), "count": counted.field("counts")}))
        if sum(map(len, parts)) > _ROWS_BETWEEN_MERGES:
            parts = [_merged(parts)]
    table = _merged(parts) if parts else pa.table({"word": pa.array([], pa.large_string()), "count": [0][:0]})
    counts = table["count"].to_numpy().astype(np.int64)
    distinct = table["word"].cast(pa.large_string()).combine_chunks()
    return Corpus(rows, size, characters, int(counts.sum()), distinct, counts)


def _merged(parts: list[pa.Table]) -> pa.Table:
    summed = pa.concat_tables(parts).group_by("word", use_threads=False).aggregate([("count", "sum")])
    return summed.rename_columns([name.removesuffix("_sum") for name in summed.column_names])
