"""How texts are cut into units for a pipeline of the `tokenizers` library, and words encoded by its model alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pegboard.text.ascii_words import AsciiWords
from pegboard.text.characters import CharacterEncoder
from pegboard.text.compiled import Kernels
from pegboard.text.encoding import UnitEncoder
from pegboard.text.long_words import LongWords, joins_unknown
from pegboard.text.ragged import Ids, ragged
from pegboard.text.segments import Cut, Cutter
from pegboard.text.short_words import ShortWords

if TYPE_CHECKING:
    import tokenizers

__all__ = ["borders_within_words", "character_encoder", "cutter", "long_words", "word_encoder"]

_WORDS_AT_ONCE = 1_000
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


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
    never_seen = next(code for code in map(chr, range(sys.maxunicode, 0, -1)) if code not in vocabulary)
    unknown = backend.encode(never_seen, add_special_tokens=False).ids
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


def word_encoder(
    model: Any, rules: AsciiWords | None
) -> Callable[[pa.LargeStringArray, Kernels | None], pa.LargeListArray]:
    """What gives the ids of words, which are normalized and apart already, by a model of the library.

    It uses compiled loops, if it is given them.

    Args:
        model: the model.
        rules: by which the words were cut; `None` if there are none.
    """
    import tokenizers
    from tokenizers import models

    model_only = tokenizers.Tokenizer(model)
    if isinstance(model, models.WordLevel):
        vocabulary = model_only.get_vocab()
        tokens, ids = pa.array(vocabulary, pa.large_string()), np.fromiter(vocabulary.values(), np.int32)
        unknown = vocabulary[model.unk_token]
        return lambda words, _: _ids_of_tokens(_pieces(words, rules), tokens, ids, unknown)

    def by_library(words: pa.LargeStringArray) -> pa.LargeListArray:
        return _ids_of_words(model_only, _pieces(words, rules).to_pylist())

    short_words = ShortWords(model, "" if rules is None else rules.mark, by_library)
    plain = rules is not None and rules.space_first == bool(rules.mark)

    def encode(words: pa.LargeStringArray, kernels: Kernels | None) -> pa.LargeListArray:
        if kernels is not None and plain and short_words.can_encode:
            return short_words(words, kernels)
        return by_library(words)

    return encode


def _pieces(words: pa.LargeStringArray, rules: AsciiWords | None) -> pa.LargeStringArray:
    """Words as the pre-tokenizer gives them to the model: see `AsciiWords.piece`."""
    if rules is None or not rules.space_first:
        return words
    return pc.replace_substring(words, " ", rules.mark, max_replacements=1)


def long_words(backend: tokenizers.Tokenizer, unknown: int, *, left_to_right: bool, letters: str) -> LongWords:
    """What finds the first ids of texts that have no borders.

    Args:
        backend: the pipeline.
        unknown: the id of [UNK].
        left_to_right: whether it keeps the promise of `LibraryTokenizer.left_to_right`.
        letters: as `LibraryTokenizer.letters`.
    """
    import tokenizers

    encode_words = partial(_ids_of_words, tokenizers.Tokenizer(backend.model))
    return LongWords(backend, encode_words, unknown, left_to_right=left_to_right, letters=letters)


def borders_within_words(backend: tokenizers.Tokenizer, rules: AsciiWords | None, *, head: bool) -> str:
    """A regular expression for places between two ASCII letters that no token of a BPE or Unigram model lies across.

    Neither merges nor the best path through a word reach from one side of such a place to the other.

    Args:
        backend: the pipeline.
        rules: of its normalizer and pre-tokenizer; `None` if it keeps to none.
        head: whether of a text only the beginning is needed. A Unigram model's scores are added up from the left, so
            that behind such a place they may be rounded otherwise than in the whole text.
    """
    import tokenizers
    from tokenizers import models

    model, added = backend.model, backend.get_added_tokens_decoder().values()
    plain_bpe = isinstance(model, models.BPE) and not (model.dropout or model.end_of_word_suffix or model.ignore_merges)
    if rules is None or any(token.single_word for token in added):
        return ""
    if not plain_bpe and not (head and isinstance(model, models.Unigram)):
        return ""
    vocabulary = tokenizers.Tokenizer(model).get_vocab()
    if joins_unknown(vocabulary, getattr(model, "unk_token", None)):
        return ""
    joined = _pairs([*vocabulary, *(token.content for token in added)])
    normal = {letter: chr(rules.normalized[ord(letter)]) for letter in _LETTERS}
    no_letters = (rules.GAP, rules.ALONE, rules.NOT_PLAIN)
    within = {letter for letter in _LETTERS if rules.kinds[ord(letter)] not in no_letters}
    apart = {
        left: "".join(right for right in _LETTERS if right in within and normal[left] + normal[right] not in joined)
        for left in _LETTERS
        if left in within
    }
    places = [f"(?<={left})(?=[{right}])" for left, right in apart.items() if right]
    # What an apostrophe may begin, such as 'll, lies further back.
    return f"(?<=[A-Za-z]{{4}})(?:{'|'.join(places)})" if places else ""


def _pairs(tokens: Iterable[str]) -> set[str]:
    """All pairs of characters that stand side by side in a token."""
    codes = np.frombuffer("\0".join(tokens).encode("utf-32-le"), np.uint32).astype(np.uint64)
    pairs = np.unique(codes[:-1] << np.uint64(32) | codes[1:])
    return {chr(pair >> 32) + chr(pair & 0xFFFFFFFF) for pair in pairs.tolist()}


def _ids_of_tokens(
    words: pa.LargeStringArray, tokens: pa.LargeStringArray, ids: Ids, unknown: int
) -> pa.LargeListArray:
    places = pc.index_in(words, tokens).fill_null(len(tokens)).to_numpy()
    return ragged(np.append(ids, np.int32(unknown))[places], np.arange(len(words) + 1))


def _ids_of_words(model_only: tokenizers.Tokenizer, words: list[str]) -> pa.LargeListArray:
    some = [words[start : start + _WORDS_AT_ONCE] for start in range(0, len(words), _WORDS_AT_ONCE)]
    encodings = model_only.encode_batch(some, is_pretokenized=True, add_special_tokens=False)
    ids = [np.array(encoding.ids, np.int32) for encoding in encodings]
    counts = [
        np.bincount(np.array(encoding.word_ids, np.int64), minlength=len(part))
        for part, encoding in zip(some, encodings, strict=True)
    ]
    return ragged(np.concatenate(ids), np.concatenate([[0], np.cumsum(np.concatenate(counts))]))
