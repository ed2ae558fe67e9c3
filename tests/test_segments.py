"""Texts as Arrow, cut into units: nothing is lost, nothing is copied wrongly, bad input is named."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pegboard.errors import DataError
from pegboard.text import mapped
from pegboard.text import segments as module
from pegboard.text.ascii_words import AsciiWords
from pegboard.text.segments import as_arrow, blocks, border_from, cut, cut_words, cut_words_after_spaces
from pegboard.text.texts import Texts, first_blank
from tokenizers import Regex, normalizers, pre_tokenizers

texts = st.lists(st.text(st.sampled_from("ab  é\n\t\u00a0\u3000😀\x00"), max_size=12), max_size=8)
ascii_texts = st.lists(st.text(st.sampled_from("aBs0 _'-,.\n\t[é"), max_size=14), max_size=8)


def pieces(units):
    """The units of each text."""
    every = [unit.decode() for unit in units.take(np.arange(len(units))).to_pylist()]
    return [every[start:end] for start, end in zip(units.rows[:-1], units.rows[1:], strict=True)]


@given(texts, st.sampled_from(["after_space", "before_space", "never"]))
def test_units_make_up_the_texts(rows, where):
    assert ["".join(units) for units in pieces(cut(as_arrow(rows), where))] == rows


@given(texts)
def test_after_space_a_unit_has_one_space_and_that_at_its_end(rows):
    for units in pieces(cut(as_arrow(rows), "after_space")):
        assert all(unit and " " not in unit[:-1] for unit in units)
        assert all(unit.endswith(" ") for unit in units[:-1])


@given(texts)
def test_before_space_a_unit_starts_with_all_the_white_space_before_a_word(rows):
    white = " \t\n\u00a0\u3000"
    for units in pieces(cut(as_arrow(rows), "before_space")):
        assert all(unit.startswith(" ") for unit in units[1:])
        assert all(unit[-1] not in white for unit in units[:-1])
        for unit in units:
            body = unit.lstrip(white)
            assert all(body[at - 1] in white for at, character in enumerate(body) if character == " ")


@given(texts, st.integers(0, 8), st.integers(0, 8), st.sampled_from(["after_space", "before_space", "never"]))
def test_a_slice_is_cut_like_a_copy(rows, start, length, where):
    sliced = as_arrow(rows)[start : start + length]
    assert pieces(cut(sliced, where)) == pieces(cut(as_arrow(rows[start : start + length]), where))


def test_only_u0020_cuts():
    assert pieces(cut(as_arrow(["a\tb\u00a0c\u3000d\ne"]), "after_space")) == [["a\tb\u00a0c\u3000d\ne"]]


@pytest.mark.parametrize("rows", [[], [""], ["", ""], ["", "a", ""]])
@pytest.mark.parametrize("where", ["after_space", "before_space", "never"])
def test_empty_texts(rows, where):
    assert ["".join(units) for units in pieces(cut(as_arrow(rows), where))] == rows


PIPELINES = {
    "bert": (
        normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase(), normalizers.BertNormalizer(lowercase=False)]),
        pre_tokenizers.BertPreTokenizer(),
    ),
    "runs of marks": (normalizers.Lowercase(), pre_tokenizers.Whitespace()),
    "white space only": (None, pre_tokenizers.WhitespaceSplit()),
    "apostrophes": (None, pre_tokenizers.Split(Regex(r"\w+(?:['-]\w+)*|[^\w\s]"), "removed", invert=True)),
}


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
@given(rows=ascii_texts)
def test_words_are_those_of_the_library(pipeline, rows):
    """Whatever is cut into words is what the library would cut; the rest is left whole, for the library to cut."""
    normalizer, splitter = pipeline

    def split(text):
        normal = normalizer.normalize_str(text) if normalizer else text
        return [piece for piece, _ in splitter.pre_tokenize_str(normal)]

    units = cut_words(as_arrow(rows), AsciiWords(normalizer, splitter, ["[SEP]"]))
    are_words = [units.words[start:end] for start, end in zip(units.rows[:-1], units.rows[1:], strict=True)]
    for text, row, word in zip(rows, pieces(units), are_words, strict=True):
        together = [p for unit, is_word in zip(row, word, strict=True) for p in ([unit] if is_word else split(unit))]
        assert together == split(text)
        assert not any(is_word and not unit.isascii() for unit, is_word in zip(row, word, strict=True))


METASPACE = pre_tokenizers.Sequence(
    [
        pre_tokenizers.Metaspace("▁", prepend_scheme="always", split=True),
        pre_tokenizers.Split(Regex(r"▁?\p{L}+|▁?\p{N}+|▁?[^\s\p{L}\p{N}▁]+|\s|▁"), "isolated"),
    ]
)
SPACE_FIRST = {
    "bytes": (None, pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "bytes, space in front": (normalizers.Lowercase(), pre_tokenizers.ByteLevel(add_prefix_space=True)),
    "marks, kinds": (normalizers.NFC(), METASPACE),
    "marks": (None, pre_tokenizers.Metaspace("▁", prepend_scheme="never", split=True)),
}


@pytest.mark.parametrize("pipeline", SPACE_FIRST.values(), ids=SPACE_FIRST)
@given(rows=ascii_texts)
def test_words_with_the_space_before_them_are_those_of_the_library(pipeline, rows):
    normalizer, splitter = pipeline

    def split(text):
        normal = normalizer.normalize_str(text) if normalizer else text
        return [piece for piece, _ in splitter.pre_tokenize_str(normal)]

    rules = AsciiWords(normalizer, splitter, ["[SEP]"], space_first=True)
    units = cut_words_after_spaces(as_arrow(rows), rules)
    are_words = [units.words[start:end] for start, end in zip(units.rows[:-1], units.rows[1:], strict=True)]
    for text, row, word in zip(rows, pieces(units), are_words, strict=True):
        parts = [[rules.piece(u)] if is_word else split(u) for u, is_word in zip(row, word, strict=True)]
        assert [piece for part in parts for piece in part] == (split(text) if text else [])


def test_plain_text_is_all_words_with_the_space_before_them():
    rules = AsciiWords(*SPACE_FIRST["bytes, space in front"], ["[SEP]"], space_first=True)
    units = cut_words_after_spaces(as_arrow(["To be, or NOT", " it's  so "]), rules)
    assert pieces(units) == [[" to", " be", ",", " or", " not"], [" it's", "  so", " "]]
    assert units.words.tolist() == [True] * 5 + [False] * 3
    assert [rules.piece(word) for word in (" to", ",")] == ["Ġto", ","]


def test_plain_text_is_all_words():
    units = cut_words(as_arrow(["To be, or NOT to be"]), AsciiWords(*PIPELINES["bert"], ["[SEP]"]))
    assert pieces(units) == [["to", "be", ",", "or", "not", "to", "be"]]
    assert units.words.all()


def test_what_may_hold_a_special_token_is_left_whole():
    units = cut_words(as_arrow(["To [SEP], be"]), AsciiWords(*PIPELINES["bert"], ["[SEP]"]))
    assert pieces(units) == [["to", "[SEP], ", "be"]]
    assert units.words.tolist() == [True, False, True]


def test_a_character_that_looks_further_is_not_plain():
    units = cut_words(as_arrow(["I don't , ok"]), AsciiWords(*PIPELINES["apostrophes"], []))
    assert pieces(units) == [["I", "don't ", ",", "ok"]]


@given(texts, st.integers(0, 12), st.sampled_from(["after_space", "before_space"]))
def test_a_long_text_may_be_cut_at_its_border(rows, position, where):
    for text in rows:
        data = text.encode()
        at = border_from(data, position, where)
        assert at == len(data) or at >= position
        if at < len(data):
            together = pieces(cut(as_arrow([text]), where))[0]
            beginning = pieces(cut(as_arrow([data[:at].decode()]), where))[0]
            assert together[: len(beginning)] == beginning


@given(texts, st.integers(1, 20))
def test_blocks_of_a_column_hold_every_text_once(rows, size):
    column = Texts.of(pa.chunked_array([rows[:3], rows[3:]], pa.string()))
    parts = [block.to_pylist() for block in column.blocks(size)]
    assert [text for part in parts for text in part] == rows == list(column) == column.array().to_pylist()
    assert all(len(part) == 1 or sum(len(text.encode()) for text in part) <= size for part in parts)
    assert column.fingerprint() == Texts.of(rows).fingerprint()


@given(texts, st.data())
def test_some_texts_of_a_column(rows, data):
    column = Texts.of(pa.chunked_array([rows[:3], rows[3:]], pa.string()))
    chosen = np.flatnonzero([data.draw(st.booleans()) for _ in rows])
    some = column.take(chosen)
    assert list(some) == [rows[i] for i in chosen]
    assert len(some) == len(chosen)
    assert list(some.take(np.arange(0, len(chosen), 2))) == [rows[i] for i in chosen[::2]]
    assert some.fingerprint() == Texts.of([rows[i] for i in chosen]).fingerprint()


@given(texts, st.integers(1, 20))
def test_blocks_hold_every_text_once(rows, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", size)
        parts = [block.to_pylist() for block in blocks(as_arrow(rows))]
    assert [text for part in parts for text in part] == rows
    assert all(parts)
    assert all(len(part) == 1 or sum(len(text.encode()) for text in part) <= size for part in parts)


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", "b"]),
        pa.array(["a", "b"], pa.large_string()),
        pa.array(["a", "b"]).dictionary_encode(),
        pa.array(["z", "a", "b"])[1:],
        pa.chunked_array([["a"], ["b"]]),
        pa.chunked_array([["a"], [], ["b"]], pa.large_string()),
        ("a", "b"),
        iter(["a", "b"]),
        np.array(["a", "b"]),
    ],
    ids=lambda column: type(column).__name__,
)
def test_columns_of_text_of_all_kinds_are_taken(column):
    taken = as_arrow(column)
    assert taken.type == pa.large_string()
    assert taken.to_pylist() == ["a", "b"]


def test_a_single_string_is_one_text():
    assert as_arrow("a b").to_pylist() == ["a b"]


@pytest.mark.parametrize("column", [[], pa.array([]), pa.array([], pa.string()), pa.chunked_array([], pa.string())])
def test_no_texts_are_no_error(column):
    assert as_arrow(column).to_pylist() == []
    assert list(blocks(column)) == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a", None], r"texts\[1\]: a text is missing"),
        (["a", 7], r"texts\[1\]: expected a string, not int"),
        ([b"a"], r"texts\[0\]: expected a string, not bytes"),
        ([float("nan")], r"texts\[0\]: expected a string, not float"),
        (["a", "b\ud800"], r"texts\[1\]: character 1 is a lone surrogate"),
        (pa.array(["a", None]), r"texts\[1\]: a text is missing"),
        (pa.array([None, None]), r"texts\[0\]: a text is missing"),
        (pa.chunked_array([["a"], ["b", None]]), r"texts\[2\]: a text is missing"),
        (pa.array([1, 2]), "expected a column of text, not of int64"),
        (pa.array([b"a"]), "expected a column of text, not of binary"),
        (pa.array([["a"]]), "expected a column of text, not of list"),
    ],
)
def test_what_is_no_text_is_refused(rows, message):
    with pytest.raises(DataError, match=message):
        as_arrow(rows)


def test_arrow_text_that_is_not_utf8_is_refused():
    column = pa.LargeStringArray.from_buffers(1, pa.py_buffer(np.array([0, 3])), pa.py_buffer(b"\xed\xa0\x80"))
    with pytest.raises(DataError, match="not valid UTF-8"):
        as_arrow(column)


def test_blank_is_every_kind_of_white_space_and_nothing_else():
    characters = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    for texts in (characters, [f"{c}{c}" for c in characters]):
        array = pa.array(texts, pa.string())
        blank = [place for place, text in enumerate(texts) if not text.strip()]
        start = 0
        for place in blank:
            assert first_blank(array[start:]) == place - start
            start = place + 1
        assert first_blank(array[start:]) is None
    assert first_blank(pa.array([], pa.string())) is None
    assert first_blank(pa.array(["a", "b", ""], pa.large_string())) == 2
    assert first_blank(pa.array(["", "b"], pa.large_string())[1:]) is None


def test_batches_of_a_map_stay_readable_when_their_pages_were_given_back(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "_KEPT_BYTES", 0)
    monkeypatch.setattr(mapped, "_STEP_BYTES", 0)
    file = tmp_path / "texts.arrow"
    rows = [[f"{i} {j} " + "x" * 5000 for j in range(20)] for i in range(9)]
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, pa.schema([("text", pa.string())])) as stream:
        for texts in rows:
            stream.write_batch(pa.record_batch([texts], names=["text"]))
    kept = list(mapped.mapped_batches(file))
    assert [batch.column(0).to_pylist() for batch in kept] == rows
    file.unlink()
    assert [batch.column(0).to_pylist() for batch in kept] == rows
