"""Learn the merges of byte-pair encoding from counted words.

Written here because this one takes words with their counts, so that a text repeated a thousand times costs no more than
once, and because the result must be the same in every process. It learns what the trainer of the `tokenizers` library
learns from the same alphabet.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Merges", "learn_merges"]

Pair = tuple[int, int]


class Merges(NamedTuple):
    """A vocabulary and the merges that made it.

    Attributes:
        pieces: the alphabet, then what grew from it, in the order in which it entered.
        merges: the pairs of pieces that were joined, the first one first.
    """

    pieces: list[str]
    merges: list[tuple[str, str]]


def learn_merges(words: Counter[str], alphabet: Sequence[str], *, size: int, min_frequency: int) -> Merges:
    """Join the most frequent pair of neighbouring pieces, again and again.

    The result depends on the words and their counts only, not on their order: of pairs that are equally frequent, the
    one whose pieces entered the vocabulary first wins. (Sennrich et al., 2016.)

    Args:
        words: each word and how often it occurs.
        alphabet: the characters to begin with; words have no others.
        size: the most pieces, the alphabet included.
        min_frequency: how often a pair must occur.

    Example:
        >>> learned = learn_merges(Counter(low=3, slow=1), ["l", "o", "s", "w"], size=6, min_frequency=1)
        >>> learned.pieces, learned.merges
        (['l', 'o', 's', 'w', 'lo', 'low'], [('l', 'o'), ('lo', 'w')])
    """
    pieces, merges = list(alphabet), []
    ids = {piece: i for i, piece in enumerate(pieces)}
    spelled, times = [[ids[character] for character in word] for word in words], list(words.values())
    counts, holders = _count_pairs(spelled, times)
    queue = [(-n, pair) for pair, n in counts.items()]
    heapify(queue)
    while queue and len(pieces) < size:
        negative, pair = heappop(queue)
        n = counts[pair]
        if n != -negative:  # it shrank since it was queued
            if n > 0:
                heappush(queue, (-n, pair))
            continue
        if n < min_frequency:
            break
        left, right = pieces[pair[0]], pieces[pair[1]]
        merges.append((left, right))
        merged = ids.setdefault(left + right, len(pieces))
        if merged == len(pieces):  # two pairs can spell the same piece
            pieces.append(left + right)
        grown: set[Pair] = set()
        for word in holders.pop(pair):
            for new in _join(spelled[word], pair, merged, counts, times[word]):
                holders[new].add(word)
                grown.add(new)
        del counts[pair]
        for new in grown:
            heappush(queue, (-counts[new], new))
    return Merges(pieces, merges)


def _count_pairs(
    spelled: list[list[int]], times: list[int]
) -> tuple[defaultdict[Pair, int], defaultdict[Pair, set[int]]]:
    """How often each pair of neighbours occurs, and the words that hold it."""
    counts: defaultdict[Pair, int] = defaultdict(int)
    holders: defaultdict[Pair, set[int]] = defaultdict(set)
    for word, (symbols, n) in enumerate(zip(spelled, times, strict=True)):
        for pair in pairwise(symbols):
            counts[pair] += n
            holders[pair].add(word)
    return counts, holders


def _join(symbols: list[int], pair: Pair, merged: int, counts: defaultdict[Pair, int], n: int) -> list[Pair]:
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
