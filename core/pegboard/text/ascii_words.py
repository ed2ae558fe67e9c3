"""What a pipeline of the `tokenizers` library does to ASCII characters, as tables for `bytes.translate`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

__all__ = ["AsciiWords"]


class AsciiWords:
    """The rules by which ASCII text is normalized and falls into words.

    They are found by asking the library about each character, which is right for a pipeline that keeps the promise of
    `LibraryTokenizer.ascii_words`. A character that is treated differently between others, as the apostrophe in
    "don't", counts as not plain, and so does one that shows where a special token may stand.

    Args:
        normalizer: the library's normalizer, or `None`.
        pre_tokenizer: the library's pre-tokenizer.
        special_tokens: the tokens that are found in a text before it is normalized.

    Attributes:
        kinds: the kind of each byte: `GAP`, `ALONE`, `NOT_PLAIN`, or the number of a class, whose characters stay
            together in a word.
        normalized: the byte that each byte becomes.
    """

    GAP: ClassVar[int] = 0
    """no part of any word"""
    ALONE: ClassVar[int] = 1
    """a word by itself"""
    NOT_PLAIN: ClassVar[int] = 255
    """not ASCII, or becomes something else than one ASCII character; then the library is asked about the whole"""

    def __init__(self, normalizer: Any, pre_tokenizer: Any, special_tokens: Iterable[str]) -> None:
        kinds = bytearray([self.NOT_PLAIN] * 256)
        normalized = bytearray(range(256))
        classes: list[str] = []
        for code in range(128):
            character = normalizer.normalize_str(chr(code)) if normalizer is not None else chr(code)
            if len(character) != 1 or not character.isascii():
                continue
            normalized[code] = ord(character)
            kinds[code] = self._kind(character, pre_tokenizer, classes)
        for code in range(128):
            if _looks_further(chr(normalized[code]), kinds[code], pre_tokenizer, classes):
                kinds[code] = self.NOT_PLAIN
        for token in special_tokens:
            kinds[_mark_of(token)] = self.NOT_PLAIN
        self.kinds, self.normalized = bytes(kinds), bytes(normalized)

    def _kind(self, character: str, pre_tokenizer: Any, classes: list[str]) -> int:
        """The character's kind; adds a class where it is the first of one."""
        pieces = [piece for piece, _ in pre_tokenizer.pre_tokenize_str(character)]
        if not pieces:
            return self.GAP
        if pieces != [character]:
            return self.NOT_PLAIN
        if len(pre_tokenizer.pre_tokenize_str(character * 2)) == 2:
            return self.ALONE
        for number, other in enumerate(classes):
            if len(pre_tokenizer.pre_tokenize_str(other + character)) == 1:
                return number + 2
        classes.append(character)
        return len(classes) + 1


def _looks_further(character: str, kind: int, pre_tokenizer: Any, classes: list[str]) -> bool:
    """Whether a gap or a character that stands alone does not separate what is around it."""
    if kind not in (AsciiWords.GAP, AsciiWords.ALONE):
        return False
    pieces = 2 if kind == AsciiWords.GAP else 3
    around = [f"{before}{character}{after}" for before in classes for after in classes]
    return any(len(pre_tokenizer.pre_tokenize_str(text)) != pieces for text in around)


def _mark_of(token: str) -> int:
    """A byte of the token, if possible one that is rare in text."""
    data = token.encode()
    return next((byte for byte in data if not chr(byte).isalnum()), data[0])
