"""Hangul jamo: a syllable becomes its two or three letters, and decoding puts them together again."""

from collections.abc import Iterator, Sequence
from typing import Literal

import pegboard

# Hangul syllables stand in the order of their letters, so decomposing is arithmetic; see chapter 3.12 of the
# Unicode Standard, "Conjoining Jamo Behavior".
FIRST_SYLLABLE, LEADING, VOWEL, TRAILING = 0xAC00, 0x1100, 0x1161, 0x11A7
VOWELS, TRAILERS = 21, 28
SYLLABLES = 19 * VOWELS * TRAILERS


class JamoOptions(pegboard.TokenizerOptions):
    """Options of the tokenizer; composed forms only, or decoding could not tell what was composed before."""

    normalization: Literal["nfc", "nfkc"] = "nfc"
    """Unicode normalization form applied first"""


class JamoTokenizer(pegboard.PieceTokenizer):
    """Splits Hangul syllables into jamo and everything else into characters.

    Example:
        >>> JamoTokenizer(JamoOptions()).split("한글!")
        ['ᄒ', 'ᅡ', 'ᆫ', 'ᄀ', 'ᅳ', 'ᆯ', '!']
    """

    context_free = True
    lossless = True

    def split(self, text: str) -> list[str]:
        """The jamo and characters of a text."""
        return [piece for character in text for piece in decomposed(character)]

    def join(self, pieces: Sequence[str]) -> str:
        """The text that pieces came from, its syllables composed."""
        text = ""
        for piece in pieces:
            text = text[:-1] + composed(text[-1:], piece)
        return text


def decomposed(character: str) -> Iterator[str]:
    """The jamo of a Hangul syllable; any other character as it is."""
    index = ord(character) - FIRST_SYLLABLE
    if not 0 <= index < SYLLABLES:
        yield character
        return
    rest, trailing = divmod(index, TRAILERS)
    leading, vowel = divmod(rest, VOWELS)
    yield chr(LEADING + leading)
    yield chr(VOWEL + vowel)
    if trailing:
        yield chr(TRAILING + trailing)


def composed(before: str, piece: str) -> str:
    """`before`, one character or none, and the piece after it: one syllable if they make one."""
    if len(before) == len(piece) == 1:
        leading, vowel = ord(before) - LEADING, ord(piece) - VOWEL
        if 0 <= leading < 19 and 0 <= vowel < VOWELS:
            return chr(FIRST_SYLLABLE + (leading * VOWELS + vowel) * TRAILERS)
        index, trailing = ord(before) - FIRST_SYLLABLE, ord(piece) - TRAILING
        if 0 <= index < SYLLABLES and index % TRAILERS == 0 and 0 < trailing < TRAILERS:
            return chr(ord(before) + trailing)
    return before + piece


@pegboard.hookimpl
def pegboard_tokenizers() -> Iterator[pegboard.ComponentSpec]:
    """The one tokenizer of this package."""
    yield pegboard.ComponentSpec(
        name="jamo",
        factory="pegboard_jamo:JamoTokenizer",
        options="pegboard_jamo:JamoOptions",
        summary="Hangul syllables as their letters: Korean with a small vocabulary",
    )
