"""What `pegboard inspect` finds: figures, findings, and three ways to show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pegboard.cache import Cache
from pegboard.console import Console, silent
from pegboard.errors import ComponentError
from pegboard.inspection.block import NO_LABEL
from pegboard.inspection.counts import Counts
from pegboard.inspection.evidence import Evidence, gather
from pegboard.inspection.findings import Finding
from pegboard.inspection.judge_lists import labels_per_row
from pegboard.inspection.judge_rows import judge_rows
from pegboard.inspection.judge_texts import judge_texts
from pegboard.inspection.loading import counted_by_label, load_all
from pegboard.inspection.near import THRESHOLD
from pegboard.inspection.samples import samples
from pegboard.inspection.tokens import count_tokens, prepare
from pegboard.recipe import Choice, Recipe, resolve, resolve_dataset

if TYPE_CHECKING:
    from pegboard.plugins.registry import Registry

__all__ = ["Inspection", "inspect_document"]

FORMAT = 1
"""Goes up when a key of `to_dict` changes its meaning or goes."""


@dataclass(frozen=True)
class Inspection:
    """What is in a data set, and what will go wrong with it.

    Attributes:
        dataset: the data set, as it was asked for.
        findings: what wants attention, warnings before notes, the worst first.
        figures: everything that was measured, as `to_dict` gives it.

    Example:
        >>> inspection = pegboard.inspect("data.csv")
        >>> for warning in inspection.warnings:
        ...     print(warning.title)
        >>> Path("data.html").write_text(inspection.html(), encoding="utf-8")
    """

    dataset: str
    findings: Sequence[Finding]
    figures: Mapping[str, Any]

    @property
    def warnings(self) -> list[Finding]:
        """The findings that change results or stop training; notes are left out."""
        return [finding for finding in self.findings if finding.level == "warning"]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it; `docs/how-to/inspect-data.md` has the keys."""
        return {
            "format": FORMAT,
            "dataset": self.dataset,
            "findings": [finding.summary() for finding in self.findings],
            **self.figures,
        }

    def html(self) -> str:
        """One self-contained HTML page."""
        from pegboard.inspection.report_html import report_html

        return report_html(self)

    def text(self, width: int = 100) -> str:
        """The report for a terminal, with its colours."""
        from pegboard.inspection.report_text import report_text

        return report_text(self, width)


def inspect_document(
    document: dict[str, Any], registry: Registry, *, chosen: bool = False, console: Console = silent
) -> Inspection:
    """Inspect the data set of a recipe's document.

    Args:
        document: as `pegboard.recipe.document_of` makes it; tokenizer and encoder say which maximum context counts.
        registry: the installed components.
        chosen: whether the user asked for a tokenizer or an encoder; else the report does without those that are not
            installed, and says so.
        console: where progress is shown.

    Raises:
        DataError: the data can't be read.
        RecipeError: an option is unknown or wrong.
        ComponentError: a component is not installed, or broken.
    """
    choice = _dataset(document, registry)
    recipe = _recipe(document, registry, chosen, console)
    splits, names = load_all(choice, registry, console)
    evidence = gather(splits, names, console)
    if recipe is not None:
        evidence = _with_tokens(evidence, recipe, registry, console)
    findings = [*judge_rows(evidence), *judge_texts(evidence)]
    findings.sort(key=lambda finding: finding.level != "warning")
    return Inspection(_name(choice), findings, _figures(evidence))


def _dataset(document: dict[str, Any], registry: Registry) -> Choice:
    """The data set; one that can leave empty texts in, is told to."""
    choice = resolve_dataset(document, registry)
    table = document.get("dataset", {})
    given = {"name": table} if isinstance(table, str) else table
    if "empty_texts" in type(choice.options).model_fields and "empty_texts" not in given:
        document["dataset"] = {**given, "empty_texts": "keep"}
        return resolve_dataset(document, registry)
    return choice


def _recipe(document: Mapping[str, Any], registry: Registry, chosen: bool, console: Console) -> Recipe | None:
    try:
        return resolve(document, registry)
    except ComponentError as error:
        if chosen:
            raise
        console.note(f"note: tokens are not counted: {error.what}")
        return None


def _with_tokens(evidence: Evidence, recipe: Recipe, registry: Registry, console: Console) -> Evidence:
    first = evidence.splits.get("train") or next(iter(evidence.splits.values()))
    if not evidence.lengths[first.name].words.total:
        console.note(f"note: tokens are not counted: {first.name} has no texts to train a tokenizer on")
        return evidence
    tokenizer, context = prepare(recipe, registry, first, Cache.open(console), console)
    tokens = {name: count_tokens(recipe, tokenizer, split, console) for name, split in evidence.splits.items()}
    return replace(evidence, context=context, tokens=tokens)


def _name(choice: Choice) -> str:
    path = getattr(choice.options, "path", None)
    return str(path) if path else choice.component.name


def _figures(evidence: Evidence) -> dict[str, Any]:
    first = evidence.splits.get("train") or next(iter(evidence.splits.values()))
    words = {name: evidence.lengths[first.name].words_of(label).box() for label, name in enumerate(evidence.names)}
    return {
        "rows": sum(map(len, evidence.splits.values())),
        "labels": list(evidence.names) or None,
        "multi_label": evidence.multi_label,
        "splits": {name: _split(evidence, name) for name in evidence.splits},
        "across": [_across(evidence, later, earlier) for later, earlier in evidence.across],
        "near_duplicates": {"threshold": THRESHOLD, "compared": dict(evidence.compared)},
        "context": evidence.context.summary() if evidence.context else None,
        "words_by_label": {"split": first.name, "boxes": words},
        "histograms": _histograms(evidence),
        "scripts": evidence.scripts.summary(),
        "odd_characters": evidence.characters.summary(),
        "samples": samples(first, evidence.names),
    }


def _split(evidence: Evidence, name: str) -> dict[str, Any]:
    split, lengths, within = evidence.splits[name], evidence.lengths[name], evidence.within[name]
    by_label = counted_by_label(split, tuple(evidence.names))
    return {
        "rows": len(split),
        "by_label": by_label,
        "without_label": int((split.labels == NO_LABEL).sum()) if split.labels is not None else None,
        "labels_per_row": labels_per_row(split),
        "missing": len(lengths.missing),
        "empty": len(lengths.empty),
        **lengths.summary(),
        "tokens": _tokens(evidence, name),
        "repeated": {
            "exact": within.exact,
            "normalized": len(within.repeated),
            "near": len(evidence.near_rows[name, name]),
        },
        "conflicting_labels": {
            "texts": len(within.conflicting),
            "exact_texts": within.conflicting_exact,
            "rows": sum(map(len, within.conflicting)),
        },
    }


def _tokens(evidence: Evidence, name: str) -> dict[str, Any] | None:
    if evidence.context is None:
        return None
    counts = evidence.tokens[name].counts
    truncated = evidence.context.cut_off(counts)
    return {
        **counts.summary(),
        "truncated": truncated,
        "truncated_share": round(truncated / max(1, len(counts)), 6),
        "windows": evidence.context.windows(counts),
        "by_word": round(counts.total / max(1, evidence.lengths[name].words.total), 4),
    }


def _across(evidence: Evidence, later: str, earlier: str) -> dict[str, Any]:
    across, near = evidence.across[later, earlier], evidence.near_rows[later, earlier]
    found = evidence.near[later, earlier]
    return {
        "split": later,
        "in": earlier,
        "exact": across.exact,
        "normalized": len(across.rows),
        "other_label": int(across.other_label.sum()) if evidence.names else None,
        "near": len(near),
        "near_pairs": [
            {"row": int(row), "in_row": int(match), "similarity": round(float(similarity), 4)}
            for row, match, similarity in list(zip(found.rows, found.matches, found.similarity, strict=True))[:1000]
        ],
    }


def _histograms(evidence: Evidence) -> dict[str, Any]:
    """Of all splits together."""
    counted = {
        "characters": Counts.merged([lengths.characters for lengths in evidence.lengths.values()]),
        "words": Counts.merged([lengths.words for lengths in evidence.lengths.values()]),
    }
    if evidence.tokens:
        counted["tokens"] = Counts.merged([tokens.counts for tokens in evidence.tokens.values()])
    bars = {what: counts.bars() for what, counts in counted.items()}
    return {what: {"edges": edges, "rows": rows} for what, (edges, rows) in bars.items()}
