"""Characters and sequences that rarely belong in a text: most often traces of a mistake on the way."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from pegboard.inspection.block import Block

__all__ = ["KINDS", "Characters", "Kind"]

EXAMPLES = 3
_AROUND = 60


class Kind(NamedTuple):
    """A kind of odd character.

    Attributes:
        name: as it stands in the report.
        title: in words.
        advice: what to do about it.
    """

    name: str
    title: str
    advice: str


KINDS = (
    Kind(
        "replacement",
        "the replacement character U+FFFD",
        "letters were lost when the data were decoded; read the source again in its own encoding "
        "(--set dataset.encoding=…), since nothing brings them back here",
    ),
    Kind(
        "mojibake",
        "UTF-8 that was read as another encoding, such as “Ã©” for “é”",
        "read the source as UTF-8; if it is written like that, text.encode('cp1252').decode('utf-8') mends most of it",
    ),
    Kind("control", "control characters", "remove them, unless the source means something by them"),
    Kind(
        "bom",
        "the byte order mark U+FEFF",
        "remove it: files that were joined leave it in the middle, where it makes another word of a word",
    ),
    Kind(
        "invisible",
        "zero-width spaces, soft hyphens and other characters that nobody sees",
        "remove them: a word with one is another word to a tokenizer",
    ),
    Kind(
        "direction",
        "characters that turn the direction of writing",
        "remove them, unless the texts mix directions on purpose: they can hide what a text says",
    ),
    Kind(
        "private_use",
        "private use characters",
        "they mean something in one font only; replace them by what they stand for",
    ),
    Kind(
        "unassigned",
        "code points that are no characters, or not known to this Python",
        "see whether the source was decoded rightly",
    ),
    Kind(
        "html_entity",
        "HTML entities such as “&amp;”",
        "html.unescape turns them into the characters they stand for",
    ),
    Kind("html_tag", "HTML tags such as “<br />”", "remove the tags, or a model learns to read them"),
    Kind(
        "lone_cr",
        "carriage returns that end no line",
        "replace \\r by \\n or a space: tokenizers differ on it",
    ),
)
_PLACES = {kind.name: place for place, kind in enumerate(KINDS)}

_HIGH_BYTES = "\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
"""What a UTF-8 continuation byte looks like when it is read as Latin-1 or cp1252."""
_MOJIBAKE = f"[ÃÂ][{_HIGH_BYTES}]|(?:[ÐÑ][{_HIGH_BYTES}]){{2}}|â€[\u0080-\u00ff€™˜œžšŸ“”¢¦]|ðŸ[{_HIGH_BYTES}]|ï¿½|ï»¿"
_LEADS = [ord(character) for character in "ÃÂÐÑâðï"]
_ENTITY = r"&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});"
_TAG = r"(?i)</?(?:br|p|div|span|a|b|i|u|em|strong|ul|ol|li|img|table|tr|td|h[1-6]|script|style)(?:\s[^<>]*)?/?>"


def _kind_of(code: int) -> int:
    """The place in `KINDS` of a character that is odd by itself; -1 for others."""
    if code == 0xFFFD:
        return _PLACES["replacement"]
    if code == 0xFEFF:
        return _PLACES["bom"]
    if code in (0x00AD, 0x180E, 0x200B, *range(0x2060, 0x2065)):  # not U+200C and U+200D: emoji, Persian, Hindi
        return _PLACES["invisible"]
    if code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A)):
        return _PLACES["direction"]
    category = unicodedata.category(chr(code))
    if category == "Cc" and chr(code) not in "\t\n\r":
        return _PLACES["control"]
    return {"Co": _PLACES["private_use"], "Cn": _PLACES["unassigned"]}.get(category, -1)


class Characters:
    """Counts rows with odd characters, and keeps a few of each kind.

    Attributes:
        rows: for each split and kind, how many rows have it.
        codes: for each kind, how often each of its characters occurs.
        examples: for each kind, split and row of the first ones, and what stands around the place.
    """

    def __init__(self) -> None:
        self._kinds = np.full(0x110000, -1, np.int8)
        self._known = np.zeros(0x110000, np.bool_)
        self.rows: dict[str, dict[str, int]] = {}
        self.codes: dict[str, dict[str, int]] = {}
        self.examples: dict[str, list[tuple[str, int, str]]] = {}

    def add(self, block: Block) -> None:
        """Look through a block."""
        for code in np.flatnonzero((block.occurring > 0) & ~self._known):
            self._kinds[code] = _kind_of(int(code))
            self._known[code] = True
        occurring = np.flatnonzero(block.occurring)
        odd = occurring[self._kinds[occurring] >= 0]
        if len(odd):
            self._add_codes(block, odd)
        if block.occurring[_LEADS].any():
            self._add_matching(block, "mojibake", _MOJIBAKE)
        if block.occurring[ord("&")]:
            self._add_matching(block, "html_entity", _ENTITY)
        if block.occurring[ord("<")]:
            self._add_matching(block, "html_tag", _TAG)
        if block.occurring[ord("\r")]:
            self._add_lone_cr(block)

    def _add_codes(self, block: Block, odd: npt.NDArray[np.int64]) -> None:
        kinds = self._kinds[block.codes]
        for kind in np.unique(self._kinds[odd]):
            self._count_places(block, KINDS[kind].name, np.flatnonzero(kinds == kind))
        for code in odd:
            times = self.codes.setdefault(KINDS[self._kinds[code]].name, {})
            name = f"U+{code:04X}"
            times[name] = times.get(name, 0) + int(block.occurring[code])

    def _add_matching(self, block: Block, kind: str, pattern: str) -> None:
        matching = pc.match_substring_regex(block.present, pattern).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(matching)
        self._count(block, kind, rows)
        for row in rows[: EXAMPLES - len(self.examples[kind])] if len(rows) else ():
            text = block.strings[row]
            found = re.search(pattern, text)
            self._keep(block, kind, int(row), found.start() if found else 0)

    def _add_lone_cr(self, block: Block) -> None:
        places = np.flatnonzero(block.codes == ord("\r"))
        following = np.append(block.codes, 0)[places + 1]
        rows = block.rows[places]
        alone = (following != ord("\n")) | (block.ends[rows] == places + 1)
        self._count_places(block, "lone_cr", places[alone])

    def _count_places(self, block: Block, kind: str, places: npt.NDArray[np.int64]) -> None:
        rows, first = np.unique(block.rows[places], return_index=True)
        self._count(block, kind, rows)
        for row, place in zip(rows.tolist(), places[first].tolist(), strict=True):
            if len(self.examples[kind]) == EXAMPLES:
                break
            self._keep(block, kind, row, place - int(block.ends[row] - block.characters[row]))

    def _count(self, block: Block, kind: str, rows: npt.NDArray[np.int64]) -> None:
        if len(rows):
            counted = self.rows.setdefault(block.split, {})
            counted[kind] = counted.get(kind, 0) + len(rows)
            self.examples.setdefault(kind, [])

    def _keep(self, block: Block, kind: str, row: int, place: int) -> None:
        """Remember what stands around a place of a text."""
        text = block.strings[row]
        start, end = max(0, place - _AROUND), place + _AROUND
        shown = ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
        self.examples[kind].append((block.split, block.first + row, shown))

    def summary(self) -> dict[str, Any]:
        """The figures as they stand in the report: rows by kind and split, and which characters."""
        found = {}
        for kind in KINDS:
            by_split = {split: rows[kind.name] for split, rows in self.rows.items() if kind.name in rows}
            if by_split:
                found[kind.name] = {"rows": by_split, "characters": dict(sorted(self.codes.get(kind.name, {}).items()))}
        return found
