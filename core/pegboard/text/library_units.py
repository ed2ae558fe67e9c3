"""How texts are cut into units for a pipeline of the `tokenizers` library, and words encoded by its model alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pegboard.text.ascii_words import AsciiWords
from pegboard.text.characters import CharacterEncoder
from pegboard.text.encoding import UnitEncoder
from pegboard.text.ragged import ragged
from pegboard.text.segments import Cut, Units, cut, cut_words

if TYPE_CHECKING:
    import tokenizers

__all__ = ["character_encoder", "cutter", "encode_words"]

_WORDS_AT_ONCE = 10_000


def cutter(backend: tokenizers.Tokenizer, where: Cut, *, ascii_words: bool) -> Callable[[pa.LargeStringArray], Units]:
    """What cuts a block of texts for this pipeline.

    Args:
        backend: the pipeline.
        where: where texts may be cut.
        ascii_words: whether it keeps the promise of `LibraryTokenizer.ascii_words`.
    """
    added = backend.get_added_tokens_decoder().values()
    # A token that is looked for after normalizing could be spelled in many ways; such a text is not taken apart.
    if not ascii_words or where != "after_space" or any(token.normalized for token in added):
        return lambda block: cut(block, where)
    rules = AsciiWords(backend.normalizer, backend.pre_tokenizer, [token.content for token in added])
    return lambda block: cut_words(block, rules)


def character_encoder(
    others: UnitEncoder, backend: tokenizers.Tokenizer, max_length: int, before: Sequence[int], after: Sequence[int]
) -> CharacterEncoder:
    """What encodes for a pipeline that keeps the promise of `LibraryTokenizer.characters`."""
    vocabulary = backend.get_vocab(with_added_tokens=False)
    unknown = backend.encode("\U0010ffff", add_special_tokens=False).ids  # a code point that never is a character
    normalizer = backend.normalizer

    def normalize(character: str) -> str:
        return str(normalizer.normalize_str(character)) if normalizer is not None else character

    return CharacterEncoder(
        others,
        normalize,
        lambda character: vocabulary.get(character, unknown[0]),
        [token.content for token in backend.get_added_tokens_decoder().values()],
        max_length,
        before=before,
        after=after,
    )


def encode_words(model_only: tokenizers.Tokenizer, words: list[str]) -> pa.LargeListArray:
    """The ids of each word, by a pipeline that is nothing but a model."""
    ids, counts = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
    for start in range(0, len(words), _WORDS_AT_ONCE):
        some = words[start : start + _WORDS_AT_ONCE]
        encoding = model_only.encode(some, is_pretokenized=True, add_special_tokens=False)
        ids.append(np.array(encoding.ids, np.int32))
        counts.append(np.bincount(np.array(encoding.word_ids, np.int64), minlength=len(some)))
    return ragged(np.concatenate(ids), np.concatenate([[0], np.cumsum(np.concatenate(counts))]))
