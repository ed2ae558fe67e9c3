"""What pages are made of, apart from charts: tables, callouts, key figures, quotations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from pegboard.pages.html import Html, escaped, join, number, tag

__all__ = ["Callout", "Figure", "callouts", "details", "figures", "paragraph", "quotations", "quote", "table"]

_NUMBER = re.compile(r"(?:(?:&lt;|&gt;|[<>]) )?[-+]?[\d,.]+(?:e[-+]?\d+)?(?: ?[%x×]| [kMG]?B(?:/s)?)?|[–-]?")
"""What counts as a number: 12,345, 3.4, 5 %, 2.5x, 12 MB/s, and a dash or nothing where there is none."""

_SHORT = 20


class Figure(NamedTuple):
    """A key figure: a large value over its name, and a line of detail."""

    name: str
    value: object
    detail: object = ""


class Callout(NamedTuple):
    """Something that wants attention.

    Attributes:
        title: what it is, in a few words.
        body: more of it: text, or a table of examples.
        advice: what to do about it.
        level: `warning`, `note`, or `good` for "all is well".
    """

    title: object
    body: object = ""
    advice: object = ""
    level: Literal["warning", "note", "good"] = "warning"


def paragraph(*content: object) -> Html:
    """A paragraph."""
    return tag("p", *content)


def figures(values: Iterable[Figure]) -> Html:
    """Key figures side by side."""
    tiles = [
        tag(
            "div",
            tag("dt", figure.name),
            tag("dd", _cell(figure.value), class_="value"),
            tag("dd", figure.detail, class_="detail") if figure.detail else "",
        )
        for figure in values
    ]
    return tag("dl", *tiles, class_="figures")


def callouts(items: Iterable[Callout]) -> Html:
    """Boxes under each other, in the order given."""
    return tag("div", *map(_callout, items), class_="callouts")


def _callout(item: Callout) -> Html:
    body = item.body if isinstance(item.body, Html) or not item.body else tag("p", item.body)
    advice = tag("p", tag("b", "What to do: "), item.advice, class_="advice") if item.advice else ""
    return tag("div", tag("h3", item.title), advice, body, class_=f"callout {item.level}")


def details(title: object, *content: object, shown: bool = False) -> Html:
    """Something that opens when its title is clicked."""
    opened = tag("details", tag("summary", title), *content)
    return Html(opened.replace("<details>", "<details open>", 1)) if shown else opened


def quote(text: str, most: int = 300) -> Html:
    """A text of the data, at most `most` characters of it, in its own direction."""
    shown = text if len(text) <= most else text[: most - 1] + "…"
    return tag("q", shown, dir="auto")


def quotations(items: Iterable[tuple[object, object]], most: int = 300) -> Html:
    """Texts of the data, each with where it comes from at its left, or above it on a narrow screen."""
    rows = []
    for source, text in items:
        rows += [tag("dt", source), tag("dd", text if isinstance(text, Html) else quote(str(text), most))]
    return tag("dl", *rows, class_="quotations")


def table(
    header: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    caption: object = "",
    numbers: Iterable[int] | None = None,
) -> Html:
    """A table; on a narrow screen it scrolls by itself.

    Args:
        header: the columns' names.
        rows: cells; numbers are written with thousands separators.
        caption: a line over it.
        numbers: the places of the columns aligned to the right; by default those that hold nothing but numbers.
    """
    rows = [list(row) for row in rows]
    right = set(range(len(header)) if numbers is None else numbers)
    if numbers is None:
        right = {i for i in right if rows and all(_NUMBER.fullmatch(_cell(row[i])) for row in rows)}

    def cells(name: str, row: Sequence[object]) -> Html:
        scope = "col" if name == "th" else None
        classes = ("n" if i in right else "short" if _is_short(cell) else None for i, cell in enumerate(row))
        made = (tag(name, _cell(cell), scope=scope, class_=c) for cell, c in zip(row, classes, strict=True))
        return tag("tr", *made)

    head = tag("thead", cells("th", header))
    body = tag("tbody", *(cells("td", row) for row in rows))
    titled = tag("caption", caption) if caption else ""
    return tag("div", tag("table", titled, head, body), class_="scroll", tabindex=0)


def _is_short(value: object) -> bool:
    """Whether it is a word or two, which stay on one line."""
    return not isinstance(value, Html) and len(str(value)) <= _SHORT


def _cell(value: object) -> Html:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return escaped(number(value))
    return join([value])
