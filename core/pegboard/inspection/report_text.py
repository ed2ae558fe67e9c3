"""The report for a terminal: findings first, then figures and small plots."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from pegboard.cli.common import table
from pegboard.inspection.findings import Finding, plural
from pegboard.pages.html import percent
from pegboard.tokenizing.visible import in_one_line

if TYPE_CHECKING:
    from pegboard.inspection.inspection import Inspection

__all__ = ["report_text"]

_MOST_LABELS = 30
_BAR = 24
_SPARKS = "▁▂▃▄▅▆▇█"


def report_text(inspection: Inspection, width: int = 100) -> str:
    """The report.

    Args:
        inspection: what was found.
        width: columns of the terminal.
    """
    figures = inspection.figures
    parts = [_summary(inspection), *(_finding(finding, width) for finding in inspection.findings)]
    if not inspection.findings:
        parts.append(click.style("Nothing to warn of.", fg="green", bold=True))
    if figures["labels"]:
        parts.append(_labels(figures))
    parts += [_lengths(figures), *_histogram(figures, width)]
    if figures["labels"]:
        parts.append(_boxes(figures, width))
    parts += [_repeated(figures), _scripts(figures), _samples(figures, width)]
    return "\n\n".join(filter(None, parts))


def _summary(inspection: Inspection) -> str:
    figures = inspection.figures
    splits = ", ".join(f"{name} {split['rows']:,}" for name, split in figures["splits"].items())
    labels = plural(len(figures["labels"]), "label") if figures["labels"] else "no labels"
    first = f"{click.style(inspection.dataset, bold=True)}: {plural(figures['rows'], 'row')} ({splits}), {labels}"
    if not inspection.findings:
        return first
    warnings = len(inspection.warnings)
    notes = len(inspection.findings) - warnings
    counts = [plural(warnings, "warning")] * bool(warnings) + [plural(notes, "note")] * bool(notes)
    return f"{first}\n{' and '.join(counts)}; rows are counted from 0"


def _finding(finding: Finding, width: int) -> str:
    colour = "yellow" if finding.level == "warning" else "cyan"
    mark = "! " if finding.level == "warning" else "· "
    title = textwrap.fill(finding.title, width, initial_indent=mark, subsequent_indent="  ")
    lines = [click.style(title, fg=colour, bold=True)]
    lines += textwrap.wrap(finding.advice, width, initial_indent="  -> ", subsequent_indent="     ")
    heads = [
        f"{example.split} {example.row:,}{f' [{in_one_line(example.label, 20)}]' if example.label else ''}"
        for example in finding.examples
    ]
    longest = max(map(len, heads), default=0)
    for head, example in zip(heads, finding.examples, strict=True):
        why = f" ({example.why})" if example.why else ""
        text = in_one_line(example.text, max(20, width - longest - len(why) - 7))
        lines.append(click.style(f"     {head.ljust(longest)}  ", dim=True) + (text or "(nothing)") + why)
    return "\n".join(lines)


def _labels(figures: Mapping[str, Any]) -> str:
    splits = figures["splits"]
    first = next(iter(splits.values()))["by_label"]
    most, in_all = max(first.values(), default=0) or 1, _labelled_rows(figures)
    names = sorted(first, key=lambda name: -first[name])
    rows = [
        [
            in_one_line(name, 24),
            *(f"{split['by_label'][name]:,}" for split in splits.values()),
            percent(first[name] / in_all),
            ("█" * round(_BAR * first[name] / most) or "▏").ljust(_BAR),
        ]
        for name in names[:_MOST_LABELS]
    ]
    head = ["label", *splits, f"of {next(iter(splits))}", ""]
    more = len(names) - _MOST_LABELS
    counted = table(rows, header=head, numbers=True) + (f"\nand {more:,} more (--json has all)" if more > 0 else "")
    return f"{counted}\n{_per_row(splits)}" if figures["multi_label"] else counted


def _labelled_rows(figures: Mapping[str, Any]) -> int:
    """The rows of the first split that labels are a share of."""
    split = next(iter(figures["splits"].values()))
    return (split["rows"] if figures["multi_label"] else sum(split["by_label"].values())) or 1


def _per_row(splits: Mapping[str, Any]) -> str:
    """How many labels the rows have, where they have lists of them."""
    parts = [
        f"{name} {own['mean']:.2f} ({percent(own['none'] / max(1, sum(own['rows'].values())))} without any, "
        f"{own['distinct']:,} different lists)"
        for name, own in ((name, split["labels_per_row"]) for name, split in splits.items())
    ]
    return f"labels of a row: {', '.join(parts)}"


def _lengths(figures: Mapping[str, Any]) -> str:
    rows = []
    for what in ("characters", "words", "tokens"):
        for name, split in figures["splits"].items():
            counted = split[what]
            if counted is None:
                continue
            at = counted["percentiles"]
            cells = [f"{counted['mean']:,.1f}", *(f"{at[p]:,}" for p in ("5", "50", "95", "99")), f"{counted['max']:,}"]
            cut = percent(counted["truncated_share"]) if what == "tokens" else ""
            rows.append([f"{what}, {name}", *cells, cut])
    context = figures["context"]
    beyond = "in windows" if context and context["long_texts"] == "windows" else "cut off"
    lengths = table(rows, header=["a text's", "mean", "5 %", "50 %", "95 %", "99 %", "most", beyond], numbers=True)
    if context is None:
        return lengths
    limit = context["encoder_maximum"]
    what = "are a window" if beyond == "in windows" else "count"
    return (
        f"{lengths}\n{context['maximum']:,} tokens {what}: the tokenizer {context['tokenizer']} gives at most "
        f"{context['tokenizer_maximum']:,}, the encoder {context['encoder']} takes "
        + (f"{limit:,}" if limit else "any number")
    )


def _histogram(figures: Mapping[str, Any], width: int) -> Iterator[str]:
    what = "tokens" if "tokens" in figures["histograms"] else "words"
    bars = figures["histograms"][what]
    most = max(bars["rows"], default=0)
    if not most or len(bars["rows"]) < 2:
        return
    sparks = "".join(_SPARKS[-(-8 * rows // most) - 1] if rows else " " for rows in bars["rows"])
    last = str(bars["edges"][-1])
    scale = "0" + last.rjust(len(sparks) - 1)
    head = click.style(f"{what} of a text, all splits", bold=True)
    note = ""
    if figures["context"] and what == "tokens":
        maximum, edges = figures["context"]["maximum"], bars["edges"]
        if maximum + 1 < edges[-1]:
            place = min(sum(edge <= maximum for edge in edges), len(sparks) - 1)
            sparks = sparks[:place] + click.style(sparks[place:], fg="yellow")
            fate = "goes into more windows" if figures["context"]["long_texts"] == "windows" else "is cut off"
            note = f"\n{' ' * place}^ {maximum:,}: what is beyond {fate}"
        else:
            note = f"\nall are shorter than the {maximum:,} that count"
    yield f"{head}\n{sparks}\n{scale}{note}"


def _boxes(figures: Mapping[str, Any], width: int) -> str:
    """A box plot in characters: whiskers, box, median."""
    by_label = figures["words_by_label"]
    boxes = {name: box for name, box in by_label["boxes"].items() if box["rows"]}
    shown = dict(sorted(boxes.items(), key=lambda one: -one[1]["rows"])[:_MOST_LABELS])
    top = max((box["high"] for box in shown.values()), default=0) or 1
    names = {name: in_one_line(name, 24) for name in shown}
    first = max(map(len, names.values()), default=0)
    space = max(20, min(60, width - first - 12))
    lines = [click.style(f"words of a text by label ({by_label['split']})", bold=True)]
    for name, box in shown.items():
        at = {key: round(box[key] / top * (space - 1)) for key in ("low", "q1", "median", "q3", "high")}
        line = [" "] * space
        line[at["low"] : at["high"] + 1] = "─" * (at["high"] + 1 - at["low"])
        line[at["q1"] : at["q3"] + 1] = "▒" * (at["q3"] + 1 - at["q1"])
        line[at["low"]], line[at["high"]] = "├", "┤"
        line[at["median"]] = "█"
        lines.append(f"{names[name].ljust(first)}  {''.join(line)}  {box['median']:,}")
    lines.append(f"{' ' * first}  0{str(top).rjust(space - 1)}  median")
    return "\n".join(lines)


def _repeated(figures: Mapping[str, Any]) -> str:
    rows = [
        [f"{name}, within", *(f"{split['repeated'][key]:,}" for key in ("exact", "normalized", "near")), ""]
        for name, split in figures["splits"].items()
    ]
    rows += [
        [
            f"{pair['split']}, of {pair['in']}",
            *(f"{pair[key]:,}" for key in ("exact", "normalized", "near")),
            "" if pair["other_label"] is None else f"{pair['other_label']:,}",
        ]
        for pair in figures["across"]
    ]
    head = ["repeated rows", "exact", "normalized", "near", "other label"]
    columns: Sequence[Any] = rows if figures["labels"] else [row[:-1] for row in rows]
    return table(columns, header=head if figures["labels"] else head[:-1], numbers=True)


def _scripts(figures: Mapping[str, Any]) -> str:
    scripts = figures["scripts"]
    in_all = sum(scripts["characters"].values()) or 1
    shares = ", ".join(f"{name} {percent(count / in_all)}" for name, count in scripts["characters"].items())
    head = click.style("characters", bold=True)
    return f"{head}  {scripts['distinct_characters']:,} different: {shares or 'none'}"


def _samples(figures: Mapping[str, Any], width: int) -> str:
    lines = [click.style("samples", bold=True)]
    label: Any = ...
    for sample in figures["samples"]:
        if sample["label"] != label and sample["label"] is not None:
            lines.append(click.style(in_one_line(sample["label"], width), fg="cyan"))
        label = sample["label"]
        head = f"  {sample['split']} {sample['row']:,}  "
        lines.append(click.style(head, dim=True) + in_one_line(sample["text"], max(20, width - len(head))))
    return "\n".join(lines)
