"""The frame of a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from pegboard.pages.html import Html, escaped, join, tag
from pegboard.pages.style import STYLE
from pegboard.version import __version__

__all__ = ["Section", "page"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class Section(NamedTuple):
    """A part of a page.

    Attributes:
        title: its heading, which is also its link in the list of contents.
        body: what stands under it; text becomes a paragraph.
        note: a line under the heading.
    """

    title: str
    body: object
    note: object = ""


def page(title: str, summary: object, sections: Sequence[Section], *, style: str = "") -> str:
    """A whole page, to be written to a file as UTF-8.

    Args:
        title: the heading, and the title of the browser's tab.
        summary: a sentence or an element under it.
        sections: the parts in their order; from three on there is a list of contents.
        style: CSS of this page alone, trusted.

    Example:
        >>> html = page("Words", "What was counted.", [Section("Counts", table(["word", "rows"], [["the", 7]]))])
    """
    anchors = _anchors(sections)
    links = [tag("a", section.title, href=f"#{anchor}") for section, anchor in zip(sections, anchors, strict=True)]
    contents = tag("nav", *links, aria_label="Contents") if len(sections) > 2 else ""
    body = join(_section(section, anchor) for section, anchor in zip(sections, anchors, strict=True))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<link rel="icon" href="data:,">
<title>{escaped(title)}</title>
<style>{STYLE}{style}</style>
</head>
<body>
<header>
<h1>{escaped(title)}</h1>
{tag("div", _paragraph(summary), class_="summary")}
{contents}
</header>
<main>
{body}
</main>
<footer>Made by Pegboard {escaped(__version__)}.</footer>
</body>
</html>
"""


def _section(section: Section, anchor: str) -> Html:
    note = tag("p", section.note, class_="note") if section.note else ""
    return tag("section", tag("h2", section.title), note, _paragraph(section.body), id=anchor)


def _paragraph(value: object) -> Html:
    return value if isinstance(value, Html) else tag("p", value)


def _anchors(sections: Sequence[Section]) -> list[str]:
    names: list[str] = []
    for section in sections:
        name = re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-") or "part"
        names.append(name if name not in names else f"{name}-{len(names) + 1}")
    return names
