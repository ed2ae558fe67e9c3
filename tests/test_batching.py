"""Which rows go into which batch: each once, the same for the same seed, within the bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard import bucketed_batches, sorted_batches

lengths_of_rows = st.lists(st.integers(0, 500), max_size=300).map(lambda rows: np.array(rows, np.int64))


def padded(batches, lengths):
    return sum(len(rows) * int(lengths[rows].max()) for rows in batches)


class TestBucketed:
    @given(lengths_of_rows, st.integers(1, 40), st.integers(1, 60), st.integers(0, 2**32 - 1))
    @settings(max_examples=60, deadline=None)
    def test_every_row_once(self, lengths, size, bucket, seed):
        batches = bucketed_batches(lengths, size, seed=[seed, 3], bucket=bucket)
        rows = np.concatenate([*batches, np.empty(0, np.int64)])
        assert sorted(rows.tolist()) == list(range(len(lengths)))
        assert all(0 < len(batch) <= size for batch in batches)

    def test_same_seed_same_batches(self):
        lengths = np.arange(1000) % 37
        first, again, other = (bucketed_batches(lengths, 16, seed=seed) for seed in ([1, 2], [1, 2], [1, 3]))
        assert all((a == b).all() for a, b in zip(first, again, strict=True))
        assert [batch.tolist() for batch in first] != [batch.tolist() for batch in other]

    def test_little_is_padded(self):
        lengths = np.random.default_rng(0).integers(1, 200, 5000)
        grouped = padded(bucketed_batches(lengths, 32, seed=[0]), lengths)
        plain = padded(bucketed_batches(lengths, 32, seed=[0], bucket=1), lengths)
        assert grouped < 1.1 * lengths.sum() < 1.7 * lengths.sum() < plain

    def test_batches_come_in_random_order(self):
        lengths = np.arange(3200)
        longest = [int(lengths[rows].max()) for rows in bucketed_batches(lengths, 32, seed=[0])]
        assert longest != sorted(longest)
        assert longest != sorted(longest, reverse=True)

    def test_no_rows(self):
        assert bucketed_batches(np.empty(0, np.int64), 8, seed=[0]) == []


class TestSorted:
    @given(lengths_of_rows, st.integers(1, 40), st.integers(1, 2000))
    @settings(max_examples=60, deadline=None)
    def test_every_row_once_within_the_bounds(self, lengths, max_rows, max_tokens):
        batches = sorted_batches(lengths, max_rows=max_rows, max_tokens=max_tokens)
        rows = np.concatenate([*batches, np.empty(0, np.int64)])
        assert sorted(rows.tolist()) == list(range(len(lengths)))
        for batch in batches:
            assert 1 <= len(batch) <= max_rows
            assert len(batch) == 1 or len(batch) * max(1, lengths[batch].max()) <= max_tokens

    def test_longest_first_equal_ones_in_order(self):
        lengths = np.array([1, 5, 3, 5, 0])
        assert [batch.tolist() for batch in sorted_batches(lengths, max_rows=2)] == [[1, 3], [2, 0], [4]]

    @pytest.mark.parametrize("length", [16_385, 10**9])
    def test_very_long_row_is_a_batch_of_its_own(self, length):
        assert [len(batch) for batch in sorted_batches(np.array([length, 1, 1]))] == [1, 2]
