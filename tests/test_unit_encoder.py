"""Each distinct unit is encoded once, whatever the blocks, the lengths and the threads."""

import re
import threading
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard.text import compiled_units, distinct, unit_ids
from pegboard.text.ahead import read_ahead
from pegboard.text.counting import count_units
from pegboard.text.distinct import DistinctUnits
from pegboard.text.encoding import UnitEncoder
from pegboard.text.ragged import from_lists
from pegboard.text.segments import Cutter, as_arrow, blocks

pytestmark = pytest.mark.usefixtures("both_loops")

letters = st.sampled_from(
    ["a", "b", " ", "é", "longer-than-fifteen-bytes", "\0", "longer-than-fifteen-bytes-too", "eight888"]
)
texts = st.lists(st.lists(letters, max_size=9).map("".join), max_size=9)


def characters(texts):
    """The code points of each text, spaces left out."""
    return [[ord(character) for character in text if character != " "] for text in texts]


def ids_of(units, *_):
    return from_lists(characters(units.to_pylist()))


def encoder(encode=ids_of, where="after_space", **options):
    return UnitEncoder(Cutter(where), encode, **{"max_length": 10**6, **options})


@settings(max_examples=300)
@given(
    texts, st.sampled_from(["after_space", "before_space", "never"]), st.sampled_from([4, 100, 10**7]), st.booleans()
)
def test_texts_are_encoded_as_their_units_are(rows, where, block_bytes, forgetful):
    """Across blocks as well, whether or not earlier units are still remembered, and with few slots for many units."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pegboard.text.segments.BLOCK_BYTES", block_bytes)
        patch.setattr(distinct, "_SLOT_BITS", 2)
        patch.setattr(compiled_units, "_SLOT_BITS", 2)
        patch.setattr(unit_ids, "_AT_ONCE", 3)
        if forgetful:
            patch.setattr(DistinctUnits, "most_units", 1)
        result = encoder(where=where, max_length=20, before=[1], after=[2]).encode(rows)
    assert result.to_pylist() == [[1, *characters([text])[0][:18], 2] for text in rows]


@given(texts)
def test_a_unit_is_encoded_once_however_many_blocks_it_is_in(rows):
    seen = []

    def encode(units, *_):
        seen.extend(units.to_pylist())
        return ids_of(units)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pegboard.text.segments.BLOCK_BYTES", 6)
        encoder(encode).encode([*rows, *rows])
    assert len(set(seen)) == len(seen)


def test_units_are_numbered_in_the_order_of_their_first_occurrence():
    units = DistinctUnits(Cutter("after_space"))
    found = units.find(as_arrow(["to be or", "be to be"]))
    assert found.places.tolist() == [0, 1, 2, 1, 0, 3]
    assert found.rows.tolist() == [0, 3, 6]
    assert found.new.to_pylist() == ["to ", "be ", "or", "be"]
    assert found.known == 0
    found = units.find(as_arrow(["or not to be"]))
    assert found.places.tolist() == [4, 5, 0, 3]
    assert found.new.to_pylist() == ["or ", "not "]
    assert found.known == 4


def test_units_that_differ_in_nul_or_in_their_end_only_are_told_apart():
    rows = [
        "a",
        "a\0",
        "a\0\0",
        "",
        "0123456789abcde",
        "0123456789abcdeX",
        "0123456789abcdeY",
        "01234567",
        "01234567\0",
    ]
    found = DistinctUnits(Cutter("never")).find(as_arrow([*rows, *rows]))
    assert found.places.tolist() == [*range(len(rows)), *range(len(rows))]


def test_what_failed_is_tried_again():
    fails = [True]

    def encode(units, *_):
        if fails.pop():
            raise ValueError("not yet")
        return ids_of(units)

    it = encoder(encode)
    fails.insert(0, False)
    with pytest.raises(ValueError, match="not yet"):
        it.encode(["ab"])
    assert it.encode(["ab"]).to_pylist() == [[97, 98]]


@pytest.mark.parametrize("where", ["after_space", "before_space"])
def test_of_a_long_text_only_the_beginning_is_encoded(where):
    units = 0

    def encode(given, *_):
        nonlocal units
        units += len(given)
        return ids_of(given, _)

    text = " ".join(f"w{number}" for number in range(200_000))
    assert len(text) > 10**6
    result = encoder(encode, where, max_length=100).encode(["short one", text, "", "x " * 40_000])
    assert units < 40_000
    assert result.to_pylist() == [row[:100] for row in characters(["short one", text, "", "x " * 40_000])]


def test_a_long_text_that_gives_few_ids_is_read_on():
    text = " " * 10**6 + "end " * 3
    assert encoder(max_length=9).encode([text]).to_pylist() == characters([text[-12:]])[:9] or [[]]
    assert encoder(max_length=9).encode([text]).to_pylist()[0] == [101, 110, 100] * 3


def test_threads_may_share_an_encoder():
    it = encoder()
    rows = [[f"{i} {j} {i * j}" for j in range(300)] for i in range(8)]
    results = [None] * len(rows)

    def work(number):
        results[number] = it.encode(rows[number]).to_pylist()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(rows))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [characters(row) for row in rows]


@given(texts)
def test_counting(rows):
    counted = list(count_units(Cutter("after_space"), blocks(rows)))
    expected = {}
    for text in rows:
        for piece in [p + " " for p in text.split(" ")[:-1]] + [p for p in text.split(" ")[-1:] if p]:
            expected[piece] = expected.get(piece, 0) + 1
    assert {text: times for text, _, times in counted} == expected
    assert len(counted) == len(expected)


class TestReadAhead:
    def test_gives_the_same_items(self):
        assert list(read_ahead(range(20))) == list(range(20))
        assert list(read_ahead([])) == []

    @pytest.mark.parametrize("used", [1, 3])
    def test_what_makes_the_items_is_closed_when_no_more_are_wanted(self, used):
        closed = []

        def items():
            try:
                yield from range(99)
            finally:
                closed.append(True)

        source = items()
        reader = read_ahead(source)
        for _ in range(used):
            next(reader)
        with pytest.raises(KeyError, match="stop"):
            reader.throw(KeyError("stop"))
        assert closed == [True]
        assert source.gi_frame is None

    def test_an_error_is_raised_where_the_items_are_used(self):
        def items():
            yield 1
            yield 2
            raise KeyError("third")

        reader = read_ahead(items())
        assert [next(reader), next(reader)] == [1, 2]
        with pytest.raises(KeyError, match="third"):
            next(reader)

    def test_is_only_a_little_ahead(self):
        made = []
        reader = read_ahead((made.append(n) or n for n in range(100)), depth=2)
        assert [next(reader), next(reader)] == [0, 1]
        time.sleep(0.05)
        assert len(made) <= 5
        reader.close()

    def test_leaves_no_thread_when_it_is_closed(self):
        before = threading.active_count()
        reader = read_ahead(range(100))
        next(reader), next(reader)
        reader.close()
        assert threading.active_count() == before


@given(texts, st.sampled_from([1, 3, 10**6]))
def test_units_are_counted_also_where_some_are_forgotten(rows, most_units):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DistinctUnits, "most_units", most_units)
        counts = Counter()
        for unit, is_word, times in count_units(Cutter("after_space"), [as_arrow([row]) for row in rows + rows]):
            assert times > 0
            assert not is_word
            counts[unit] += times
    units = [unit for row in rows + rows for unit in re.findall("[^ ]* |[^ ]+$", row)]
    assert counts == Counter(units)
