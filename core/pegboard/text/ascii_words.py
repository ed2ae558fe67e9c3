"""What a pipeline of the `tokenizers` library does to ASCII characters, as tables for `bytes.translate`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

__all__ = ["AsciiWords"]

_APOSTROPHE = ord("'")


class AsciiWords:
    """The rules by which ASCII text is normalized and falls into words.

    They are found by asking the library about each character, which is right for a pipeline that keeps the promise of
    `LibraryTokenizer.ascii_words`. A character that is treated differently between others, as the apostrophe in
    "don't", counts as not plain, and so does one that shows where a special token may stand.

    Args:
        normalizer: the library's normalizer, or `None`.
        pre_tokenizer: the library's pre-tokenizer.
        special_tokens: the tokens that are found in a text before it is normalized.
        space_first: whether a space belongs to the word after it. Then an apostrophe is never plain, and of white space
            only a single space is.

    Attributes:
        kinds: the kind of each byte: `GAP`, `ALONE`, `SPACE`, `NOT_PLAIN`, or the number of a class, whose characters
            stay together in a word.
        normalized: the byte that each byte becomes.
        space_first: whether a space belongs to the word after it.
        mark: what the pre-tokenizer makes of a space before a word; empty if that is no part of it.
        adds_space: whether a text that begins without a space is treated as if it began with one.
    """

    GAP: ClassVar[int] = 0
    """no part of any word"""
    ALONE: ClassVar[int] = 1
    """a word by itself"""
    SPACE: ClassVar[int] = 254
    """begins the word after it"""
    NOT_PLAIN: ClassVar[int] = 255
    """not ASCII, or becomes something else than one ASCII character; then the library is asked about the whole"""

    def __init__(
        self, normalizer: Any, pre_tokenizer: Any, special_tokens: Iterable[str], *, space_first: bool = False
    ) -> None:
        self._pre_tokenizer = pre_tokenizer
        self.space_first = space_first
        self._lead = " " if space_first else ""
        self.mark = self._mark_of_a_space()
        self.adds_space = space_first and self._pieces("a") == [f"{self.mark}a"]
        kinds = bytearray([self.NOT_PLAIN] * 256)
        normalized = bytearray(range(256))
        classes: list[str] = []
        for code in range(128):
            character = normalizer.normalize_str(chr(code)) if normalizer is not None else chr(code)
            if len(character) != 1 or not character.isascii():
                continue
            normalized[code] = ord(character)
            kinds[code] = self._kind(character, classes)
        for code in range(128):
            if self._looks_further(chr(normalized[code]), kinds[code], classes):
                kinds[code] = self.NOT_PLAIN
        if space_first:
            kinds[_APOSTROPHE] = self.NOT_PLAIN
            kinds[ord(" ")] = self.SPACE if normalized[ord(" ")] == ord(" ") else self.NOT_PLAIN
        for token in special_tokens:
            kinds[_byte_of(token)] = self.NOT_PLAIN
        self.kinds, self.normalized = bytes(kinds), bytes(normalized)

    def piece(self, word: str) -> str:
        """A word as the pre-tokenizer gives it to the model: with its mark for a space in front."""
        return self.mark + word[1:] if word.startswith(" ") else word

    def _pieces(self, text: str) -> list[str]:
        return [piece for piece, _ in self._pre_tokenizer.pre_tokenize_str(text)]

    def _mark_of_a_space(self) -> str:
        first = next(iter(self._pieces(f"{self._lead}a")), "")
        return first[:-1] if self.space_first and first.endswith("a") else ""

    def _kind(self, character: str, classes: list[str]) -> int:
        """The character's kind; adds a class where it is the first of one."""
        pieces = self._pieces(self._lead + character)
        if not pieces and not self.space_first:
            return self.GAP
        if pieces != [self.mark + character] or character.isspace():
            return self.NOT_PLAIN
        if len(self._pieces(self._lead + character * 2)) == 2:
            return self.ALONE
        for number, other in enumerate(classes):
            if len(self._pieces(self._lead + other + character)) == 1:
                return number + 2
        classes.append(character)
        return len(classes) + 1

    def _looks_further(self, character: str, kind: int, classes: list[str]) -> bool:
        """Whether a gap or a character that stands alone does not separate what is around it."""
        if kind not in (self.GAP, self.ALONE):
            return False
        pieces = 2 if kind == self.GAP else 3
        around = [f"{self._lead}{before}{character}{after}" for before in classes for after in classes]
        return any(len(self._pieces(text)) != pieces for text in around)


def _byte_of(token: str) -> int:
    """A byte of the token, if possible one that is rare in text."""
    data = token.encode()
    return next((byte for byte in data if not chr(byte).isalnum()), data[0])
