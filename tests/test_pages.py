"""HTML pages: safe whatever they show, whole, and the same for the same."""

import re
from html.parser import HTMLParser

import pytest
from pegboard.pages import (
    Box,
    Callout,
    Figure,
    Html,
    Mark,
    Section,
    bar_chart,
    box_plot,
    callouts,
    details,
    escaped,
    figures,
    histogram,
    join,
    number,
    page,
    percent,
    quotations,
    quote,
    table,
    tag,
)
from pegboard.pages.charts import _ticks

NASTY = '<script>alert("1")</script> & \' \x00\x1b\u202e\ud800'
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Checker(HTMLParser):
    """Elements are closed in the order in which they were opened."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], []

    def handle_starttag(self, name, attributes):
        self.seen.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, text):
        self.text.append(text)


def parsed(html):
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


EVERYTHING = {
    "table": lambda text: table([text, "n"], [[text, 1]], caption=text),
    "callouts": lambda text: callouts([Callout(text, text, text), Callout(text, level="note")]),
    "figures": lambda text: figures([Figure(text, text, text), Figure(text, 3)]),
    "bar_chart": lambda text: bar_chart([text], {text: [1], "b": [2]}, title=text, note=text, shown=lambda _: text),
    "box_plot": lambda text: box_plot([Box(text, 0, 1, 2, 3, 4, text)], title=text, axis=text, marked=[Mark(3, text)]),
    "histogram": lambda text: histogram([0, 1], [2], title=text, axis=text, marked=[Mark(1, text), Mark(99, text)]),
    "details": lambda text: details(text, text, shown=True),
    "quote": quote,
    "quotations": lambda text: quotations([(text, text)]),
    "page": lambda text: page(text, text, [Section(text, text, text), Section("b", "c"), Section("", "")]),
}


@pytest.mark.parametrize("part", EVERYTHING)
def test_whatever_is_shown_is_text(part):
    html = EVERYTHING[part](NASTY)
    checker = parsed(html)
    assert "script" not in {name for name, _ in checker.seen}
    assert not any(name.startswith("on") for _, attributes in checker.seen for name in attributes)
    assert not set("\0\x1b\u202e\ud800") & set(html)
    assert '<script>alert("1")</script>' in "".join(checker.text)
    assert all(name in "".join(checker.text) for name in ("U+0000", "U+001B", "U+202E", "U+D800"))
    html.encode("utf-8")


def test_html_is_not_escaped_again():
    assert escaped(Html("<b>x</b>")) == "<b>x</b>"
    assert join([tag("b", "1 < 2"), " & ", 3], "|") == "<b>1 &lt; 2</b>| &amp; |3"
    assert tag("a", href='"><script>', title=None) == '<a href="&quot;&gt;&lt;script&gt;"></a>'


class TestPage:
    def test_it_stands_alone_and_forbids_the_rest(self):
        html = page("Title", "summary", [Section("One", "text")])
        assert html.startswith("<!doctype html>")
        assert "default-src &#x27;none&#x27;" in html or "default-src 'none'" in html
        assert not re.search(r"https?:|@import|url\(|<script", html)
        assert 'name="viewport"' in html
        assert "prefers-color-scheme: dark" in html

    def test_contents_from_three_sections_on(self):
        sections = [Section("Same", "a"), Section("Same", "b"), Section("猫", "c")]
        assert "<nav" not in page("T", "s", sections[:2])
        checker = parsed(page("T", "s", sections))
        anchors = [attributes["href"][1:] for name, attributes in checker.seen if name == "a"]
        assert anchors == [attributes["id"] for name, attributes in checker.seen if name == "section"]
        assert len(set(anchors)) == 3


class TestTable:
    def test_numbers_stand_at_the_right(self):
        rows = [["joy", 1200, "5.0 %", "x 1"], ["rage", 3.5, "–", "2"]]
        classes = [attributes.get("class") for name, attributes in parsed(table("abcd", rows)).seen if name == "td"]
        assert classes == ["short", "n", "n", "short"] * 2

    def test_numbers_are_written_for_people(self):
        assert '<td class="n">1,234,567</td>' in table(["a"], [[1234567]])

    def test_no_rows(self):
        parsed(table(["a", "b"], []))


class TestCharts:
    def test_bars_are_in_proportion(self):
        html = bar_chart(["a", "b", "c"], {"n": [4, 1, 0]}, title="t")
        assert re.findall(r'class="s1"[^>]*width="([\d.]+)%"', html) == ["100.00", "25.00", "0.00"]

    def test_a_chart_has_colours_for_three_series(self):
        with pytest.raises(ValueError, match="at most 3"):
            bar_chart(["a"], {name: [1] for name in "abcd"}, title="t")

    def test_nothing_to_draw(self):
        parsed(bar_chart([], {"n": []}, title="t"))
        parsed(bar_chart(["a"], {"n": [0]}, title="t"))
        parsed(box_plot([], title="t"))
        parsed(box_plot([Box("a", 0, 0, 0, 0, 0)], title="t"))
        parsed(histogram([], [], title="t"))
        parsed(histogram([0, 1], [0], title="t", marked=[Mark(1, "one")]))

    def test_a_mark_far_away_does_not_squeeze_the_bars(self):
        near = histogram([0, 10], [5], title="t", marked=[Mark(20, "limit")])
        far = histogram([0, 10], [5], title="t", marked=[Mark(512, "limit")])
        assert "limit →" not in near
        assert "limit →" in far
        width = r'class="s1"[^>]*width="([\d.]+)%"'
        assert float(re.search(width, near)[1]) < float(re.search(width, far)[1])

    def test_every_place_is_inside(self):
        html = box_plot([Box("a", 3, 4, 5, 9, 77)], title="t", marked=[Mark(100, "limit")])
        assert all(0 <= float(place) <= 100 for place in re.findall(r'x[12]?="([\d.]+)%"', html))

    @pytest.mark.parametrize("highest", [0.003, 0.7, 1, 3, 10, 66, 257, 1000, 12345, 9.9e7])
    def test_ticks_are_round_and_few(self, highest):
        ticks = _ticks(highest)
        assert ticks[0] == 0
        assert ticks[-1] >= highest > ticks[-2]
        assert 3 <= len(ticks) <= 8


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (1234, "1,234"), (3.14159, "3.14"), (1234.5, "1,234"), (0.00012, "0.00012")]
)
def test_numbers(value, shown):
    assert number(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0, "0 %"), (1, "100 %"), (0.123, "12.3 %"), (0.0001, "< 0.1 %"), (0.99999, "> 99.9 %"), (0.0005, "0.1 %")],
)
def test_shares(share, shown):
    assert percent(share) == shown
