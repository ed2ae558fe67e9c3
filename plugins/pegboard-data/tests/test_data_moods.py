"""The built-in data set: its size, its split, and that no text stands near one of another split."""

import csv
import hashlib
import re
from collections import Counter
from importlib import resources
from itertools import combinations

import pegboard
import pytest
from pegboard import DatasetOptions
from pegboard_data.moods import LABELS, MoodsDataset

MOST_ALIKE_WORDS = 0.5
MOST_ALIKE_TRIPLES = 0.25


@pytest.fixture(scope="module")
def rows():
    with (resources.files("pegboard_data") / "moods.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def words(text):
    return re.findall(r"[a-z0-9]+", text.casefold().replace("’", "'").replace("'", ""))


def jaccard_at_least(sets, threshold):
    """Pairs of positions whose sets have a Jaccard index of at least `threshold`; exact, by an inverted index."""
    holders = {}
    for position, elements in enumerate(sets):
        for element in elements:
            holders.setdefault(element, []).append(position)
    found = []
    for position, elements in enumerate(sets):
        common = Counter(other for element in elements for other in holders[element] if other < position)
        found += [
            (other, position)
            for other, count in common.items()
            if count >= threshold * (len(elements) + len(sets[other]) - count)
        ]
    return found


def test_there_are_enough_rows_of_every_label(rows):
    counts = Counter(row["label"] for row in rows)
    assert len(rows) == 7_171 >= 2_400
    assert set(counts) == set(LABELS)
    assert min(counts.values()) >= 300
    assert all(row["text"] == row["text"].strip() != "" for row in rows)


def test_the_shares_are_exact_within_a_row(rows):
    counts = Counter((row["label"], row["split"]) for row in rows)
    for label in LABELS:
        total = sum(counts[label, split] for split in ("train", "validation", "test"))
        assert counts[label, "validation"] == counts[label, "test"] == round(0.15 * total)
        assert abs(counts[label, "train"] - 0.70 * total) <= 1


def test_split_and_order_are_what_the_data_card_says(rows):
    def key(row):
        return hashlib.sha256(f"pegboard-moods-1:{row['text']}".encode()).hexdigest()

    expected = {"train": [], "validation": [], "test": []}
    for label in LABELS:
        of_label = sorted((row for row in rows if row["label"] == label), key=key)
        count = round(0.15 * len(of_label))
        expected["test"] += of_label[:count]
        expected["validation"] += of_label[count : 2 * count]
        expected["train"] += of_label[2 * count :]
    ordered = [{**row, "split": split} for split, part in expected.items() for row in sorted(part, key=key)]
    assert rows == ordered


def test_no_text_is_there_twice(rows):
    assert len({tuple(words(row["text"])) for row in rows}) == len(rows)


def test_no_two_texts_are_nearly_the_same(rows):
    """Jaccard index of the sets of normalized words, and of the sets of runs of three; across splits and within."""
    split = [words(row["text"]) for row in rows]
    singles = [set(text) for text in split]
    triples = [set(zip(text, text[1:], text[2:], strict=False)) for text in split]
    assert jaccard_at_least(singles, MOST_ALIKE_WORDS) == []
    assert jaccard_at_least(triples, MOST_ALIKE_TRIPLES) == []


def test_the_measure_finds_what_is_nearly_the_same():
    sets = [set("abcdef"), set("abcdeg"), set("xyz"), set("ab")]
    expected = [(i, j) for i, j in combinations(range(4), 2) if len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= 0.5]
    assert jaccard_at_least(sets, 0.5) == expected == [(0, 1)]


def test_it_loads_as_the_contract_says(rows):
    data = MoodsDataset(DatasetOptions()).load()
    assert list(data) == ["train", "validation", "test"]
    assert {split: len(data[split]) for split in data} == {"train": 5017, "validation": 1077, "test": 1077}
    for split in data:
        assert data[split].column_names == ["text", "label"]
        assert data[split].features["text"].dtype == "string"
        assert data[split].features["label"].names == ["sadness", "joy", "love", "anger", "fear", "surprise"]
        loaded = [(row["text"], LABELS[row["label"]]) for row in data[split]]
        assert loaded == [(row["text"], row["label"]) for row in rows if row["split"] == split]


def test_label_text_names_the_labels():
    test = pegboard.load_dataset("moods", label_text=True)["test"]
    assert test.column_names == ["text", "label", "label_text"]
    assert [LABELS[number] for number in test["label"]] == list(test["label_text"])
    assert test.features["label"].int2str(test["label"][:]) == list(test["label_text"])


def test_it_needs_no_network(monkeypatch):
    import socket

    def refuse(*_):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    assert len(MoodsDataset(DatasetOptions()).load()["train"]) == 5017
