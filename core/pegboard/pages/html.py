"""Pieces of HTML that are safe to put together."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

__all__ = ["Html", "escaped", "join", "number", "percent", "tag"]

_UNSEEN = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\uf8ff\ufeff\ufffe\uffff]"
)
"""Characters that HTML forbids, that nobody sees, or that turn the direction of what follows on the page."""


class Html(str):
    """Text that is HTML already; everything else is escaped when it comes into a page."""

    __slots__ = ()


def escaped(value: object) -> Html:
    """A value as HTML text. Characters that can't be seen or would upset the page stand as `U+200B`.

    Example:
        >>> escaped("1 < 2")
        '1 &lt; 2'
    """
    if isinstance(value, Html):
        return value
    return Html(_UNSEEN.sub(_marked, html.escape(str(value))))


def _marked(match: re.Match[str]) -> str:
    return f'<span class="unseen">U+{ord(match[0]):04X}</span>'


def join(parts: Iterable[object], between: str = "") -> Html:
    """Values one after another, each escaped."""
    return Html(between.join(escaped(part) for part in parts))


def tag(name: str, *content: object, **attributes: object) -> Html:
    """An element. An attribute of `None` is left out, `class_` is `class`, and `_` in a name is `-`.

    Example:
        >>> tag("a", "here & there", href="#top", class_="link")
        '<a href="#top" class="link">here &amp; there</a>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>{join(content)}</{name}>")


def number(value: float) -> str:
    """A number as people write it: `12,345`, `3.42`.

    Example:
        >>> number(12345), number(3.4159), number(0.00042)
        ('12,345', '3.42', '0.00042')
    """
    if value == int(value):
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percent(share: float) -> str:
    """A share in percent; what is not nothing does not read as nothing, nor what is not all as all.

    Example:
        >>> percent(0.5), percent(0.00001), percent(0), percent(0.9999)
        ('50.0 %', '< 0.1 %', '0 %', '> 99.9 %')
    """
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    if share < 0.0005:
        return "< 0.1 %"
    return "> 99.9 %" if share >= 0.9995 else f"{share * 100:.1f} %"
