"""Tokens and texts in a form in which everything can be seen and nothing does harm."""

from __future__ import annotations

import unicodedata

__all__ = ["in_one_line", "visible"]

_LONGEST_TOKEN = 32


def visible(token: str) -> str:
    r"""A token with its white space and odd characters to be seen, so that a space can stand between tokens.

    Example:
        >>> visible(" a"), visible("\n"), visible("\x1b[31m")
        ('␣a', '\\n', '\\x1b[31m')
    """
    if len(token) > _LONGEST_TOKEN:
        token = token[: _LONGEST_TOKEN - 1] + "…"
    shown = "".join("␣" if character == " " else _printable(character) for character in token)
    return f"◌{shown}" if shown and unicodedata.combining(shown[0]) else shown


def in_one_line(text: str, width: int) -> str:
    """The beginning of a text, as one line that leaves the terminal in peace."""
    beginning = text[: 4 * width]
    shown = "".join(_printable(character) for character in " ".join(beginning.split()))
    return shown if len(shown) <= width and beginning == text else shown[: width - 1] + "…"


def _printable(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
