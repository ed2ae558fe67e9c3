"""Malformed and odd files on the command line: each is read exactly, or refused by file and line."""

# ruff: noqa: E501  # a case a line is easier to read

import gzip
import io
import json
import os
import time
import zipfile

import pegboard
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BASE = [(f"{mood} day number {i}", mood) for i in range(3) for mood in ("good", "bad")]
"""Rows that stand in every file that is read, so that there is something to look at."""


def csv_of(*rows, end="\n", delimiter=",", header="text,label", bom=""):
    """A file of `BASE` and then lines as they are given."""
    lines = [header.replace(",", delimiter), *(delimiter.join(row) for row in BASE), *rows]
    return bom + end.join(lines) + end


def jsonl_of(*lines):
    return "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in BASE) + "".join(
        line + "\n" for line in lines
    )


def txt_of(*lines):
    return "".join(f"{label}\t{text}\n" for text, label in BASE) + "".join(line + "\n" for line in lines)


def parquet_of(texts, labels, text_type=None, label_type=None):
    text = pa.array([row[0] for row in BASE] + texts, pa.string()) if isinstance(texts, list) else texts
    label = pa.array([row[1] for row in BASE] + labels, pa.string()) if isinstance(labels, list) else labels
    columns = {
        "text": text.cast(text_type) if text_type else text,
        "label": label.cast(label_type) if label_type else label,
    }
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, row_group_size=3)
    return file.getvalue()


def view():
    """The type of string views, where pyarrow writes them."""
    try:
        parquet_of([], [], pa.string_view())
    except (AttributeError, pa.ArrowException):
        return pa.large_string()
    return pa.string_view()


def zip_of(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("d.csv", content)
    return file.getvalue()


LONG = "very long " * 200_000 + "end"
DEEP = "[" * 20_000 + "]" * 20_000
HALF = gzip.compress(csv_of(*(f"row {i},good" for i in range(20_000))).encode())

READ = {
    # name: (file, content, options, the rows after BASE)
    "values that look like others": ("d.csv", csv_of(*(f"{v},good" for v in ("NA", "null", "None", "nan", "007", "True", "1e5", "-0", "2020-01-01", "#N/A", "12:30"))), {}, [(v, "good") for v in ("NA", "null", "None", "nan", "007", "True", "1e5", "-0", "2020-01-01", "#N/A", "12:30")]),
    "labels that look like others": ("d.csv", csv_of("a,NA", "b,007", "c,True", "d,7.0", "e,null"), {}, [("a", "NA"), ("b", "007"), ("c", "True"), ("d", "7.0"), ("e", "null")]),
    "spaces at the ends": ("d.csv", csv_of("  a ,good", '" b\t",bad'), {}, [("  a ", "good"), (" b\t", "bad")]),
    "a byte order mark": ("d.csv", csv_of("é,good", bom="\ufeff"), {}, [("é", "good")]),
    "a byte order mark before a quoted header": ("d.csv", csv_of("é,good", bom="\ufeff", header='"text","label"'), {}, [("é", "good")]),
    "a byte order mark within": ("d.csv", csv_of("\ufeffa,good"), {}, [("\ufeffa", "good")]),
    "CR alone": ("d.csv", csv_of("a,good", "b,bad", end="\r"), {}, [("a", "good"), ("b", "bad")]),
    "CRLF": ("d.csv", csv_of("a,good", '"b\r\nc",bad', end="\r\n"), {}, [("a", "good"), ("b\r\nc", "bad")]),
    "line ends mixed": ("d.csv", csv_of("a,good\r\nb,bad\rc,good\n\r\n\nd,bad"), {}, [("a", "good"), ("b", "bad"), ("c", "good"), ("d", "bad")]),
    "no line end at the end": ("d.csv", csv_of("a,good")[:-1], {}, [("a", "good")]),
    "embedded line ends": ("d.csv", csv_of('"one\ntwo\r\nthree\rfour",good'), {}, [("one\ntwo\r\nthree\rfour", "good")]),
    "quotes within quotes": ("d.csv", csv_of('"say ""hi""",good', '"""",bad', '"a, b",good'), {}, [('say "hi"', "good"), ('"', "bad"), ("a, b", "good")]),
    "quotes within a plain field": ("d.csv", csv_of('six 3" nails,good', ' "x",bad'), {}, [('six 3" nails', "good"), (' "x"', "bad")]),
    "quotes that are characters": ("d.tsv", csv_of('"open\tgood', 'a "b\tbad', delimiter="\t"), {"quotes": False}, [('"open', "good"), ('a "b', "bad")]),
    "semicolons": ("d.csv", csv_of("a, b;good", delimiter=";"), {"delimiter": ";"}, [("a, b", "good")]),
    "a delimiter of two bytes": ("d.csv", csv_of("a, b§good", delimiter="§"), {"delimiter": "§"}, [("a, b", "good")]),
    "other columns": ("d.csv", csv_of(*("x,good,,9",)).replace("text,label", "text,label,,n").replace("day number 0,good\n", "day number 0,good,,\n").replace("number 0,bad\n", "number 0,bad,,\n").replace("number 1,good\n", "number 1,good,,\n").replace("number 1,bad\n", "number 1,bad,,\n").replace("number 2,good\n", "number 2,good,,\n").replace("number 2,bad\n", "number 2,bad,,\n"), {}, [("x", "good")]),
    "Unicode of all planes": ("d.csv", csv_of("\u2028\x85\x0b\x0c\x1cé😂\U0010ffff\u200b,good"), {}, [("\u2028\x85\x0b\x0c\x1cé😂\U0010ffff\u200b", "good")]),
    "letters that look alike": ("d.csv", csv_of("e\u0301,good", "é,bad"), {}, [("e\u0301", "good"), ("é", "bad")]),
    "a very long text": ("d.csv", csv_of(f"{LONG},good", f'"{LONG}\n",bad'), {}, [(LONG, "good"), (LONG + "\n", "bad")]),
    "UTF-16, named": ("d.csv", csv_of("é😂,good").encode("utf-16"), {"encoding": "utf-16"}, [("é😂", "good")]),
    "latin-1, named": ("d.csv", csv_of("é,good").encode("latin-1"), {"encoding": "latin-1"}, [("é", "good")]),
    "Shift JIS, named": ("d.tsv", csv_of("日本\tgood", delimiter="\t").encode("shift_jis"), {"encoding": "shift_jis"}, [("日本", "good")]),
    "gzip": ("d.csv.gz", gzip.compress(csv_of('"a\nb",good').encode()), {}, [("a\nb", "good")]),
    "gzip of two parts": ("d.csv.gz", gzip.compress(csv_of().encode()) + gzip.compress(b"a,good\n"), {}, [("a", "good")]),
    "gzip and zeros": ("d.csv.gz", gzip.compress(csv_of("a,good").encode()) + bytes(512), {}, [("a", "good")]),
    "a name in capitals": ("D.CSV", csv_of("a,good"), {}, [("a", "good")]),
    "a name of odd characters": ("d #1 é%20;'&.csv", csv_of("a,good"), {}, [("a", "good")]),
    "JSON values that look like others": ("d.jsonl", jsonl_of(*(json.dumps({"text": v, "label": "good"}) for v in ("NA", "2020-01-01", "2020-01-01T00:00:00Z", "NaN", "1e400"))), {}, [(v, "good") for v in ("NA", "2020-01-01", "2020-01-01T00:00:00Z", "NaN", "1e400")]),
    "JSON escapes": ("d.jsonl", jsonl_of(r'{"text": "\u00e9\ud83d\ude02\n\/\\\"", "label": "g\u006fod"}'), {}, [('é😂\n/\\"', "good")]),
    "JSON of other forms": ("d.jsonl", jsonl_of('{"label":"good","text":"a"}', '{"x": {"text": 1, "y": [null, 1.5e3]}, "label": "bad", "text": "b"}', '  {"text" : "c" , "label" : "good"}  '), {}, [("a", "good"), ("b", "bad"), ("c", "good")]),
    "JSON with huge integers elsewhere": ("d.jsonl", jsonl_of('{"text": "a", "label": "good", "n": 123456789012345678901234567890}'), {}, [("a", "good")]),
    "JSON with floats beyond all bounds elsewhere": ("d.jsonl", jsonl_of('{"text": "a", "label": "good", "n": 1e999}'), {}, [("a", "good")]),
    "JSON with brackets in a text": ("d.jsonl", jsonl_of(json.dumps({"text": '[{"' * 9000, "label": "good"})), {}, [('[{"' * 9000, "good")]),
    "JSON with empty lines": ("d.jsonl", jsonl_of("", "   ", '{"text": "a", "label": "good"}', ""), {}, [("a", "good")]),
    "JSON with a byte order mark": ("d.jsonl", "\ufeff" + jsonl_of('{"text": "a", "label": "good"}'), {}, [("a", "good")]),
    "text with tabs": ("d.txt", txt_of("007\tNA", "", "very good\t a  text "), {}, [("NA", "007"), (" a  text ", "very good")]),
    "text as fastText has it": ("d.txt", "".join(f"__label__{label} {text}\n" for text, label in BASE) + "__label__é  a\tb\n", {}, [(" a\tb", "é")]),
    "parquet of large strings": ("d.parquet", parquet_of(["NA", "é😂"], ["good", "007"], pa.large_string(), pa.large_string()), {}, [("NA", "good"), ("é😂", "007")]),
    "parquet of dictionaries": ("d.parquet", parquet_of(["NA", "NA"], ["good", "007"], pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int8(), pa.string())), {}, [("NA", "good"), ("NA", "007")]),
    "parquet of string views": ("d.parquet", parquet_of(["NA", "x"], ["good", "007"], view(), view()), {}, [("NA", "good"), ("x", "007")]),
    "parquet with numbers for labels": ("d.parquet", parquet_of(pa.array(["a", "b", "c", "b day"]), pa.array([7, 3, 7, -1], pa.int16())), {}, None),
}  # fmt: skip

REFUSED = {
    # name: (file, content, place, words)
    "an empty file": ("d.csv", "", "", "the file is empty"),
    "an empty JSON file": ("d.jsonl", "", "", "there are no rows"),
    "an empty Parquet file": ("d.parquet", b"", "", "can't be read as Parquet"),
    "an empty gzip file": ("d.csv.gz", b"", "", "the file is empty"),
    "a header only": ("d.csv", "text,label\n", "", "there are no rows"),
    "one column": ("d.csv", "text\na\n", ", line 1", "there is no column 'label'; dataset.labelled=false"),
    "no header": ("d.csv", "a,b\nc,d\n", ", line 1", "there is no column 'text'; the first line must name the columns"),
    "a row that is longer": ("d.csv", csv_of("a,good,x"), ", line 8", "the row has 3 columns, the header has 2"),
    "a row that is shorter": ("d.csv", csv_of('"a\nb",good', "c"), ", line 10", "the row has 1 column, the header has 2"),
    "a tab file named csv": ("d.csv", csv_of(delimiter="\t"), ", line 1", "dataset.delimiter='\\t'"),
    "a quote never closed": ("d.csv", csv_of('"a,good', "b,bad"), ", line 8", "never closed; dataset.quotes=false"),
    "text after a quote": ("d.csv", csv_of('"a"b,good'), ", line 8", "text after a closing quote"),
    "an empty text": ("d.csv", csv_of(",good"), ", line 8", "the text is empty"),
    "a text of white space": ("d.csv", csv_of('"\u2003\n ",good'), ", line 8", "the text is empty"),
    "an empty label": ("d.csv", csv_of("a,"), ", line 8", "the label is empty"),
    "labels that differ in a space": ("d.csv", csv_of("a,good "), ", line 8", "'good ' differs from 'good' in white space only"),
    "a NUL": ("d.csv", csv_of("a\0,good"), ", line 8", "NUL"),
    "nothing but NUL": ("d.csv", bytes(100_000), ", line 1", "NUL"),
    "UTF-16": ("d.csv", csv_of("a,good").encode("utf-16"), ", line 1", "dataset.encoding=utf-16"),
    "UTF-16 without a mark": ("d.csv", csv_of("a,good").encode("utf-16-le"), ", line 1", "dataset.encoding=utf-16"),
    "latin-1": ("d.csv", csv_of("é,good").encode("latin-1"), ", line 8", "(0xe9) is not utf-8 text; dataset.encoding=latin-1"),
    "UTF-8 cut off": ("d.csv", csv_of("a,é").encode()[:-2], ", line 8", "is not utf-8 text"),
    "surrogates in UTF-8": ("d.csv", csv_of().encode() + b"\xed\xa0\x80,good\n", ", line 8", "is not utf-8 text"),
    "a zip file": ("d.csv", zip_of("text,label\n"), ", line 1", "zip or a spreadsheet"),
    "gzip without its name": ("d.csv", gzip.compress(csv_of().encode()), ", line 1", "let its name end in .gz"),
    "plain with the name of gzip": ("d.csv.gz", csv_of().encode(), "", "is no gzip file"),
    "gzip cut off": ("d.csv.gz", HALF[:-100], "", "is cut off"),
    "gzip cut off within the checksum": ("d.csv.gz", HALF[:-4], "", "is cut off"),
    "gzip and rubbish": ("d.csv.gz", gzip.compress(csv_of().encode()) + b"rubbish", "", "is damaged"),
    "gzip with another checksum": ("d.csv.gz", HALF[:-8] + bytes(8), "", "is damaged"),
    "gzip of one endless line": ("d.csv.gz", gzip.compress(b"text,label\n" + b"a" * (70 * 2**20), 1), ", line 2", "is longer than 64 MB"),
    "gzip of endless quotes": ("d.csv.gz", gzip.compress(b'text,label\n"' + b"a bb and so on\n" * (5 * 2**20), 1), ", line 2", "is longer than 64 MB"),
    "JSON of 20,000 brackets": ("d.jsonl", jsonl_of('{"text": "a", "label": "good", "x": ' + DEEP + "}"), ", line 7", "more than 100 objects and lists deep"),
    "brackets alone": ("d.jsonl", DEEP, ", line 1", "more than 100 objects and lists deep"),
    "NaN": ("d.jsonl", jsonl_of('{"text": "a", "label": NaN}'), ", line 7", "NaN is no JSON value"),
    "NaN elsewhere": ("d.jsonl", jsonl_of('{"text": "a", "label": "good", "x": NaN}'), ", line 7", "NaN is no JSON value"),
    "a number of 5,000 digits": ("d.jsonl", jsonl_of('{"text": "a", "label": ' + "1" * 5000 + "}"), ", line 7", "is not valid JSON"),
    "a doubled key": ("d.jsonl", jsonl_of('{"text": "a", "label": "good", "text": "b"}'), ", line 7", "the key 'text' is there twice"),
    "a doubled key of two spellings": ("d.jsonl", jsonl_of('{"text": "a", "label": "good", "te\\u0078t": "b"}'), ", line 7", "the key 'text' is there twice"),
    "half a surrogate pair": ("d.jsonl", jsonl_of('{"text": "\\ud83d", "label": "good"}'), ", line 7", "half a surrogate pair"),
    "half a surrogate pair in a label": ("d.jsonl", jsonl_of('{"text": "a", "label": "\\ude02"}'), ", line 7", "half a surrogate pair"),
    "an escaped NUL": ("d.jsonl", jsonl_of('{"text": "a\\u0000", "label": "good"}'), ", line 7", "NUL"),
    "a control character": ("d.jsonl", jsonl_of('{"text": "a\tb", "label": "good"}'), ", line 7", "control character"),
    "an escape that is none": ("d.jsonl", jsonl_of('{"text": "a\\x", "label": "good"}'), ", line 7", "is not valid JSON"),
    "a date for a text": ("d.jsonl", jsonl_of('{"text": 2020, "label": "good"}'), ", line 7", "the text is a whole number"),
    "null for a text": ("d.jsonl", jsonl_of('{"text": null, "label": "good"}'), ", line 7", "the text is null"),
    "null for a label": ("d.jsonl", jsonl_of('{"text": "a", "label": null}'), ", line 7", "the label is null"),
    "true for a label": ("d.jsonl", jsonl_of('{"text": "a", "label": true}'), ", line 7", "the label is true or false"),
    "labels of two kinds": ("d.jsonl", jsonl_of('{"text": "a", "label": 1}'), ", line 7", "the label is a whole number, in the rows before it is text"),
    "a missing key": ("d.jsonl", jsonl_of('{"texts": "a", "label": "good"}'), ", line 7", "did you mean texts?"),
    "a list": ("d.jsonl", jsonl_of('["a", "good"]'), ", line 7", "a list, not an object"),
    "a line cut off": ("d.jsonl", jsonl_of('{"text": "a", "lab'), ", line 7", "is not valid JSON"),
    "two objects a line": ("d.jsonl", jsonl_of('{"text": "a", "label": "good"} {}'), ", line 7", "is not valid JSON"),
    "JSON over many lines": ("d.jsonl", json.dumps([{"text": "a"}], indent=1), ", line 1", "is not valid JSON"),
    "lines without a label": ("d.txt", "a text\nanother\n", ", line 1", "the line has no label; dataset.labelled=false"),
    "a line of the other form": ("d.txt", txt_of("__label__good a"), ", line 7", "the line has 0 tabs"),
    "two labels": ("d.txt", "__label__good a\n__label__bad __label__good b\n", ", line 2", "two labels"),
    "parquet cut off": ("d.parquet", parquet_of([], [])[:-20], "", "can't be read as Parquet"),
    "parquet with a null": ("d.parquet", parquet_of(["a", None], ["good", "bad"]), ", row 8", "the text is missing (null)"),
    "parquet with a null label": ("d.parquet", parquet_of(["a", "b"], ["good", None]), ", row 8", "the label is missing (null)"),
    "parquet with lists": ("d.parquet", parquet_of(pa.array([["a"], ["b"]]), pa.array(["x", "y"])), "", "'text' is of type list"),
    "parquet with structs": ("d.parquet", parquet_of(pa.array([{"text": "a"}]), pa.array(["x"])), "", "'text' is of type struct"),
    "parquet with times for labels": ("d.parquet", parquet_of(pa.array(["a", "b"]), pa.array([1, 2], pa.timestamp("ms"))), "", "'label' is of type timestamp"),
    "parquet with bytes for texts": ("d.parquet", parquet_of(pa.array([b"a", b"b"]), pa.array(["x", "y"])), "", "'text' is of type binary"),
    "parquet named csv": ("d.csv", parquet_of(["a"], ["good"]), ", line 1", "let its name end in .parquet"),
    "a folder named csv": ("d.csv/x.md", "a", None, "no data that can be used"),
    "an unknown suffix": ("d.xlsx", "a", "", "save it as CSV"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _quick():
    """Five seconds of work at most, whatever the file."""
    start = time.process_time()
    yield
    assert time.process_time() - start < 5


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def settings_of(options):
    return [part for name, value in options.items() for part in ("--set", f"dataset.{name}={json.dumps(value)}")]


@pytest.mark.parametrize("case", READ)
def test_odd_files_that_are_read(tmp_path, pegboard_cli, case):
    name, content, options, rows = READ[case]
    file = write(tmp_path / name, content)
    train = pegboard.load_dataset(str(file), **options)["train"]
    names = train.features["label"].names
    expected = BASE + rows if rows is not None else [("a", "7"), ("b", "3"), ("c", "7"), ("b day", "-1")]
    assert [(row["text"], names[row["label"]]) for row in train] == expected
    result = pegboard_cli("inspect", file, "--json", *settings_of(options))
    assert (result.code, result.err) == (0, result.err)
    assert json.loads(result.out)


@pytest.mark.parametrize("case", REFUSED)
def test_malformed_files_that_are_refused(tmp_path, pegboard_cli, case):
    name, content, place, words = REFUSED[case]
    file = write(tmp_path / name, content)
    result = pegboard_cli("tokenize", file if place is not None else file.parent, "-t", "char")
    assert result.code == 2, result.err
    assert result.err.startswith(f"error: {file if place is not None else file.parent}{place or ''}: "), result.err
    for word in words.split("; "):
        assert word in result.err
    assert "Traceback" not in result.err
    assert result.out == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such files")
def test_files_that_are_none(tmp_path, pegboard_cli):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    (tmp_path / "null.csv").symlink_to("/dev/null")
    for name in ("pipe.csv", "zero.csv", "null.csv"):
        result = pegboard_cli("inspect", tmp_path / name)
        assert (result.code, "is neither a file nor a folder" in result.err) == (2, True)
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere.csv")
    for name in ("loop.csv", "gone.csv", "folder/" * 10 + "d.csv", "d" * 300 + ".csv"):
        result = pegboard_cli("inspect", tmp_path / name)
        assert result.code == 2
        assert str(tmp_path / name) in result.err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["d.csv", "d.csv.gz", "d.parquet", "d/train.csv"])
def test_files_that_may_not_be_read(tmp_path, pegboard_cli, name):
    write(tmp_path / name, csv_of()).chmod(0)
    result = pegboard_cli("inspect", tmp_path / name)
    assert (result.code, "Permission denied" in result.err) == (2, True)


@pytest.mark.parametrize("command", [("tokenize", "-t", "char"), ("train", "--epochs", "1"), ("inspect",)])
def test_other_commands_refuse_alike(tmp_path, pegboard_cli, command):
    file = write(tmp_path / "d.csv", csv_of('"a,good'))
    options = ["--dataset", file, "--out", tmp_path / "run"] if command[0] == "train" else [*command[1:], file]
    result = pegboard_cli(command[0], *options)
    assert result.code == 2
    assert result.err.startswith(f"error: {file}, line 8: a quote is opened in this row and never closed\n  -> ")


def test_there_are_sixty_cases():
    assert len(READ) + len(REFUSED) >= 60
    assert len(READ) >= 30
    assert len(REFUSED) >= 30
