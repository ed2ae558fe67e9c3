"""A comparison of tokenizers as one HTML page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pegboard.pages import (
    Box,
    Callout,
    Html,
    Mark,
    Section,
    bar_chart,
    box_plot,
    callouts,
    join,
    page,
    percent,
    quote,
    table,
    tag,
)
from pegboard.tokenizing.visible import visible

if TYPE_CHECKING:
    from pegboard.tokenizing.compare import ComparedTokenizer, TokenizerComparison
    from pegboard.tokenizing.show import ShownTokens

__all__ = ["comparison_page"]

_MOST_TOKENS = 400
_MANY_UNKNOWN = 0.01
_MANY_TRUNCATED = 0.01

_STYLE = """
.sentence { margin: 1.25rem 0 0; padding-top: 1rem; border-top: 1px solid var(--line); }
.sentence:first-child { margin-top: 0; padding-top: 0; border-top: 0; }
.sentence > q { font-weight: 600; }
.cut { display: grid; grid-template-columns: minmax(7rem, 12rem) 1fr; gap: .2rem 1rem; margin: .6rem 0 0; }
.cut .who { overflow-wrap: anywhere; font-size: .925rem; line-height: 1.35; }
.cut .who span { display: block; color: var(--soft); font-size: .825rem; }
.tokens { display: flex; flex-wrap: wrap; align-content: start; gap: .2rem; min-width: 0;
  font: .85rem/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "Noto Sans Mono", monospace; }
.tokens span { padding: 0 .3em; border: 1px solid var(--note-line); border-radius: .3em; background: var(--note-bg);
  overflow-wrap: anywhere; }
.tokens .even { border-color: var(--good-line); background: var(--good-bg); }
.tokens .unknown { border-color: var(--warn); background: var(--warn); color: var(--card); font-weight: 650; }
.tokens .special { border-style: dashed; border-color: var(--soft); background: none; color: var(--soft); }
.tokens .more { border: 0; background: none; color: var(--soft); }
.key { margin: 0 0 1rem; font-size: .825rem; }
dl.meaning { display: grid; grid-template-columns: minmax(7rem, 12rem) 1fr; gap: .4rem 1rem; margin: 0;
  font-size: .925rem; }
dl.meaning dt { font-weight: 600; }
dl.meaning dd { margin: 0; max-width: 65ch; color: var(--soft); }
td:first-child { min-width: 7rem; }
@media (max-width: 34rem) {
  .cut, dl.meaning { grid-template-columns: 1fr; }
  dl.meaning dd { margin-bottom: .4rem; }
}
"""

_MEANING = {
    "tokens/word": "Also called fertility: 1 where every word is one token. A word is what white space separates; the "
    "special tokens around a text do not count.",
    "chars/token": "How much text one token carries. A higher number makes shorter sequences.",
    "[UNK]": "The share of tokens that stand for something unknown, so that its meaning is lost.",
    "words known": "The share of the test split's words that hold no [UNK] when encoded by themselves.",
    "distinct known": "The same, where each different word counts once, however often it occurs.",
    "chars known": "The share of characters, without white space, that stand in such words.",
    "tokens of a text": "With the special tokens around it, as an encoder would see it if nothing were cut off. At "
    "most so many tokens have 50, 90, 95 and 99 in 100 texts.",
    "cut off": "The share of texts that are longer than the maximum: they lose their end, or what their option "
    "long_texts says; with windows they lose nothing.",
    "speed": "Megabytes (10⁶ bytes of UTF-8) in a second of wall-clock time, on the machine that made this page, once. "
    "Small data give low figures, since every distinct word has to be seen once.",
}


def comparison_page(result: TokenizerComparison) -> str:
    """The page: figures, charts, and example sentences token by token."""
    train, test, several = result.train, result.test, result.tokenizers
    summary = (
        f"Trained on {train.rows:,} texts of {result.dataset}, measured on {test.rows:,} test texts "
        f"with {test.words:,} words, {test.distinct_words:,} of them distinct."
    )
    sections = [
        Section("Vocabulary and coverage", _vocabulary(several)),
        Section("Length", _lengths(several), "Tokens of a text, special tokens included, if nothing were cut off."),
        Section(
            "Token by token", _sentences(several), "A piece with ## goes on with a word; one with Ġ or ▁ begins one."
        ),
        Section("Speed", _speed(several), "Measured once, on the machine that made this page."),
        Section("What the figures mean", _meaning()),
    ]
    if found := _findings(several):
        sections.insert(0, Section("What stands out", callouts(found)))
    return page(f"Tokenizers on {result.dataset}", summary, sections, style=_STYLE)


def _findings(several: tuple[ComparedTokenizer, ...]) -> list[Callout]:
    """What a person should not overlook, one box a kind."""
    figures = [(_name(tokenizer), tokenizer.figures) for tokenizer in several]
    found = []
    if unknown := [(name, one) for name, one in figures if one.unknown_rate >= _MANY_UNKNOWN]:
        rows = [
            [name, percent(one.unknown_rate), percent(1 - one.distinct_word_coverage), one.vocab_size]
            for name, one in unknown
        ]
        found.append(
            Callout(
                "Words get lost: more than one token in a hundred is [UNK]",
                table(["tokenizer", "[UNK]", "distinct words unknown", "vocabulary"], rows),
                "A subword tokenizer, a larger vocab_size or a lower min_frequency keeps more of them.",
            )
        )
    if cut := [(name, one) for name, one in figures if one.truncated >= _MANY_TRUNCATED]:
        rows = [
            [name, percent(one.truncated), one.max_length, one.lengths["99"], one.lengths["max"]] for name, one in cut
        ]
        found.append(
            Callout(
                "More than one text in a hundred is longer than the maximum",
                table(["tokenizer", "cut off", "maximum", "99 % have at most", "longest"], rows),
                "A larger max_length keeps them whole, if the encoder can take it; long_texts says what is kept of "
                "them: head, tail, both, or everything in windows.",
            )
        )
    if limited := [(name, one) for name, one in figures if one.lengths_cut_at]:
        found.append(
            Callout(
                "Some lengths are not known",
                table(["tokenizer", "cuts at"], [[name, one.lengths_cut_at] for name, one in limited]),
                "These cut every text whatever they are told, so that their lengths end there.",
                level="note",
            )
        )
    return found


def _vocabulary(several: tuple[ComparedTokenizer, ...]) -> Html:
    rows = [
        [
            _name(tokenizer),
            one.vocab_size,
            f"{one.tokens_per_word:.2f}",
            f"{one.characters_per_token:.2f}",
            percent(one.unknown_rate),
            percent(one.word_coverage),
            percent(one.distinct_word_coverage),
            percent(one.character_coverage),
        ]
        for tokenizer in several
        for one in [tokenizer.figures]
    ]
    header = [
        "tokenizer",
        "vocabulary",
        "tokens/word",
        "chars/token",
        "[UNK]",
        "words known",
        "distinct known",
        "chars known",
    ]
    names = [_name(tokenizer) for tokenizer in several]
    fertility = bar_chart(
        names,
        {"tokens": [tokenizer.figures.tokens_per_word for tokenizer in several]},
        title="Tokens a word",
        note="fewer make shorter sequences",
        shown=lambda value: f"{value:.2f}",
    )
    known = bar_chart(
        names,
        {
            "words": [tokenizer.figures.word_coverage for tokenizer in several],
            "distinct words": [tokenizer.figures.distinct_word_coverage for tokenizer in several],
        },
        title="Test words without [UNK]",
        shown=percent,
    )
    return join([table(header, rows), fertility, known])


def _lengths(several: tuple[ComparedTokenizer, ...]) -> Html:
    figures = [(_name(tokenizer), tokenizer.figures) for tokenizer in several]
    boxes = [
        Box(name, at["5"], at["25"], at["50"], at["75"], at["99"], note=at["max"])
        for name, at in ((name, one.lengths) for name, one in figures)
    ]
    maxima = {one.max_length for _, one in figures}
    marks = [Mark(most, f"maximum {most:,}") for most in maxima] if len(maxima) == 1 else []
    chart = box_plot(
        boxes,
        title="Tokens of a text",
        note="box: the middle half and the median; whiskers: 5 % to 99 %; at the right the longest",
        axis="tokens",
        marked=marks,
    )
    header = ["tokenizer", "mean", "50 %", "90 %", "95 %", "99 %", "longest", "maximum", "cut off"]
    rows = [
        [
            name,
            f"{one.mean_length:.1f}",
            *(one.lengths[key] for key in ("50", "90", "95", "99", "max")),
            one.max_length,
            percent(one.truncated),
        ]
        for name, one in figures
    ]
    return join([chart, table(header, rows)])


def _speed(several: tuple[ComparedTokenizer, ...]) -> Html:
    rows = [
        [
            _name(tokenizer),
            f"{one.training.seconds:.2f} s" if one.training else "not trained",
            f"{one.training.megabytes_per_second:.1f}" if one.training else "–",
            f"{one.encoding.seconds:.2f} s for {one.encoding.bytes / 1e6:.1f} MB",
            f"{one.encoding.megabytes_per_second:.1f}",
        ]
        for tokenizer in several
        for one in [tokenizer.figures]
    ]
    chart = bar_chart(
        [_name(tokenizer) for tokenizer in several],
        {"encoding": [tokenizer.figures.encoding.megabytes_per_second for tokenizer in several]},
        title="Encoding, megabytes a second",
        note="more is faster",
        shown=lambda value: f"{value:.1f}",
    )
    return join([chart, table(["tokenizer", "training", "MB/s", "encoding", "MB/s"], rows)])


def _sentences(several: tuple[ComparedTokenizer, ...]) -> Html:
    key = tag(
        "div",
        *(
            tag("span", name, class_=style)
            for style, name in (("", "token"), ("even", "next token"), ("special", "special"), ("unknown", "unknown"))
        ),
        tag("span", "␣ is a space", class_="more"),
        class_="tokens key",
    )
    blocks = []
    for place, batch in enumerate(several[0].sentences):
        rows = [_tokens(_name(tokenizer), tokenizer.sentences[place]) for tokenizer in several]
        blocks.append(tag("div", quote(batch.texts[0].text), *rows, class_="sentence"))
    return join([key, tag("div", *blocks)])


def _tokens(name: Html, batch: ShownTokens) -> Html:
    text = batch.texts[0]
    special = set(batch.special_tokens.values())
    chips = []
    for place, (token, i) in enumerate(zip(text.tokens[:_MOST_TOKENS], text.input_ids, strict=False)):
        odd_or_even = "even" if place % 2 else None
        style = "unknown" if i == batch.unk_id else "special" if i in special else odd_or_even
        chips.append(tag("span", visible(token), class_=style, title=f"id {i}"))
    if len(text.tokens) > _MOST_TOKENS:
        chips.append(tag("span", f"and {len(text.tokens) - _MOST_TOKENS:,} more", class_="more"))
    count = f"{len(text.tokens):,} tokens" + (f", {text.length:,} before cutting" if text.truncated else "")
    count += f" in {text.windows} windows" if text.windows > 1 else ""
    who = tag("div", name, tag("span", count), class_="who")
    return tag("div", who, tag("div", *chips, class_="tokens", dir="auto"), class_="cut")


def _name(tokenizer: ComparedTokenizer) -> Html:
    """A tokenizer's name, to be broken between its options rather than within a word."""
    return join(re.split(r"(?<=[:,_=])", tokenizer.name), "<wbr>")


def _meaning() -> Html:
    return tag("dl", *(join([tag("dt", name), tag("dd", text)]) for name, text in _MEANING.items()), class_="meaning")
