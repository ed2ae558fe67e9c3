"""HTML pages of results: one self-contained file each, with inline style and charts, light and dark, wide and narrow.

Every function takes plain values, escapes them, and gives `Html`; `Html` that is passed on is not escaped again.
Nothing is loaded from elsewhere and nothing runs: a page has no script, and its policy forbids both.
"""

from pegboard.pages.charts import Box, Mark, bar_chart, box_plot, histogram
from pegboard.pages.html import Html, escaped, join, number, percent, tag
from pegboard.pages.page import Section, page
from pegboard.pages.parts import Callout, Figure, callouts, details, figures, paragraph, quotations, quote, table

__all__ = [
    "Box",
    "Callout",
    "Figure",
    "Html",
    "Mark",
    "Section",
    "bar_chart",
    "box_plot",
    "callouts",
    "details",
    "escaped",
    "figures",
    "histogram",
    "join",
    "number",
    "page",
    "paragraph",
    "percent",
    "quotations",
    "quote",
    "table",
    "tag",
]
