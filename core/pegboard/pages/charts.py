"""Charts as inline SVG that fit any width: positions are in percent, text keeps its size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from pegboard.pages.html import Html, join, number, tag

__all__ = ["Box", "Mark", "bar_chart", "box_plot", "histogram"]

_SERIES = 3
"""How many series the style has colours for."""


class Box(NamedTuple):
    """One row of a box plot.

    Attributes:
        label: its name.
        low: where the lower whisker ends.
        q1: the first quartile.
        median: the median.
        q3: the third quartile.
        high: where the upper whisker ends.
        note: what stands at its right.
    """

    label: str
    low: float
    q1: float
    median: float
    q3: float
    high: float
    note: object = ""


class Mark(NamedTuple):
    """A vertical line at a value, with its name."""

    value: float
    label: str


def bar_chart(
    labels: Sequence[str],
    series: Mapping[str, Sequence[float]],
    *,
    title: object,
    note: object = "",
    shown: Callable[[float], str] = number,
) -> Html:
    """A horizontal bar for each label, or one for each series under each label.

    Args:
        labels: the rows' names.
        series: for each series its values [labels], not negative; at most three series. A name is shown where there
            are several.
        title: what is drawn.
        note: a line more about it.
        shown: how a value is written.

    Raises:
        ValueError: there are more series than colours.

    Example:
        >>> chart = bar_chart(["joy", "fear"], {"train": [120, 31]}, title="Texts of each label")
    """
    if len(series) > _SERIES:
        raise ValueError(f"a bar chart has at most {_SERIES} series, not {len(series)}")
    most = max((value for values in series.values() for value in values), default=0) or 1
    cells = []
    for row, label in enumerate(labels):
        values = [values[row] for values in series.values()]
        height = 22 if len(values) == 1 else 14
        bars = join(_bar(i, value / most, height) for i, value in enumerate(values))
        lines = join(tag("div", shown(value)) for value in values)
        cells += [
            tag("div", label, class_="label", dir="auto"),
            tag("svg", bars, height=len(values) * (height + 3), aria_hidden="true"),
            tag("div", lines, class_="amount"),
        ]
    legend = ""
    if len(series) > 1:
        names = (tag("span", tag("i", class_=f"s{i}"), name) for i, name in enumerate(series, start=1))
        legend = tag("div", *names, class_="legend")
    return _figure(title, note, legend, tag("div", *cells, class_="rows"))


def _bar(place: int, share: float, height: int) -> Html:
    y = place * (height + 3)
    return join(
        [
            tag("rect", class_="track", x=0, y=y, width="100%", height=height, rx=3),
            tag("rect", class_=f"s{place + 1}", x=0, y=y, width=_percent(share), height=height, rx=3),
        ]
    )


def box_plot(
    boxes: Sequence[Box], *, title: object, note: object = "", axis: str = "", marked: Sequence[Mark] = ()
) -> Html:
    """A horizontal box for each row over one common axis.

    Args:
        boxes: the rows.
        title: what is drawn.
        note: a line more about it, for example what the whiskers are.
        axis: the name of the axis.
        marked: values with a line through all rows; left out where it would squeeze the boxes.
    """
    highest = max((box.high for box in boxes), default=1)
    inside = [mark for mark in marked if mark.value <= 2 * highest]
    ticks = _ticks(max([highest, *(mark.value for mark in inside)]))
    top = ticks[-1]
    cells = []
    for box in boxes:
        cells += [
            tag("div", box.label, class_="label", dir="auto"),
            tag("svg", _grid(ticks, 30), _box(box, top), _lines(inside, top, 30), height=30, aria_hidden="true"),
            tag("div", box.note, class_="amount"),
        ]
    names = [tag("text", mark.label, class_="marked", y=30, **_anchored(mark.value / top)) for mark in inside]
    scale = tag("svg", _tick_labels(ticks, 14), *names, height=36 if inside else 18, aria_hidden="true")
    cells += [tag("div", axis, class_="amount"), scale, tag("div")]
    return _figure(title, note, tag("div", *cells, class_="rows"))


def _box(box: Box, top: float) -> Html:
    def x(value: float) -> str:
        return _percent(value / top)

    width = _percent(max(box.q3 - box.q1, top / 500) / top)
    return join(
        [
            tag("line", class_="whisker", x1=x(box.low), x2=x(box.high), y1=15, y2=15),
            *(tag("line", class_="whisker", x1=x(end), x2=x(end), y1=10, y2=20) for end in (box.low, box.high)),
            tag("rect", class_="box", x=x(box.q1), y=5, width=width, height=20, rx=2),
            tag("line", class_="median", x1=x(box.median), x2=x(box.median), y1=5, y2=25),
        ]
    )


def histogram(
    edges: Sequence[float],
    counts: Sequence[float],
    *,
    title: object,
    note: object = "",
    axis: str = "",
    marked: Sequence[Mark] = (),
    height: int = 220,
) -> Html:
    """Bars over a continuous axis that starts at 0, with lines at marked values.

    Args:
        edges: where the bars begin and end [bars + 1], ascending.
        counts: the bars' heights [bars].
        title: what is drawn.
        note: a line more about it.
        axis: the name of the axis.
        marked: lines over the whole height; one far beyond the last bar stands at the right edge with an arrow.
        height: of the bars, in pixels.

    Example:
        >>> chart = histogram([0, 10, 20], [7, 3], title="Tokens", marked=[Mark(16, "maximum 16")])
    """
    end = edges[-1] if len(edges) else 1
    near = [mark for mark in marked if mark.value <= 6 * end]
    ticks = _ticks(max([end, *(mark.value for mark in near)]))
    right = max([end, *(mark.value * 1.04 for mark in near)])
    ticks = [tick for tick in ticks if tick <= right]
    most = max(counts, default=0) or 1
    levels = _ticks(most, 4)
    space = 22 * len(marked) + 8
    scale = (height - 4) / levels[-1]

    def y(value: float) -> float:
        return round(space + height - value * scale, 1)

    parts = []
    for level in levels[1:]:
        parts.append(tag("line", class_="grid", x1=0, x2="100%", y1=y(level), y2=y(level)))
    for left, after, count in zip(edges, edges[1:], counts, strict=False):
        if count:
            width = _percent((after - left) / right * 0.94)
            tall = max(1.0, round(count * scale, 1))
            parts.append(
                tag(
                    "rect",
                    tag("title", f"{number(left)} to {number(after)}: {number(count)}"),
                    class_="s1",
                    x=_percent(left / right),
                    y=round(space + height - tall, 1),
                    width=width,
                    height=tall,
                )
            )
    parts.append(tag("line", class_="axis", x1=0, x2="100%", y1=y(0), y2=y(0)))
    for place, mark in enumerate(marked):
        parts.append(_mark_over(mark, right, place, space + height, far=mark not in near))
    low = tag("svg", _tick_labels(ticks, space + height + 16, right), height=0)
    labelled = tag("text", axis, x="50%", y=space + height + 34, text_anchor="middle") if axis else ""
    tall = space + height + (40 if axis else 22)
    scale_text = (tag("text", number(level), x="100%", y=y(level) + 4, text_anchor="end") for level in levels)
    gutter = f"width: {0.5 * max(len(number(level)) for level in levels) + 0.2:.1f}rem"
    drawn = [
        tag("svg", *scale_text, height=tall, style=gutter, aria_hidden="true"),
        tag("svg", *parts, low, labelled, height=tall, role="img"),
    ]
    return _figure(title, note, tag("div", *drawn, class_="plot"))


def _mark_over(mark: Mark, right: float, place: int, bottom: int, *, far: bool) -> Html:
    y = 16 + 22 * place
    if far:
        return tag("text", f"{mark.label} →", class_="marked", x="100%", y=y, text_anchor="end")
    x = _percent(mark.value / right)
    line = tag("line", class_="mark", x1=x, x2=x, y1=y + 4, y2=bottom)
    return join([line, tag("text", mark.label, class_="marked", y=y, **_anchored(mark.value / right))])


def _anchored(share: float) -> dict[str, str]:
    """Where a text at a place of the axis begins, so that it stays inside."""
    anchor = "start" if share < 0.2 else "end" if share > 0.8 else "middle"
    return {"x": _percent(share), "text_anchor": anchor}


def _grid(ticks: Sequence[float], height: int) -> Html:
    return join(
        tag("line", class_="grid", x1=_percent(t / ticks[-1]), x2=_percent(t / ticks[-1]), y1=-4, y2=height + 4)
        for t in ticks
    )


def _lines(marks: Sequence[Mark], top: float, height: int) -> Html:
    places = (_percent(mark.value / top) for mark in marks)
    return join(tag("line", class_="mark", x1=x, x2=x, y1=-4, y2=height + 4) for x in places)


def _tick_labels(ticks: Sequence[float], y: float, right: float | None = None) -> Html:
    right = right or ticks[-1]
    texts = []
    for tick in ticks:
        share = tick / right
        anchor = "start" if share < 0.02 else "end" if share > 0.97 else "middle"
        texts.append(tag("text", number(tick), x=_percent(share), y=y, text_anchor=anchor))
    return join(texts)


def _ticks(highest: float, about: int = 6) -> list[float]:
    """Round numbers from 0 to at least `highest`, `about` many."""
    if highest <= 0:
        return [0, 1]
    step = _nice(highest / about)
    return [round(i * step, 10) for i in range(math.ceil(highest / step - 1e-9) + 1)]


def _nice(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= step * (1 - 1e-9))


def _percent(share: float) -> str:
    return f"{100 * min(max(share, 0), 1):.2f}%"


def _figure(title: object, note: object, *content: object) -> Html:
    more = join([" ", note]) if note else ""
    return tag("figure", tag("figcaption", tag("b", title), more), *content)
