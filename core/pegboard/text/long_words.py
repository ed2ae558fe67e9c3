"""The first ids of a text in which there is no place to cut, without looking at all of it."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from pegboard.text.ragged import Ids, values_and_offsets
from pegboard.text.short_words import settings_of

if TYPE_CHECKING:
    import tokenizers

__all__ = ["LongWords", "joins_unknown"]

_MARGIN = 128
"""Characters at the end of a slice that depend on what comes after it."""

_MOST_OF_ONE = 18
"""characters that one becomes when it is normalized"""

_SLICES = (2**13, 2**15, 2**17)
_MOST_CHARACTERS = 2**20
"""of all attempts at one word together"""

_MOST_COMPARED = 2**26
"""characters, if each of a model's long tokens is looked for in a part of a word"""

_SHORT_TOKEN = 16
_PERIODS = range(1, 13)
_SAME_PHASE = 27_720
"""the least common multiple of these"""

_WINDOW = 50_000
"""Bytes that are more than any model knows as one word."""

_LEFT_TO_RIGHT: dict[str, dict[str, Any]] = {
    "BPE": {
        "dropout": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "byte_fallback": False,
        "ignore_merges": False,
    },
    "Unigram": {"byte_fallback": False},
}
"""By kind of model, the settings with which its ids are those of the beginning of a word, up to where a token ends."""


class _Words(NamedTuple):
    """The words of the beginning of a text.

    Attributes:
        whole: those that end in it.
        open: the beginning of the one that may go on behind it.
    """

    whole: list[str]
    open: str


class LongWords:
    """The ids of texts that have words without end, such as one letter ten million times.

    Args:
        backend: a pipeline that does not truncate. Its normalizer and its pre-tokenizer look ahead no further than
            `LibraryTokenizer.left_to_right` says.
        encode_words: the ids of words by its model alone.
        unknown: the id of [UNK].
        left_to_right: whether the pipeline keeps that promise.
        letters: as `LibraryTokenizer.letters`.
    """

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        encode_words: Callable[[list[str]], pa.LargeListArray],
        unknown: int,
        *,
        left_to_right: bool,
        letters: str,
    ) -> None:
        added = backend.get_added_tokens_decoder().values()
        self._backend = backend
        self._encode_words = encode_words
        self._unknown = unknown
        self._left_to_right = left_to_right and not any(token.lstrip or token.single_word for token in added)
        self._longest_added = max((len(token.content) for token in added), default=0)
        self._margin = max(_MARGIN, _MOST_OF_ONE * self._longest_added)
        self._letters = letters

    def first_ids(self, text: str, count: int) -> tuple[Ids, int] | None:
        """The first `count` ids of a text, and after how many characters of it they end at the latest.

        `None` where the beginning of the text does not tell them for sure.
        """
        in_order = False
        for size in _SLICES if self._left_to_right else ():
            if size >= len(text):
                return None
            if not any(map(self._keeps_marks_apart, text[size - _MARGIN // 4 : size])):
                in_order = in_order or _are_in_order(text)
                if not in_order:
                    return None
            words = self._words_of(text[:size])
            if words is None:
                return None
            ids = self._ids(words.whole)
            if len(ids) < count and (more := self._first_of_word(words.open, count - len(ids))) is not None:
                ids = np.concatenate([ids, more])
            if len(ids) >= count:
                return ids[:count], size
        return None

    def without_ends(self, text: bytes) -> bytes:
        """The text with less of words that are longer than any that the model knows: its ids are the same."""
        if self._long_word is None:
            return text
        return self._long_word.sub(r"\1", text.decode()).encode()

    def without_repeats(self, text: bytes, count: int) -> bytes:
        """The text with the same first `count` ids, but less of where it repeats a few bytes that are unknown.

        What is unknown is one [UNK] at most, or one for each word, however often it is repeated. A Unigram model adds
        up numbers, which are rounded otherwise after what was left out; so there nothing but the end is.
        """
        if not self._counts_unknown_words:
            return text
        size = _SAME_PHASE * -(-(12 * count + _WINDOW) // _SAME_PHASE)
        windows = [text[start : start + size] for start in range(0, len(text), size)]
        if len(windows) < 4:
            return text
        last, first, unknown = windows[-2], 1, dict[bytes, bool]()
        if self._settings["type"] == "Unigram":
            others = [place for place, window in enumerate(windows[:-1]) if window != last]
            first = max(others, default=-1) + 2 if last.startswith(windows[-1]) else len(windows)
        kept = windows[:first]
        for place, window in enumerate(windows[first:], first):
            inside = [window] * 3 == windows[place - 1 : place + 2]
            if inside and window not in unknown:
                unknown[window] = _repeats(window) and self._is_unknown(window)
            if not (inside and unknown[window]):
                kept.append(window)
        return b"".join(kept)

    def _words_of(self, beginning: str) -> _Words | None:
        """The words of a text's beginning; the last one may go on. `None` if an added token is in it."""
        splitter, normal = self._backend.pre_tokenizer, self._normalized(beginning)
        if self._longest_added and any(self._added.encode(beginning).ids):
            return None
        words = splitter.pre_tokenize_str(normal) if splitter is not None else [(normal, (0, len(normal)))]
        known = len(normal) - self._margin
        whole = [word for word, (_, end) in words if end <= known]
        # A character may be four bytes, which byte-level pre-tokenizers write as four characters.
        going_on = [(word, end) for word, (start, end) in words if start < known < end]
        return _Words(whole, "".join(word[: max(0, len(word) - 4 * (end - known))] for word, end in going_on))

    def _first_of_word(self, beginning: str, count: int) -> Ids | None:
        """The first ids of a word with such a beginning, however it goes on.

        A token ends at one of any few places that follow each other, as many as the longest token has characters. And
        what a model makes of a word up to where a token ends is what it makes of that part alone: merges on one side
        of such a place depend on nothing on the other, and neither do the best paths that lead to it. So if the ids
        are the same wherever the word is broken off at these places, it goes on as it likes.
        """
        if not self._tokens:
            return None
        for size in (4 * count + 64, len(beginning)):
            part = beginning[:size]
            longest = self._longest_token_in(part)
            border = len(part) - len(self._tokens[0])  # no token that lies across ends behind the part
            if border <= len(self._tokens[0]) or longest * border > _MOST_CHARACTERS:
                continue
            parts = [part[: border - less] for less in range(longest + 1)]
            ids, offsets = values_and_offsets(self._encode_words(parts))
            rows = [ids[start:end][:count] for start, end in pairwise(offsets.tolist())]
            if len(rows[0]) == count and all(np.array_equal(row, rows[0]) for row in rows[1:]):
                return rows[0]
        return None

    def _longest_token_in(self, part: str) -> int:
        """The length of the longest token that occurs in a part of a word, or more."""
        long = bisect_left(self._tokens, -_SHORT_TOKEN, key=lambda token: -len(token))
        if long * len(part) > _MOST_COMPARED:
            return len(self._tokens[0])
        return next((len(token) for token in self._tokens[:long] if token in part), _SHORT_TOKEN)

    def _is_unknown(self, window: bytes) -> bool:
        ids = self._backend.encode(window.decode(errors="ignore"), add_special_tokens=False).ids
        return set(ids[1:]) <= {self._unknown}  # the first may be a mark for the space that a text is given in front

    def _keeps_marks_apart(self, character: str) -> bool:
        """Whether no mark behind a character is put in front of it when accents are put in order."""
        return any(_begins_anew(part) for part in self._normalized(character))

    def _normalized(self, text: str) -> str:
        normalizer = self._backend.normalizer
        return str(normalizer.normalize_str(text)) if normalizer is not None else text

    def _ids(self, words: list[str]) -> Ids:
        return values_and_offsets(self._encode_words(words))[0] if words else np.zeros(0, np.int32)

    @cached_property
    def _settings(self) -> dict[str, Any]:
        return settings_of(self._backend.model)

    @cached_property
    def _vocabulary(self) -> set[str]:
        vocabulary = self._settings["vocab"]
        return set(vocabulary if isinstance(vocabulary, dict) else (token for token, _ in vocabulary))

    @cached_property
    def _tokens(self) -> Sequence[str]:
        """The tokens, the longest first, of a model whose ids are those of the beginning; else none."""
        settings = self._settings
        wanted = _LEFT_TO_RIGHT.get(settings["type"])
        if wanted is None or any(settings.get(key) not in (value, "") for key, value in wanted.items()):
            return []
        if joins_unknown(self._vocabulary, settings.get("unk_token")):
            return []
        return sorted(self._vocabulary, key=len, reverse=True)

    @cached_property
    def _added(self) -> tokenizers.Tokenizer:
        """Gives other ids than 0 for texts with added tokens only."""
        import tokenizers
        from tokenizers import models

        added = list(self._backend.get_added_tokens_decoder().values())
        other = "".join(token.content for token in added) + "x"
        finder = tokenizers.Tokenizer(models.WordLevel({other: 0}, unk_token=other))
        if self._backend.normalizer is not None:
            finder.normalizer = self._backend.normalizer
        finder.add_tokens(added)
        return finder

    @cached_property
    def _counts_unknown_words(self) -> bool:
        """Whether a stretch of unknown characters has one [UNK], or one for a few of them each."""
        longest = max(self._longest_added, max(map(len, self._vocabulary), default=0))
        kind, vocabulary = self._settings["type"], self._settings["vocab"]
        # Scores are logarithms. Were they large, the best path could go through unknown characters where it need not.
        sensible = kind != "Unigram" or min(score for _, score in vocabulary) <= 0
        return self._left_to_right and 4 * longest <= _WINDOW and sensible

    @cached_property
    def _long_word(self) -> re.Pattern[str] | None:
        """Matches a word that is longer than any the model knows: in a group what is enough of it, then the rest."""
        kind = self._settings["type"]
        if not self._letters or kind not in ("WordLevel", "WordPiece"):
            return None
        most = self._settings.get("max_input_chars_per_word")
        longest = max(map(len, self._settings["vocab"]), default=0) if most is None else most
        # More than enough, however it is normalized; only from where it begins, or short ones took long.
        return re.compile(f"(?<!{self._letters})({self._letters}{{{4 * longest + 1}}}){self._letters}+")


def joins_unknown(tokens: Iterable[str], unknown: str | None) -> bool:
    """Whether [UNK], which stands for any number of characters, may be a part of a token."""
    if not unknown:
        return False
    return any(unknown in token and token != unknown for token in tokens)


def _are_in_order(text: str) -> bool:
    """Whether all marks of a text are of one class, so that none is put in front of another."""
    parts = {part for character in set(text) for part in unicodedata.normalize("NFKD", character)}
    known = all(unicodedata.category(part) != "Cn" for part in parts)  # to the library, too
    return known and len(set(map(unicodedata.combining, parts)) - {0}) <= 1


def _begins_anew(character: str) -> bool:
    """Whether a character is none that Unicode puts in order with those before it, in any of its forms."""
    known = unicodedata.category(character) != "Cn"  # to the library, which may have a later version of Unicode
    return known and unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) == 0


def _repeats(window: bytes) -> bool:
    return any(window[period:] == window[:-period] for period in _PERIODS)
