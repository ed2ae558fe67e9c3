"""How texts are cut into units for a pipeline of the `tokenizers` library, and words encoded by its model alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pegboard.text.ascii_words import AsciiWords
from pegboard.text.characters import CharacterEncoder
from pegboard.text.encoding import UnitEncoder
from pegboard.text.ragged import from_lists, ragged
from pegboard.text.segments import Cut, Cutter

if TYPE_CHECKING:
    import tokenizers

__all__ = ["character_encoder", "cutter", "word_encoder"]

_WORDS_AT_ONCE = 1_000


def cutter(backend: tokenizers.Tokenizer, where: Cut, *, ascii_words: bool) -> Cutter:
    """What cuts a block of texts for this pipeline.

    Args:
        backend: the pipeline.
        where: where texts may be cut.
        ascii_words: whether it keeps the promise of `LibraryTokenizer.ascii_words`.
    """
    added = backend.get_added_tokens_decoder().values()
    # A token that is looked for after normalizing could be spelled in many ways; such a text is not taken apart.
    if not ascii_words or where == "never" or any(token.normalized for token in added):
        return Cutter(where)
    contents, space_first = [token.content for token in added], where == "before_space"
    return Cutter(where, AsciiWords(backend.normalizer, backend.pre_tokenizer, contents, space_first=space_first))


def character_encoder(
    others: UnitEncoder,
    backend: tokenizers.Tokenizer,
    max_length: int,
    *,
    before: Sequence[int],
    after: Sequence[int],
    long_texts: str,
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
        long_texts=long_texts,
    )


def word_encoder(model: Any, rules: AsciiWords | None) -> Callable[[pa.LargeStringArray], pa.LargeListArray]:
    """What gives the ids of words, which are normalized and apart already, by a model of the library.

    Args:
        model: the model.
        rules: by which the words were cut; `None` if there are none.
    """
    import tokenizers
    from tokenizers import models

    model_only = tokenizers.Tokenizer(model)
    piece = rules.piece if rules is not None else str
    if isinstance(model, models.WordLevel):
        vocabulary = model_only.get_vocab()
        unknown = vocabulary[model.unk_token]
        return lambda words: from_lists([(vocabulary.get(piece(word), unknown),) for word in words.to_pylist()])
    return lambda words: _ids_of_words(model_only, list(map(piece, words.to_pylist())))


def _ids_of_words(model_only: tokenizers.Tokenizer, words: list[str]) -> pa.LargeListArray:
    some = [words[start : start + _WORDS_AT_ONCE] for start in range(0, len(words), _WORDS_AT_ONCE)]
    encodings = model_only.encode_batch(some, is_pretokenized=True, add_special_tokens=False)
    ids = [np.array(encoding.ids, np.int32) for encoding in encodings]
    counts = [
        np.bincount(np.array(encoding.word_ids, np.int64), minlength=len(part))
        for part, encoding in zip(some, encodings, strict=True)
    ]
    return ragged(np.concatenate(ids), np.concatenate([[0], np.cumsum(np.concatenate(counts))]))
