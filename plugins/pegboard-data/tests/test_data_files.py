"""Files and folders that can be read: every value arrives exactly as it was written."""

import gzip
import json
from pathlib import Path

import pegboard
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pegboard_data.files import FilesDataset
from pegboard_data.options import FilesOptions

EMOTION = Path(__file__).parents[4] / "shared/data/emotion"
ODD_VALUES = [
    "NA",
    "null",
    "None",
    "nan",
    "007",
    "True",
    "1e5",
    "-0",
    " spaced ",
    "12:30",
    "2020-01-01",
    "#N/A",
    "é ✓ 😂",
    "ｎｕｌｌ",
]


def load(path, **options):
    return FilesDataset(FilesOptions(path=str(path), **options)).load()


def pairs(split):
    names = split.features["label"].names
    return [(row["text"], names[row["label"]]) for row in split]


def write(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text if isinstance(text, bytes) else text.encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def quoted(value, delimiter=","):
    return '"' + value.replace('"', '""') + '"'


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("name", ["data.csv", "data.CSV", "data.csv.gz"])
def test_csv_of_odd_values(tmp_path, end, bom, last, name):
    lines = ["text,label", *(f"{value},{value}" for value in ODD_VALUES)]
    file = tmp_path / name
    data = (bom + end.join(lines) + (end if last else "")).encode()
    file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    train = load(file)["train"]
    assert pairs(train) == [(value, value) for value in ODD_VALUES]
    assert train.features["label"].names == sorted(ODD_VALUES)


def test_csv_quotes_and_embedded_line_ends_are_exact(tmp_path):
    texts = [
        'say "hi"',
        "a, b",
        "one\ntwo",
        "one\r\ntwo",
        "one\rtwo",
        '"',
        '""',
        "\ttab\t",
        "\u2028line\x85sep\x0b\x0c",
        "x",
    ]
    body = "".join(f"{quoted(text)},{'ab'[i % 2]}\n" for i, text in enumerate(texts))
    train = load(write(tmp_path / "d.csv", "text,label\n" + body))["train"]
    assert [text for text, _ in pairs(train)] == texts


def test_csv_quote_within_an_unquoted_field_is_a_character(tmp_path):
    file = write(tmp_path / "d.csv", 'text,label\nsix 3" nails,a\n "x" ,b\n')
    assert pairs(load(file)["train"]) == [('six 3" nails', "a"), (' "x" ', "b")]


def test_csv_columns_in_any_order_beside_others(tmp_path):
    file = write(tmp_path / "d.csv", "id,stars,note,review,,\n1,5,,good,,\n2,1,x,bad,,\n")
    data = load(file, text_column="review", label_column="stars")
    assert pairs(data["train"]) == [("good", "5"), ("bad", "1")]


def test_empty_lines_are_no_rows(tmp_path):
    file = write(tmp_path / "d.csv", b"text,label\r\r\na,x\r\r\nb,y\r\r\n\n")
    assert pairs(load(file)["train"]) == [("a", "x"), ("b", "y")]


@pytest.mark.parametrize(
    ("name", "delimiter", "given"),
    [("d.tsv", "\t", None), ("d.tsv.gz", "\t", None), ("d.csv", ";", ";"), ("d.csv", "\t", "\\t"), ("d.tsv", "|", "|")],
)
def test_delimiters(tmp_path, name, delimiter, given):
    file = write(tmp_path / name, f"label{delimiter}text\nx{delimiter}a, b\ny{delimiter}c\n")
    assert pairs(load(file, delimiter=given)["train"]) == [("a, b", "x"), ("c", "y")]


def test_quotes_can_be_plain_characters(tmp_path):
    file = write(tmp_path / "d.tsv", 'text\tlabel\n"so" he said\tx\n"open\ty\n')
    assert pairs(load(file, quotes=False)["train"]) == [('"so" he said', "x"), ('"open', "y")]


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("latin-1", "d.csv"), ("cp1252", "d.csv.gz"), ("utf-16", "d.csv"), ("utf-16-le", "d.tsv"), ("shift_jis", "d.txt")],
)
def test_encodings(tmp_path, encoding, name):
    word = "日本" if encoding == "shift_jis" else "café"
    separator = "," if ".csv" in name else "\t"
    header = "" if name == "d.txt" else f"label{separator}text\n"
    file = write(tmp_path / name, f"{header}x{separator}{word}\ny{separator}b\n", encoding)
    assert pairs(load(file, encoding=encoding)["train"]) == [(word, "x"), ("b", "y")]


def test_a_text_longer_than_the_limit_of_the_csv_module(tmp_path):
    import csv

    before = csv.field_size_limit()
    text = "word " * 100_000 + "end"
    file = write(tmp_path / "d.csv", f'text,label\n{text},x\n"{text}",y\n')
    assert pairs(load(file)["train"]) == [(text, "x"), (text, "y")]
    assert csv.field_size_limit() == before


def test_more_rows_than_a_batch_keep_their_order(tmp_path):
    rows = [(f"text {i}", f"label {i % 7}") for i in range(40_000)]
    file = write(tmp_path / "d.csv", "text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    assert pairs(load(file)["train"]) == rows


@pytest.mark.parametrize("name", ["d.jsonl", "d.jsonl.gz"])
def test_jsonl(tmp_path, name):
    rows = [
        {"text": value, "more": {"deep": [1, None]}, "label": value} for value in [*ODD_VALUES, "a\nb\u2028c", "{[{["]
    ]
    lines = "\r\n".join(json.dumps(row, ensure_ascii=i % 2 == 0) for i, row in enumerate(rows))
    train = load(write(tmp_path / name, "\ufeff" + lines + "\n\n  \n"))["train"]
    assert pairs(train) == [(row["text"], row["label"]) for row in rows]


def test_jsonl_labels_can_be_whole_numbers(tmp_path):
    file = write(tmp_path / "d.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": 0}\n')
    train = load(file)["train"]
    assert train.features["label"].names == ["0", "1"]
    assert list(train["label"]) == [1, 0]


def test_jsonl_brackets_within_a_text_are_no_depth(tmp_path):
    text = '[{"\\' * 500
    file = write(tmp_path / "d.jsonl", json.dumps({"text": text, "label": "x"}) + "\n")
    assert pairs(load(file)["train"]) == [(text, "x")]


@pytest.mark.parametrize("name", ["d.txt", "d.txt.gz"])
def test_txt_with_tabs(tmp_path, name):
    file = write(tmp_path / name, "007\tNA\r\nvery happy\t a  text \n\njoy\tlast")
    assert pairs(load(file)["train"]) == [("NA", "007"), (" a  text ", "very happy"), ("last", "joy")]


def test_txt_as_fasttext_has_it(tmp_path):
    file = write(tmp_path / "d.txt", "\n__label__joy the text, 'so'\n__label__007\tNA\n__label__é  two spaces\n")
    assert pairs(load(file)["train"]) == [("the text, 'so'", "joy"), ("NA", "007"), (" two spaces", "é")]


@pytest.mark.parametrize("text_type", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
@pytest.mark.parametrize("label_type", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_parquet(tmp_path, text_type, label_type):
    texts = [f"{value}{i}" for i, value in enumerate(ODD_VALUES)]
    table = pa.table(
        {
            "n": range(len(texts)),
            "text": pa.array(texts).cast(text_type),
            "label": pa.array(ODD_VALUES).cast(label_type),
        }
    )
    pq.write_table(table, tmp_path / "d.parquet", row_group_size=4)
    assert pairs(load(tmp_path / "d.parquet")["train"]) == list(zip(texts, ODD_VALUES, strict=True))


def test_parquet_takes_no_columns_from_folder_names(tmp_path):
    folder = tmp_path / "label=wrong"
    folder.mkdir()
    pq.write_table(pa.table({"text": ["a", "b"], "label": pa.array([7, 3], pa.uint8())}), folder / "d.parquet")
    assert pairs(load(folder / "d.parquet")["train"]) == [("a", "7"), ("b", "3")]


@pytest.mark.parametrize("validation", ["validation", "val", "valid", "dev", "VAL"])
def test_a_folder_of_splits_in_any_kinds(tmp_path, validation):
    write(tmp_path / "README.md", "about")
    write(tmp_path / ".hidden.csv", "nothing")
    write(tmp_path / "train.py", "nothing")
    write(tmp_path / "test.jsonl", '{"text": "t", "label": "x"}\n')
    write(tmp_path / "train.csv.gz", "text,label\na,x\nb,y\n")
    write(tmp_path / f"{validation}.txt", "y\tv\n")
    data = load(tmp_path)
    assert list(data) == ["train", "validation", "test"]
    assert [pairs(data[split]) for split in data] == [[("a", "x"), ("b", "y")], [("v", "y")], [("t", "x")]]
    assert {tuple(data[split].features["label"].names) for split in data} == {("x", "y")}


def test_a_folder_per_label(tmp_path):
    write(tmp_path / "sad/b.txt", "second\r\n")
    write(tmp_path / "sad/a.txt", "first\nline\n\n")
    write(tmp_path / "joy/c.txt.gz", "\ufeffthird")
    write(tmp_path / "joy/.DS_Store", "x")
    data = load(tmp_path)
    assert list(data) == ["train"]
    assert pairs(data["train"]) == [("third", "joy"), ("first\nline\n", "sad"), ("second", "sad")]


def test_a_folder_per_split_and_label(tmp_path):
    for split in ("train", "test"):
        for label in ("pos", "neg"):
            write(tmp_path / split / label / "0.txt", f"{split} {label}")
    write(tmp_path / "dev.csv", "text,label\nx,pos\n")
    data = load(tmp_path)
    assert pairs(data["train"]) == [("train neg", "neg"), ("train pos", "pos")]
    assert pairs(data["validation"]) == [("x", "pos")]
    assert pairs(data["test"]) == [("test neg", "neg"), ("test pos", "pos")]


def test_test_data_alone(tmp_path):
    write(tmp_path / "test.csv", "text,label\na,y\nb,x\n")
    data = load(tmp_path)
    assert list(data) == ["test"]
    assert data["test"].features["label"].names == ["x", "y"]


def test_label_names_fix_the_order(tmp_path):
    file = write(tmp_path / "d.csv", "text,label\na,x\nb,z\n")
    train = load(file, label_names=["z", "y", "x"])["train"]
    assert train.features["label"].names == ["z", "y", "x"]
    assert list(train["label"]) == [2, 0]


def test_label_text_and_pandas(tmp_path):
    file = write(tmp_path / "d.csv", "text,label\na,x\nb,y\nc,x\n")
    data = pegboard.load_dataset(str(file), label_text=True)
    data.set_format("pandas")
    frame = data["train"][:]
    assert list(frame.columns) == ["text", "label", "label_text"]
    assert frame["label"].tolist() == [0, 1, 0]
    assert frame["label_text"].tolist() == ["x", "y", "x"]


def test_a_relative_path(tmp_path, monkeypatch):
    write(tmp_path / "sub/d.csv", "text,label\na,x\nb,y\n")
    monkeypatch.chdir(tmp_path / "sub")
    assert len(load("d.csv")["train"]) == len(load("../sub/d.csv")["train"]) == 2


def test_the_same_rows_at_every_load(tmp_path):
    for label in "cab":
        for name in "312":
            write(tmp_path / label / f"{name}.txt", label + name)
    first, second = load(tmp_path)["train"], load(tmp_path)["train"]
    assert pairs(first) == pairs(second) == [(label + name, label) for label in "abc" for name in "123"]


@pytest.mark.emotion
@pytest.mark.skipif(not EMOTION.is_dir(), reason="the emotion data are not here")
def test_the_emotion_folder_agrees_with_the_csv_module():
    import csv

    data = load(EMOTION)
    assert {split: len(data[split]) for split in data} == {"train": 16_000, "validation": 2_000, "test": 2_000}
    assert data["train"].features["label"].names == ["anger", "fear", "joy", "love", "sadness", "surprise"]
    for split in data:
        with (EMOTION / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            assert pairs(data[split]) == [(row["text"], row["label"]) for row in csv.DictReader(file)]


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(
    lambda text: text.strip() != ""
)
rows = st.lists(st.tuples(texts, st.sampled_from(["x", "y", "a label", "NA"])), min_size=1, max_size=8)
many = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def is_blank(text):
    import pyarrow.compute as pc

    return pc.utf8_trim_whitespace(text).as_py() == ""


@many
@given(rows=rows, end=st.sampled_from(["\n", "\r\n", "\r"]), delimiter=st.sampled_from([",", ";", "\t", "é"]))
def test_any_text_survives_csv(tmp_path, rows, end, delimiter):
    rows = [row for row in rows if not is_blank(row[0])] or [("a", "x")]
    lines = [f"text{delimiter}label", *(quoted(text) + delimiter + quoted(label) for text, label in rows)]
    file = write(tmp_path / "d.csv", end.join(lines))
    assert pairs(load(file, delimiter=delimiter)["train"]) == rows


@many
@given(rows=rows, ascii_only=st.booleans())
def test_any_text_survives_jsonl(tmp_path, rows, ascii_only):
    rows = [row for row in rows if not is_blank(row[0])] or [("a", "x")]
    lines = [json.dumps({"label": label, "text": text}, ensure_ascii=ascii_only) for text, label in rows]
    assert pairs(load(write(tmp_path / "d.jsonl", "\n".join(lines)))["train"]) == rows


@settings(many, max_examples=30)
@given(rows=rows)
def test_any_text_survives_parquet_and_a_file_each(tmp_path_factory, rows):
    rows = [row for row in rows if not is_blank(row[0])] or [("a", "x")]
    folder = tmp_path_factory.mktemp("any")
    pq.write_table(
        pa.table({"text": [text for text, _ in rows], "label": [label for _, label in rows]}), folder / "d.parquet"
    )
    assert pairs(load(folder / "d.parquet")["train"]) == rows
    for number, (text, label) in enumerate(rows):
        write(folder / "each" / label / f"{number}.txt", "\ufeff" + text + "\n")
    assert sorted(pairs(load(folder / "each")["train"])) == sorted(rows)


@many
@given(rows=rows)
def test_any_text_of_one_line_survives_txt(tmp_path, rows):
    rows = [("".join(text.split()), label) for text, label in rows]
    assert (
        pairs(load(write(tmp_path / "d.txt", "\n".join(f"{label}\t{text}" for text, label in rows)))["train"]) == rows
    )
