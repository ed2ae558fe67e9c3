"""Large files: their rows in the cache and what these depend on; and the options for texts alone and empty ones."""

import gzip
import os
from pathlib import Path

import datasets.table
import numpy as np
import pegboard
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pegboard import Cache, DataError, hashing
from pegboard_data import files, rows, store
from pegboard_data.files import FilesDataset
from pegboard_data.options import FilesOptions
from pydantic import ValidationError


@pytest.fixture
def all_is_large(monkeypatch):
    """Every file goes to the cache."""
    monkeypatch.setattr(files, "_SMALL_BYTES", -1)


@pytest.fixture
def readings(monkeypatch):
    """Which sources were read."""
    read = []

    def batches(source, options, of=files.batches):
        read.append(source.path.name)
        return of(source, options)

    monkeypatch.setattr(files, "batches", batches)
    return read


def load(path, **options):
    return FilesDataset(FilesOptions(path=str(path), **options)).load()


def pairs(split):
    names = split.features["label"].names
    return [(row["text"], names[row["label"]]) for row in split]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def entries():
    return Cache.open().entries()


def test_splits_are_memory_mapped(tmp_path, all_is_large):
    write(tmp_path / "train.csv", "text,label\na,z\nb,y\nc,x\nd,z\n")
    write(tmp_path / "test.tsv", "label\ttext\ny\te\nx\tf\n")
    data = load(tmp_path)
    assert list(data) == ["train", "test"]
    assert data["train"].features["label"].names == ["x", "y", "z"]
    assert pairs(data["train"]) == [("a", "z"), ("b", "y"), ("c", "x"), ("d", "z")]
    assert pairs(data["test"]) == [("e", "y"), ("f", "x")]
    for name, split in data.items():
        assert isinstance(split.data, datasets.table.MemoryMappedTable)
        assert Path(split.cache_files[0]["filename"]).is_relative_to(os.environ["PEGBOARD_CACHE"])
        assert split.data.schema.types == [pa.string(), pa.int64()]
        assert str(split.split) == name
        assert list(split.with_format("pandas")[:].columns) == ["text", "label"]
    assert [(entry.kind, entry.description) for entry in entries()] == [("data", f"rows of {tmp_path}")]


def test_small_files_leave_nothing_in_the_cache(tmp_path):
    assert pairs(load(write(tmp_path / "d.csv", "text,label\na,x\n"))["train"]) == [("a", "x")]
    write(tmp_path / "d/x/1.txt", "a")
    assert pairs(load(tmp_path / "d")["train"]) == [("a", "x")]
    assert entries() == []


def test_what_is_packed_may_be_large(tmp_path):
    file = write(tmp_path / "d.csv.gz", gzip.compress(b"text,label\n" + b"the same again,x\n" * 100_000))
    assert len(load(file)["train"]) == 100_000
    assert len(entries()) == 1


@pytest.mark.parametrize("name", ["d.csv", "d.jsonl.gz", "d.txt", "d.parquet", "d"])
def test_a_second_load_reads_nothing(tmp_path, all_is_large, readings, name):
    if name == "d":
        write(tmp_path / "d/x/1.txt", "a")
        write(tmp_path / "d/y/1.txt", "b")
    elif name == "d.parquet":
        pq.write_table(pa.table({"text": ["a", "b"], "label": ["x", "y"]}), tmp_path / name)
    else:
        content = {"d.csv": "text,label\na,x\nb,y\n", "d.txt": "x\ta\ny\tb\n"}.get(
            name, '{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}\n'
        )
        write(tmp_path / name, gzip.compress(content.encode()) if name.endswith("gz") else content)
    first, second = load(tmp_path / name)["train"], load(tmp_path / name)["train"]
    assert pairs(first) == pairs(second) == [("a", "x"), ("b", "y")]
    assert readings == [name]


def test_nothing_stale_is_served(tmp_path, all_is_large, readings):
    file = write(tmp_path / "d.csv", 'text,label,other\na,x,é\n"b",y,é\n')
    state = file.stat()
    assert pairs(load(file)["train"]) == [("a", "x"), ("b", "y")]
    write(file, 'text,label,other\nA,x,é\n"b",y,é\n')
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert pairs(load(file)["train"]) == [("A", "x"), ("b", "y")]
    assert pairs(load(file, text_column="other")["train"]) == [("é", "x"), ("é", "y")]
    assert pairs(load(file, label_column="other")["train"]) == [("A", "é"), ("b", "é")]
    assert pairs(load(file, quotes=False)["train"]) == [("A", "x"), ('"b"', "y")]
    assert pairs(load(file, encoding="latin-1", text_column="other")["train"]) == [("Ã©", "x"), ("Ã©", "y")]
    assert load(file, label_names=["y", "x"])["train"].features["label"].names == ["y", "x"]
    assert load(file, labelled=False)["train"].column_names == ["text"]
    assert len(readings) == 8
    load(file, test_share=0.2, validation_share=0.3, split_seed=7)  # these change no row
    moved = file.rename(tmp_path / "other.csv")
    assert pairs(load(moved)["train"]) == [("A", "x"), ("b", "y")]
    assert len(readings) == 8


def test_names_of_files_count_where_they_are_labels(tmp_path, all_is_large):
    write(tmp_path / "d/x/1.txt", "a")
    write(tmp_path / "d/y/1.txt", "b")
    assert pairs(load(tmp_path / "d")["train"]) == [("a", "x"), ("b", "y")]
    (tmp_path / "d/y").rename(tmp_path / "d/a")
    assert pairs(load(tmp_path / "d")["train"]) == [("b", "a"), ("a", "x")]


def test_files_that_are_refused_leave_nothing(tmp_path, all_is_large):
    write(tmp_path / "train.csv", "text,label\na,x\nb,y\n")
    write(tmp_path / "test.csv", 'text,label\n"a\n",x\nb,z\n')
    for _ in range(2):
        with pytest.raises(DataError) as caught:
            load(tmp_path)
        assert caught.value.where == f"{tmp_path / 'test.csv'}, line 4"
        assert caught.value.what == "the label 'z' does not occur in train"
    write(tmp_path / "test.csv", "text,label\n")
    with pytest.raises(DataError, match="there are no rows"):
        load(tmp_path)
    assert entries() == []
    assert list(Path(os.environ["PEGBOARD_CACHE"]).rglob("*.arrow*")) == []


def test_a_file_that_changes_while_it_is_read(tmp_path, all_is_large, monkeypatch):
    file = write(tmp_path / "d.csv", "text,label\na,x\nb,y\n")

    def batches(source, options, of=files.batches):
        yield from of(source, options)
        write(file, "text,label\na,x\nb,z\n")

    monkeypatch.setattr(files, "batches", batches)
    with pytest.raises(DataError, match="changed while it was read"):
        load(file)
    assert entries() == []


def test_labels_of_many_batches_are_numbered_by_their_names(tmp_path, all_is_large, monkeypatch):
    generator = np.random.default_rng(3)
    labels = [f"label {number}" for number in generator.integers(0, 50, 30_000)]
    texts = [f"text {number}" for number in range(30_000)]
    file = write(tmp_path / "d.csv", "text,label\n" + "".join(map("{},{}\n".format, texts, labels)))
    monkeypatch.setattr(files, "batches", lambda *given, of=files.batches: of(*given, block_bytes=2**14))
    train = load(file)["train"]
    assert train.features["label"].names == sorted(set(labels))
    assert pairs(train) == list(zip(texts, labels, strict=True))
    assert len(train.data.column("text").chunks) > 20


def test_too_many_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "MOST_LABELS", 10)
    file = write(tmp_path / "d.csv", "text,label\n" + "".join(f"a,{i}\n" for i in range(12)))
    with pytest.raises(DataError, match="more than 10 labels") as caught:
        load(file)
    assert caught.value.where == f"{file}, line 12"
    assert "right way round" in caught.value.hint


UNLABELLED = {
    "d.csv": "text\n1\n\n 2 \n",
    "d.tsv": "a\ttext\nx\t1\ny\t 2 \n",
    "d.jsonl": '{"text": "1"}\n{"text": " 2 ", "label": null}\n',
    "d.txt": "1\n\n 2 \r\n",
    "d.parquet": None,
    "d.txt.gz": "1\r\n 2 ",
    "d/x/1.txt": "1",
}


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("name", UNLABELLED)
def test_texts_alone(tmp_path, monkeypatch, name, large):
    monkeypatch.setattr(files, "_SMALL_BYTES", -1 if large else 2**20)
    content = UNLABELLED[name]
    if content is None:
        pq.write_table(pa.table({"text": ["1", " 2 "], "label": [None, 1.5]}), tmp_path / name)
    else:
        write(tmp_path / name, gzip.compress(content.encode()) if name.endswith("gz") else content)
    if name.startswith("d/"):
        write(tmp_path / "d/x/2.txt", " 2 \n")
        name = "d"
    train = load(tmp_path / name, labelled=False)["train"]
    assert train.column_names == ["text"]
    assert list(train["text"]) == ["1", " 2 "]
    assert train.features["text"].dtype == "string"


def test_texts_alone_are_not_trained_on(tmp_path, pegboard_cli):
    file = write(tmp_path / "d.txt", "good day\nbad day\n" * 20)
    result = pegboard_cli("train", "--dataset", file, "--set", "dataset.labelled=false", "--out", tmp_path / "run")
    assert (result.code, "the texts have no labels" in result.err) == (2, True)
    result = pegboard_cli("tokenize", file, "-t", "char", "--set", "dataset.labelled=false")
    assert (result.code, "40" in result.out) == (0, True)


def test_label_names_for_texts_alone():
    with pytest.raises(ValidationError, match="label_names"):
        FilesOptions(path="d.txt", labelled=False, label_names=["x"])


EMPTY = {
    "d.csv": 'text,label\n,x\n" ",y\na,x\n',
    "d.jsonl": '{"text": "", "label": "x"}\n{"text": " ", "label": "y"}\n{"text": "a", "label": "x"}\n',
    "d.txt": "x\t\ny\t \nx\ta\n",
    "d.parquet": None,
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_texts_can_be_kept(tmp_path, name):
    if EMPTY[name] is None:
        pq.write_table(pa.table({"text": ["", " ", "a"], "label": ["x", "y", "x"]}), tmp_path / name)
    else:
        write(tmp_path / name, EMPTY[name])
    assert pairs(load(tmp_path / name, empty_texts="keep")["train"]) == [("", "x"), (" ", "y"), ("a", "x")]
    with pytest.raises(DataError, match="the text is empty"):
        load(tmp_path / name)


def test_empty_texts_of_a_file_each(tmp_path):
    write(tmp_path / "x/1.txt", "\n")
    write(tmp_path / "y/1.txt", "a")
    assert pairs(load(tmp_path, empty_texts="keep")["train"]) == [("", "x"), ("a", "y")]


def test_a_parquet_file_of_few_bytes_for_long_texts_many_times(tmp_path, all_is_large):
    """Read at once its rows would take 20 GB."""
    long = "long " * 200_000
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, np.int32)), pa.array([long]))
    pq.write_table(pa.table({"text": texts, "label": ["x"] * 20_000}), tmp_path / "d.parquet")
    first = next(iter(files.batches(files.find_sources(tmp_path / "d.parquet")["train"], FilesOptions(path="x"))))
    assert first.texts.nbytes < 2**26
    assert first.texts[0].as_py() == long


def test_the_common_interface_reads_them_too(tmp_path, all_is_large):
    file = write(tmp_path / "d.csv", "text,label\na,x\nb,y\n")
    assert list(pegboard.load_dataset(str(file), label_text=True)["train"]["label_text"]) == ["x", "y"]


def test_gzip_members_are_one_file_and_zeros_after_them_are_nothing(tmp_path):
    """As gzip has it: what `cat` puts together, and what a tape is filled up with."""
    rows = b"text,label\n" + b"one,x\ntwo,y\n" * 1000
    packed = gzip.compress(rows[:9]) + gzip.compress(b"") + gzip.compress(rows[9:]) + bytes(512)
    loaded = load(write(tmp_path / "d.csv.gz", packed))["train"]
    assert loaded["text"][:] == ["one", "two"] * 1000


def test_more_labels_than_a_block_has_rows(tmp_path, all_is_large):
    count = 100_000
    file = write(
        tmp_path / "d.csv", "text,label\n" + "".join(f"text {i},label {i % count}\n" for i in range(count + 9))
    )
    loaded = load(file)["train"]
    names = loaded.features["label"].names
    assert len(names) == count
    assert [names[label] for label in loaded["label"][-10:]] == [
        f"label {i % count}" for i in range(count - 1, count + 9)
    ]


def test_a_quote_within_the_name_of_a_column(tmp_path):
    loaded = load(write(tmp_path / "d.csv", '"te""xt","label","text"\n"a, ""b""",x,one\nq,y,two\n'))["train"]
    assert loaded["text"][:] == ["one", "two"]


def test_a_large_file_is_hashed_in_parts_and_any_byte_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(hashing, "_PART_BYTES", 1000)
    monkeypatch.setattr(hashing, "_READ_BYTES", 300)
    data = bytes(range(256)) * 20
    file = write(tmp_path / "data", data)
    found = {store.Contents([file]).digest}
    for place in (0, 299, 300, 999, 1000, 1999, 2500, len(data) - 1):
        file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        found.add(store.Contents([file]).digest)
    for size in (0, 999, 1000, 1001, 4999, 5000, len(data) - 1):
        file.write_bytes(data[:size])
        found.add(store.Contents([file]).digest)
    assert len(found) == 1 + 8 + 7
