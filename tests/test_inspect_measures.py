"""The measures one by one: counts, hashes, scripts, samples."""

import unicodedata
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from pegboard.inspection.block import Block, Split, digests, folded
from pegboard.inspection.counts import Counts
from pegboard.inspection.findings import listed, plural
from pegboard.inspection.lengths import Lengths
from pegboard.inspection.samples import samples
from pegboard.inspection.scripts import LETTERS, Scripts, script_of
from pegboard.text.texts import Texts


def counts_of(*numbers):
    counts = Counts()
    for part in np.array_split(np.array(numbers, np.int64), 3):
        counts.add(part)
    return counts


def block_of(*texts, labels=None, first=0):
    return Block("train", first, pa.array(texts, pa.large_string()), None if labels is None else np.array(labels))


class TestCounts:
    @pytest.mark.parametrize("numbers", [[5], [0, 0, 0], [1, 2], list(range(100)), [3] * 99 + [1000]])
    @pytest.mark.parametrize("percent", [1, 25, 50, 75, 99])
    def test_percentiles_are_numbers_that_occur(self, numbers, percent):
        expected = np.percentile(numbers, percent, method="inverted_cdf")
        assert counts_of(*numbers).percentile(percent) == expected

    def test_what_is_larger(self):
        counts = counts_of(1, 5, 5, 7)
        assert [counts.above(limit) for limit in (0, 1, 5, 6, 7)] == [4, 3, 1, 1, 0]
        assert (len(counts), counts.total, counts.most) == (4, 18, 7)

    def test_the_box_of_a_box_plot(self):
        box = counts_of(*range(1, 13), 100).box()
        assert box == {"low": 1, "q1": 4, "median": 7, "q3": 10, "high": 12, "rows": 13}

    def test_nothing(self):
        nothing = Counts()
        assert nothing.summary()["mean"] == nothing.most == nothing.percentile(50) == 0
        assert nothing.box()["rows"] == 0
        assert sum(nothing.bars()[1]) == 0

    @pytest.mark.parametrize("numbers", [[0], [7], list(range(70)), [20] * 500 + [10_000], [3, 9, 100_000]])
    def test_bars_hold_every_number_once(self, numbers):
        counts = counts_of(*numbers)
        edges, heights = counts.bars()
        assert len(edges) == len(heights) + 1 <= 61
        assert len({after - before for before, after in pairwise(edges)}) == 1
        assert sum(heights) == len(numbers)
        for left, right, height in list(zip(edges[:-1], edges[1:], heights, strict=True))[:-1]:
            assert height == sum(left <= number < right for number in numbers)

    def test_one_long_text_does_not_stretch_the_axis(self):
        edges, heights = counts_of(*[20] * 500, 10_000).bars()
        assert edges[-1] < 100
        assert heights[-1] == 1


class TestHashes:
    def test_they_are_the_same_everywhere(self):
        assert digests(["", "a text"]).tolist() == [0xB4B2797457A0A6E4, 0x50E9E05B93086453]

    @pytest.mark.parametrize("text", ["To  BE ", "\tto be", "TO\u00a0BE"])
    def test_case_and_white_space_do_not_matter(self, text):
        assert folded(text) == "to be"

    def test_what_does_matter(self):
        assert len({folded(text) for text in ("to be", "tobe", "to be.", "tó be")}) == 4


class TestLengths:
    def test_characters_and_words(self):
        lengths = Lengths()
        lengths.add(block_of("to be", "  or  not\n", "", None, "naïve 👍", labels=[0, 1, 0, 1, 0]))
        assert lengths.characters.values.tolist() == [0, 5, 7, 10]
        assert lengths.words.total == 6
        assert list(lengths.missing) == [3]
        assert list(lengths.empty) == [2]

    def test_words_by_label(self):
        lengths = Lengths()
        lengths.add(block_of("a b c", "a", labels=[2, 0]))
        lengths.add(block_of("a b", "a b c d", "a b", labels=[2, -1, 2], first=2))
        assert lengths.words_of(2).values.tolist() == [2, 3]
        assert lengths.words_of(2).times.tolist() == [2, 1]
        assert len(lengths.words_of(0)) == 1
        assert len(lengths.words_of(1)) == 0


class TestScripts:
    @pytest.mark.parametrize(
        ("characters", "script"),
        [
            ("aéßŁ", "Latin"),
            ("Ａｚ", "Latin"),
            ("жЯї", "Cyrillic"),
            ("αΩ", "Greek"),
            ("שלום", "Hebrew"),
            ("ابپ", "Arabic"),
            ("हिन", "Devanagari"),
            ("猫漢々"[:2], "CJK"),
            ("あのゔ", "Hiragana"),
            ("カﾈ", "Katakana"),
            ("한글", "Hangul"),
            ("กไทย", "Thai"),
            ("7٣½", "digits"),
            ("!—“", "punctuation"),
            (" \n\t\u00a0\u3000", "white space"),
            ("👍€+", "symbols and emoji"),
            ("\u0301\u20d0", "marks"),
            ("\u0007\u200d", "control and format"),
        ],
    )
    def test_a_character_has_one(self, characters, script):
        assert {script_of(ord(character)) for character in characters} == {script}

    def test_every_letter_has_one(self):
        letters = [code for code in range(0x3000) if unicodedata.category(chr(code))[0] == "L"]
        assert {script_of(code) for code in letters} <= set(LETTERS)
        assert sum(script_of(code) == "other letters" for code in letters) < 0.2 * len(letters)

    def test_rows_by_the_script_of_most_letters(self):
        scripts = Scripts()
        scripts.add(block_of("hello мир", "привет you", "12 !", "", "猫"))
        assert scripts.by_row() == {"CJK": 1, "Cyrillic": 1, "Latin": 1}
        assert scripts.characters()["Cyrillic"] == 9
        assert scripts.distinct() == len(set("hello мирпривет you12 !猫"))


class TestSamples:
    def split(self, labels):
        texts = [f"text {row}" for row in range(len(labels))]
        return Split("train", Texts.of(texts), np.array(labels))

    def test_some_rows_of_each_label(self):
        found = samples(self.split([0, 1, 2, -1] * 10), ["a", "b", "c"], most=2)
        assert [sample["label"] for sample in found] == ["a", "a", "b", "b", "c", "c"]
        for sample in found:
            assert sample["row"] % 4 == "abc".index(sample["label"])
            assert sample["text"] == f"text {sample['row']}"

    def test_they_are_drawn_and_stay_the_same(self):
        first = samples(self.split([0] * 1000), ["a"])
        assert first == samples(self.split([0] * 1000), ["a"])
        assert [sample["row"] for sample in first] != [0, 1, 2]

    def test_a_label_without_rows(self):
        assert samples(self.split([1]), ["a", "b"]) == [{"label": "b", "split": "train", "row": 0, "text": "text 0"}]

    def test_a_long_text_is_cut(self):
        split = Split("train", Texts.of(["x" * 5000]), None)
        [sample] = samples(split, [])
        assert len(sample["text"]) == 500


def test_words():
    assert plural(0, "row") == "0 rows"
    assert plural(2, "entry", "entries") == "2 entries"
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
