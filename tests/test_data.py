"""What the core asks of a data set, how it cuts missing splits, and the fingerprint."""

import gzip
import subprocess
import sys
from types import SimpleNamespace

import datasets
import numpy as np
import pegboard
import pyarrow as pa
import pytest
from blake3 import blake3
from pegboard.console import Console
from pegboard.contracts.dataset import DatasetOptions
from pegboard.errors import ComponentError, DataError
from pegboard.pipeline.data import LabelledSplit, _fingerprint, load_data
from pegboard.plugins.loading import Component
from pegboard.plugins.registry import Registry
from pegboard.recipe import Choice, resolve_dataset
from pegboard.specs import ComponentSpec
from pegboard.text import rows_file
from pegboard.text.texts import Texts, TextsHash

NAMES = ["joy", "gloom", "rage"]


class Notes(Console):
    """A console that remembers what it was told."""

    def __init__(self):
        super().__init__()
        self.notes = []
        self.warnings = []

    def note(self, text):
        self.notes.append(text)

    def warn(self, text):
        self.warnings.append(text)


def split(labels, texts=None, names=NAMES):
    """A split with these label numbers."""
    texts = [f"text {i} of {label}" for i, label in enumerate(labels)] if texts is None else texts
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)})
    table = pa.table({"text": pa.array(texts, pa.string()), "label": pa.array(labels, pa.int64())})
    return datasets.Dataset(table.cast(features.arrow_schema))


GOOD = {"train": split([0, 1, 2] * 5), "validation": split([0, 1, 2]), "test": split([2, 1, 0])}


def load(loaded, console=None, cut=True, **options):
    """What `load_data` makes of a source that gives `loaded`, or raises it."""

    class Source:
        def __init__(self, options):
            pass

        def load(self):
            if isinstance(loaded, Exception):
                raise loaded
            return datasets.DatasetDict(loaded) if isinstance(loaded, dict) else loaded

    spec = ComponentSpec(name="given", factory="test:Source", summary="what the test gives")
    choice = Choice(Component("dataset", spec, "pegboard-test", "1.0"), DatasetOptions(**options))
    registry = SimpleNamespace(factory_of=lambda component: Source)
    return load_data(choice, registry, console=console or Notes(), cut=cut)


class TestGood:
    def test_splits(self):
        data = load(GOOD)
        assert list(data.splits) == ["train", "validation", "test"]
        assert data.label_names == tuple(NAMES)
        assert data.splits["test"].labels.tolist() == [2, 1, 0]
        assert data.splits["test"].labels.dtype == np.int8
        assert data.splits["test"].texts.array().to_pylist() == GOOD["test"]["text"]
        assert len(data.splits["train"]) == 15

    def test_nothing_to_say(self):
        notes = Notes()
        load(GOOD, console=notes)
        assert notes.notes == []

    def test_rows_chosen_by_indices(self):
        chosen = GOOD["train"].shuffle(seed=1).select(range(7))
        data = load({**GOOD, "test": chosen})
        assert data.splits["test"].texts.array().to_pylist() == list(chosen["text"])
        assert data.splits["test"].labels.tolist() == list(chosen["label"])

    def test_large_strings(self):
        large = GOOD["train"].cast_column("text", datasets.Value("large_string"))
        assert load({**GOOD, "train": large}).fingerprint == load(GOOD).fingerprint

    def test_other_columns_do_not_matter(self):
        more = GOOD["train"].add_column("id", list(range(15)))
        assert load({**GOOD, "train": more}).fingerprint == load(GOOD).fingerprint

    def test_split_of_another_name_is_told(self):
        notes = Notes()
        data = load({**GOOD, "unsupervised": split([-1, -1])}, console=notes)
        assert "unsupervised" not in data.splits
        assert notes.notes == ["note: not used: the split unsupervised"]

    def test_label_without_rows_is_told(self):
        notes = Notes()
        load({name: split([0, 1] * 3) for name in GOOD}, console=notes)
        assert "no row has the label rage" in notes.notes[0]

    def test_many_labels_without_rows_are_told_in_one_line(self):
        notes, names = Notes(), [f"label {i}" for i in range(50)]
        load({name: split([0, 1] * 3, names=names) for name in GOOD}, console=notes)
        assert "label 2, label 3, label 4, label 5, label 6 and 43 more" in notes.notes[0]


class TestBad:
    def test_missing_column(self):
        renamed = GOOD["train"].rename_column("text", "texts")
        with pytest.raises(DataError, match="the split has no column 'text'") as raised:
            load({**GOOD, "train": renamed})
        assert raised.value.where == "pegboard-test:given, train"
        assert raised.value.hint == "did you mean texts?"
        with pytest.raises(DataError, match="no column 'label'"):
            load({**GOOD, "test": GOOD["test"].remove_columns("label")})

    @pytest.mark.parametrize("kind", ["int64", "string"])
    def test_label_is_no_class_label(self, kind):
        plain = GOOD["test"].cast_column("label", datasets.Value(kind))
        with pytest.raises(DataError, match="must be a ClassLabel") as raised:
            load({**GOOD, "test": plain})
        assert raised.value.where.endswith("test")

    def test_text_is_no_text(self):
        numbers = GOOD["test"].remove_columns("text").add_column("text", [1, 2, 3])
        with pytest.raises(DataError, match="expected a column of text, not of int64") as raised:
            load({**GOOD, "test": numbers})
        assert raised.value.where == "test, column 'text'"

    def test_text_is_missing(self):
        with pytest.raises(DataError, match="the text is missing") as raised:
            load({**GOOD, "validation": split([0, 1, 2], ["a", "b", None])})
        assert raised.value.where == "validation, row 2"

    def test_label_is_missing(self):
        with pytest.raises(DataError, match="the label is missing") as raised:
            load({**GOOD, "train": split([0, None, 2])})
        assert raised.value.where == "train, row 1"

    @pytest.mark.parametrize("text", ["", " ", "\t\n", "\u00a0\u2003"])
    def test_text_is_blank(self, text):
        with pytest.raises(DataError, match="the text is empty") as raised:
            load({**GOOD, "test": split([0, 1, 2], ["a", text, "c"])})
        assert raised.value.where == "test, row 1"

    @pytest.mark.parametrize("label", [3, 99])
    def test_label_out_of_range(self, label):
        with pytest.raises(DataError, match=f"label {label} has no name") as raised:
            load({**GOOD, "test": split([0, label, 1])})
        assert raised.value.where == "test, row 1"

    def test_secret_labels(self):
        with pytest.raises(DataError, match="label -1 has no name") as raised:
            load({**GOOD, "test": split([-1, -1])})
        assert "kept secret" in raised.value.hint

    def test_empty_split(self):
        with pytest.raises(DataError, match="the split has no rows") as raised:
            load({**GOOD, "test": split([])})
        assert raised.value.where == "test"

    def test_one_label_only(self):
        with pytest.raises(DataError, match="train has one label only, 'gloom'"):
            load({"train": split([1] * 20)})

    def test_label_that_train_lacks(self):
        with pytest.raises(DataError, match="the label 'rage' does not occur in train") as raised:
            load({**GOOD, "train": split([0, 1] * 5), "validation": split([0, 1])})
        assert raised.value.where == "test, row 0"
        assert "train has joy, gloom" in raised.value.hint

    @pytest.mark.parametrize("names", [["gloom", "joy", "rage"], ["joy", "gloom", "rage", "fear"], ["joy", "gloom"]])
    def test_splits_that_disagree(self, names):
        with pytest.raises(DataError, match="train and test disagree on the labels"):
            load({**GOOD, "test": split([0, 1], names=names)})

    def test_no_train(self):
        with pytest.raises(DataError, match="there is no train split, only test") as raised:
            load({"test": GOOD["test"]})
        assert "pegboard evaluate" in raised.value.hint
        assert list(load({"test": GOOD["test"]}, cut=False).splits) == ["test"]

    @pytest.mark.parametrize("loaded", [{}, {"all": GOOD["train"]}])
    def test_no_known_split(self, loaded):
        with pytest.raises(DataError, match="there is no split of the names train"):
            load(loaded)

    @pytest.mark.parametrize("loaded", [None, [1], GOOD["train"], ValueError("no network"), KeyError("x")])
    def test_source_that_is_broken(self, loaded):
        with pytest.raises(ComponentError, match=r"the dataset 'given' of pegboard-test 1\.0 failed"):
            load(loaded)

    def test_stream_is_no_data_set(self):
        with pytest.raises(ComponentError, match=r"'train' is a IterableDataset, not a datasets\.Dataset"):
            load({"train": GOOD["train"].to_iterable_dataset()})

    def test_error_of_the_source_passes(self):
        with pytest.raises(DataError, match=r"data\.csv, line 3: no label"):
            load(DataError("no label", where="data.csv, line 3"))


class TestCut:
    def test_shares_and_labels(self):
        labels = [0] * 100 + [1] * 60 + [2] * 40
        data = load({"train": split(labels)})
        counts = {name: np.bincount(rows.labels).tolist() for name, rows in data.splits.items()}
        assert counts == {"train": [70, 42, 28], "validation": [15, 9, 6], "test": [15, 9, 6]}

    def test_every_row_once_and_in_order(self):
        train = split([0, 1, 2] * 40)
        data = load({"train": train})
        rows = [[train["text"].index(text) for text in part.texts.array().to_pylist()] for part in data.splits.values()]
        assert sorted(row for part in rows for row in part) == list(range(120))
        assert all(part == sorted(part) for part in rows)
        for part in data.splits.values():
            for text, label in zip(part.texts.array().to_pylist(), part.labels, strict=True):
                assert text.endswith(f"of {label}")

    def test_only_what_is_missing(self):
        data = load({"train": split([0, 1] * 50), "test": split([0, 1])})
        assert [len(rows) for rows in data.splits.values()] == [84, 16, 2]

    def test_options_decide_the_shares(self):
        data = load({"train": split([0, 1] * 50)}, validation_share=0.2, test_share=0.3)
        assert [len(rows) for rows in data.splits.values()] == [50, 20, 30]

    def test_seed(self):
        train = {"train": split([0, 1, 2] * 40)}
        assert load(train).fingerprint == load(train).fingerprint
        assert (
            load(train, split_seed=1).splits["test"].texts.array()
            != load(train, split_seed=2).splits["test"].texts.array()
        )

    def test_user_is_told(self):
        notes = Notes()
        load({"train": split([0, 1] * 50, names=NAMES[:2])}, console=notes)
        assert notes.notes == [
            "note: the data have no validation and no test split: validation (16 rows) and test (16 rows) cut from "
            "train, stratified, seed 42",
        ]

    def test_every_label_stays_in_train(self):
        labels = [0] * 40 + [1, 2, 2]
        data = load({"train": split(labels)}, validation_share=0.49, test_share=0.49)
        assert set(data.splits["train"].labels.tolist()) == {0, 1, 2}

    @pytest.mark.parametrize("labels", [[0, 1], [0, 0, 0, 1, 1, 1]])
    def test_too_few_rows(self, labels):
        with pytest.raises(DataError, match="train has too few rows to cut") as raised:
            load({"train": split(labels)})
        assert "at least 4 rows of a label" in raised.value.hint

    def test_just_enough_rows(self):
        data = load({"train": split([0] * 4 + [1] * 4)})
        assert [len(rows) for rows in data.splits.values()] == [4, 2, 2]

    def test_not_cut_for_evaluation(self):
        assert list(load({"train": split([0])}, cut=False).splits) == ["train"]


class TestFingerprint:
    def parts(self, texts=("a", "b"), labels=(0, 1), name="train"):
        return {name: LabelledSplit(Texts.of(texts), np.array(labels, np.int64))}

    def test_is_a_hash_of_the_content(self):
        lengths = blake3(np.array([1, 2], np.int64).tobytes()).hexdigest()
        texts = blake3(f"2 {lengths} {blake3('aé'.encode()).hexdigest()}".encode()).hexdigest()
        expected = blake3(f'["x", "y"]\ntrain 2 {texts}\n'.encode() + np.array([0, 1], np.int64).tobytes())
        assert _fingerprint(self.parts(("a", "é")), ["x", "y"]) == f"blake3:{expected.hexdigest()}"

    @pytest.mark.parametrize(
        ("change", "names"),
        [
            ({"texts": ("a", "c")}, "xy"),
            ({"texts": ("b", "a")}, "xy"),
            ({"texts": ("ab", "")}, "xy"),
            ({"texts": ("", "ab")}, "xy"),
            ({"labels": (0, 0)}, "xy"),
            ({"labels": (1, 0)}, "xy"),
            ({"name": "test"}, "xy"),
            ({}, "yx"),
            ({}, "xyz"),
            ({}, ["xy"]),
        ],
    )
    def test_differs(self, change, names):
        assert _fingerprint(self.parts(**change), list(names)) != _fingerprint(self.parts(), ["x", "y"])

    def test_names_are_kept_apart(self):
        parts = self.parts()
        assert _fingerprint(parts, ["a", "b"]) != _fingerprint(parts, ["a\0b"])
        assert _fingerprint(parts, ["a", "b"]) != _fingerprint(parts, ['a", "b'])

    @pytest.mark.parametrize(("start", "stop"), [(0, 5), (3, 5), (5, 5), (1, 4), (0, 0)])
    def test_slices(self, start, stop):
        texts = ["zero", "", "zwei é", "drei", "😀"]
        labels = np.arange(5)
        whole = pa.array(texts, pa.large_string())
        cut = {"train": LabelledSplit(Texts.of(whole[start:stop]), labels[start:stop])}
        copied = {"train": LabelledSplit(Texts.of(texts[start:stop]), labels[start:stop].copy())}
        assert _fingerprint(cut, NAMES) == _fingerprint(copied, NAMES)

    def test_how_it_is_stored_does_not_matter(self):
        stored = {**GOOD, "train": datasets.concatenate_datasets([GOOD["train"].select([0]), GOOD["train"].skip(1)])}
        assert load(stored).fingerprint == load(GOOD).fingerprint
        shuffled = GOOD["train"].shuffle(seed=3)
        assert (
            load({**GOOD, "train": shuffled}).fingerprint
            == load({**GOOD, "train": shuffled.flatten_indices()}).fingerprint
        )
        assert load({**GOOD, "train": shuffled}).fingerprint != load(GOOD).fingerprint

    def test_order_of_splits_does_not_matter(self):
        assert load(dict(reversed(GOOD.items()))).fingerprint == load(GOOD).fingerprint


def test_core_reads_no_data_at_import():
    code = "import pegboard.pipeline.data, sys; print([m for m in ('datasets', 'pandas', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_texts_of_a_file_are_streamed_from_the_cache_not_held(tmp_path):
    """Whatever the size of the file: a column that lay in memory, or in pages of a map, would count as memory used."""
    from pegboard.text.texts import own_file

    with gzip.open(tmp_path / "data.csv.gz", "wt") as file:  # as large files are, packed ones are put into the cache
        file.write("text,label\n" + "a text,x\nanother,y\n" * 50)
    loaded = pegboard.load_dataset(str(tmp_path / "data.csv.gz"))["train"]
    file = own_file(loaded)
    assert file is not None
    assert list(Texts.of_dataset(loaded)) == loaded["text"][:]
    for changed in (loaded.select([1, 0]), loaded.rename_columns({"text": "label", "label": "text"}), loaded.skip(1)):
        assert own_file(changed) is None


def test_texts_without_labels_can_not_be_trained_on():
    with pytest.raises(DataError, match=r"the texts have no labels\n.*pegboard tokenize"):
        load({"train": datasets.Dataset.from_dict({"text": ["a", "b"]})})


class TestSecondTime:
    """Texts of a file in the cache are checked and hashed once."""

    ROWS = 600

    @pytest.fixture
    def file(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PEGBOARD_CACHE", str(tmp_path / "cache"))
        file = tmp_path / "data.csv.gz"
        self.write(file)
        return file

    def write(self, file, text="text"):
        rows = "\n".join(f"{text} {i},{NAMES[i % 3]}" for i in range(self.ROWS))
        file.write_bytes(gzip.compress(f"text,label\n{rows}\n".encode()))

    def load(self, file, console=None):
        registry = Registry([])
        return load_data(
            resolve_dataset({"dataset": {"name": str(file)}}, registry), registry, console=console or Notes()
        )

    @pytest.fixture
    def hashed(self, monkeypatch):
        """Counts the texts that were hashed."""
        counts = [0]
        update = TextsHash.update

        def counting(self, texts):
            counts[0] += len(texts)
            update(self, texts)

        monkeypatch.setattr(TextsHash, "update", counting)
        return counts

    def test_nothing_is_hashed_again_and_all_is_the_same(self, file, hashed):
        first = self.load(file)
        assert hashed == [2 * self.ROWS]  # all of them, and those of each part that was cut
        second = self.load(file)
        assert hashed == [2 * self.ROWS]
        assert first.fingerprint == second.fingerprint
        for name, split in first.splits.items():
            assert list(split.texts) == list(second.splits[name].texts)
            assert split.labels.tolist() == second.splits[name].labels.tolist()
            assert second.splits[name].texts.fingerprint() == Texts.of(list(split.texts)).fingerprint()

    def test_other_texts_are_hashed(self, file, hashed):
        first = self.load(file)
        self.write(file, "other")
        second = self.load(file)
        assert hashed == [4 * self.ROWS]
        assert first.fingerprint != second.fingerprint
        assert second.splits["train"].texts.fingerprint() == Texts.of(list(second.splits["train"].texts)).fingerprint()

    def test_a_file_that_was_changed_in_the_cache_is_made_again(self, file, hashed, tmp_path):
        first = self.load(file)
        [arrow] = (tmp_path / "cache" / "data").rglob("*.arrow")
        data = bytearray(arrow.read_bytes())
        data[data.index(b"text 77")] = ord("T")
        arrow.write_bytes(data)
        assert self.load(file).fingerprint == first.fingerprint
        assert hashed == [3 * self.ROWS]  # while they are written again

    def test_of_a_file_that_says_no_hash_the_texts_are_hashed_once(self, file, hashed, monkeypatch):
        first = self.load(file)
        monkeypatch.setattr(rows_file, "fingerprint_beside", lambda file: None)
        for _ in range(2):
            assert self.load(file).fingerprint == first.fingerprint
            assert hashed == [3 * self.ROWS]

    def test_a_damaged_fingerprint_is_made_again_with_a_notice(self, file, hashed, tmp_path, capsys):
        first = self.load(file)
        fingerprints = [*(tmp_path / "cache").rglob("fingerprint.txt"), *(tmp_path / "cache").rglob("*.fingerprint")]
        assert len(fingerprints) == 4
        for fingerprint in fingerprints:
            fingerprint.write_text("0" * 64)
        console = Notes()
        assert self.load(file, console).fingerprint == first.fingerprint
        assert hashed == [4 * self.ROWS]
        warnings = [*console.warnings, *capsys.readouterr().err.splitlines()]  # a data set has no console
        assert sum("is damaged" in warning for warning in warnings) == 4

    def test_texts_that_are_refused_leave_nothing(self, file, tmp_path):
        file.write_bytes(gzip.compress(b"text,label\n" + b"a,joy\n,gloom\n" * 9))
        registry = Registry([])
        dataset = resolve_dataset({"dataset": {"name": str(file), "empty_texts": "keep"}}, registry)
        for _ in range(2):
            with pytest.raises(DataError, match="train, row 1: the text is empty"):
                load_data(dataset, registry)
        assert not list((tmp_path / "cache").glob("texts/*"))
