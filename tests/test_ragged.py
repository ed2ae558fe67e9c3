"""Ragged arrays do what lists of lists do."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from pegboard.text.ragged import concatenate, from_lists, ragged, truncate_and_wrap, values_and_offsets

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
