"""Which scripts the texts are written in."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
import numpy.typing as npt

from pegboard.inspection.block import Block

__all__ = ["Scripts", "script_of"]

# fmt: off
_SCRIPTS = (
    "Latin", "Greek", "Cyrillic", "Armenian", "Hebrew", "Arabic", "Syriac", "Thaana", "Devanagari", "Bengali",
    "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Thai", "Lao",
    "Tibetan", "Myanmar", "Georgian", "Ethiopic", "Cherokee", "Khmer", "Mongolian", "Hangul", "Hiragana",
    "Katakana", "Bopomofo", "CJK", "Yi", "Tifinagh", "Nko", "Vai", "Javanese", "Balinese", "Sundanese",
    "Gothic", "Runic", "Ogham", "Canadian", "Coptic", "Glagolitic",
)
# fmt: on
_NAMES = {script.upper(): script for script in _SCRIPTS}
_WIDTHS = ("FULLWIDTH", "HALFWIDTH", "SQUARED", "MODIFIER", "SUPERSCRIPT", "SUBSCRIPT")
_KINDS = {"N": "digits", "P": "punctuation", "Z": "white space", "S": "symbols and emoji", "C": "control and format"}
_OTHER = "other letters"
LETTERS = (*_SCRIPTS, _OTHER)
"""The scripts that letters are sorted into."""


def script_of(code: int) -> str:
    """The script of a letter, or what kind of character another one is.

    The Unicode name of a letter begins with its script, which spares a table of ranges.

    Example:
        >>> script_of(ord("é")), script_of(ord("Ж")), script_of(ord("猫")), script_of(ord("7"))
        ('Latin', 'Cyrillic', 'CJK', 'digits')
    """
    character = chr(code)
    category = unicodedata.category(character)
    if character in "\t\n\r\v\f":
        return "white space"
    if category[0] not in "LM":
        return _KINDS[category[0]]
    words = unicodedata.name(character, "").split()
    while words and words[0] in _WIDTHS:
        words.pop(0)
    found = _NAMES.get(words[0].partition("-")[0]) if words else None
    if found is None and category[0] == "M":
        return "marks"
    return found or _OTHER


class Scripts:
    """Counts characters by script, and rows by the script that most of their letters are of."""

    def __init__(self) -> None:
        self._times: npt.NDArray[np.int64] = np.zeros(0x110000, np.int64)
        self._letters = np.full(0x110000, -1, np.int8)
        self._known = np.zeros(0x110000, np.bool_)
        self.rows: npt.NDArray[np.int64] = np.zeros(len(LETTERS), np.int64)
        self.examples: dict[str, list[tuple[str, int, str]]] = {}

    def add(self, block: Block) -> None:
        """Count the characters of a block."""
        self._times += block.occurring
        for code in np.flatnonzero((block.occurring > 0) & ~self._known):
            script = script_of(int(code))
            self._letters[code] = LETTERS.index(script) if script in LETTERS else -1
            self._known[code] = True
        scripts = self._letters[block.codes]
        places = np.flatnonzero(scripts >= 0)
        kinds = len(LETTERS)
        keys = block.rows[places] * kinds + scripts[places]
        table = np.bincount(keys, minlength=len(block) * kinds).reshape(len(block), kinds)
        main = np.where(table.any(1), table.argmax(1), -1)
        self.rows += np.bincount(main[main >= 0], minlength=kinds)
        for kind in np.unique(main[main >= 0]):
            examples = self.examples.setdefault(LETTERS[kind], [])
            for row in np.flatnonzero(main == kind)[: 3 - len(examples)]:
                examples.append((block.split, block.first + int(row), block.strings[row]))

    def characters(self) -> dict[str, int]:
        """How many characters there are of each script and kind, the most frequent first."""
        totals: dict[str, int] = {}
        for code in np.flatnonzero(self._times):
            script = script_of(int(code))
            totals[script] = totals.get(script, 0) + int(self._times[code])
        return dict(sorted(totals.items(), key=lambda item: (-item[1], item[0])))

    def by_row(self) -> dict[str, int]:
        """How many rows are written mostly in each script, the most frequent first."""
        found = {LETTERS[kind]: int(rows) for kind, rows in enumerate(self.rows) if rows}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def distinct(self) -> int:
        """How many different characters occur."""
        return int((self._times > 0).sum())

    def summary(self) -> dict[str, Any]:
        """The figures as they stand in the report."""
        return {"distinct_characters": self.distinct(), "characters": self.characters(), "rows": self.by_row()}
