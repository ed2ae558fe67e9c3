"""Texts as Arrow, cut after spaces: nothing is lost, nothing is copied wrongly, bad input is named."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pegboard.errors import DataError
from pegboard.text import segments as module
from pegboard.text.segments import as_arrow, blocks, segment, segmented, whole

texts = st.lists(st.text(st.sampled_from("ab  é\n\t\u00a0\u3000😀\x00"), max_size=12), max_size=8)


def joined(cut):
    """The texts that the segments make."""
    distinct = cut.distinct.to_pylist()
    pieces = [distinct[i] for i in cut.indices]
    return ["".join(pieces[start:end]) for start, end in zip(cut.rows[:-1], cut.rows[1:], strict=True)]


@given(texts)
def test_segments_make_up_the_texts(rows):
    cut = segment(as_arrow(rows))
    assert joined(cut) == rows
    assert len(set(cut.distinct.to_pylist())) == len(cut.distinct)


@given(texts)
def test_a_segment_has_one_space_and_that_at_its_end(rows):
    for piece in segment(as_arrow(rows)).distinct.to_pylist():
        assert piece
        assert " " not in piece[:-1]


@given(texts, st.integers(0, 8), st.integers(0, 8))
def test_a_slice_is_cut_like_a_copy(rows, start, length):
    sliced = as_arrow(rows)[start : start + length]
    assert joined(segment(sliced)) == rows[start : start + length] == joined(whole(sliced))


def test_segments_are_numbered_in_reading_order():
    cut = segment(as_arrow(["to be or", "be to"]))
    assert cut.distinct.to_pylist() == ["to ", "be ", "or", "to"]
    assert cut.indices.tolist() == [0, 1, 2, 1, 3]
    assert cut.rows.tolist() == [0, 3, 5]
    assert cut.counts() == [1, 2, 1, 1]


def test_only_u0020_cuts():
    assert segment(as_arrow(["a\tb\u00a0c\u3000d\ne"])).distinct.to_pylist() == ["a\tb\u00a0c\u3000d\ne"]


@pytest.mark.parametrize("rows", [[], [""], ["", ""], ["", "a", ""]])
def test_empty_texts_have_no_segments(rows):
    cut = segment(as_arrow(rows))
    assert joined(cut) == rows
    assert len(cut.rows) == len(rows) + 1


def test_whole_texts_are_segments_when_spaces_are_no_border():
    [cut] = segmented(["a b", "a b", "c"], context_free=False)
    assert cut.distinct.to_pylist() == ["a b", "c"]
    assert cut.counts() == [2, 1]


@given(texts, st.integers(1, 20))
def test_blocks_hold_every_text_once(rows, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_BYTES", size)
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
    assert list(segmented(column, context_free=True)) == []


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
