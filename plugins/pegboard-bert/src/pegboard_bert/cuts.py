"""Tell where texts may be cut before a tokenizer sees them."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

from pegboard import PLAIN_LETTERS

from pegboard_bert.patterns import is_gpt_pattern
from pegboard_bert.tokenizer_json import Step, steps_of

if TYPE_CHECKING:
    import tokenizers

__all__ = ["Cuts", "where_to_cut"]

_LETTER = r"[A-Za-z\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3]"
_SIGN = r"[,.;:!?()\u3001\u3002\uff0c\uff1a\uff1b\uff1f]"
_BORDER = f"(?<={_LETTER})(?={_SIGN})"
_OF_A_WORD = f"[{PLAIN_LETTERS}]"


class Cuts(NamedTuple):
    """Where texts may be cut without a change of their ids; see the attributes of these names of `LibraryTokenizer`."""

    context_free: bool = False
    space_first: bool = False
    ascii_words: bool = False
    border: str = ""
    letters: str = ""
    left_to_right: bool = False


def where_to_cut(backend: tokenizers.Tokenizer) -> Cuts:
    """Where a text may be cut, so that each distinct word need be encoded only once.

    Behind every space, if words fall apart at white space, which is dropped. Before every run of white space that
    begins with a space, if white space belongs to the next word or is a word of its own: then no word begins before
    the run and goes on into it. Not at all, if neither is sure. Between letters and signs, if that ends a word, too.
    """
    normalizers = list(steps_of(_state(backend.normalizer), "normalizers"))
    splitters = list(steps_of(_state(backend.pre_tokenizer), "pretokenizers"))
    added = list(backend.get_added_tokens_decoder().values())
    contents = {form for token in added for form in (token.content, _normal(backend, token.content))}
    if any(not content or any(map(str.isspace, content)) for content in contents):
        return Cuts()  # it could lie across the border
    left_to_right = all(map(_goes_on, splitters))
    for place, step in enumerate(splitters):
        rest = splitters[place + 1 :]
        if _drops_space(step):
            if not all(map(_keeps_to_words, normalizers)) or not all(map(_keeps_to_its_piece, rest)):
                return Cuts()
            # White space that it leaves in words could be taken into a token from across a space.
            if step["type"] == "CharDelimiterSplit" and any(token.lstrip or token.rstrip for token in added):
                return Cuts()
            by_kinds = all(_drops_space(other) or _cuts_between_kinds(other) for other in splitters)
            border, letters = _border(step, contents), _letters(splitters, contents)
            return Cuts(
                context_free=True, ascii_words=by_kinds, border=border, letters=letters, left_to_right=left_to_right
            )
        if _gives_space_to_next_word(step):
            # A token that takes the white space behind it into itself would take it from the next segment.
            greedy = any(token.rstrip for token in added)
            if greedy or not all(map(_keeps_space, normalizers)) or not all(map(_keeps_to_its_piece, rest)):
                return Cuts()
            by_kinds = step["type"] in ("ByteLevel", "Metaspace") and len(splitters) == 1
            return Cuts(
                context_free=True,
                space_first=True,
                ascii_words=by_kinds,
                border=_border(step, contents),
                left_to_right=left_to_right,
            )
        if not _cuts_between_kinds(step):
            break
    return Cuts()


def _border(step: Step, contents: set[str]) -> str:
    """Where a word ends without a space, if the step makes it so and no added token lies across."""
    ends_words = step["type"] in ("BertPreTokenizer", "ByteLevel", "Split", "Whitespace")
    return _BORDER if ends_words and not any(re.search(_BORDER, content) for content in contents) else ""


def _letters(splitters: list[Step], contents: set[str]) -> str:
    """What no word ends between: not after normalizing either, and no added token begins there."""
    within = all(step["type"] in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit") for step in splitters)
    # A mark may be what is left of a letter that is taken apart.
    begin = any(re.match(_OF_A_WORD, content) or unicodedata.category(content[0])[0] == "M" for content in contents)
    return _OF_A_WORD if within and not begin else ""


def _goes_on(step: Step) -> bool:
    """Whether it tells where a word ends from what stands before and the next few characters."""
    if step["type"] == "Split":  # the patterns of GPT-4 look for a line break behind any number of spaces
        pattern = step["pattern"].get("Regex", "")
        return is_gpt_pattern(pattern) and r"\s*" not in pattern
    return step["type"] in {
        *("BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "Metaspace", "Punctuation"),
        *("Whitespace", "WhitespaceSplit"),
    }


def _drops_space(step: Step) -> bool:
    if step["type"] == "CharDelimiterSplit":
        return bool(step["delimiter"] == " ")
    return step["type"] in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit")


def _gives_space_to_next_word(step: Step) -> bool:
    """Whether words are a space and what follows it.

    Metaspace puts a mark before a text only if there is no space, and each segment but the first begins with one.
    """
    if step["type"] == "ByteLevel":
        return bool(step["use_regex"])
    if step["type"] == "Metaspace":
        return bool(step["split"])
    if step["type"] == "Split":
        whole = (step["behavior"], step["invert"]) in (("Isolated", False), ("Removed", True))
        return whole and is_gpt_pattern(step["pattern"].get("Regex", ""))
    return False


def _cuts_between_kinds(step: Step) -> bool:
    """Whether it cuts between two characters or not by nothing but the kinds of these two."""
    if step["type"] == "Punctuation":
        return step["behavior"] in ("Isolated", "Contiguous")
    return bool(step["type"] == "Digits")


def _keeps_to_its_piece(step: Step) -> bool:
    """Whether what it does to a piece depends on that piece alone, not on its place in the text."""
    if step["type"] == "Metaspace":
        return bool(step["prepend_scheme"] != "first")
    return step["type"] in {
        *("BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "FixedLength", "Punctuation", "Split"),
        *("UnicodeScripts", "Whitespace", "WhitespaceSplit"),
    }


def _keeps_space(step: Step) -> bool:
    """Whether a space stays one, with what is not white space before it."""
    return step["type"] in {"Lowercase", "NFC", "NFD", "NFKC", "NFKD"}


def _keeps_to_words(step: Step) -> bool:
    """Whether each side of a space is normalized as if the other were not there."""
    return _keeps_space(step) or step["type"] in {"BertNormalizer", "StripAccents"}


def _normal(backend: tokenizers.Tokenizer, text: str) -> str:
    return str(backend.normalizer.normalize_str(text)) if backend.normalizer is not None else text


def _state(component: Any) -> Any:
    """A component of the library as its JSON says, with all fields."""
    return json.loads(component.__getstate__()) if component is not None else None
