"""Findings about the texts themselves: missing, empty, too long, damaged, in several scripts."""

from __future__ import annotations

from collections.abc import Iterator

from pegboard.inspection.characters import KINDS
from pegboard.inspection.evidence import Evidence
from pegboard.inspection.findings import Example, Finding, listed, plural
from pegboard.pages.html import percent

__all__ = ["judge_texts"]

_TRUNCATED = 0.01
_FOREIGN = 0.1
_SHOWN = 3
_LOST = {"head": "end", "tail": "beginning", "both": "middle"}


def judge_texts(evidence: Evidence) -> Iterator[Finding]:
    """What is to be said of the texts, the worst first."""
    yield from _missing(evidence)
    yield from _empty(evidence)
    yield from _truncated(evidence)
    yield from _odd_characters(evidence)
    yield from _scripts(evidence)


def _missing(evidence: Evidence) -> Iterator[Finding]:
    places = {name: lengths.missing for name, lengths in evidence.lengths.items() if lengths.missing}
    rows = sum(map(len, places.values()))
    if rows:
        counts = listed([f"{name} {len(found):,}" for name, found in places.items()])
        yield Finding(
            code="missing_texts",
            level="warning",
            title=f"{plural(rows, 'row')} {'has' if rows == 1 else 'have'} no text ({counts})",
            advice="remove them or fill them in: training refuses rows without a text",
            rows=rows,
            places=places,
        )


def _empty(evidence: Evidence) -> Iterator[Finding]:
    places = {name: lengths.empty for name, lengths in evidence.lengths.items() if lengths.empty}
    rows = sum(map(len, places.values()))
    if rows:
        counts = listed([f"{name} {len(found):,}" for name, found in places.items()])
        yield Finding(
            code="empty_texts",
            level="warning",
            title=f"{plural(rows, 'text')} {'is' if rows == 1 else 'are'} empty, or nothing but white space ({counts})",
            advice="remove the rows: training refuses them, since an empty text says nothing about its label",
            rows=rows,
            places=places,
            examples=evidence.examples([(name, row) for name, found in places.items() for row in found[:1]]),
        )


def _truncated(evidence: Evidence) -> Iterator[Finding]:
    context = evidence.context
    if context is None:
        return
    counts = {name: context.cut_off(tokens.counts) for name, tokens in evidence.tokens.items()}
    rows, in_all = sum(counts.values()), sum(map(len, evidence.splits.values()))
    if not rows:
        return
    shown = listed([f"{name} {count:,}" for name, count in counts.items() if count])
    longest = max(tokens.counts.most for tokens in evidence.tokens.values())
    title = f"{plural(rows, 'text')} ({percent(rows / in_all)}) {'is' if rows == 1 else 'are'} longer than the "
    examples = evidence.examples(
        [(name, row) for name, tokens in evidence.tokens.items() for row in tokens.longest[:1] if counts[name]]
    )
    if context.long_texts == "windows":
        windows = sum(context.windows(tokens.counts) or 0 for tokens in evidence.tokens.values())
        title += (
            f"{context.maximum:,} tokens of a window ({shown}; the longest has {longest:,}): the {in_all:,} texts are "
            f"{windows:,} windows"
        )
        advice = (
            "an epoch takes time for all of them; a larger tokenizer.max_length, a smaller tokenizer.window_overlap or "
            "another tokenizer.long_texts makes them fewer"
        )
        yield Finding("windowed_texts", "note", title, advice, rows, examples=examples)
        return
    lost = f"{'its' if rows == 1 else 'their'} {_LOST[context.long_texts]}"
    yield Finding(
        code="truncated_texts",
        level="warning" if rows / in_all >= _TRUNCATED else "note",
        title=f"{title}{context.maximum:,} tokens that count and would lose {lost} ({shown}; "
        f"the longest has {longest:,})",
        advice=_longer(evidence, longest),
        rows=rows,
        examples=examples,
    )


def _longer(evidence: Evidence, longest: int) -> str:
    """How to get more of the texts in."""
    context = evidence.context
    assert context is not None
    limit = context.encoder_maximum
    merged = max(tokens.counts.percentile(99) for tokens in evidence.tokens.values())
    others = [choice for choice in (*_LOST, "windows") if choice != context.long_texts]
    else_kept = f"tokenizer.long_texts={'|'.join(others)} takes another part of them, or with windows all"
    wanted = min(merged if merged > context.maximum else longest, limit or longest)
    if wanted > context.tokenizer_maximum:
        return f"--set tokenizer.max_length={wanted} keeps more, for more time and memory; {else_kept}"
    return (
        f"the encoder {context.encoder!r} takes no more than {limit:,}: choose another one, or a tokenizer with longer "
        f"tokens; {else_kept}"
    )


def _odd_characters(evidence: Evidence) -> Iterator[Finding]:
    characters = evidence.characters
    for kind in KINDS:
        by_split = {split: rows[kind.name] for split, rows in characters.rows.items() if kind.name in rows}
        rows = sum(by_split.values())
        if rows:
            shown = listed([f"{split} {count:,}" for split, count in by_split.items()])
            codes = characters.codes.get(kind.name, {})
            which = f": {listed(sorted(codes))}" if codes and kind.name not in ("replacement", "bom") else ""
            yield Finding(
                code=f"odd_characters_{kind.name}",
                level="warning",
                title=f"{plural(rows, 'text')} {'holds' if rows == 1 else 'hold'} {kind.title} ({shown}){which}",
                advice=kind.advice,
                rows=rows,
                examples=[
                    Example(split, row, text, evidence.label_of(split, row))
                    for split, row, text in characters.examples[kind.name]
                ],
            )


def _scripts(evidence: Evidence) -> Iterator[Finding]:
    rows = evidence.scripts.by_row()
    main = next(iter(rows), None)
    others = {script: count for script, count in rows.items() if script != main}
    in_all = sum(rows.values())
    if not others or main is None or sum(others.values()) > _FOREIGN * in_all or _belong_together(list(rows)):
        return
    count = sum(others.values())
    yield Finding(
        code="other_scripts",
        level="note",
        title=f"{plural(count, 'text')} {'is' if count == 1 else 'are'} written in another script than {main}: "
        + listed([f"{script} {number:,}" for script, number in others.items()]),
        advice="see whether they belong there; a tokenizer trained on so few of them knows little of their script",
        rows=count,
        examples=[
            Example(split, row, text[:200], evidence.label_of(split, row))
            for script in list(others)[:_SHOWN]
            for split, row, text in evidence.scripts.examples[script][:1]
        ],
    )


def _belong_together(scripts: list[str]) -> bool:
    """Whether one language is written in all of them, as Japanese is."""
    return set(scripts) <= {"CJK", "Hiragana", "Katakana"} or set(scripts) <= {"CJK", "Hangul"}
