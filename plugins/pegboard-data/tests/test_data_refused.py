"""What can't be read exactly is refused, with its place and what to do."""

# ruff: noqa: E501  # a case a line is easier to read

import gzip
import io
import json
import os
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pegboard import DataError
from pegboard_data.files import FilesDataset
from pegboard_data.options import FilesOptions
from pydantic import ValidationError


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        FilesDataset(FilesOptions(path=str(path), **options)).load()
    return caught.value


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


CASES = {
    # name: (file, content, place, words of the message and hint)
    "empty csv": ("d.csv", "", "d.csv", "empty"),
    "csv of empty lines": ("d.csv", "\n\r\n\n", "d.csv", "empty"),
    "csv of a header only": ("d.csv", "text,label\n", "d.csv", "no rows"),
    "csv without header": ("d.csv", "i feel fine,joy\nbad,sad\n", "d.csv, line 1", "no column 'text'; first line must name"),
    "csv without a text column": ("d.csv", "txt,label\na,b\n", "d.csv, line 1", "'txt', 'label'; did you mean txt?; --set dataset.text_column"),
    "csv without a label column": ("d.csv", "text,emotion\na,b\n", "d.csv, line 1", "'emotion'; --set dataset.label_column=NAME"),
    "csv with a doubled column": ("d.csv", "text,label,text\na,b,c\n", "d.csv, line 1", "'text' is there 2 times"),
    "csv with other delimiter": ("d.csv", "text;label\na;b\n", "d.csv, line 1", "--set dataset.delimiter=';'"),
    "tsv that is a csv": ("d.tsv", "text,label\na,b\n", "d.tsv, line 1", "--set dataset.delimiter=','"),
    "csv that is a tsv": ("d.csv", "text\tlabel\na\tb\n", "d.csv, line 1", "--set dataset.delimiter='\\t'"),
    "too many columns": ("d.csv", "text,label\na,b\nwell, no,b\n", "d.csv, line 3", "3 columns; header has 2; double quotes"),
    "a column too few of 10,000": ("d.csv", ",".join([*map(str, range(9_998)), "text", "label"]) + "\n" + "x," * 9_999 + "a\n" + "x," * 9_998 + "a\n", "d.csv, line 3", "9999 columns; header has 10000"),
    "a header of lines": ("d.csv", '"text\n",label\na,b\n', "d.csv, line 1", "no column 'text'; 'text\\n', 'label'"),
    "junk after gzip": ("d.csv.gz", gzip.compress(b"text,label\na,b\n") + b"junk", "d.csv.gz", "damaged"),
    "a second gzip member that is cut off": ("d.csv.gz", gzip.compress(b"text,label\na,b\n") + gzip.compress(b"c,d\n")[:-9], "d.csv.gz", "cut off"),
    "too few columns": ("d.csv", "text,label\na,b\nc\n", "d.csv, line 3", "1 column,; header has 2"),
    "a quoted empty line": ("d.csv", 'text,label\na,b\n""\n', "d.csv, line 3", "1 column,"),
    "a line of spaces": ("d.csv", "text,label\na,b\n  \n", "d.csv, line 3", "1 column,"),
    "line after a text of lines": ("d.csv", 'text,label\n"a\n\nb\r\nc",x\n\n"d\ne"\n', "d.csv, line 7", "1 column,"),
    "quote never closed": ("d.csv", 'text,label\na,b\n"c,d\ne,f\n', "d.csv, line 3", "never closed; dataset.quotes=false"),
    "quote open at the end": ("d.csv", 'text,label\na,"', "d.csv, line 2", "never closed"),
    "text after a quote": ("d.csv", 'text,label\na,b\n"c"d,e\n', "d.csv, line 3", "after a closing quote"),
    "text after a quote, lines later": ("d.csv", 'text,label\n"a\nb\nc"d,e\n', "d.csv, line 4", "begins on line 2"),
    "space after a quote": ("d.csv", 'text,label\n"a" ,b\n', "d.csv, line 2", "after a closing quote"),
    "csv with an empty text": ("d.csv", "text,label\na,b\n,b\n", "d.csv, line 3", "text is empty"),
    "csv with a text of spaces": ("d.csv", 'text,label\na,b\n" \n\u2003\t",b\n', "d.csv, line 3", "text is empty"),
    "csv with an empty label": ("d.csv", "text,label\na,b\nc,\n", "d.csv, line 3", "label is empty"),
    "labels that differ in a space": ("d.csv", "text,label\na,b\nc,b \n", "d.csv, line 3", "'b ' differs from 'b'"),
    "csv with a NUL": ("d.csv", b"text,label\na,b\nc\0,d\n", "d.csv, line 3", "NUL"),
    "csv with a NUL in quotes": ("d.csv", b'text,label\n"a\n\0",b\n', "d.csv, line 3", "NUL"),
    "latin-1": ("d.csv", "text,label\na,b\ncafé,d\n".encode("latin-1"), "d.csv, line 3", "byte 18 (0xe9); encoding=latin-1"),
    "latin-1 after CR": ("d.csv", "text,label\ra,b\r\ncafé,d\r".encode("latin-1"), "d.csv, line 3", "byte 19 (0xe9)"),
    "utf-8 cut off": ("d.csv", "text,label\na,é".encode()[:-1], "d.csv, line 2", "byte 13"),
    "utf-16": ("d.csv", "text,label\na,b\n".encode("utf-16"), "d.csv, line 1", "encoding=utf-16"),
    "utf-16 without mark": ("d.csv", "text,label\na,b\n".encode("utf-16-le"), "d.csv, line 1", "NUL; utf-16"),
    "surrogate as bytes": ("d.csv", b"text,label\n\xed\xa0\x80,b\n", "d.csv, line 2", "byte 11"),
    "a spreadsheet named csv": ("d.csv", b"PK\x03\x04\x14\x00\x06\x00", "d.csv, line 1", "spreadsheet"),
    "gzip named csv": ("d.csv", gzip.compress(b"text,label\na,b\n"), "d.csv, line 1", ".gz"),
    "csv named gz": ("d.csv.gz", "text,label\na,b\n", "d.csv.gz", "no gzip file"),
    "gzip cut off": ("d.csv.gz", gzip.compress(repr(list(range(5000))).encode())[:-20], "d.csv.gz", "cut off"),
    "gzip cut off in latin-1": ("d.csv.gz", gzip.compress(b"text,label\n\xff" + repr(list(range(9000))).encode())[:-20], "d.csv.gz", "cut off"),
    "gzip damaged": ("d.csv.gz", gzip.compress(b"text,label\na,b\n")[:-8] + b"12345678", "d.csv.gz", "damaged"),
    "gzip of nothing": ("d.csv.gz", gzip.compress(b""), "d.csv.gz", "empty"),
    "latin-1 in gzip": ("d.csv.gz", gzip.compress(b"text,label\na,\xff\n"), "d.csv.gz, line 2", "byte 13"),
    "empty jsonl": ("d.jsonl", "", "d.jsonl", "no rows"),
    "jsonl with a bad line": ("d.jsonl", '{"text": "a", "label": "b"}\n{"text": "a", "label": b}\n', "d.jsonl, line 2", "JSON; column 24"),
    "jsonl with a cut line": ("d.jsonl", '{"text": "a", "label": "b"}\n{"text": "a', "d.jsonl, line 2", "JSON"),
    "jsonl with two objects a line": ("d.jsonl", '{"text": "a", "label": "b"} {"text": "a", "label": "b"}', "d.jsonl, line 1", "Extra data"),
    "jsonl of lists": ("d.jsonl", '\n["a", "b"]\n', "d.jsonl, line 2", "a list, not an object"),
    "jsonl of text": ("d.jsonl", '"a"\n', "d.jsonl, line 1", "text, not an object"),
    "jsonl of null": ("d.jsonl", "null\n", "d.jsonl, line 1", "null, not an object"),
    "indented json": ("d.jsonl", '{\n  "text": "a"\n}\n', "d.jsonl, line 1", "each line is one JSON object"),
    "jsonl without the key": ("d.jsonl", '{"text": "a", "label": "b"}\n{"texts": "a", "label": "b"}', "d.jsonl, line 2", "'texts', 'label'; did you mean texts?"),
    "jsonl without any key": ("d.jsonl", "{}", "d.jsonl, line 1", "there are none"),
    "jsonl with a doubled key": ("d.jsonl", '{"text": "a", "label": "b", "text": "c"}', "d.jsonl, line 1", "'text' is there twice"),
    "jsonl with a doubled deep key": ("d.jsonl", '{"text": "a", "label": "b", "m": {"k": 1, "k": 2}}', "d.jsonl, line 1", "'k' is there twice"),
    "json label null": ("d.jsonl", '{"text": "a", "label": null}', "d.jsonl, line 1", "label is null"),
    "json label float": ("d.jsonl", '{"text": "a", "label": 1.0}', "d.jsonl, line 1", "label is a number"),
    "json label bool": ("d.jsonl", '{"text": "a", "label": true}', "d.jsonl, line 1", "label is true or false"),
    "json label object": ("d.jsonl", '{"text": "a", "label": {"x": 1}}', "d.jsonl, line 1", "label is an object"),
    "json label and list": ("d.jsonl", '{"text": "a", "label": "x"}\n{"text": "b", "label": ["x"]}', "d.jsonl, line 2", "label is a list; before it is text; all as lists"),
    "json list and label": ("d.jsonl", '{"text": "a", "label": []}\n\n{"text": "b", "label": 3}', "d.jsonl, line 3", "label is a whole number; before it is a list"),
    "json list of lists": ("d.jsonl", '{"text": "a", "label": [["x"]]}', "d.jsonl, line 1", "a label in the list is a list"),
    "json list with null": ("d.jsonl", '{"text": "a", "label": ["x", null]}', "d.jsonl, line 1", "a label in the list is null; an empty list"),
    "json list with an empty label": ("d.jsonl", '{"text": "a", "label": ["x", " "]}', "d.jsonl, line 1", "the label is empty"),
    "json list with a label twice": ("d.jsonl", '{"text": "a", "label": ["x"]}\n{"text": "a", "label": ["x", "y", "x"]}', "d.jsonl, line 2", "'x' is there twice"),
    "json lists of two kinds": ("d.jsonl", '{"text": "a", "label": ["x"]}\n{"text": "a", "label": []}\n{"text": "a", "label": [1]}', "d.jsonl, line 3", "is a whole number, before it is text"),
    "json label empty": ("d.jsonl", '{"text": "a", "label": ""}', "d.jsonl, line 1", "label is empty"),
    "json labels of two kinds": ("d.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": "1"}', "d.jsonl, line 2", "label is text; a whole number"),
    "json label NaN": ("d.jsonl", '{"text": "a", "label": NaN}', "d.jsonl, line 1", "NaN is no JSON value"),
    "json label of 5000 digits": ("d.jsonl", '{"text": "a", "label": 1.' + "1" * 5000 + "}", "d.jsonl, line 1", "label is a number"),
    "json text null": ("d.jsonl", '{"text": null, "label": "x"}', "d.jsonl, line 1", "text is null"),
    "json text number": ("d.jsonl", '{"text": 7, "label": "x"}', "d.jsonl, line 1", "text is a whole number; double quotes"),
    "json text empty": ("d.jsonl", '{"text": "", "label": "x"}', "d.jsonl, line 1", "text is empty"),
    "json text with NUL": ("d.jsonl", '{"text": "a\\u0000b", "label": "x"}', "d.jsonl, line 1", "NUL"),
    "json label with NUL": ("d.jsonl", '{"text": "a", "label": "\\u0000x"}', "d.jsonl, line 1", "NUL"),
    "json half a surrogate pair": ("d.jsonl", '{"text": "a", "label": "x"}\n{"text": "\\ud83d", "label": "x"}', "d.jsonl, line 2", "surrogate"),
    "json half a surrogate pair in a label": ("d.jsonl", '{"text": "a", "label": "\\udc00"}', "d.jsonl, line 1", "surrogate"),
    "json with a control character": ("d.jsonl", '{"text": "a\tb", "label": "x"}', "d.jsonl, line 1", "control character"),
    "json of 20,000 lists": ("d.jsonl", '{"text": "a", "label": "x"}\n' + "[" * 20_000 + "]" * 20_000, "d.jsonl, line 2", "deep"),
    "json of 100,000 objects": ("d.jsonl", '{"a":' * 100_000, "d.jsonl, line 1", "deep"),
    "json deep beside an open string": ("d.jsonl", '{"text": ' + "[" * 5000 + '"\\"\\"' * 5000, "d.jsonl, line 1", "deep"),
    "jsonl in latin-1": ("d.jsonl", b'{"text": "a", "label": "b"}\n{"text": "\xe9", "label": "b"}', "d.jsonl, line 2", "byte 38"),
    "empty txt": ("d.txt", "", "d.txt", "no rows"),
    "txt without labels": ("d.txt", "just a text\n", "d.txt, line 1", "has no label; __label__"),
    "txt with a line without label": ("d.txt", "__label__joy fine\nplain\n", "d.txt, line 2", "as the first does"),
    "txt with a line of the other form": ("d.txt", "__label__joy fine\n\njoy\tfine\n", "d.txt, line 3", "as the first does"),
    "txt with a line without tab": ("d.txt", "joy\tfine\nplain\n", "d.txt, line 2", "0 tabs"),
    "txt with two tabs": ("d.txt", "joy\tfine\njoy\ta\tb\n", "d.txt, line 2", "2 tabs; .tsv"),
    "txt with two labels": ("d.txt", "__label__joy __label__sad fine\n", "d.txt, line 1", "two labels"),
    "txt with a label alone": ("d.txt", "__label__joy\n", "d.txt, line 1", "text is empty"),
    "txt with a mark alone": ("d.txt", "__label__ fine\n", "d.txt, line 1", "does not begin with __label__LABEL"),
    "txt with an empty text": ("d.txt", "joy\tfine\njoy\t\n", "d.txt, line 2", "text is empty"),
    "txt with an empty label": ("d.txt", "joy\tfine\n\tfine\n", "d.txt, line 2", "label is empty"),
    "parquet that is none": ("d.parquet", "text,label\n", "d.parquet", "as Parquet"),
    "empty parquet": ("d.parquet", b"", "d.parquet", "as Parquet"),
    "parquet in gzip": ("d.parquet.gz", b"", "d.parquet.gz", "unpack it"),
    "json": ("d.json", "[]", "d.json", "'.json' can't be read; .jsonl"),
    "a spreadsheet": ("d.xlsx", "", "d.xlsx", "save it as CSV"),
    "an archive": ("d.tar.gz", "", "d.tar.gz", "'.tar.gz' can't be read; .csv, .tsv"),
    "gzip of no kind": ("data.gz", "", "data.gz", "'.gz' can't be read"),
    "no suffix": ("data", "", "data", "no suffix"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_files_that_are_refused(tmp_path, case):
    name, content, place, words = CASES[case]
    error = refused(write(tmp_path / name, content))
    assert error.where == str(tmp_path / place)
    for word in words.split("; "):
        assert word in str(error)


def parquet(**columns):
    def array(values):
        return values if isinstance(values, pa.Array) else pa.array(values)

    file = io.BytesIO()
    pq.write_table(
        pa.table([array(values) for values in columns.values()], names=list(columns)), file, row_group_size=2
    )
    return file.getvalue()


NOT_UTF8 = pa.Array.from_buffers(pa.string(), 3, [None, pa.py_buffer(bytes([0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0])), pa.py_buffer(b"a\xffb")])  # fmt: skip
PARQUET_CASES = {
    "text of numbers": ({"text": [1, 2], "label": ["a", "b"]}, "", "'text' is of type int64"),
    "text of bytes": ({"text": [b"a", b"b"], "label": ["a", "b"]}, "", "'text' is of type binary"),
    "labels of floats": ({"text": ["a", "b"], "label": [1.0, 2.0]}, "", "'label' is of type double"),
    "labels of bools": ({"text": ["a", "b"], "label": [True, False]}, "", "'label' is of type bool"),
    "labels of lists of numbers": (
        {"text": ["a", "b"], "label": [[1.5], []]},
        "",
        "'label' is of type list; or lists of these",
    ),
    "labels of lists of lists": ({"text": ["a", "b"], "label": [[["x"]], [["y"]]]}, "", "'label' is of type list"),
    "list that is null": (
        {"text": ["a", "b"], "label": [["x"], None]},
        ", row 2",
        "list of labels is missing; an empty list",
    ),
    "null in a list": ({"text": ["a", "b"], "label": [["x"], ["x", None]]}, ", row 2", "the label is missing"),
    "empty label in a list": (
        {"text": ["a", "b", "c"], "label": [["x"], [], ["x", ""]]},
        ", row 3",
        "the label is empty",
    ),
    "label twice in a list": (
        {"text": ["a", "b", "c"], "label": [["x"], [], ["y", "x", "y"]]},
        ", row 3",
        "'y' is there twice",
    ),
    "all labels null": ({"text": ["a", "b"], "label": [None, None]}, "", "'label' is of type null"),
    "a null text": ({"text": ["a", "b", None, "d"], "label": ["a"] * 4}, ", row 3", "text is missing"),
    "a null label": ({"text": ["a", "b", "c"], "label": [1, None, 2]}, ", row 2", "label is missing"),
    "an empty text": ({"text": ["a", "b", "c", " "], "label": ["a"] * 4}, ", row 4", "text is empty"),
    "an empty label": ({"text": ["a", "b", "c"], "label": ["a", "a", ""]}, ", row 3", "label is empty"),
    "a NUL": ({"text": ["a", "b\0", "c"], "label": ["a"] * 3}, ", row 2", "NUL"),
    "not UTF-8": ({"text": NOT_UTF8, "label": ["a"] * 3}, ", row 2", "not UTF-8"),
    "a missing column": ({"Text": ["a"], "label": ["b"]}, "", "'Text', 'label'; did you mean Text?"),
    "no rows": ({"text": pa.array([], pa.string()), "label": pa.array([], pa.string())}, "", "no rows"),
}


@pytest.mark.parametrize("case", PARQUET_CASES)
def test_parquet_files_that_are_refused(tmp_path, case):
    columns, place, words = PARQUET_CASES[case]
    error = refused(write(tmp_path / "d.parquet", parquet(**columns)))
    assert error.where == str(tmp_path / "d.parquet") + place
    for word in words.split("; "):
        assert word in str(error)


def test_a_doubled_parquet_column(tmp_path):
    pq.write_table(pa.table([["a"], ["b"], ["c"]], names=["text", "label", "label"]), tmp_path / "d.parquet")
    assert "'label' is there 2 times" in str(refused(tmp_path / "d.parquet"))


@pytest.mark.parametrize("cut", [10, 200, -1, -6])
def test_a_parquet_file_cut_off(tmp_path, cut):
    data = parquet(text=[f"text {i}" for i in range(100)], label=["x"] * 100)
    assert "as Parquet" in str(refused(write(tmp_path / "d.parquet", data[:cut])))


FOLDERS = {
    # name: (files, place, words)
    "nothing": ({}, "", "it has nothing"),
    "nothing usable": ({"notes.md": "x", "a.pdf": "x"}, "", "it has a.pdf, notes.md; train"),
    "one file without split name": ({"reviews.csv": "x", "notes.md": "x"}, "", "name the file itself; reviews.csv"),
    "files without split names": ({"a.csv": "x", "b.csv": "x"}, "", "no data that can be used"),
    "two files for a split": ({"train.csv": "x", "train.jsonl": "x"}, "", "train.csv and train.jsonl are both train"),
    "two names for a split": ({"val.csv": "x", "dev.csv": "x", "train.csv": "x"}, "", "dev.csv and val.csv are both validation"),
    "plain and gzip": ({"test.csv": "x", "test.csv.gz": "x"}, "", "are both test"),
    "a file and a folder": ({"train.csv": "x", "train/x/1.txt": "x"}, "", "are both train"),
    "a split misspelt": ({"train.csv": "text,label\na,b\n", "tets.csv": "text,label\na,b\n"}, "", "tets.csv; name it test.csv"),
    "a suffix before the suffix": ({"train.csv": "text,label\na,b\n", "test.2.csv": "x"}, "", "test.2.csv; name it test.csv"),
    "a split in Parquet and gzip": ({"train.csv": "text,label\na,b\n", "test.parquet.gz": "x"}, "test.parquet.gz", "unpack it"),
    "a split in JSON": ({"train.csv": "text,label\na,b\n", "dev.json": "x"}, "dev.json", "'.json' can't be read"),
    "an unknown label": ({"train.csv": "text,label\na,b\nb,c\n", "test.csv": "text,label\na,b\n\nd,bb\n"}, "test.csv, line 4", "'bb' does not occur in train"),
    "an unknown label in parquet": ({"train.csv": "text,label\na,b\n", "val.parquet": parquet(text=["a", "b"], label=["b", "joy"])}, "val.parquet, row 2", "'joy' does not occur"),
    "an unknown label in folders": ({"train/x/1.txt": "a", "test/x/1.txt": "a", "test/y/2.txt": "b"}, "test/y/2.txt", "'y' does not occur"),
    "a label with a space in test": ({"train.csv": "text,label\na,b\n", "test.csv": "text,label\na,b \n"}, "test.csv, line 2", "'b ' does not occur in train"),
    "an empty split": ({"train.csv": "text,label\na,b\n", "test.csv": "text,label\n"}, "test.csv", "no rows"),
    "a label without texts": ({"x/1.txt": "a", "y/.keep": ""}, "y", "no .txt files"),
    "an empty text file": ({"x/1.txt": "a", "x/2.txt": "\n"}, "x/2.txt", "text is empty"),
    "a latin-1 text file": ({"x/1.txt": b"a\nb\xff"}, "x/1.txt, line 2", "byte 3"),
    "a NUL in a text file": ({"x/1.txt": b"a\0b"}, "x/1.txt", "NUL"),
    "another file in a label": ({"x/1.txt": "a", "x/2.pdf": "a"}, "x", "2.pdf is no .txt file"),
    "a folder in a label": ({"x/1.txt": "a", "x/y/2.txt": "a"}, "x", "y is no .txt file"),
    "a text beside the labels": ({"x/1.txt": "a", "2.txt": "a"}, "", "2.txt stands beside"),
    "a split without labels": ({"train/1.txt": "a"}, "train", "1.txt stands beside"),
    "an empty split folder": ({"train/.keep": ""}, "train", "no folder for any label"),
}  # fmt: skip


@pytest.mark.parametrize("case", FOLDERS)
def test_folders_that_are_refused(tmp_path, case):
    files, place, words = FOLDERS[case]
    for name, content in files.items():
        write(tmp_path / name, content)
    error = refused(tmp_path)
    assert error.where == str(tmp_path / place)
    for word in words.split("; "):
        assert word in str(error)
    assert error.hint


def test_a_missing_file_names_the_nearest(tmp_path):
    write(tmp_path / "reviews.csv", "x")
    error = refused(tmp_path / "review.csv")
    assert error.where == str(tmp_path / "review.csv")
    assert f"did you mean {tmp_path / 'reviews.csv'}?" in str(error)
    assert "reviews.csv" in str(refused(tmp_path / "zzz.jsonl"))
    assert "no folder" in str(refused(tmp_path / "nowhere" / "a.csv"))


@pytest.mark.parametrize("name", ["a\0b.csv", "a" * 5000 + ".csv"])
def test_names_that_no_file_can_have(tmp_path, name):
    refused(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_named_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "d.csv")
    assert "neither a file nor a folder" in str(refused(tmp_path / "d.csv"))
    (tmp_path / "d.csv").rename(tmp_path / "train.csv")
    assert "neither a file nor a folder" in str(refused(tmp_path))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    write(tmp_path / "d.csv", "text,label\na,b\n").chmod(0)
    assert "Permission denied" in str(refused(tmp_path / "d.csv"))


def test_a_label_that_was_not_named(tmp_path):
    file = write(tmp_path / "d.csv", "text,label\na,joy\nb,sad\nc,jy\n")
    error = refused(file, label_names=["joy", "sad"])
    assert (error.where, error.what) == (f"{file}, line 4", "the label 'jy' is none of label_names")
    assert error.hint == "did you mean joy?"


def test_a_named_label_that_train_does_not_have(tmp_path):
    write(tmp_path / "train.csv", "text,label\na,joy\nb,sad\n")
    write(tmp_path / "test.csv", "text,label\na,joy\nb,fear\n")
    error = refused(tmp_path, label_names=["joy", "sad", "fear"])
    assert (error.where, error.what) == (f"{tmp_path / 'test.csv'}, line 3", "the label 'fear' does not occur in train")


def test_an_encoding_that_decodes_to_no_characters(tmp_path):
    file = write(tmp_path / "d.csv", b"text,label\na,b\n\\ud800,b\n")
    error = refused(file, encoding="unicode_escape")
    assert (error.where, "surrogate" in error.what) == (f"{file}, line 3", True)


def test_rows_beyond_the_first_batch_have_their_line(tmp_path):
    lines = [f'"text\n{i}",x' for i in range(20_000)]
    lines[18_000] = '" ",x'
    file = write(tmp_path / "d.csv", "text,label\n" + "\n".join(lines))
    assert refused(file).where == f"{file}, line 36002"


@pytest.mark.parametrize(
    "options",
    [
        {"encoding": "utf-9"},
        {"encoding": "hex"},
        {"encoding": "a\0"},
        {"delimiter": ""},
        {"delimiter": ", "},
        {"delimiter": '"'},
        {"delimiter": "\n"},
        {"label_names": []},
        {"label_names": ["a", "a"]},
        {"label_names": ["a", " "]},
        {"label_column": "text"},
        {"path": ""},
        {"separator": ","},
    ],
)
def test_options_that_are_refused(options):
    with pytest.raises(ValidationError):
        FilesOptions(**{"path": "d.csv", **options})


def test_threads_do_not_disturb_each_other(tmp_path):
    text = "long " * 40_000
    file = write(tmp_path / "d.csv", "text,label\n" + f"{text},x\n" * 5)
    failed = []

    def read():
        try:
            FilesDataset(FilesOptions(path=str(file))).load()
        except DataError as error:
            failed.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_no_line_of_json_ends_the_process(tmp_path):
    import random

    generator = random.Random(5)
    pieces = [
        '"text"',
        '"label"',
        ":",
        ",",
        "{",
        "}",
        "[",
        "]",
        '"a"',
        "1",
        "null",
        "\\",
        '"',
        "\ud83d".encode("utf-16", "surrogatepass").decode("latin-1"),
    ]
    for _ in range(300):
        line = "".join(generator.choices(pieces, k=generator.randrange(1, 60)))
        error = refused(write(tmp_path / "d.jsonl", line))
        assert error.where == f"{tmp_path / 'd.jsonl'}, line 1"
        assert json.dumps(str(error))


def test_a_broken_link_is_not_left_out(tmp_path):
    write(tmp_path / "train.csv", "text,label\na,b\n")
    (tmp_path / "test.csv").symlink_to(tmp_path / "gone.csv")
    error = refused(tmp_path)
    assert (error.where, error.what) == (str(tmp_path / "test.csv"), "is neither a file nor a folder")


def test_texts_and_labels_exchanged_do_not_hang(tmp_path):
    write(tmp_path / "train.csv", "label,text\n" + "".join(f"a text {i},joy\n" for i in range(50_000)))
    write(tmp_path / "test.csv", "label,text\nanother,joy\n")
    error = refused(tmp_path)
    assert (error.where, error.what) == (
        f"{tmp_path / 'test.csv'}, line 2",
        "the label 'another' does not occur in train",
    )
    assert len(str(error)) < 1000
