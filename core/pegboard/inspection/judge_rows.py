"""Findings about rows and labels: what a model can't learn, and what makes its figures too good."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from pegboard.inspection.block import NO_LABEL
from pegboard.inspection.evidence import Evidence, Rows
from pegboard.inspection.findings import Example, Finding, listed, plural
from pegboard.inspection.judge_lists import judge_lists

__all__ = ["judge_rows"]

_SHOWN = 3
_FEW_ROWS = 10
_RARE = 0.1
_MANY_REPEATED = 0.01
_DRIFT = 0.1
_ENOUGH_ROWS = 100


def judge_rows(evidence: Evidence) -> Iterator[Finding]:
    """What is to be said of labels, repeated texts and leakage, the worst first."""
    if evidence.names:
        yield from _leaked(evidence, other_label=True)
        yield from _conflicting(evidence)
    yield from _leaked(evidence, other_label=False)
    yield from _near_leaked(evidence)
    if evidence.names:
        yield from _without_label(evidence)
        yield from _labels_of_train(evidence)
        yield from _drift(evidence)
        yield from judge_lists(evidence)
    yield from _repeated(evidence)
    yield from _near_repeated(evidence)
    yield from _between_held_out(evidence)
    yield from _not_all_compared(evidence)


def _leaked(evidence: Evidence, *, other_label: bool) -> Iterator[Finding]:
    places, examples = {}, []
    for split in evidence.held_out:
        across = evidence.across[split, "train"]
        chosen = across.other_label if len(across.other_label) else np.zeros(len(across.rows), np.bool_)
        chosen = chosen if other_label else ~chosen
        if chosen.any():
            places[split] = across.rows[chosen]
            for row, first in list(zip(across.rows[chosen], across.first[chosen], strict=True))[:_SHOWN]:
                examples += [(split, int(row)), ("train", int(first))]
    rows = sum(map(len, places.values()))
    if not rows:
        return
    where, is_held = _counts(places), "stands" if rows == 1 else "stand"
    if other_label:
        yield Finding(
            code="leaked_other_label",
            level="warning",
            title=f"{plural(rows, 'held-out row')} {is_held} in train with another label ({where})",
            advice="decide which label is right and remove the text from one side; a model that learns train well "
            "gets these rows wrong",
            rows=rows,
            places=places,
            examples=evidence.examples(examples[: 2 * _SHOWN]),
        )
    else:
        yield Finding(
            code="leaked",
            level="warning",
            title=f"{plural(rows, 'held-out row')} {is_held} in train, too ({where})",
            advice="remove them from train or from the held-out split; a model has seen them, so its figures come out "
            "better than they are",
            rows=rows,
            places=places,
            examples=evidence.examples(examples[: 2 * _SHOWN]),
        )


def _conflicting(evidence: Evidence) -> Iterator[Finding]:
    texts = {name: len(within.conflicting) for name, within in evidence.within.items() if within.conflicting}
    if not texts:
        return
    groups = [(name, rows) for name in texts for rows in evidence.within[name].conflicting]
    examples = [(name, int(row)) for name, rows in groups[:_SHOWN] for row in rows[:2]]
    total, lists = sum(texts.values()), evidence.multi_label
    counts = listed([f"{name} {count:,}" for name, count in texts.items()])
    yield Finding(
        code="conflicting_labels",
        level="warning",
        title=f"{plural(total, 'text')} {'has' if total == 1 else 'have'} "
        + (f"different lists of labels in different rows ({counts})" if lists else f"more than one label ({counts})"),
        advice=f"decide on one {'list' if lists else 'label'} for each text, or remove its rows; "
        "whatever a model answers, it is wrong once",
        rows=sum(len(rows) for _, rows in groups),
        places={name: np.sort(np.concatenate(evidence.within[name].conflicting)) for name in texts},
        examples=evidence.examples(examples),
    )


def _near_leaked(evidence: Evidence) -> Iterator[Finding]:
    places = {
        split: evidence.near_rows[split, "train"]
        for split in evidence.held_out
        if len(evidence.near_rows[split, "train"])
    }
    if not places:
        return
    rows = sum(map(len, places.values()))
    share = rows / sum(len(evidence.splits[split]) for split in evidence.held_out)
    yield Finding(
        code="near_leaked",
        level="warning" if share >= _MANY_REPEATED else "note",
        title=f"{plural(rows, 'held-out row')} {'is' if rows == 1 else 'are'} almost the same as one of train "
        f"({_counts(places)})",
        advice="look at them: copies with small changes make figures too good; remove them from one side",
        rows=rows,
        places=places,
        examples=_near_examples(evidence, [(split, "train") for split in places]),
    )


def _without_label(evidence: Evidence) -> Iterator[Finding]:
    places = {}
    for name, split in evidence.splits.items():
        assert split.labels is not None
        rows = np.flatnonzero(split.labels == NO_LABEL)
        if len(rows):
            places[name] = rows
    rows_in_all = sum(map(len, places.values()))
    if rows_in_all:
        secret = [name for name, rows in places.items() if len(rows) == len(evidence.splits[name])]
        yield Finding(
            code="without_label",
            level="warning",
            title=f"{plural(rows_in_all, 'row')} {'has' if rows_in_all == 1 else 'have'} no label ({_counts(places)})",
            advice=f"leave out the split {listed(secret)}: its labels are kept secret"
            if secret
            else "label or remove them: training refuses rows without a label",
            rows=rows_in_all,
            places=places,
            examples=evidence.examples([(name, int(row)) for name, rows in places.items() for row in rows[:1]]),
        )


def _labels_of_train(evidence: Evidence) -> Iterator[Finding]:
    """Labels that train lacks, or has too little of."""
    learned = "train" if "train" in evidence.splits else next(iter(evidence.splits))
    counts = {name: _count_labels(evidence, name) for name in evidence.splits}
    own = counts[learned]
    present = [name for name, count in zip(evidence.names, own, strict=True) if count]
    if learned == "train" and len(present) < 2:
        yield Finding(
            code="one_label",
            level="warning",
            title=f"train has one label only, {present[0]!r}" if present else "train has no labels",
            advice="a classifier needs at least two; is dataset.label_column the right one?",
            rows=len(evidence.splits[learned]),
        )
        return
    for place, name in enumerate(evidence.names):
        elsewhere = {split: _rows_with(evidence, split, place) for split in counts if counts[split][place]}
        if not own[place] and elsewhere:
            yield Finding(
                code="label_not_in_train",
                level="warning",
                title=f"the label {name!r} does not occur in {learned}, but in {listed(list(elsewhere))}",
                advice=f"add rows of it to {learned} or remove it from the others: training refuses it",
                rows=sum(map(len, elsewhere.values())),
                places=elsewhere,
            )
    unused = [name for place, name in enumerate(evidence.names) if not any(count[place] for count in counts.values())]
    if unused:
        yield Finding(
            code="label_without_rows",
            level="note",
            title=f"no row has the label {listed([repr(name) for name in unused])}",
            advice="it can't be learned, and counts 0 in the macro F1; take it out of the list of labels",
            rows=0,
        )
    yield from _rare(evidence, own, learned)


def _rare(evidence: Evidence, counts: Rows, learned: str) -> Iterator[Finding]:
    largest = int(counts.argmax())
    rare = [i for i in range(len(counts)) if 0 < counts[i] < max(_FEW_ROWS, _RARE * counts[largest])]
    if not rare:
        return
    rare.sort(key=lambda i: int(counts[i]))
    shown = listed([f"{evidence.names[i]!r} {plural(int(counts[i]), 'row')}" for i in rare])
    few = any(counts[i] < _FEW_ROWS for i in rare)
    yield Finding(
        code="rare_labels",
        level="warning",
        title=f"{plural(len(rare), 'label')} {'is' if len(rare) == 1 else 'are'} rare in {learned}: {shown}; "
        f"{evidence.names[largest]!r} has {counts[largest]:,}",
        advice=("add rows, or merge labels of fewer than ten; " if few else "")
        + "--set task.class_weights=balanced gives rare labels more weight, and macro F1 shows what accuracy hides",
        rows=int(sum(counts[i] for i in rare)),
    )


def _drift(evidence: Evidence) -> Iterator[Finding]:
    """Held-out splits whose labels are distributed differently."""
    for split in evidence.held_out:
        here, train = _count_labels(evidence, split), _count_labels(evidence, "train")
        if min(here.sum(), train.sum()) < _ENOUGH_ROWS:
            continue
        # Shares of all rows where a row has several labels, which then do not add up to 1.
        rows_here, rows_train = (
            (len(evidence.splits[name]) for name in (split, "train"))
            if evidence.multi_label
            else (here.sum(), train.sum())
        )
        here, train = here / rows_here, train / rows_train
        difference = here - train
        shift = np.abs(difference).max() if evidence.multi_label else np.abs(difference).sum() / 2
        if shift > _DRIFT:
            most = int(np.abs(difference).argmax())
            yield Finding(
                code="label_shift",
                level="note",
                title=f"{split} has other shares of labels than train: {evidence.names[most]!r} is "
                f"{here[most]:.0%} of {split} and {train[most]:.0%} of train",
                advice="draw the splits from the same rows, each label in proportion, unless the difference is meant",
                rows=len(evidence.splits[split]),
            )


def _repeated(evidence: Evidence) -> Iterator[Finding]:
    places = {name: within.repeated for name, within in evidence.within.items() if len(within.repeated)}
    rows = sum(map(len, places.values()))
    if not rows:
        return
    exact = sum(evidence.within[name].exact for name in places)
    to_cut = _to_be_cut(evidence) and "train" in places
    many = rows >= _MANY_REPEATED * sum(map(len, evidence.splits.values()))
    groups = [(name, group) for name in places for group in evidence.within[name].groups]
    groups.sort(key=lambda one: -len(one[1]))
    yield Finding(
        code="repeated_texts",
        level="warning" if many or to_cut else "note",
        title=f"{plural(rows, 'row')} {'repeats' if rows == 1 else 'repeat'} a text of the same split "
        f"({_counts(places)}; {exact:,} to the letter)",
        advice="remove them before the splits are cut from train: copies would stand on both sides"
        if to_cut
        else "keep one row of each text, unless it is meant to count more often",
        rows=rows,
        places=places,
        examples=evidence.examples(
            [(name, int(group[0])) for name, group in groups[:_SHOWN]],
            [f"{len(group):,} times" for _, group in groups[:_SHOWN]],
        ),
    )


def _near_repeated(evidence: Evidence) -> Iterator[Finding]:
    places = {name: evidence.near_rows[name, name] for name in evidence.splits if len(evidence.near_rows[name, name])}
    rows = sum(map(len, places.values()))
    if not rows:
        return
    to_cut = _to_be_cut(evidence) and "train" in places
    many = rows >= _MANY_REPEATED * sum(map(len, evidence.splits.values()))
    yield Finding(
        code="near_repeated",
        level="warning" if many else "note",
        title=f"{plural(rows, 'row')} {'is' if rows == 1 else 'are'} almost the same as another one of the same split "
        f"({_counts(places)})",
        advice="look at them: once a held-out split is cut from train, templates and copies stand on both sides"
        if to_cut
        else "look at them: templates and copies teach less than their number says",
        rows=rows,
        places=places,
        examples=_near_examples(evidence, [(name, name) for name in places]),
    )


def _between_held_out(evidence: Evidence) -> Iterator[Finding]:
    pair = ("test", "validation")
    if pair not in evidence.across:
        return
    rows = np.union1d(evidence.across[pair].rows, evidence.near_rows[pair])
    if len(rows):
        yield Finding(
            code="validation_in_test",
            level="note",
            title=f"{plural(len(rows), 'row')} of test {'stands' if len(rows) == 1 else 'stand'} in validation, too, "
            "or almost",
            advice="remove them from validation, which decides when training ends and what is kept",
            rows=len(rows),
            places={"test": rows},
        )


def _not_all_compared(evidence: Evidence) -> Iterator[Finding]:
    left_out = {name: count for name, count in evidence.compared.items() if count < len(evidence.splits[name])}
    if left_out:
        counts = listed([f"{count:,} of {len(evidence.splits[name]):,} of {name}" for name, count in left_out.items()])
        yield Finding(
            code="near_sampled",
            level="note",
            title=f"near-duplicates were looked for among some rows only ({counts})",
            advice="there are more than these figures say; exact duplicates were looked for among all rows",
            rows=0,
        )


def _near_examples(evidence: Evidence, pairs: list[tuple[str, str]]) -> list[Example]:
    found = []
    for split, earlier in pairs:
        near = evidence.near[split, earlier]
        for row, match, similarity in zip(near.rows, near.matches, near.similarity, strict=True):
            found.append((-float(similarity), split, int(row), earlier, int(match)))
    shown = sorted(found)[:_SHOWN]
    places = [place for _, split, row, earlier, match in shown for place in ((split, row), (earlier, match))]
    return evidence.examples(places, [why for similar, *_ in shown for why in (f"{-similar:.0%} alike", "")])


def _to_be_cut(evidence: Evidence) -> bool:
    """Whether training will cut held-out splits from train."""
    return "train" in evidence.splits and len(evidence.splits) < 3


def _count_labels(evidence: Evidence, split: str) -> Rows:
    return evidence.splits[split].label_counts(len(evidence.names))


def _rows_with(evidence: Evidence, split: str, label: int) -> Rows:
    return evidence.splits[split].rows_with(label)


def _counts(places: Mapping[str, Rows]) -> str:
    return listed([f"{split} {len(rows):,}" for split, rows in places.items()])
