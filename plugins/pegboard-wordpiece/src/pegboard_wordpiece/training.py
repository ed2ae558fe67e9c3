"""Learn a WordPiece vocabulary from counted words.

Written here because the `tokenizers` library's trainer orders its pieces by hash, so that the same words give another
vocabulary in each process; and because this one takes words with their counts, so that a text repeated a thousand times
costs no more than once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pegboard import SPECIAL_TOKENS, merge_frequent_pairs, most_frequent

if TYPE_CHECKING:
    from pegboard_wordpiece.options import WordPieceOptions

__all__ = ["learn_pieces"]


def learn_pieces(words: Counter[str], options: WordPieceOptions) -> list[str]:
    """The pieces of the vocabulary: single characters, then what grows from them by merging the most frequent pair.

    The result depends on the words and counts only, not on their order: of pairs that are equally frequent, the one
    whose pieces entered the vocabulary first wins. (Merging by frequency is byte-pair encoding, Sennrich et al., 2016;
    it is also how the `tokenizers` library trains WordPiece.)

    Args:
        words: each word and how often it occurs.
        options: `vocab_size`, `min_frequency` and `max_word_length` count here.

    Raises:
        DataError: no character is frequent enough.

    Example:
        >>> learn_pieces(Counter(low=3, slow=1), WordPieceOptions(vocab_size=11, min_frequency=1))
        ['##o', '##w', 'l', '##l', 's', '##ow']
    """
    words = Counter({word: times for word, times in words.items() if len(word) <= options.max_word_length})
    characters: Counter[str] = Counter()
    for word, times in words.items():
        for piece in _characters(word):
            characters[piece] += times
    pieces = most_frequent(characters, options)
    spelled, times = _spelled(words, {piece: i for i, piece in enumerate(pieces)})
    size = options.vocab_size - len(SPECIAL_TOKENS)
    merge_frequent_pairs(spelled, times, pieces, size=size, min_frequency=options.min_frequency, join=_joined)
    return pieces


def _joined(left: str, right: str) -> str:
    return left + right.removeprefix("##")


def _spelled(words: Counter[str], ids: Mapping[str, int]) -> tuple[list[list[int]], list[int]]:
    """Each word as ids of its characters, and its count; a word with a character that has no id is unknown anyway."""
    spelled, times = [], []
    for word, n in words.items():
        symbols = [ids.get(piece, -1) for piece in _characters(word)]
        if -1 not in symbols:
            spelled.append(symbols)
            times.append(n)
    return spelled, times


def _characters(word: str) -> list[str]:
    return [word[0], *(f"##{character}" for character in word[1:])]
