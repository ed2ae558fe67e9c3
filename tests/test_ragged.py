"""Ragged arrays do what lists of lists do."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pegboard.text import encoding
from pegboard.text.encoding import encode_texts
from pegboard.text.ragged import concatenate, from_lists, gather, ragged, truncate_and_wrap, values_and_offsets

ids = st.integers(0, 2**31 - 1)
rows = st.lists(st.lists(ids, max_size=5), max_size=6)
few = st.lists(ids, max_size=2)


@given(rows)
def test_lists_survive(lists):
    array = from_lists(lists)
    assert array.type.value_type == pa.int32()
    assert array.to_pylist() == lists


@given(rows, st.integers(0, 6), st.integers(0, 6))
def test_values_and_offsets_of_a_slice(lists, start, length):
    values, offsets = values_and_offsets(from_lists(lists)[start : start + length])
    assert ragged(values, offsets).to_pylist() == lists[start : start + length]
    assert offsets[0] == 0


def test_ragged_copies_nothing():
    values = np.arange(4, dtype=np.int32)
    array = ragged(values, np.array([0, 1, 4]))
    assert array.values.buffers()[1].address == values.ctypes.data


@given(st.data(), rows.filter(bool))
def test_gather_takes_rows(data, lists):
    indices = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=9))
    values, offsets = gather(from_lists(lists), np.array(indices, np.int32))
    assert ragged(values, offsets).to_pylist() == [lists[i] for i in indices]


@given(rows, few, few, st.integers(1, 9))
def test_truncate_and_wrap_keeps_the_beginning(lists, before, after, max_length):
    values, offsets = values_and_offsets(from_lists(lists))
    result = truncate_and_wrap(values, offsets, max_length=max_length, before=before, after=after)
    room = max(0, max_length - len(before) - len(after))
    assert result.to_pylist() == [[*before, *row[:room], *after] for row in lists]


@given(st.lists(rows, max_size=3))
def test_concatenate_keeps_the_rows(parts):
    together = concatenate([from_lists(part) for part in parts])
    assert together.to_pylist() == [row for part in parts for row in part]
    assert together.type.value_type == pa.int32()


@given(st.lists(st.text("ab ", max_size=9), max_size=9), st.booleans(), st.sampled_from([1, 5, 10**9]))
def test_texts_are_encoded_as_their_segments_are(texts, context_free, remembered):
    """Across blocks as well, whether or not earlier segments are still remembered."""

    def encode(segments):
        assert len(set(segments)) == len(segments)
        return [[ord(character) for character in text if character != " "] for text in segments]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pegboard.text.segments._BLOCK_BYTES", 4)
        patch.setattr(encoding, "_REMEMBERED_BYTES", remembered)
        result = encode_texts(texts, encode, context_free=context_free, max_length=4, before=[1], after=[2])
    assert result.to_pylist() == [[1, *[ord(c) for c in text if c != " "][:2], 2] for text in texts]


def test_a_segment_is_encoded_once_however_many_blocks_it_is_in(monkeypatch):
    monkeypatch.setattr("pegboard.text.segments._BLOCK_BYTES", 6)
    seen = []

    def encode(segments):
        seen.extend(segments)
        return [[len(text)] for text in segments]

    encode_texts(["to be", "to do", "to be"], encode, context_free=True, max_length=9)
    assert sorted(seen) == ["be", "do", "to "]
