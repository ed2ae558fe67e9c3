"""Learn the merges of byte-pair encoding from counted words.

A text repeated a thousand times costs no more than once, and every process learns the same. It is what the trainer of
the `tokenizers` library learns from the same alphabet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from pegboard import merge_frequent_pairs

__all__ = ["Merges", "learn_merges"]


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
    pieces = list(alphabet)
    ids = {piece: i for i, piece in enumerate(pieces)}
    spelled = [[ids[character] for character in word] for word in words]
    merges = merge_frequent_pairs(spelled, list(words.values()), pieces, size=size, min_frequency=min_frequency)
    return Merges(pieces, merges)
