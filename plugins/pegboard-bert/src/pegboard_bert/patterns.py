"""Regular expressions that come with a tokenizer: those that could take for ever are told from the others."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["check_pattern", "is_gpt_pattern"]

_CONTRACTIONS = r"'s|'t|'re|'ve|'m|'ll|'d"
_END = r"\s+(?!\S)|\s+"
_CASED = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_SMALL = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_FIRST = r"[^\r\n\p{L}\p{N}]?"
_GPT_PATTERNS = {
    # GPT-2
    rf"{_CONTRACTIONS}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|{_END}",
    # GPT-4 and Llama 3, then Qwen 2
    *(
        rf"(?i:{_CONTRACTIONS})|{_FIRST}\p{{L}}+|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|{_END}"
        for digits in (r"\p{N}{1,3}", r"\p{N}")
    ),
    # GPT-4o
    rf"{_FIRST}{_CASED}*{_SMALL}+(?i:{_CONTRACTIONS})?|{_FIRST}{_CASED}+{_SMALL}*(?i:{_CONTRACTIONS})?"
    rf"|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|{_END}",
}

# Of the tokenizer `word`: its repeated group has to begin with a mark that no word has, so it matches in one way only.
_WORD_PATTERNS = {rf"\w+(?:['’\u200c\u200d]\w+)*|{mark}" for mark in (r"[^\w\s]", r"[^\w\s\p{P}]")}

_LENGTH = 4_000
_DEPTH = 20
_TIMES = 1_000
_TIMES_OF_GROUP = 10
_LONG = 20
"""a repetition that can be longer by that many counts as unbounded"""
_RETRIED = 1
_ENDLESS = 10**9

_QUANTIFIER = re.compile(r"(?:[*+?]|\{(\d*)(,?)(\d*)\})[?+]?")
_ESCAPE = re.compile(r"\\(?:[pPxo]\{[^}]*\}|[^1-9kg])", re.DOTALL)
_OPENING = re.compile(r"\((?:\?(?:[imsn-]*:|=|!|>|<=|<!|<\w+>))?(?![?*])")
_OPTION = re.compile(r"\(\?[imsn-]+\)")


def is_gpt_pattern(pattern: str) -> bool:
    """Whether it is one of the patterns of GPT and its kin, which never join a space to what stands before it.

    Each of their alternatives takes a space only as its first character or within a run of white space, and none looks
    further than to the character behind such a run. So a text can be cut before a run that begins with a space.
    """
    return pattern in _GPT_PATTERNS


def check_pattern(pattern: str) -> str | None:
    """What is wrong with a pattern, or `None`: then the time to match it at one place grows no faster than the text.

    Refused are groups that are repeated without bound and can match in several ways, and repetitions of which two have
    to be tried with all lengths before the pattern can fail. That is cautious: some of these would be harmless.

    Example:
        >>> check_pattern("[a-z]+| ?[^a-z]+")
        >>> check_pattern("(a+)+$")
        'repeats a group without bound'
    """
    if pattern in _WORD_PATTERNS:
        return None
    if len(pattern) > _LENGTH:
        return f"has {len(pattern)} characters"
    try:
        _Scanner(pattern).check()
    except _RefusedError as refused:
        return str(refused)
    return None


class _RefusedError(Exception):
    """What is wrong with a pattern."""


@dataclass
class _Atom:
    """What a quantifier can follow: a character, a class of them, or a group.

    Attributes:
        group: whether it is a group.
        varies: whether it can match in more than one way, so that to repeat it is to try them all.
        counted: whether anything in it is repeated a number of times.
        retried: the most repetitions in it that are tried with other lengths when what stands behind them in it fails.
        last: the most repetitions at its end, which are retried if what comes after the atom fails.
    """

    group: bool = False
    varies: bool = False
    counted: bool = False
    retried: int = 0
    last: int = 0


class _Scanner:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._place = 0

    def check(self) -> None:
        self._alternatives(0)
        if self._place < len(self._pattern):
            raise _RefusedError("closes a group that is not open")

    def _alternatives(self, depth: int) -> _Atom:
        """Scan up to the end of a group or of the pattern."""
        if depth > _DEPTH:
            raise _RefusedError("has too many groups in each other")
        group, retried, last = _Atom(group=True), 0, 0
        while self._place < len(self._pattern) and self._pattern[self._place] != ")":
            if self._pattern[self._place] == "|":
                self._place += 1
                retried, last, group.varies = 0, 0, True
                continue
            atom = self._atom(depth)
            least, most, counts = self._quantifier()
            _check_repetition(atom, least, most, counts)
            if least > 0:  # it can fail
                retried, last = retried + last, 0
            times = min(most, _TIMES_OF_GROUP)
            retried += times * atom.retried
            last += times * atom.last + (most - least > _LONG)
            if retried > _RETRIED:
                raise _RefusedError("has to try several repetitions with all lengths before it can fail")
            group.retried, group.last = max(group.retried, retried), max(group.last, last)
            group.counted |= atom.counted or counts
            group.varies |= atom.varies or least != most
        return group

    def _atom(self, depth: int) -> _Atom:
        character = self._pattern[self._place]
        if character == "\\":
            escape = _ESCAPE.match(self._pattern, self._place)
            if escape is None:
                raise _RefusedError("refers back to a group")
            self._place = escape.end()
        elif character == "[":
            self._skip_class()
        elif option := _OPTION.match(self._pattern, self._place):
            self._place = option.end()
        elif character == "(":
            opening = _OPENING.match(self._pattern, self._place)
            if opening is None:
                raise _RefusedError("has an unusual group")
            self._place = opening.end()
            group = self._alternatives(depth + 1)
            if self._place == len(self._pattern):
                raise _RefusedError("has a group that is not closed")
            self._place += 1
            return group
        else:
            self._place += 1
        return _Atom()

    def _skip_class(self) -> None:
        """A class may hold others, and begin with a bracket that does not close it."""
        depth = 0
        while self._place < len(self._pattern):
            character = self._pattern[self._place]
            if character == "\\":
                self._place += 1
            elif character == "[":
                depth += 1
                first = self._pattern[self._place + 1 : self._place + 3]
                self._place += 1 if first.startswith("]") else 2 if first == "^]" else 0
            elif character == "]":
                depth -= 1
            self._place += 1
            if depth == 0:
                return
        raise _RefusedError("has a bracket that is not closed")

    def _quantifier(self) -> tuple[int, int, bool]:
        """The least and the most repetitions of the atom before, and whether they are given as numbers."""
        match = _QUANTIFIER.match(self._pattern, self._place)
        if match is None or match[0].startswith("{}") or match[0].startswith("{,}"):
            return 1, 1, False
        self._place = match.end()
        if _QUANTIFIER.match(self._pattern, self._place):
            raise _RefusedError("repeats a repetition")
        if match[0][0] != "{":
            return int(match[0][0] == "+"), 1 if match[0][0] == "?" else _ENDLESS, False
        low, comma, high = int(match[1] or 0), match[2], match[3]
        return low, int(high) if high else _ENDLESS if comma else low, True


def _check_repetition(atom: _Atom, least: int, most: int, counts: bool) -> None:
    if atom.varies and most == _ENDLESS:
        raise _RefusedError("repeats a group without bound")
    if atom.counted and counts:
        raise _RefusedError("repeats a repetition")
    times, allowed = max(least, 0 if most == _ENDLESS else most), _TIMES_OF_GROUP if atom.group else _TIMES
    if times > allowed:
        raise _RefusedError(f"repeats {'a group' if atom.group else 'a character'} {times} times")
