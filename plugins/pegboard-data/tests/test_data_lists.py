"""Files in which a text has any number of labels."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pegboard import DataError, RecipeError
from pegboard.options import check_options
from pegboard_data import files, reading
from pegboard_data.files import FilesDataset
from pegboard_data.layout import Source
from pegboard_data.options import FilesOptions
from pegboard_data.reading import batches

ROWS = [("one", ["joy", "awe"]), ("two", []), ("three", ["rage"]), ("four", ["awe"]), ("five", ["rage", "joy", "awe"])]
NAMES = ["awe", "joy", "rage"]


def load(path, **options):
    return FilesDataset(FilesOptions(path=str(path), **options)).load()


def named(split):
    names = split.features["label"].feature.names
    return [(row["text"], [names[i] for i in row["label"]]) for row in split]


def written(folder, kind, rows=ROWS, separator="|"):
    """A file with these rows; JSONL and Parquet have lists."""
    path = folder / f"data.{kind}"
    if kind == "parquet":
        columns = {"text": [text for text, _ in rows], "label": [labels for _, labels in rows]}
        pq.write_table(pa.table(columns), path)
    elif kind == "jsonl":
        lines = [json.dumps({"text": text, "label": labels}, ensure_ascii=False) for text, labels in rows]
        path.write_text("\n".join(lines), encoding="utf-8")
    elif kind == "txt":
        path.write_text("\n".join(f"{separator.join(labels)}\t{text}" for text, labels in rows), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if kind == "tsv" else ",")
            writer.writerows([["text", "label"], *((text, separator.join(labels)) for text, labels in rows)])
    return path


def options_of(kind):
    return {} if kind in ("jsonl", "parquet") else {"label_separator": "|"}


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("kind", ["csv", "tsv", "txt", "jsonl", "parquet"])
def test_lists_are_read(tmp_path, monkeypatch, kind, cached):
    monkeypatch.setenv("PEGBOARD_CACHE", str(tmp_path / "cache"))
    if cached:
        monkeypatch.setattr(files, "_SMALL_BYTES", 0)
    loaded = load(written(tmp_path, kind), **options_of(kind))
    assert loaded["train"].features["label"].feature.names == NAMES
    assert named(loaded["train"]) == ROWS
    assert bool(loaded["train"].cache_files) == (cached or kind == "parquet")


def test_numbers_are_labels_too(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_text('{"text": "a", "label": [10, 2]}\n{"text": "b", "label": []}\n{"text": "c", "label": [2]}')
    assert named(load(path)["train"]) == [("a", ["10", "2"]), ("b", []), ("c", ["2"])]


def test_every_list_type_of_parquet(tmp_path):
    for number, kind in enumerate((pa.list_, pa.large_list, lambda of: pa.list_(of, 2))):
        labels = pa.array([["x", "y"], ["y", "z"]], kind(pa.string()))
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"text": ["a", "b"], "label": labels}), path)
        assert named(load(path)["train"]) == [("a", ["x", "y"]), ("b", ["y", "z"])]


def test_a_separator_of_several_characters(tmp_path):
    path = written(tmp_path, "csv", separator=", ")
    assert named(load(path, label_separator=", ")["train"]) == ROWS


def test_strings_of_jsonl_and_parquet_are_taken_apart_as_well(tmp_path):
    (tmp_path / "d.jsonl").write_text('{"text": "a", "label": "x|y"}\n{"text": "b", "label": ""}')
    assert named(load(tmp_path / "d.jsonl", label_separator="|")["train"]) == [("a", ["x", "y"]), ("b", [])]
    pq.write_table(pa.table({"text": ["a", "b"], "label": ["x|y", ""]}), tmp_path / "d.parquet")
    assert named(load(tmp_path / "d.parquet", label_separator="|")["train"]) == [("a", ["x", "y"]), ("b", [])]


def test_without_a_separator_nothing_is_taken_apart(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("text,label\na,x|y\nb,z\n")
    assert load(path)["train"].features["label"].names == ["x|y", "z"]


def test_names_and_their_order_can_be_given(tmp_path):
    loaded = load(written(tmp_path, "jsonl"), label_names=["rage", "calm", "joy", "awe"])
    assert loaded["train"].features["label"].feature.names == ["rage", "calm", "joy", "awe"]
    assert named(loaded["train"]) == ROWS


class TestRefused:
    def refused(self, path, **options):
        with pytest.raises(DataError) as caught:
            load(path, **options)
        return caught.value

    @pytest.mark.parametrize(
        ("label", "words"),
        [
            ("x||y", "a label is empty in 'x||y'"),
            ("x|", "a label is empty in 'x|'"),
            ("x| y", "white space at its ends"),
            (" ", "white space at its ends"),
            ("x|y|x", "'x' is there twice in 'x|y|x'"),
        ],
    )
    @pytest.mark.parametrize("kind", ["csv", "txt", "jsonl", "parquet"])
    def test_what_is_ambiguous(self, tmp_path, label, words, kind):
        rows = [("a", ["x"]), ("b", ["y"]), ("c", [label])]
        if kind in ("jsonl", "parquet"):
            rows = [(text, labels[0]) for text, labels in rows]
        error = self.refused(written(tmp_path, kind, rows), label_separator="|")
        assert words in error.what
        place = {"csv": ", line 4", "txt": ", line 3", "jsonl": ", line 3", "parquet": ", row 3"}[kind]
        assert error.where == f"{tmp_path / 'data.'}{kind}{place}"

    @pytest.mark.parametrize("kind", ["jsonl", "parquet"])
    def test_lists_and_a_separator(self, tmp_path, kind):
        error = self.refused(written(tmp_path, kind), label_separator="|")
        assert "already" in error.what
        assert "leave out dataset.label_separator" in error.hint

    @pytest.mark.parametrize("cached", [False, True])
    def test_lists_in_one_split_only(self, tmp_path, monkeypatch, cached):
        monkeypatch.setenv("PEGBOARD_CACHE", str(tmp_path / "cache"))
        if cached:
            monkeypatch.setattr(files, "_SMALL_BYTES", 0)
        folder = tmp_path / "data"
        folder.mkdir()
        (folder / "train.jsonl").write_text('{"text": "a", "label": ["x"]}\n{"text": "b", "label": ["y"]}')
        (folder / "test.jsonl").write_text('{"text": "c", "label": "x"}')
        error = self.refused(folder)
        assert error.where == str(folder / "test.jsonl")
        assert error.what == "each row has one label, each row of train has a list of labels"

    def test_a_label_that_train_lacks(self, tmp_path):
        folder = tmp_path / "data"
        folder.mkdir()
        (folder / "train.jsonl").write_text('{"text": "a", "label": ["joy"]}\n{"text": "b", "label": ["awe"]}')
        (folder / "test.jsonl").write_text('{"text": "c", "label": []}\n{"text": "d", "label": ["joy", "jo"]}')
        error = self.refused(folder)
        assert error.where == f"{folder / 'test.jsonl'}, line 2"
        assert "'jo' does not occur in train" in error.what
        assert error.hint == "did you mean joy?"

    def test_no_labels_at_all(self, tmp_path):
        error = self.refused(written(tmp_path, "jsonl", [("a", []), ("b", [])]))
        assert error.what == "no row has a label"

    def test_two_marks(self, tmp_path):
        path = tmp_path / "d.txt"
        path.write_text("__label__a one\n__label__a __label__b two\n")
        error = self.refused(path)
        assert error.where == f"{path}, line 2"
        assert "__label__a|b" in error.hint

    @pytest.mark.parametrize(
        "more", [{"label_separator": ""}, {"label_separator": "\n"}, {"label_separator": "|", "labelled": False}]
    )
    def test_options_that_make_no_sense(self, more):
        with pytest.raises(RecipeError):
            check_options(FilesOptions, {"path": "d.csv", **more}, table="dataset")

    def test_a_name_that_holds_the_separator(self):
        options = {"path": "d.csv", "label_separator": "|", "label_names": ["a|b", "c"]}
        with pytest.raises(RecipeError, match="label_names has a name that holds"):
            check_options(FilesOptions, options, table="dataset")


LISTS = st.lists(
    st.tuples(
        st.text(st.sampled_from("ab \"'é,\n"), min_size=1).filter(lambda text: text.strip()),
        st.lists(st.sampled_from(["joy", "awe", "é", "a b", '"']), unique=True, max_size=4),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LISTS, st.sampled_from([1, 7, 60, 2**22]), st.sampled_from(["csv", "jsonl"]))
def test_blocks_of_any_size_give_the_same_lists(tmp_path, rows, size, kind):
    path = written(tmp_path, kind, rows)
    options = FilesOptions(path=str(path), **options_of(kind))
    found = []
    for batch in batches(Source(path, kind), options, block_bytes=size):
        labels = batch.labels.to_pylist()
        ends = np.cumsum(batch.sizes).tolist()
        assert len(batch.texts) == len(batch.sizes)
        assert (ends[-1] if ends else 0) == len(labels)
        own = [labels[end - size_ : end] for end, size_ in zip(ends, batch.sizes.tolist(), strict=True)]
        found += zip(batch.texts.to_pylist(), own, strict=True)
    assert found == rows


def test_the_first_wrong_row_is_named_wherever_blocks_end(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_STRICT_BYTES", 40)
    text = io.StringIO()
    text.writelines(f"row {i},x|y\n" for i in range(30))
    path = tmp_path / "d.csv"
    path.write_text(f"text,label\n{text.getvalue()}bad,x|x\nempty,\n,x\n")
    for size in (50, 200, 2**22):
        with pytest.raises(DataError) as caught:
            list(batches(Source(path, "csv"), FilesOptions(path=str(path), label_separator="|"), block_bytes=size))
        assert caught.value.where == f"{path}, line 32"


def test_places_of_labels_in_lists(tmp_path):
    """A label's first row is that of its list, not of its place among all labels."""
    folder = tmp_path / "data"
    folder.mkdir()
    written(folder, "parquet", [("a", ["x", "y"]), ("b", ["y"])]).rename(folder / "train.parquet")
    written(folder, "parquet", [("a", ["x", "y"]), ("b", []), ("c", ["x", "z"])]).rename(folder / "test.parquet")
    with pytest.raises(DataError, match="'z' does not occur in train") as caught:
        load(folder)
    assert caught.value.where == f"{folder / 'test.parquet'}, row 3"
