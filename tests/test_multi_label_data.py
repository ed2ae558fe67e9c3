"""Lists of labels from a data set: what is read, what is refused, and how splits are cut."""

from types import SimpleNamespace

import datasets
import numpy as np
import pyarrow as pa
import pytest
from pegboard.contracts.dataset import DatasetOptions, with_label_text
from pegboard.errors import DataError
from pegboard.pipeline.data import load_data
from pegboard.pipeline.labels import as_arrow, labels_of, stratified
from pegboard.plugins.loading import Component
from pegboard.recipe import Choice
from pegboard.specs import ComponentSpec

NAMES = ["joy", "gloom", "rage"]
LISTS = [[0, 2], [1], [], [2, 0], [1, 0, 2]]


def split(labels, kind=datasets.Sequence, names=NAMES):
    features = datasets.Features({"text": datasets.Value("string"), "label": kind(datasets.ClassLabel(names=names))})
    texts = [f"text {i}" for i in range(len(labels))]
    return datasets.Dataset.from_dict({"text": texts, "label": labels}, features=features)


def load(cut=True, **splits):
    class Source:
        def __init__(self, options):
            self.options = options

        def load(self):
            return datasets.DatasetDict(splits)

    spec = ComponentSpec(name="given", factory="test:Source", summary="what the test gives")
    choice = Choice(Component("dataset", spec, "pegboard-test", "1.0"), DatasetOptions())
    return load_data(choice, SimpleNamespace(factory_of=lambda component: Source), cut=cut)


def whole(labels):
    return {name: split(labels) for name in ("train", "validation", "test")}


class TestReading:
    def test_lists_become_rows_of_truth_values(self):
        data = load(**whole(LISTS))
        assert data.multi_label
        assert data.label_names == tuple(NAMES)
        labels = data.splits["train"].labels
        assert labels.dtype == np.bool_
        assert labels.tolist() == [
            [True, False, True],
            [False, True, False],
            [False, False, False],
            [True, False, True],
            [True, True, True],
        ]

    def test_every_kind_of_list(self):
        kinds = [datasets.Sequence]
        kinds += [getattr(datasets, name) for name in ("List", "LargeList") if hasattr(datasets, name)]
        found = [load(**{**whole(LISTS), "test": split(LISTS, kind)}).splits["test"].labels for kind in kinds]
        assert all((labels == found[0]).all() for labels in found)

    def test_rows_chosen_by_indices(self):
        chosen = split(LISTS).select([4, 0])
        assert load(**{**whole(LISTS), "test": chosen}).splits["test"].labels.sum(axis=1).tolist() == [3, 2]

    def test_the_fingerprint_is_that_of_the_content(self):
        prints = [
            load(**whole(labels)).fingerprint
            for labels in (LISTS, [labels[::-1] for labels in LISTS], [*LISTS[:-1], [1, 0]], [[0], [1], [2], [0], [1]])
        ]
        assert prints[0] == prints[1]
        assert len(set(prints)) == 3

    def test_label_text(self):
        given = datasets.DatasetDict({"train": split(LISTS)})
        assert with_label_text(given)["train"]["label_text"][:2] == [["joy", "rage"], ["gloom"]]

    def test_label_text_of_missing_lists(self):
        given = datasets.DatasetDict({"train": split([[1], None, []])})
        assert with_label_text(given)["train"]["label_text"][:] == [["gloom"], None, []]

    def test_and_back(self):
        labels = load(**whole(LISTS)).splits["test"].labels
        assert as_arrow(labels).to_pylist() == [sorted(row) for row in LISTS]
        assert as_arrow(labels, NAMES).to_pylist()[0] == ["joy", "rage"]
        assert as_arrow(np.array([1, 0]), NAMES).to_pylist() == ["gloom", "joy"]


class TestRefused:
    @pytest.mark.parametrize(
        ("labels", "what", "where"),
        [
            ([[0], None], "the label is missing", "test, row 1"),
            ([[0], [1], [2, None]], "a label in the list is missing", "test, row 2"),
            ([[0], [1, 2, 1]], "the list has a label twice", "test, row 1"),
            ([[0], [], [-1]], "label -1 has no name", "test, row 2"),
        ],
    )
    def test_a_wrong_row_is_named(self, labels, what, where):
        with pytest.raises(DataError, match=what) as raised:
            load(**{**whole(LISTS), "test": split(labels)})
        assert raised.value.where == where

    def test_a_number_beyond_the_names(self):
        with pytest.raises(DataError, match="label 3 has no name") as raised:
            labels_of(pa.chunked_array([[[0], []], [[1, 3]]]).chunks, 3, "train")
        assert raised.value.where == "train, row 2"

    def test_lists_in_one_split_only(self):
        one = split([0, 1, 2], kind=lambda label: label)
        with pytest.raises(DataError, match="train has lists of labels, test has one label a row"):
            load(**{**whole(LISTS), "test": one})

    def test_lists_of_something_else(self):
        numbers = split(LISTS).cast_column("label", datasets.Sequence(datasets.Value("int64")))
        with pytest.raises(DataError, match="must be a ClassLabel, or a list of it"):
            load(**{**whole(LISTS), "train": numbers})

    def test_train_without_labels(self):
        with pytest.raises(DataError, match="no row of train has a label"):
            load(**whole([[], [], []]))
        with pytest.raises(DataError, match="train has one label only, 'gloom'"):
            load(**whole([[1], []]))

    def test_a_label_that_train_lacks(self):
        with pytest.raises(DataError, match="the label 'rage' does not occur in train") as raised:
            load(**{**whole([[0], [1], [0, 1]]), "test": split([[0], [1, 2]])})
        assert raised.value.where == "test, row 1"


class TestCutting:
    shares = {"validation": 0.15, "test": 0.15}  # noqa: RUF012

    def test_every_row_once_and_labels_in_proportion(self):
        generator = np.random.default_rng(1)
        chances = np.array([0.5, 0.3, 0.2, 0.05, 0.02])
        labels = generator.random((2000, 5)) < chances
        parts = stratified(labels, self.shares, 42)
        assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(2000))
        assert all((np.diff(rows) > 0).all() for rows in parts.values())
        for name, share in self.shares.items():
            assert len(parts[name]) == pytest.approx(share * 2000, abs=12)
            for label in range(5):
                expected = share * labels[:, label].sum()
                assert labels[parts[name], label].sum() == pytest.approx(expected, abs=max(3, 0.06 * expected))
            nothing = ~labels.any(axis=1)
            assert nothing[parts[name]].sum() == pytest.approx(share * nothing.sum(), abs=15)

    def test_the_same_seed_gives_the_same_rows(self):
        labels = np.random.default_rng(0).random((100, 4)) < 0.3
        first, again, other = (stratified(labels, self.shares, seed) for seed in (1, 1, 2))
        assert all((first[name] == again[name]).all() for name in first)
        assert any(first[name].tolist() != other[name].tolist() for name in first)

    def test_every_label_stays_in_train(self):
        for seed in range(30):
            generator = np.random.default_rng(seed)
            labels = generator.random((14, 9)) < 0.12
            parts = stratified(labels, self.shares, seed)
            assert (labels[parts["train"]].any(axis=0) == labels.any(axis=0)).all()

    def test_rare_labels_are_held_out_now_and_then(self):
        labels = np.zeros((300, 100), np.bool_)
        labels[np.arange(300), np.arange(300) // 3] = True
        parts = stratified(labels, self.shares, 7)
        assert len(parts["test"]) == pytest.approx(45, abs=15)

    def test_lists_of_one_label_each(self):
        labels = np.eye(3, dtype=np.bool_)[np.arange(300) % 3]
        parts = stratified(labels, self.shares, 3)
        assert labels[parts["test"]].sum(axis=0).tolist() == [15, 15, 15]

    def test_missing_splits_are_cut(self):
        data = load(train=split(LISTS * 20))
        assert {name: len(rows) for name, rows in data.splits.items()} == {"train": 70, "validation": 15, "test": 15}
