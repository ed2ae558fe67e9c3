"""What both tokenizers share: how text falls into words, and which words a vocabulary is learned from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from zlib import crc32

from pegboard import DataError, count_pieces, library_normalizer, most_frequent

if TYPE_CHECKING:
    import pyarrow as pa

    from pegboard_subword.options import SubwordOptions

__all__ = ["BORDER", "MARK", "alphabet_of", "metaspace_decoder", "metaspace_splitter", "words_to_learn_from"]

MARK = "▁"
"""Stands for a space in pieces of characters, as in SentencePiece."""

_LETTER = r"[A-Za-z\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3]"
_SIGN = r"[,.;:!?()\u3001\u3002\uff0c\uff1a\uff1b\uff1f]"
BORDER = f"(?<={_LETTER})(?={_SIGN})"
"""A word ends between a letter and a sign. Letters that normalizing turns into something else are left out, and so are
brackets, with which special tokens begin."""

_WORDS = rf"{MARK}?\p{{L}}[\p{{L}}\p{{M}}]*|{MARK}?\p{{N}}+|{MARK}?[^\s\p{{L}}\p{{N}}{MARK}]+|\s|{MARK}"
"""Letters with their marks, digits, or other signs, each with the space before it; white space one by one."""

_MOST_WORDS = 100_000
_LONGEST_WORD = 200


def metaspace_splitter(options: SubwordOptions) -> Any:
    """Splits text at spaces, which become a mark at the start of the next word, and between letters, digits and signs.

    No piece has a space within it, and only the first of a text may be given a mark that was no space. So a text may
    be cut before any of its spaces.
    """
    from tokenizers import Regex, pre_tokenizers

    metaspace = pre_tokenizers.Metaspace(MARK, prepend_scheme=_scheme(options), split=True)
    return pre_tokenizers.Sequence([metaspace, pre_tokenizers.Split(Regex(_WORDS), "isolated")])


def metaspace_decoder(options: SubwordOptions) -> Any:
    """Joins pieces; marks become spaces, except the one that was put before the text."""
    from tokenizers import decoders

    return decoders.Metaspace(MARK, prepend_scheme=_scheme(options))


def words_to_learn_from(texts: Iterable[str] | pa.Array, options: SubwordOptions, splitter: Any) -> Counter[str]:
    """The words of the training texts with their counts: the 100,000 most frequent, which bounds time and memory.

    Of equally frequent words a sample is taken that depends on nothing but the words. A word of more than 200
    characters counts as several.

    Raises:
        DataError: there are none, or a text is not a Unicode string.
    """
    words = count_pieces(texts, library_normalizer(options), splitter, space_first=True, ascii_words=True)
    if not words:
        raise DataError("the training texts give the tokenizer no vocabulary", hint="are the texts empty?")
    if len(words) > _MOST_WORDS:
        order = sorted((-n, crc32(word.encode()), word) for word, n in words.items())
        words = Counter({word: -negative for negative, _, word in order[:_MOST_WORDS]})
    parts: Counter[str] = Counter()
    for word, n in words.items():
        for start in range(0, len(word), _LONGEST_WORD):
            parts[word[start : start + _LONGEST_WORD]] += n
    return parts


def alphabet_of(words: Counter[str], options: SubwordOptions) -> tuple[list[str], Counter[str]]:
    """The characters that enter the vocabulary, the most frequent first; words are cut at the others and lose them.

    Raises:
        DataError: no character is frequent enough.
    """
    characters: Counter[str] = Counter()
    for word, n in words.items():
        for character in word:
            characters[character] += n
    alphabet = most_frequent(characters, options)
    if len(alphabet) == len(characters):
        return alphabet, words
    others = re.compile(f"[^{re.escape(''.join(alphabet))}]+")
    parts: Counter[str] = Counter()
    for word, n in words.items():
        for part in filter(None, others.split(word)):
            parts[part] += n
    return alphabet, parts


def _scheme(options: SubwordOptions) -> str:
    return "always" if options.add_prefix_space else "never"
