"""`inspect` for texts with any number of labels."""

import click
import datasets
import pegboard
import pytest
from pegboard.inspection.block import NO_LABEL
from pegboard.inspection.inspection import Inspection

PLUGIN = """
import json
import datasets
import pegboard
from pathlib import Path


class Options(pegboard.DatasetOptions):
    file: str


class Given:
    def __init__(self, options):
        self.options = options

    def load(self):
        given = json.loads(Path(self.options.file).read_text())
        label = datasets.Sequence(datasets.ClassLabel(names=given["names"]))
        features = datasets.Features({"text": datasets.Value("string"), "label": label})
        made = datasets.DatasetDict()
        for name, rows in given["splits"].items():
            columns = {"text": [text for text, _ in rows], "label": [labels for _, labels in rows]}
            made[name] = datasets.Dataset.from_dict(columns, features=features)
        return made


@pegboard.hookimpl
def pegboard_datasets():
    names = {"factory": f"{__name__}:Given", "options": f"{__name__}:Options"}
    yield pegboard.ComponentSpec(name="given", summary="what the test gives", **names)
"""
A, B, C = range(3)


@pytest.fixture
def inspected(tmp_path, toy):
    """`inspected(train=[("text", [0, 2])])`: what `inspect` says of these rows."""
    import json

    (tmp_path / "given.py").write_text(PLUGIN, encoding="utf-8")

    def inspect(names=("a", "b", "c"), **splits) -> Inspection:
        file = tmp_path / "rows.json"
        file.write_text(json.dumps({"names": names, "splits": splits}), encoding="utf-8")
        return pegboard.inspect(
            "given",
            tokenizer="space",
            encoder="mean",
            plugins=[toy, str(tmp_path / "given.py")],
            dataset_file=str(file),
        )

    return inspect


def texts(labels):
    return [(f"row number {i} says {'xyz'[i % 3] * (i % 7 + 1)} {i * 7919}", own) for i, own in enumerate(labels)]


def codes(inspection):
    return {finding.code: finding for finding in inspection.findings}


def test_labels_are_counted_by_row(inspected):
    found = inspected(train=texts([[A, B], [], [B], [A, B, C]] * 10))
    figures = found.to_dict()
    split = figures["splits"]["train"]
    assert figures["multi_label"] is True
    assert split["by_label"] == {"a": 20, "b": 30, "c": 10}
    assert split["without_label"] == 0
    assert split["labels_per_row"] == {
        "mean": 1.5,
        "none": 10,
        "rows": {"0": 10, "1": 10, "2": 10, "3": 10},
        "distinct": 4,
    }
    assert {name: box["rows"] for name, box in figures["words_by_label"]["boxes"].items()} == split["by_label"]
    text = click.unstyle(found.text())
    assert "labels of a row: train 1.50 (25.0 % without any, 4 different lists)" in text
    assert "50.0 %" in text  # of the rows have a, not of the labels
    assert "different lists" in found.html()


def test_one_label_data_have_no_such_figures(toy):
    figures = pegboard.inspect("toy", tokenizer="space", encoder="mean", plugins=[toy]).to_dict()
    assert figures["multi_label"] is False
    assert figures["splits"]["train"]["labels_per_row"] is None


def test_several_labels_are_no_conflict_but_different_lists_are(inspected):
    rows = texts([[A, B], [B, C], [A], [C]] * 10)
    assert "conflicting_labels" not in codes(inspected(train=[*rows, *rows[:2]]))
    assert "conflicting_labels" not in codes(inspected(train=[*rows, (rows[0][0], [B, A])]))
    found = codes(inspected(train=[*rows, (rows[0][0].upper(), [A]), (rows[1][0], [])]))["conflicting_labels"]
    assert found.title.startswith("2 texts have different lists of labels in different rows")
    assert [example.label for example in found.examples] == ["a, b", "a", "b, c", "no label"]


def test_leaks_with_another_list(inspected):
    rows = texts([[A, B], [B, C], [A], [C]] * 10)
    found = codes(inspected(train=rows, test=[(rows[0][0], [A, B]), (rows[1][0], [B]), ("quite another one", [C])]))
    assert found["leaked_other_label"].places["test"].tolist() == [1]
    assert found["leaked"].places["test"].tolist() == [0]


def test_rows_without_a_list_or_with_an_unnamed_label(inspected):
    found = inspected(train=[*texts([[A], [B, C]] * 10), ("one more", None), ("and another", [A, -1])])
    finding = codes(found)["without_label"]
    assert finding.places["train"].tolist() == [20, 21]
    assert found.to_dict()["splits"]["train"]["without_label"] == 2
    assert found.to_dict()["splits"]["train"]["by_label"] == {"a": 10, "b": 10, "c": 10}


def test_a_label_that_train_lacks(inspected):
    found = codes(inspected(train=texts([[A], [B], [A, B]] * 5), test=[("new", [A, C]), ("words", [])]))
    assert found["label_not_in_train"].title == "the label 'c' does not occur in train, but in test"
    assert found["label_not_in_train"].places["test"].tolist() == [0]


def test_lists_of_exactly_one(inspected):
    assert "task.name=classify" in codes(inspected(train=texts([[A], [B], [C]] * 5)))["lists_of_one"].advice
    assert "lists_of_one" not in codes(inspected(train=texts([[A], [B], []] * 5)))


def test_many_rows_without_labels(inspected):
    found = codes(inspected(train=texts([[A], [B], [], [], [], [C]] * 5)))["many_without_labels"]
    assert found.title == "50% of train have no label at all (15 rows)"
    assert "many_without_labels" not in codes(inspected(train=texts([[A], [B], [], [], [C]] * 5)))


def test_labels_that_say_nothing(inspected):
    found = codes(inspected(train=texts([[A], [A, B, C], [A, B, C], [A]] * 5)))
    assert "'b' and 'c'" in found["labels_always_together"].title
    assert "'a'" in found["label_nearly_always"].title


def test_other_shares_of_labels(inspected):
    train, test = texts([[A], [A, B], [B, C], []] * 30), texts([[A], [A, B], [A, C], []] * 30)
    found = codes(inspected(train=train, test=[(f"{text} held out", labels) for text, labels in test]))["label_shift"]
    assert found.title == "test has other shares of labels than train: 'a' is 75% of test and 50% of train"


def test_samples_have_the_label(inspected):
    found = inspected(train=texts([[A, B], [], [B], [A, B, C]] * 10)).to_dict()
    rows = {sample["row"] % 4 for sample in found["samples"] if sample["label"] == "c"}
    assert rows == {3}


def test_lists_are_numbered_alike_in_all_splits():
    from pegboard.inspection.block import Split
    from pegboard.inspection.loading import _lists, _number_sets
    from pegboard.text.texts import Texts

    def split(name, labels):
        label = datasets.Sequence(datasets.ClassLabel(names=["a", "b", "c"]))
        features = datasets.Features({"text": datasets.Value("string"), "label": label})
        made = datasets.Dataset.from_dict({"text": ["x"] * len(labels), "label": labels}, features=features)
        return Split(name, Texts.of(["x"] * len(labels)), *_lists(made, 3))

    one, two = split("train", [[A], [A, C], None, []]), split("test", [[], [C, A], [B]])
    _number_sets([one, two])
    assert one.labels[2] == NO_LABEL
    assert (one.labels[3], one.labels[1]) == (two.labels[0], two.labels[1])
    assert len({*one.labels.tolist(), *two.labels.tolist()}) == 5
