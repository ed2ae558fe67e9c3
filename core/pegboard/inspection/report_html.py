"""The report as one HTML page: findings first, then plots and tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from pegboard import pages
from pegboard.inspection.findings import Finding, plural
from pegboard.pages import Box, Callout, Figure, Html, Mark, Section, percent

if TYPE_CHECKING:
    from pegboard.inspection.inspection import Inspection

__all__ = ["report_html"]

_MOST_LABELS = 40
_MUCH_MORE = 1.1
_LENGTHS = ("characters", "words", "tokens")


def report_html(inspection: Inspection) -> str:
    """The page."""
    figures = inspection.figures
    sections = [_findings(inspection)]
    if figures["labels"]:
        sections.append(_labels(figures))
    sections.append(_lengths(figures))
    sections += [_repeated(figures), _characters(figures), _samples(figures)]
    name = PurePath(inspection.dataset).name or inspection.dataset
    return pages.page(f"What is in {name}", _summary(inspection), sections)


def _summary(inspection: Inspection) -> Html:
    figures = inspection.figures
    splits = ", ".join(f"{name} {split['rows']:,}" for name, split in figures["splits"].items())
    words = sum(split["words"]["total"] for split in figures["splits"].values())
    warnings = len(inspection.warnings)
    notes = len(inspection.findings) - warnings
    tiles = [
        Figure("rows", figures["rows"], splits),
        Figure("labels", len(figures["labels"]) if figures["labels"] else "none"),
        Figure("words", words, f"{words / max(1, figures['rows']):.1f} a text"),
        Figure("warnings", warnings, plural(notes, "note") if notes else ""),
    ]
    context = figures["context"]
    if context:
        truncated = sum(split["tokens"]["truncated"] for split in figures["splits"].values())
        tiles.insert(
            3,
            Figure(
                _beyond(figures), percent(truncated / max(1, figures["rows"])), f"beyond {context['maximum']:,} tokens"
            ),
        )
    place = pages.paragraph(pages.tag("code", inspection.dataset)) if "/" in inspection.dataset else ""
    return pages.join([place, pages.figures(tiles)])


def _beyond(figures: Mapping[str, Any]) -> str:
    """What becomes of texts beyond the maximum."""
    context = figures["context"]
    return "in windows" if context and context["long_texts"] == "windows" else "cut off"


def _findings(inspection: Inspection) -> Section:
    if not inspection.findings:
        fine = Callout("Nothing to warn of", "None of the checks found anything.", level="good")
        return Section("Warnings", pages.callouts([fine]))
    boxes = [
        Callout(finding.title, _examples(finding), finding.advice, finding.level) for finding in inspection.findings
    ]
    return Section("Warnings", pages.callouts(boxes), "The worst first. Rows are counted from 0.")


def _examples(finding: Finding) -> Html | str:
    if not finding.examples:
        return ""
    return pages.quotations(
        (_source(example.split, example.row, example.label, example.why), example.text or pages.tag("i", "nothing"))
        for example in finding.examples
    )


def _source(split: str, row: int, label: str | None, why: str = "") -> Html:
    """Where a text stands, what it is labelled, and why it is shown."""
    parts = [pages.escaped(f"{split} {row:,}")]
    parts += [pages.tag("bdi", pages.tag("b", label))] if label is not None else []
    parts += [pages.escaped(why)] if why else []
    return pages.join(parts, " · ")


def _labels(figures: Mapping[str, Any]) -> Section:
    splits = figures["splits"]
    first_name, first = next(iter(splits.items()))
    counts = first["by_label"]
    lists = figures["multi_label"]
    in_all = (first["rows"] if lists else sum(counts.values())) or 1
    order = sorted(counts, key=lambda name: -counts[name])
    shown = order[:_MOST_LABELS]
    left_out = f"The {len(shown)} most frequent of {len(order):,} labels." if len(shown) < len(order) else ""
    chart = pages.bar_chart(
        shown,
        {first_name: [counts[name] for name in shown]},
        title=f"Texts of each label, {first_name}.",
        note=left_out,
    )
    rows = [
        [name, *(split["by_label"][name] for split in splits.values())]
        + [
            percent(split["by_label"][name] / ((split["rows"] if lists else sum(split["by_label"].values())) or 1))
            for split in splits.values()
        ]
        for name in order
    ]
    head = ["label", *splits, *(f"{name} share" for name in splits)]
    full = pages.details("As a table", pages.table(head, rows))
    most, least = order[0], order[-1]
    note = ""
    if counts[least]:
        times = counts[most] / counts[least]
        note = (
            f"{most} has {times:.1f} times the rows of {least}."
            if times >= 1.1
            else "All labels are about as frequent."
        )
    if lists:
        return Section("Labels", pages.join([chart, full, _per_row(splits)]), note)
    accuracy = f" Always answering {most} would be right for {percent(counts[most] / in_all)} of {first_name}."
    return Section("Labels", pages.join([chart, full]), note + accuracy)


def _per_row(splits: Mapping[str, Any]) -> Html:
    """How many labels the rows have, where they have lists of them."""
    rows = [
        [
            name,
            f"{own['mean']:.2f}",
            percent(own["none"] / max(1, sum(own["rows"].values()))),
            max(map(int, own["rows"]), default=0),
            own["distinct"],
        ]
        for name, own in ((name, split["labels_per_row"]) for name, split in splits.items())
    ]
    return pages.table(["split", "labels of a row", "rows without any", "most", "different lists"], rows)


def _lengths(figures: Mapping[str, Any]) -> Section:
    context = figures["context"]
    parts: list[object] = []
    marks = []
    if context:
        # Where the first text that is too long begins: a bar holds what is at least its left edge.
        marks = [Mark(context["maximum"] + 1, f"maximum {context['maximum']:,}")]
        limit = context["encoder_maximum"]
        parts.append(
            pages.paragraph(
                f"Tokens are those of the tokenizer {context['tokenizer']} (vocabulary {context['vocabulary']:,}), "
                f"which gives at most {context['tokenizer_maximum']:,} for a "
                f"{'window' if context['long_texts'] == 'windows' else 'text'}. The encoder {context['encoder']} "
                + (f"takes at most {limit:,}." if limit else "has no limit of its own.")
            )
        )
    what = "tokens" if "tokens" in figures["histograms"] else "words"
    bars = figures["histograms"][what]
    longest = max(split[what]["max"] for split in figures["splits"].values())
    note = ""
    if longest >= bars["edges"][-1]:
        note = f"The last bar holds all that is beyond; the longest has {longest:,}."
    title = f"{what.capitalize()} of a text, all splits."
    parts.append(pages.histogram(bars["edges"], bars["rows"], title=title, note=note, axis=what, marked=marks))
    if figures["labels"]:
        parts.append(_box_plot(figures))
    rows = []
    for name, split in figures["splits"].items():
        for unit in _LENGTHS:
            counted = split[unit]
            if counted is None:
                continue
            at = counted["percentiles"]
            cut = percent(counted["truncated_share"]) if unit == "tokens" else "–"
            cells = [
                f"{counted['mean']:.1f}",
                *(at[p] for p in ("5", "25", "50", "75", "95", "99")),
                counted["max"],
                cut,
            ]
            rows.append([name, unit, *cells])
    head = ["split", "a text's", "mean", "5 %", "25 %", "50 %", "75 %", "95 %", "99 %", "most", _beyond(figures)]
    parts.append(pages.table(head, rows, numbers=range(2, 11)))
    return Section("Length of the texts", pages.join(parts))


def _box_plot(figures: Mapping[str, Any]) -> Html:
    by_label = figures["words_by_label"]
    found = {name: box for name, box in by_label["boxes"].items() if box["rows"]}
    shown = sorted(found, key=lambda name: -found[name]["rows"])[:_MOST_LABELS]
    boxes = [
        Box(name, box["low"], box["q1"], box["median"], box["q3"], box["high"], f"{box['median']:,}")
        for name, box in ((name, found[name]) for name in shown)
    ]
    return pages.box_plot(
        boxes,
        title=f"Words of a text by label, {by_label['split']}.",
        note="Box: the middle half of the texts, with the median, which stands at the right. Whiskers: the most "
        "distant text within 1.5 times the box.",
        axis="words",
    )


def _repeated(figures: Mapping[str, Any]) -> Section:
    labelled = bool(figures["labels"])
    rows: list[list[object]] = [
        [f"{name}, within itself", *(split["repeated"][key] for key in ("exact", "normalized", "near")), "–"]
        for name, split in figures["splits"].items()
    ]
    rows += [
        [f"{pair['split']}, in {pair['in']}", pair["exact"], pair["normalized"], pair["near"], pair["other_label"]]
        for pair in figures["across"]
    ]
    head = ["rows of", "exact", "normalized", "near", "other label"]
    threshold = figures["near_duplicates"]["threshold"]
    shown = pages.table(head if labelled else head[:-1], rows if labelled else [row[:-1] for row in rows])
    note = (
        "How many rows have a text that stands elsewhere, too: to the letter; apart from case and white space; or "
        f"nearly, with {threshold:.0%} of the runs of five characters in common."
    )
    if labelled:
        note += " Other label: the text has another one there."
    return Section("Repeated texts", shown, note)


def _characters(figures: Mapping[str, Any]) -> Section:
    scripts = figures["scripts"]
    in_all = sum(scripts["characters"].values()) or 1
    shares = {name: count / in_all for name, count in scripts["characters"].items()}
    chart = pages.bar_chart(
        list(shares), {"share": list(shares.values())}, title="Characters by script and kind.", shown=percent
    )
    rows = pages.table(["texts written mostly in", "rows"], list(scripts["rows"].items())) if scripts["rows"] else ""
    return Section("Characters", pages.join([chart, rows]), f"{scripts['distinct_characters']:,} different ones occur.")


def _samples(figures: Mapping[str, Any]) -> Section:
    shown = pages.quotations(
        (_source(sample["split"], sample["row"], sample["label"]), sample["text"]) for sample in figures["samples"]
    )
    return Section("Samples", shown, "Drawn at random, the same every time.")
