"""Learn the pieces of a unigram language model, and their scores, from counted words.

Written here because the `tokenizers` library's trainer adds up in another order each time, so that the same words give
other scores in each process; and because this one takes words with their counts, so that a text repeated a thousand
times costs no more than once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

__all__ = ["learn_unigrams"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SEEDS, _LEAST_SEEDS = 10, 50_000
"""how many times as many pieces to begin with as are wanted, but not fewer than that"""
_KEPT_SHARE = 0.75
"""of the pieces, in each round"""
_LEAST_EXPECTED = 0.5
"""a longer piece that is expected to occur less often is dropped"""
_DECIMALS = 6
"""what is compared or saved is rounded, since the last digits of a logarithm are not the same on every processor"""


def learn_unigrams(
    words: Counter[str], alphabet: Sequence[str], *, size: int, min_frequency: int, longest: int
) -> list[tuple[str, float]]:
    """Pieces with the logarithms of their probabilities, the most probable first.

    Begins with the substrings of words that cover most text, estimates their probabilities by expectation
    maximization over all the ways to cut the words, drops those that the likelihood of the words loses least with,
    and so on until `size` are left. The result depends on the words and their counts only, not on their order.
    (Kudo, 2018.)

    Args:
        words: each word and how often it occurs.
        alphabet: the characters, all of which stay; words have no others.
        size: the most pieces, the alphabet included.
        min_frequency: how often a longer piece must occur as a substring.
        longest: the most characters of a piece.

    Example:
        >>> [piece for piece, _ in learn_unigrams(Counter(low=3, slow=1), "lsow", size=5, min_frequency=2, longest=9)]
        ['low', 's', 'l', 'o', 'w']
    """
    lattice = _seeded(words, alphabet, longest, max(2, min_frequency), max(_LEAST_SEEDS, _SEEDS * size))
    while True:
        for _ in range(2):
            lattice = _estimated(lattice)
        if len(lattice.scores) <= size:
            break
        kept = max(size, int(_KEPT_SHARE * len(lattice.scores)))
        lattice = _pruned(lattice, kept)
    order = sorted(zip(-lattice.scores, lattice.pieces(), strict=True))
    return [(piece, -float(negative)) for negative, piece in order]


@dataclass(frozen=True)
class _Lattice:
    """All the ways to cut the words into pieces.

    The words stand one behind the other, each ending in a mark, so that a place in `text` is also the node between
    two of its characters. The characters are the first pieces.

    Attributes:
        text: the words.
        starts: where each word starts, the longest word first.
        lengths: how many characters it has.
        times: how often it occurs.
        spans: [place, n] is the piece of n + 1 characters that starts there, or -1.
        characters: number of pieces that are single characters.
        scores: the logarithm of each piece's probability.
        expected: how often each piece is expected to occur.
        first: a place where each piece starts.
        sizes: how many characters it has.
    """

    text: str
    starts: Ints
    lengths: Ints
    times: Floats
    spans: npt.NDArray[np.int32]
    characters: int
    scores: Floats
    expected: Floats
    first: Ints
    sizes: Ints

    def pieces(self) -> list[str]:
        return [self.text[i : i + n] for i, n in zip(self.first.tolist(), self.sizes.tolist(), strict=True)]

    def only(self, kept: Ints) -> _Lattice:
        """With the pieces `kept` only, in that order."""
        number = np.full(len(self.scores) + 1, -1, np.int32)
        number[kept] = np.arange(len(kept), dtype=np.int32)
        arrays = {name: getattr(self, name)[kept] for name in ("scores", "expected", "first", "sizes")}
        return replace(self, spans=number[self.spans], **arrays)


def _seeded(words: Counter[str], alphabet: Sequence[str], longest: int, least: int, seeds: int) -> _Lattice:
    """The lattice of the characters and of the `seeds` substrings that cover most of the text."""
    ordered = sorted(words)
    text = "".join(f"{word}\n" for word in ordered)
    lengths = np.array([len(word) for word in ordered], np.int64)
    starts = np.cumsum(lengths + 1) - lengths - 1
    times = np.array([words[word] for word in ordered], np.float64)
    letters = _letters(text, alphabet)
    letters[starts + lengths] = -1  # the mark may be in the alphabet, too
    spans, first, sizes, frequency = _substrings(letters, np.repeat(times, lengths + 1), len(alphabet), longest, least)
    covered = frequency * sizes
    by_length = np.argsort(-lengths, kind="stable")
    lattice = _Lattice(
        text=text,
        starts=starts[by_length],
        lengths=lengths[by_length],
        times=times[by_length],
        spans=spans,
        characters=len(alphabet),
        scores=np.log(covered / covered.sum()).round(_DECIMALS),
        expected=frequency,
        first=first,
        sizes=sizes,
    )
    return lattice.only(_best(covered, len(alphabet), seeds))


def _substrings(
    letters: npt.NDArray[np.int32], times: Floats, characters: int, longest: int, least: int
) -> tuple[npt.NDArray[np.int32], Ints, Ints, Floats]:
    """All characters, and the longer substrings that occur `least` times.

    Args:
        letters: the number of the character at each place, or -1 for a mark.
        times: how often the word at each place occurs.
        characters: how many there are.
        longest: the most characters of a substring.
        least: how often a longer one must occur.

    Returns:
        `spans`, `first`, `sizes` and `expected` of `_Lattice`, with all substrings as pieces.
    """
    spans = np.full((len(letters), longest), -1, np.int32)
    begins = np.full(len(letters), -1, np.int64)  # the substring of the length before that starts at a place
    first, sizes, frequencies, count = [], [], [], 0
    for length in range(1, longest + 1):
        # A substring is a frequent one that is shorter by a character, and that character.
        at = np.flatnonzero(letters[length - 1 :] >= 0)
        if length > 1:
            at = at[begins[at] >= 0]
            keys = begins[at] * characters + letters[at + length - 1]
        else:
            keys = letters[at].astype(np.int64)
        _, places, which = np.unique(keys, return_index=True, return_inverse=True)
        frequency = np.bincount(which, times[at], len(places))
        frequent = np.flatnonzero(frequency >= (least if length > 1 else 0))
        number = np.full(len(places), -1, np.int64)
        number[frequent] = np.arange(len(frequent))
        begins[:] = -1
        begins[at] = number[which]
        spans[at, length - 1] = np.where(begins[at] >= 0, begins[at] + count, -1)
        first.append(at[places[frequent]])
        sizes.append(np.full(len(frequent), length, np.int64))
        frequencies.append(frequency[frequent])
        count += len(frequent)
    return spans, np.concatenate(first), np.concatenate(sizes), np.concatenate(frequencies)


def _letters(text: str, alphabet: Sequence[str]) -> npt.NDArray[np.int32]:
    """For each character of `text` its place in `alphabet`; for a mark any number."""
    order = np.argsort(points := np.array([ord(character) for character in alphabet], np.uint32))
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    found = order[np.minimum(np.searchsorted(points[order], codes), len(alphabet) - 1)]
    return found.astype(np.int32)


def _best(values: Floats, characters: int, most: int) -> Ints:
    """The characters, and the longer pieces of greatest value; of equal ones, those of the smaller number."""
    longer = np.argsort(-values[characters:], kind="stable")[: max(0, most - characters)]
    return np.concatenate([np.arange(characters), characters + np.sort(longer)])


def _estimated(lattice: _Lattice) -> _Lattice:
    """One step of expectation maximization; longer pieces that are hardly expected any more are dropped."""
    expected = _expected(lattice)
    kept = np.flatnonzero((expected >= _LEAST_EXPECTED) | (np.arange(len(expected)) < lattice.characters))
    lattice = replace(lattice, expected=np.maximum(expected, _LEAST_EXPECTED)).only(kept)
    return replace(lattice, scores=np.log(lattice.expected / lattice.expected.sum()).round(_DECIMALS))


def _expected(lattice: _Lattice) -> Floats:
    """How often each piece occurs if each word is cut in every way, each as often as it is probable."""
    forwards, backwards = _forwards(lattice), _backwards(lattice)
    by_start = np.argsort(lattice.starts)
    share = np.log(lattice.times[by_start]) - backwards[lattice.starts[by_start]]
    forwards += np.repeat(share, lattice.lengths[by_start] + 1)
    expected: Floats = np.zeros(len(lattice.scores))
    for length in range(1, lattice.spans.shape[1] + 1):
        at = np.flatnonzero(lattice.spans[:, length - 1] >= 0)
        pieces = lattice.spans[at, length - 1]
        times = np.exp(forwards[at] + lattice.scores[pieces] + backwards[at + length])
        expected += np.bincount(pieces, times, len(expected))
    return np.round(expected, _DECIMALS)


def _forwards(lattice: _Lattice) -> Floats:
    """For each node the logarithm of the probability of all ways from the word's start to it."""
    scores = np.append(lattice.scores, -np.inf)  # that of the piece -1
    result = np.full(len(lattice.text), -np.inf)
    result[lattice.starts] = 0
    for step in range(1, int(lattice.lengths.max(initial=0)) + 1):
        ends = lattice.starts[: np.searchsorted(-lattice.lengths, -step, side="right")] + step
        back = np.arange(1, min(step, lattice.spans.shape[1]) + 1)
        froms = ends[:, None] - back
        result[ends] = _log_sum(result[froms] + scores[lattice.spans[froms, back - 1]])
    return result


def _backwards(lattice: _Lattice) -> Floats:
    """For each node the logarithm of the probability of all ways from it to the word's end."""
    scores = np.append(lattice.scores, -np.inf)
    result = np.full(len(lattice.text), -np.inf)
    last = lattice.starts + lattice.lengths
    result[last] = 0
    for step in range(1, int(lattice.lengths.max(initial=0)) + 1):
        begins = last[: np.searchsorted(-lattice.lengths, -step, side="right")] - step
        ahead = np.arange(1, min(step, lattice.spans.shape[1]) + 1)
        result[begins] = _log_sum(result[begins[:, None] + ahead] + scores[lattice.spans[begins[:, None], ahead - 1]])
    return result


def _log_sum(values: Floats) -> Floats:
    """The logarithm of the sum of exponentials, row by row."""
    highest = values.max(axis=1)
    highest[highest == -np.inf] = 0
    with np.errstate(divide="ignore"):
        result: Floats = np.log(np.exp(values - highest[:, None]).sum(axis=1)) + highest
    return result


def _pruned(lattice: _Lattice, most: int) -> _Lattice:
    """Without the pieces that the likelihood loses least with when their text is cut the next best way."""
    lost = lattice.expected * (lattice.scores - _best_without(lattice))
    return lattice.only(_best(lost.round(_DECIMALS), lattice.characters, most))


def _best_without(lattice: _Lattice) -> Floats:
    """For each piece the score of the best way to cut its text without it; -inf where it is a character."""
    scores = np.append(lattice.scores, -np.inf)
    longest = lattice.spans.shape[1]
    best = np.full((len(lattice.scores), longest + 1), -np.inf)
    best[:, 0] = 0
    for end in range(1, longest + 1):
        rows = np.flatnonzero(lattice.sizes >= end)
        for start in range(end):
            if start == 0:
                through = rows[lattice.sizes[rows] > end]
            else:
                through = rows
            pieces = lattice.spans[lattice.first[through] + start, end - start - 1]
            best[through, end] = np.maximum(best[through, end], best[through, start] + scores[pieces])
    result: Floats = best[np.arange(len(best)), lattice.sizes]
    return result
