"""What every data set must do."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from unittest import mock

from pegboard.contracts.dataset import label_feature, with_label_text
from pegboard.errors import PegboardError
from pegboard.pipeline.data import SPLITS
from pegboard.testing.conformance import Conformance, NotApplicable, refused

if TYPE_CHECKING:
    import datasets

__all__ = ["DatasetConformance"]


class DatasetConformance(Conformance):
    """Subclass it, set `component`, and pytest checks your data set.

    Example:
        >>> class TestMoods(DatasetConformance):
        ...     component = "moods"
    """

    kind: ClassVar[str] = "dataset"

    def load(self, **more: Any) -> datasets.DatasetDict:
        """The splits, loaded anew."""
        loaded: datasets.DatasetDict = self.factory(self.checked_options(**more)).load()
        return loaded

    @cached_property
    def loaded(self) -> datasets.DatasetDict:
        """The splits."""
        return self.load()

    def digest(self) -> str:
        """A hash of all rows in their order, and of the labels' names."""
        return _hash(self.load())

    def test_it_gives_splits(self) -> None:
        """It gives a `datasets.DatasetDict` with splits named train, validation and test.

        Other names would be ignored, and a test set that is ignored is cut from train instead.
        """
        import datasets

        assert isinstance(self.loaded, datasets.DatasetDict), f"load() gave a {type(self.loaded).__name__}"
        assert set(self.loaded) <= set(SPLITS), f"its splits are {', '.join(self.loaded)}"
        assert {"train", "test"} & set(self.loaded), "it has neither train nor test"

    def test_splits_have_rows(self) -> None:
        """No split is empty.

        An empty split gives figures over nothing.
        """
        assert all(len(rows) for rows in self.loaded.values()), "a split has no rows"

    def test_text_is_text(self) -> None:
        """The column `text` is a string in every row, not missing and not blank.

        Numbers and missing values that are made into text classify as something.
        """
        for name, rows in self.loaded.items():
            assert rows.features.get("text") is not None, f"{name} has no column text"
            assert rows.features["text"].dtype in ("string", "large_string"), f"{name}: {rows.features['text']}"
            column = rows.with_format(None)["text"]
            assert all(isinstance(text, str) and text.strip() for text in column), f"{name} has a blank or missing text"

    def test_labels_are_named(self) -> None:
        """The column `label` is a ClassLabel or a list of it, every label has a name, and no list has one twice.

        A model remembers names; a bare number means something else in the next version of the data.
        """
        for name, rows in self.loaded.items():
            assert "label" in rows.column_names, f"{name} has no column label"
            feature, _ = label_feature(rows)
            assert hasattr(feature, "names"), f"{name}: label is {rows.features['label']}"
            for labels in _label_lists(rows):
                assert labels is not None, f"{name}: a label is missing"
                assert all(label is not None and 0 <= label < len(feature.names) for label in labels), (
                    f"{name}: unnamed label"
                )
                assert len(set(labels)) == len(labels), f"{name}: a list has a label twice"
            assert len(set(feature.names)) == len(feature.names), "two labels have the same name"

    def test_splits_share_their_labels(self) -> None:
        """All splits have the same labels in the same order, and all have lists of them or none has.

        If 0 is joy in train and anger in test, the figures are worthless and nothing fails.
        """
        in_lists = {label_feature(rows)[1] for rows in self.loaded.values()}
        assert len(in_lists) == 1, "some splits have lists of labels, others one label a row"
        names = [label_feature(rows)[0].names for rows in self.loaded.values()]
        for other in names:
            assert other == names[0], f"the splits disagree on the labels: {names[0]} and {other}"

    def test_every_label_can_be_learned(self) -> None:
        """Every label of a held-out split occurs in train.

        A label that train lacks is never predicted.
        """
        if "train" not in self.loaded:
            raise NotApplicable("it has no train split")
        known = {label for labels in _label_lists(self.loaded["train"]) for label in labels}
        assert len(known) > 1, "train has one label only"
        for name, rows in self.loaded.items():
            found = {label for labels in _label_lists(rows) for label in labels}
            assert found <= known, f"{name} has a label that train lacks"

    def test_order_is_deterministic(self) -> None:
        """Rows come in the same order at every load, and in every process.

        Batches, and so the trained weights, depend on the order; shuffling is the trainer's job.
        """
        source = self.factory(self.checked_options())
        first, *others = self.load(), source.load(), source.load()
        for other in others:
            for name in first:
                one, two = (loaded[name].with_format(None)["text"][:] for loaded in (first, other))
                assert sorted(map(repr, one)) == sorted(map(repr, two)), f"{name} has other rows at another load"
                assert one == two, f"the order of {name} changes from load to load"

    def test_labels_are_stable(self) -> None:
        """Label names come in the same order at every load.

        An order that comes from a set changes from process to process.
        """
        first, second = self.load(), self.load()
        for name in first:
            one, two = (label_feature(loaded[name])[0].names for loaded in (first, second))
            assert one == two, f"{name} has the labels {one} and then {two}"

    def test_loads_do_not_share_state(self) -> None:
        """What is done to one loaded data set does not change the next.

        A cached object that callers can change is changed by somebody.
        """
        before = _hash(self.load())
        spoiled = self.load()
        for name in list(spoiled):
            spoiled[name] = spoiled[name].select(range(1))
        spoiled.pop(next(iter(spoiled)))
        assert _hash(self.load()) == before, "changing a loaded data set changed the next load"

    def test_pandas_view_works(self) -> None:
        """`set_format("pandas")` gives a data frame with texts and labels.

        People look at their data in pandas.
        """
        loaded = self.load()
        loaded.set_format("pandas")
        for rows in loaded.values():
            frame = rows[:]
            assert len(frame) == len(rows), f"{len(rows)} rows make a data frame of {len(frame)}"
            assert {"text", "label"} <= set(frame.columns), f"its columns are {', '.join(frame.columns)}"

    def test_label_text_on_request(self) -> None:
        """The column `label_text` is left to `pegboard.load_dataset(…, label_text=True)`, which fills it for every row.

        Every data set gets it in the same way; one of the source's own may say something else than the label.
        """
        for name, rows in with_label_text(self.load()).items():
            plain = rows.with_format(None)
            feature, in_lists = label_feature(rows)
            expected = [[feature.int2str(label) for label in labels] for labels in _label_lists(rows)]
            text = [own if in_lists else [own] for own in plain["label_text"][:]]
            assert text == expected, f"{name}: wrong text"

    def test_other_folders_do_not_matter(self) -> None:
        """Loading works from another working folder.

        A path relative to where somebody happened to stand breaks when the run is evaluated later.
        """
        before = _hash(self.load())
        source = self.factory(self.checked_options())
        with _working_folder():
            assert _hash(source.load()) == before, "from another folder it gives something else"

    def test_its_cache_is_used_again(self) -> None:
        """Loading again maps the same files as before, if it maps any, instead of writing new ones.

        A cache that is not found again fills the disk, and every run prepares the data anew.
        """
        first, second = self.load(), self.load()
        for name in first:
            one, two = ([file["filename"] for file in loaded[name].cache_files] for loaded in (first, second))
            assert one == two, f"{name} lies in {', '.join(one) or 'memory'} and then in {', '.join(two) or 'memory'}"

    def test_works_offline_once_loaded(self) -> None:
        """After a first load the next one needs no network.

        Clusters have none.
        """
        before = _hash(self.load())
        with _without_network(), _environment(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1"):
            assert _hash(self.load()) == before, "offline it gives something else"

    def test_missing_files_are_named(self) -> None:
        """A path that does not exist is an error of Pegboard's family that names the path.

        A traceback from deep inside a library tells nobody which file is missing.
        """
        if not self.has_option("path") or "hub" in self.found.spec.schemes:
            raise NotApplicable("it reads no path")
        path = "/nowhere/at/all/missing.csv"
        with refused("a missing file was accepted", PegboardError) as caught:
            self.load(path=path)
        assert "missing.csv" in str(caught[0]), f"the message does not name the file: {caught[0]}"

    def test_it_refuses_shares_that_leave_no_train(self) -> None:
        """The common options keep their ranges: no share of a half or more.

        The core cuts missing splits by them.
        """
        if not self.has_option("test_share"):
            raise NotApplicable("it has no option test_share")
        with refused("test_share=0.9 was accepted", PegboardError):
            self.checked_options(test_share=0.9)


def _label_lists(rows: datasets.Dataset) -> list[Any]:
    """The labels of each row as a list, also where it has one that is in none."""
    labels = rows.with_format(None)["label"][:]
    return labels if label_feature(rows)[1] else [None if label is None else [label] for label in labels]


def _hash(loaded: datasets.DatasetDict) -> str:
    summary = hashlib.sha256()
    for name, rows in loaded.items():
        plain = rows.with_format(None)
        summary.update(repr((name, label_feature(plain)[0].names)).encode())
        summary.update(repr(list(zip(plain["text"], plain["label"], strict=True))).encode())
    return summary.hexdigest()


@contextlib.contextmanager
def _working_folder() -> Iterator[None]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


@contextlib.contextmanager
def _without_network() -> Iterator[None]:
    """Names resolve to nothing and no connection is made, as on a machine without a network."""

    def unreachable(*arguments: Any, **more: Any) -> Any:
        raise OSError(errno.ENETUNREACH, "the network is unreachable (it is switched off for this property)")

    with mock.patch("socket.getaddrinfo", unreachable), mock.patch("socket.socket.connect", unreachable):
        yield


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
