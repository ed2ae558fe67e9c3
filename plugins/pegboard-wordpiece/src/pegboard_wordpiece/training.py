"""Learn a WordPiece vocabulary from counted words.

Written here because the `tokenizers` library's trainer orders its pieces by hash, so that the same words give another
vocabulary in each process; and because this one takes words with their counts, so that a text repeated a thousand times
costs no more than once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING

from pegboard import SPECIAL_TOKENS, most_frequent

if TYPE_CHECKING:
    from pegboard_wordpiece.options import WordPieceOptions

__all__ = ["learn_pieces"]

Pair = tuple[int, int]


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
    _merge_frequent(words, pieces, options.vocab_size - len(SPECIAL_TOKENS), options.min_frequency)
    return pieces


def _merge_frequent(words: Counter[str], pieces: list[str], size: int, min_frequency: int) -> None:
    """Add merged pieces to `pieces` until there are `size`, or no pair is frequent enough."""
    ids = {piece: i for i, piece in enumerate(pieces)}
    spelled, times = _spelled(words, ids)
    counts: defaultdict[Pair, int] = defaultdict(int)
    holders: defaultdict[Pair, set[int]] = defaultdict(set)
    for word, (symbols, n) in enumerate(zip(spelled, times, strict=True)):
        for pair in pairwise(symbols):
            counts[pair] += n
            holders[pair].add(word)
    queue = [(-n, pair) for pair, n in counts.items()]
    heapify(queue)
    while queue and len(pieces) < size:
        negative, pair = heappop(queue)
        if counts[pair] != -negative:  # it shrank since it was queued
            if counts[pair] > 0:
                heappush(queue, (-counts[pair], pair))
            continue
        if counts[pair] < min_frequency:
            break
        piece = pieces[pair[0]] + pieces[pair[1]].removeprefix("##")
        if piece not in ids:  # two pairs can spell the same piece
            ids[piece] = len(pieces)
            pieces.append(piece)
        grown: set[Pair] = set()
        for word in holders.pop(pair):
            for new in _merge(spelled[word], pair, ids[piece], counts, times[word]):
                holders[new].add(word)
                grown.add(new)
        del counts[pair]
        for new in grown:
            heappush(queue, (-counts[new], new))


def _spelled(words: Counter[str], ids: Mapping[str, int]) -> tuple[list[list[int]], list[int]]:
    """Each word as ids of its characters, and its count; a word with a character that has no id is unknown anyway."""
    spelled, times = [], []
    for word, n in words.items():
        symbols = [ids.get(piece, -1) for piece in _characters(word)]
        if -1 not in symbols:
            spelled.append(symbols)
            times.append(n)
    return spelled, times


def _merge(symbols: list[int], pair: Pair, merged: int, counts: defaultdict[Pair, int], n: int) -> list[Pair]:
    """Replace each occurrence of `pair` in a word that occurs `n` times, from the left; gives the pairs this makes.

    `counts` follows, except for the count of `pair` itself.
    """
    left, right = pair
    made, i = [], 0
    while i + 1 < len(symbols):
        if symbols[i] == left and symbols[i + 1] == right:
            symbols[i : i + 2] = [merged]
            if i > 0:
                counts[symbols[i - 1], left] -= n
                made.append((symbols[i - 1], merged))
            if i + 1 < len(symbols):
                counts[right, symbols[i + 1]] -= n
                made.append((merged, symbols[i + 1]))
        i += 1
    for new in made:
        counts[new] += n
    return made


def _characters(word: str) -> list[str]:
    return [word[0], *(f"##{character}" for character in word[1:])]
