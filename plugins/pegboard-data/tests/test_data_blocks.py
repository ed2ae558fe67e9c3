"""Reading by blocks gives the same rows, and the same errors, as reading strictly row by row, wherever blocks end."""

import csv
import gzip
import io
import json
import threading
import tracemalloc
import types

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from pegboard import DataError, PegboardWarning
from pegboard_data import blocks, fields, objects, reading, spans
from pegboard_data.cells import Layout
from pegboard_data.compiled_fields import CompiledFields, FieldLoops
from pegboard_data.csv_file import CsvFormat
from pegboard_data.escapes import unescaped
from pegboard_data.fields import FieldReader
from pegboard_data.jsonl_file import JsonlFormat
from pegboard_data.layout import Source
from pegboard_data.numpy_fields import NumpyFields
from pegboard_data.options import FilesOptions
from pegboard_data.reading import batches
from pegboard_data.txt_file import TxtFormat

FORMATS = {"csv": CsvFormat, "jsonl": JsonlFormat, "txt": TxtFormat}
many = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def rows_of(file, block_bytes, options):
    """The rows of a file and where each is, or the error."""
    kind = file.suffix.removeprefix(".")
    found = []
    try:
        for batch in batches(Source(file, kind), options, block_bytes=block_bytes):
            labels = batch.labels.to_pylist() if batch.labels is not None else [None] * len(batch.texts)
            found += zip(batch.texts.to_pylist(), labels, strict=True)
            assert batch.texts.type == pa.string()
            batch.texts.validate(full=True)
    except DataError as error:
        return str(error)
    return found


def strict_rows_of(file, options, monkeypatch):
    """The same without the fast readers."""
    with monkeypatch.context() as patch:
        for form in FORMATS.values():
            patch.setattr(form, "regular", lambda self, data, *, is_last: None)
        return rows_of(file, 2**22, options)


def same_at_every_size(file, options, monkeypatch, sizes):
    expected = strict_rows_of(file, options, monkeypatch)
    for strict_bytes, cores in ((1, 3), (2**16, 3), (2**16, 1)):
        monkeypatch.setattr(reading, "_STRICT_BYTES", strict_bytes)
        monkeypatch.setattr(reading, "usable_cores", lambda cores=cores: cores)
        for size in sizes:
            assert rows_of(file, size, options) == expected, f"blocks of {size}, strictly {strict_bytes}, {cores} cores"
    return expected


PLAIN = st.text(st.sampled_from("ab é日😂\u2003\x0b'"), max_size=6)
QUOTED = st.lists(st.sampled_from(["a", "é", '""', "\n", "\r\n", ",", " ", "😂"]), max_size=6).map("".join)
FIELD = st.one_of(PLAIN.map(lambda text: text + "."), QUOTED.map(lambda text: f'"{text}."'))
ODD_FIELD = st.sampled_from(
    ['six 3" nails', '"', '""', '"a"b', '"open', 'open"', "\0", " ", "", "\r", 'x"y"z', '"a" ', "\ufeff", '"\r"', "a,b"]
)
SIZES = [1, 2, 3, 7, 16, 50, 4096]


def lines_with_faults(draw, row, fault):
    """Some rows, and at times a few that are odd among them."""
    rows = draw(st.lists(row, min_size=1, max_size=12))
    if draw(st.booleans()):
        for _ in range(draw(st.integers(1, 2))):
            rows.insert(draw(st.integers(0, len(rows))), draw(fault))
    return rows


def joined(draw, lines):
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r\n", "\r"]))
    data = (end.join(lines) + draw(st.sampled_from(["", end, end + end]))).encode()
    if draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(0, len(data)))
        data = (
            data[:place] + draw(st.sampled_from([b"\xff", b"\x80", b"\xe9", b'"', b"\n", b"\r", b"\0"])) + data[place:]
        )
    return draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"])) + data


@st.composite
def csv_files(draw):
    row = st.tuples(FIELD, FIELD).map(",".join)
    odd = st.one_of(st.tuples(ODD_FIELD, FIELD).map(",".join), st.tuples(FIELD, ODD_FIELD).map(",".join), ODD_FIELD)
    return joined(draw, [draw(st.sampled_from(["text,label", '"text",label'])), *lines_with_faults(draw, row, odd)])


@st.composite
def jsonl_files(draw):
    forms = draw(
        st.sampled_from(
            [
                lambda i, text, label: {"text": text, "label": label},
                lambda i, text, label: {"id": i, "label": label, "text": text},
                lambda i, text, label: {"text": text, "a": 1.5, "label": i % 3, "b": None},
                lambda i, text, label: {"m": {"k": [i, label]}, "text": text, "label": label, "s": text},
                lambda i, text, label: {"text": text, "label": i} if i % 2 else {"label": i, "text": text},
            ]
        )
    )
    character = st.sampled_from('ab é日😂\\"/\n\t\x7f\u2028\x01')
    row = st.tuples(st.integers(0, 12), st.text(character, max_size=6).map(lambda text: text + "."), PLAIN)
    ascii_only = draw(st.booleans())

    def written(of):
        return json.dumps(forms(of[0], of[1], of[2] + "."), ensure_ascii=ascii_only)

    place = st.integers(0, 40)
    pieces = [
        '"',
        "\\",
        "\t",
        "{",
        "[",
        "\0",
        " ",
        "\\u0000",
        "\\ud83d",
        "\\ude00",
        "\\u00e9",
        "\\x",
        "0",
        "-",
        "\r",
        ",",
    ]
    broken = st.tuples(row, place, st.sampled_from(pieces), st.booleans()).map(
        lambda drawn: (line := written(drawn[0]))[: drawn[1]] + drawn[2] + line[drawn[1] + drawn[3] :]
    )
    whole = st.sampled_from(
        ["", "  ", "[]", '{"text": "a", "label": NaN}', '{"te\\u0078t": "a", "label": "b"}', "null"]
    )
    return joined(draw, lines_with_faults(draw, row.map(written), st.one_of(broken, whole)))


@st.composite
def txt_files(draw):
    marked = draw(st.booleans())
    row = st.tuples(PLAIN.map(lambda label: label.replace(" ", "") + "x"), PLAIN.map(lambda text: text + "."))
    row = row.map(lambda drawn: f"__label__{drawn[0]} {drawn[1]}" if marked else "\t".join(drawn))
    odd = st.sampled_from(
        [
            "__label__",
            "__label__x",
            "x",
            "\t",
            "x\t",
            "x\ta\tb",
            "__label__x __label__y a",
            "__label__x a__label__y",
            " ",
        ]
    )
    return joined(draw, lines_with_faults(draw, row, odd))


@pytest.mark.usefixtures("_either_fields")
@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("quotes", [True, False])
def test_csv(tmp_path, monkeypatch, labelled, quotes):
    @many
    @given(csv_files(), st.sampled_from(["refuse", "keep"]))
    def check(content, empty_texts):
        file = tmp_path / "d.csv"
        file.write_bytes(content)
        options = FilesOptions(path="x", labelled=labelled, quotes=quotes, empty_texts=empty_texts)
        same_at_every_size(file, options, monkeypatch, SIZES)

    check()


@pytest.mark.parametrize("labelled", [True, False])
def test_jsonl(tmp_path, monkeypatch, labelled):
    monkeypatch.setattr(objects, "_FEWEST_OF_A_FORM", 1)

    @many
    @given(jsonl_files(), st.sampled_from(["refuse", "keep"]))
    def check(content, empty_texts):
        file = tmp_path / "d.jsonl"
        file.write_bytes(content)
        options = FilesOptions(path="x", labelled=labelled, empty_texts=empty_texts)
        same_at_every_size(file, options, monkeypatch, SIZES)

    check()


@pytest.mark.usefixtures("_either_fields")
@pytest.mark.parametrize("labelled", [True, False])
def test_txt(tmp_path, monkeypatch, labelled):
    @many
    @given(txt_files(), st.sampled_from(["refuse", "keep"]))
    def check(content, empty_texts):
        file = tmp_path / "d.txt"
        file.write_bytes(content)
        options = FilesOptions(path="x", labelled=labelled, empty_texts=empty_texts)
        same_at_every_size(file, options, monkeypatch, SIZES)

    check()


LINES = [
    ("csv", '"a ""b"", c",x\n'),
    ("csv", "a b,x\n"),
    ("jsonl", '{"text": "a", "label": "x"}\n'),
    ("jsonl", '{"i": 10, "text": "é", "label": 7}\n'),
    ("jsonl", '{"s": "c", "text": "a\\n", "label": "x", "n": [1, null]}\n'),
    ("txt", "__label__x a b\n"),
    ("txt", "x\ta b\n"),
]
CHARACTERS = {
    "csv": [b'"', b",", b"\n", b"\r", b"\0", b" ", b"\xff"],
    "jsonl": [b'"', b"\\", b"\t", b"{", b"]", b"\0", b" ", b"0", b"-", b",", b"\r", b"\xc3", b"\n"],
    "txt": [b" ", b"\t", "\u2003".encode(), b"\x0b", b"_", b"\n", b"\r", b"\xff", b"\0"],
}


@pytest.mark.usefixtures("_either_fields")
@pytest.mark.parametrize(("kind", "line"), LINES)
def test_a_character_more_or_less_anywhere(tmp_path, monkeypatch, kind, line):
    """All files of three lines whose second is like the others but for a character."""
    monkeypatch.setattr(objects, "_FEWEST_OF_A_FORM", 1)
    file = tmp_path / f"d.{kind}"
    header, line = b"text,label\n" if kind == "csv" else b"", line.encode()
    options = FilesOptions(path="x")
    for place in range(len(line)):
        for character in [b"", *CHARACTERS[kind]]:
            for after in {line[place:], line[place + 1 :]}:
                file.write_bytes(header + line + line[:place] + character + after + line)
                assert rows_of(file, 4096, options) == strict_rows_of(file, options, monkeypatch), (place, character)


@pytest.mark.parametrize(
    "lines",
    [
        ['{"text": "a", "label": 1}', '{"text": "b", "label": "1"}'],
        [
            '{"text": "a", "label": -0}',
            '{"text": "b", "label": 1}',
            '{"text": "b", "label": 123456789012345678901234567890}',
        ],
    ],
)
def test_labels_that_are_numbers(tmp_path, monkeypatch, lines):
    file = tmp_path / "d.jsonl"
    file.write_text("\n".join(line for line in lines for _ in range(3)))
    found = same_at_every_size(file, FilesOptions(path="x"), monkeypatch, range(1, 200, 7))
    if len(lines) == 2:
        assert found.startswith(f"{file}, line 4: the label is text, in the rows before it is a whole number")
    else:
        assert {label for _, label in found} == {"0", "1", "123456789012345678901234567890"}


CONTENTS = {
    "csv": 'text,label\r\n"a ""b""\r\n, c",x\r\né😂,"y"\r\n\r\nsix 3" nails,x\r\n"",x\r\n"d\re",y\r\nlast,x',
    "jsonl": '{"text": "a\\n\\"b\\"", "label": "x"}\n\n{"text": "\\ud83d\\ude00é", "label": "\\u0078"}\n'
    '{"label": "y", "text": "c"}',
    "txt": "x\ta b\r\n\ny\té😂\rz\tlast",
}


@pytest.mark.usefixtures("_either_fields")
@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-be", "utf-7"])
def test_blocks_may_end_anywhere(tmp_path, monkeypatch, kind, encoding):
    file = tmp_path / f"d.{kind}"
    file.write_bytes(CONTENTS[kind].encode(encoding))
    options = FilesOptions(path="x", encoding=encoding, empty_texts="keep")
    rows = same_at_every_size(file, options, monkeypatch, range(1, 100))
    assert len(rows) == {"csv": 6, "jsonl": 3, "txt": 3}[kind]


@pytest.mark.usefixtures("_either_fields")
def test_what_is_regular_is_read_fast(tmp_path, monkeypatch):
    """Else the comparisons above would compare the strict reader with itself."""
    for form in FORMATS.values():
        monkeypatch.setattr(form, "strict", None)
    for kind, content in [
        ("csv", 'text,label\r\n"a ""b""\r\n, c",x\r\né😂,"y"\r\n\r\nlast,x'),
        ("csv", 'text,label\nsix 3" nails,x\n"a, b ""c""",x'),
        (
            "jsonl",
            '{"text": "a\\n\\"b\\"\\u00e9", "n": 1.5, "label": 7}\n\n'
            '{"text": "\\ud83d\\ude00é", "n": null, "label": 12}\r\n',
        ),
        ("txt", "__label__x a b\r\n\n__label__long-é é😂\r\n__label__z\tlast"),
    ]:
        file = tmp_path / f"d.{kind}"
        file.write_text(content, newline="")
        assert len(rows_of(file, 4096, FilesOptions(path="x"))) in (2, 3)


@pytest.mark.usefixtures("_either_fields")
@pytest.mark.parametrize("first", ["ok", 'six 3" nails', '"a\rb"'])
def test_every_row_knows_its_line(tmp_path, monkeypatch, first):
    monkeypatch.setattr(reading, "_STRICT_BYTES", 16)
    lines = [1, 2, 3, 6, 8]
    file = tmp_path / "d.csv"
    file.write_text(f'text,label\n{first},x\n"a\n\nb",x\n\n"c\nd",x\ne,x\n', newline="")
    lines = [2, 4, 8, 10] if "\r" in first else [2, 3, 7, 9]
    for size in (1, 8, 30, 4096):
        found = [
            batch.place(row)
            for batch in batches(Source(file, "csv"), FilesOptions(path="x"), block_bytes=size)
            for row in range(len(batch.texts))
        ]
        assert found == [f"{file}, line {line}" for line in lines]


ESCAPED = st.lists(
    st.one_of(
        st.sampled_from(
            ["a", "é", "😂", '\\"', "\\\\", "\\/", "\\b", "\\n", "\\t", "\\ud83d\\ude00", "\\ud83d", "\\ude00"]
        ),
        st.integers(0, 0xFFFF).map(lambda code: f"\\u{code:04x}"),
        st.integers(0, 0xFFFF).map(lambda code: f"\\u{code:04X}"),
        st.sampled_from(["\\x", "\\u12", "\\u00g0", "\\", "u0041", "\\ud83d\\u0041"]),
    ),
    max_size=6,
).map("".join)


@settings(many, max_examples=400)
@given(st.lists(ESCAPED, min_size=1, max_size=5))
@example(["\\ud83d", "\\ude00"])
@example(["\\u00", "41"])
def test_escapes_are_those_of_json(raw):
    assume(all(text.count("\\") == 0 or not _ends_escaped(text) for text in raw))
    found, sound = unescaped(pa.array(raw, pa.string()))
    for text, got, is_sound in zip(raw, found.to_pylist(), sound, strict=True):
        try:
            expected = json.loads(f'"{text}"')
            expected.encode()
            known = "\0" not in expected
        except ValueError:
            known = False
        assert is_sound == known, text
        assert got == (expected if known else text)


def _ends_escaped(text):
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


PIECES = ['"', '""', ",", "\n", "\r\n", "\r", "\0", "a", "b" * 7, "é", "x" * 17, "label,", ' "', '"quoted"']
FIELDS_AND_ENDS = st.one_of(
    st.text(st.sampled_from('ab,"\n;'), max_size=60), st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
)


@pytest.mark.usefixtures("_either_fields")
@settings(many, max_examples=400)
@given(FIELDS_AND_ENDS, st.integers(1, 3), st.booleans())
def test_fields_are_those_of_the_csv_module(content, columns, quotes):
    """Of all texts of these pieces: what is taken is exactly what the csv module reads there."""
    reader = FieldReader(Layout(ord(","), columns, 0, columns - 1, quotes), empty_texts=True)
    found = reader.read(content.encode(), is_last=True)
    if found is None:
        return
    read = content.encode()[: found.size].decode()
    quoting = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    expected = [row for row in csv.reader(io.StringIO(read, newline=""), strict=True, quoting=quoting) if row]
    assert {len(row) for row in expected} <= {columns}
    assert [row[0] for row in expected] == found.texts.to_pylist()
    assert [row[columns - 1] for row in expected] == found.labels.to_pylist()
    assert found.lines == read.count("\n") + (not read.endswith("\n"))


@settings(many, max_examples=400)
@given(FIELDS_AND_ENDS, st.integers(1, 4), st.integers(0, 3), st.sampled_from([0, 1, 2, 3, None]), st.booleans())
def test_compiled_loops_read_what_numpy_reads(compiled_loops, content, columns, text, label, quotes):
    """They go on to the very row that is out of order, NumPy need not."""
    assume(text < columns and (label is None or label < columns) and text != label)
    layout, data = Layout(ord(","), columns, text, label, quotes), content.encode()
    limit = spans.odd_character(data)
    expected = NumpyFields(layout).cells(data, limit)
    found = CompiledFields(layout, compiled_loops(FieldLoops)).cells(data, limit)
    if expected is not None:
        assert fields._begins_with(found, expected)
        assert found.end > expected.end or found.lines == expected.lines
    if found is not None:
        assert found.lines == data[: found.end].count(b"\n")
        assert found.stopped or limit >= len(data) - 1


def test_of_the_room_for_rows_nothing_is_kept_that_is_not_used(compiled_loops):
    data = b"to be,yes\nor not,no\n" * 3
    found = CompiledFields(Layout(ord(","), 2, 0, 1, True), compiled_loops(FieldLoops)).cells(data, len(data))
    for column, size in ((found.texts, 33), (found.labels, 15)):
        assert [buffer.size for buffer in column.buffers()[1:]] == [4 * 7, size]


class TestChoosingLoops:
    """Compiled loops read what is large, if they read the same as NumPy."""

    DATA = b'a,x\n"b ""c""",y\n'

    @pytest.fixture
    def reader(self, monkeypatch):
        monkeypatch.setattr(fields, "_COMPILED_FROM", 10)
        return FieldReader(Layout(ord(","), 2, 0, 1, quotes=True), empty_texts=False, file_bytes=10)

    def twice(self, reader):
        return [reader.read(self.DATA, is_last=True).texts.to_pylist() for _ in range(2)]

    def test_right_ones_are_used(self, reader, compiled_loops, monkeypatch):
        loops = compiled_loops(FieldLoops)
        monkeypatch.setattr(FieldLoops, "load", lambda: loops)
        assert self.twice(reader) == 2 * [["a", 'b "c"']]
        assert isinstance(reader._fields, CompiledFields)

    def test_wrong_ones_are_not(self, reader, compiled_loops, monkeypatch):
        """That is said once."""
        loops = compiled_loops(FieldLoops)

        def fields_of(*arguments):
            rows = loops.fields(*arguments)
            arguments[8][0] += 1
            return rows

        wrong = types.SimpleNamespace(count=loops.count, fields=fields_of)
        monkeypatch.setattr(FieldLoops, "load", lambda: wrong)
        with pytest.warns(PegboardWarning, match="not used") as warned:
            assert self.twice(reader) == 2 * [["a", 'b "c"']]
        assert len(warned) == 1

    def test_without_any_numpy_reads(self, reader, monkeypatch):
        monkeypatch.setattr(FieldLoops, "load", lambda: None)
        assert self.twice(reader) == 2 * [["a", 'b "c"']]

    def test_what_is_small_is_done_without(self, monkeypatch):
        monkeypatch.setattr(FieldLoops, "load", lambda: pytest.fail("it is small"))
        self.twice(FieldReader(Layout(ord(","), 2, 0, 1, quotes=True), empty_texts=False, file_bytes=10_000))


def test_a_text_may_be_longer_than_a_block(tmp_path):
    text = "long " * 50_000 + "end"
    for name, content in {
        "d.csv": f'text,label\n{text},x\n"{text}\n{text}",y\n',
        "d.jsonl": "".join(json.dumps({"text": of, "label": "x"}) + "\n" for of in (text, text + "\n" + text)),
        "d.txt": f"x\t{text}\ny\t{text} {text}\n",
    }.items():
        (tmp_path / name).write_text(content)
        rows = rows_of(tmp_path / name, 2**14, FilesOptions(path="x"))
        assert [len(row[0]) for row in rows] == [len(text), 2 * len(text) + 1]


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("d.csv", b"text,label\na,x\n" + b"b" * 3000 + b",x\n", "3"),
        ("d.csv", b'text,label\na,x\n"' + b"b\n" * 3000 + b'",x\n', "3"),
        ("d.csv", b"text,label\na,x\n" + b'"b\n",' * 3000 + b"x\n", "3"),
        ("d.jsonl", b'{"text": "a", "label": "x"}\n\n{"text": "' + b"b" * 3000, "3"),
        ("d.txt", b"x\ta\nx\t" + b"b" * 3000, "2"),
    ],
)
def test_a_row_without_an_end_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch, name, content, line):
    import pegboard_data.csv_file

    for module in (blocks, pegboard_data.csv_file):
        monkeypatch.setattr(module, "LONGEST", 1024)
    monkeypatch.setattr(blocks, "_LINES_BYTES", 64)
    (tmp_path / name).write_bytes(content)
    error = rows_of(tmp_path / name, 512, FilesOptions(path="x"))
    assert error.startswith(f"{tmp_path / name}, line {line}: the ")
    assert "is longer than" in error


@pytest.mark.usefixtures("_either_fields")
def test_memory_does_not_grow_with_the_file(tmp_path):
    """Of what Python, NumPy and Arrow hold."""
    row = "a text of some words, that is cut into blocks,label\n".replace(", ", " ")
    peaks = []
    for rows in (20_000, 320_000):
        file = tmp_path / "d.csv"
        file.write_text("text,label\n" + row * rows)
        tracemalloc.start()
        arrow = 0
        for batch in batches(Source(file, "csv"), FilesOptions(path="x"), block_bytes=2**18):
            arrow = max(arrow, pa.total_allocated_bytes())
            assert len(batch.texts)
        peaks.append(tracemalloc.get_traced_memory()[1] + arrow)
        tracemalloc.stop()
    assert peaks[1] < 3 * peaks[0]  # of 16 times as much; how many blocks are held at once is up to the threads
    assert peaks[1] < 2**24


def test_rows_are_compared_by_place_too(tmp_path, monkeypatch):
    """The first row that is wrong is the one named, whatever comes first in a block."""
    file = tmp_path / "d.csv"
    file.write_bytes(b"text,label\na,x\n ,x\nb,\nc,x,y\nd,\xff\n")
    for size in (1, 16, 4096):
        assert rows_of(file, size, FilesOptions(path="x")).startswith(f"{file}, line 3: the text is empty")
    assert np.all(strict_rows_of(file, FilesOptions(path="x"), monkeypatch) == rows_of(file, 8, FilesOptions(path="x")))


class TestReadAhead:
    """Blocks that are read in threads, ahead of their turn."""

    ROWS = tuple(f"text number {i},{'ab'[i % 2]}" for i in range(200))

    def test_what_can_not_be_decoded_does_not_hide_a_row_before_it(self, tmp_path, monkeypatch):
        monkeypatch.setattr(reading, "usable_cores", lambda: 3)
        file = tmp_path / "data.csv"
        rows = ["text,label", *self.ROWS]
        file.write_bytes("\n".join(rows).encode("cp1252") + b"\n\x81,a\n")
        options = FilesOptions(path=str(file), encoding="cp1252")
        assert f"{file}, line 202" in rows_of(file, 256, options)
        rows[150] = "one, two, three"
        file.write_bytes("\n".join(rows).encode("cp1252") + b"\n\x81,a\n")
        assert f"{file}, line 151: the row has 3 columns" in rows_of(file, 256, options)

    def test_a_gzip_file_that_is_cut_off_does_not_hide_a_row_before_it(self, tmp_path, monkeypatch):
        monkeypatch.setattr(reading, "usable_cores", lambda: 3)
        file = tmp_path / "data.csv.gz"
        options = FilesOptions(path=str(file))
        texts = np.random.default_rng(0).integers(0, 2**62, 3000).tolist()
        rows = ["text,label", *(f"text {number},a" for number in texts)]
        for bad, wanted in ((None, "the gzip file is cut off"), (500, f"{file}, line 501: the row has 1 column")):
            if bad is not None:
                rows[bad] = "no label"
            packed = gzip.compress("\n".join(rows).encode())
            file.write_bytes(packed[: len(packed) * 3 // 4])
            with pytest.raises(DataError) as raised:
                list(batches(Source(file, "csv"), options, block_bytes=4096))
            assert wanted in str(raised.value)

    def test_a_reader_that_is_given_up_ends_its_threads(self, tmp_path, monkeypatch):
        monkeypatch.setattr(reading, "usable_cores", lambda: 3)
        file = tmp_path / "data.csv"
        file.write_text("\n".join(["text,label", *self.ROWS]))
        rows = batches(Source(file, "csv"), FilesOptions(path=str(file)), block_bytes=256)
        next(rows)
        assert any(thread.name.startswith("pegboard-read_") for thread in threading.enumerate())
        rows.close()
        assert not any(thread.name.startswith("pegboard-read_") for thread in threading.enumerate())

    @pytest.mark.parametrize(
        ("data", "end"),
        [
            (b"", 0),
            (b"a,b", 0),
            (b"a,b\nc", 4),
            (b'a,b\n"c\nd', 4),
            (b'a,b\n"c\nd",e\nf', 12),
            (b'"a\nb\nc', 5),  # no guess is right
            (b'3" nails,b\nc,d\ne', 15),
        ],
    )
    def test_where_rows_end_is_guessed_by_quotes(self, data, end):
        reader = FieldReader(Layout(ord(","), 2, 0, 1, True), empty_texts=False)
        assert reader.end_of_rows(data) == end
