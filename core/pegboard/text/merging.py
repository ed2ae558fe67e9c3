"""Grow a vocabulary by joining the most frequent pair of neighbouring pieces, again and again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise

__all__ = ["merge_frequent_pairs"]

Pair = tuple[int, int]


def merge_frequent_pairs(
    words: Sequence[list[int]],
    times: Sequence[int],
    pieces: list[str],
    *,
    size: int,
    min_frequency: int,
    join: Callable[[str, str], str] = str.__add__,
) -> list[tuple[str, str]]:
    """Add joined pieces to `pieces` until there are `size`, or no pair is frequent enough.

    The result depends on the words and how often they occur only, not on their order: of pairs that are equally
    frequent, the one whose pieces entered the vocabulary first wins. (Byte-pair encoding; Sennrich et al., 2016.)

    Written here because the trainers of the `tokenizers` library take texts rather than counted words, and not all of
    them give the same vocabulary in every process.

    Args:
        words: each word as places of its pieces in `pieces`; they are changed.
        times: how often each word occurs.
        pieces: the pieces to begin with; grows.
        size: the most pieces.
        min_frequency: how often a pair must occur.
        join: the piece that a pair makes.

    Returns:
        The pairs that were joined, the first one first.

    Example:
        >>> pieces = ["l", "o", "s", "w"]
        >>> merge_frequent_pairs([[0, 1, 3], [2, 0, 1, 3]], [3, 1], pieces, size=6, min_frequency=1)
        [('l', 'o'), ('lo', 'w')]
        >>> pieces
        ['l', 'o', 's', 'w', 'lo', 'low']
    """
    ids = {piece: i for i, piece in enumerate(pieces)}
    counts, holders = _count_pairs(words, times)
    queue = [(-n, pair) for pair, n in counts.items()]
    heapify(queue)
    merges: list[tuple[str, str]] = []
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
        joined = join(left, right)
        merged = ids.setdefault(joined, len(pieces))
        if merged == len(pieces):  # two pairs can spell the same piece
            pieces.append(joined)
        grown: set[Pair] = set()
        for word in holders.pop(pair):
            for new in _merge(words[word], pair, merged, counts, times[word]):
                holders[new].add(word)
                grown.add(new)
        del counts[pair]
        for new in grown:
            heappush(queue, (-counts[new], new))
    return merges


def _count_pairs(
    words: Sequence[list[int]], times: Sequence[int]
) -> tuple[defaultdict[Pair, int], defaultdict[Pair, set[int]]]:
    """How often each pair of neighbours occurs, and the words that hold it."""
    counts: defaultdict[Pair, int] = defaultdict(int)
    holders: defaultdict[Pair, set[int]] = defaultdict(set)
    for word, (symbols, n) in enumerate(zip(words, times, strict=True)):
        for pair in pairwise(symbols):
            counts[pair] += n
            holders[pair].add(word)
    return counts, holders


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
