"""Ids in a file are those that were written, whatever the blocks, and are not read before they are used."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pegboard.text.ragged import from_lists
from pegboard.text.stored import open_ids, stored, write_ids

rows = st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=4), max_size=6)


def lists(ids):
    return [ids.values[start : start + length].tolist() for start, length in zip(ids.starts, ids.lengths, strict=True)]


@given(st.lists(rows, max_size=4))
def test_what_is_written_is_read(tmp_path_factory, blocks):
    file = tmp_path_factory.mktemp("ids") / "ids.arrow"
    write_ids(file, map(from_lists, blocks))
    opened = open_ids(file)
    assert lists(opened) == [row for block in blocks for row in block]
    assert opened.starts.dtype == opened.lengths.dtype == np.int64
    assert opened.values.dtype == np.int32


@given(rows, st.integers(0, 6), st.integers(0, 6))
def test_ids_in_memory_are_viewed_alike(written, start, length):
    assert lists(stored(from_lists(written)[start : start + length])) == written[start : start + length]


def test_datasets_opens_the_file_too(tmp_path):
    datasets = pytest.importorskip("datasets")
    write_ids(tmp_path / "ids.arrow", [from_lists([[7], [8, 9]]), from_lists([[]])])
    assert datasets.Dataset.from_file(str(tmp_path / "ids.arrow"))["input_ids"][:] == [[7], [8, 9], []]
    with pa.ipc.open_stream(str(tmp_path / "ids.arrow")) as stream:
        assert stream.read_all().column("input_ids").to_pylist() == [[7], [8, 9], []]
