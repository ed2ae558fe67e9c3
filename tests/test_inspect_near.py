"""Near-duplicates: what MinHash finds is what comparing every pair finds, and nothing else."""

import numpy as np
import pyarrow as pa
import pytest
from pegboard.inspection import near as module
from pegboard.inspection.block import Split, folded
from pegboard.inspection.duplicates import Duplicates, Hashed
from pegboard.inspection.near import THRESHOLD, NearDuplicates, jaccard
from pegboard.text.texts import Texts

GENERATOR_WORDS = [f"{a}{b}{c}" for a in "bcdfgklmnprst" for b in "aeiou" for c in ("n", "rd", "st", "ll", "")]


def splits_of(**texts):
    return {name: Split(name, Texts.of(pa.array(rows, pa.large_string())), None) for name, rows in texts.items()}


def find(splits, later, earlier):
    hashed = {name: Hashed() for name in splits}
    signatures = NearDuplicates({name: len(split) for name, split in splits.items()})
    for name, split in splits.items():
        for block in split.blocks():
            hashed[name].add(block)
            signatures.add(block)
    texts = Duplicates(hashed, dict.fromkeys(splits)).texts
    found = signatures.find(splits[later], splits[earlier], texts[later], texts[earlier])
    return dict(
        zip(found.rows.tolist(), zip(found.matches.tolist(), found.similarity.tolist(), strict=True), strict=True)
    )


def runs(text):
    text = folded(text).ljust(5, "\0")
    return {text[i : i + 5] for i in range(len(text) - 4)}


def index(left, right):
    return len(runs(left) & runs(right)) / len(runs(left) | runs(right))


def sentences(count, seed=0):
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(GENERATOR_WORDS, generator.integers(6, 20))) for _ in range(count)]


def changed(text, generator):
    """A text with a few letters changed, so that its similarity is anywhere."""
    letters = list(text)
    for place in generator.integers(0, len(letters), generator.integers(1, 4)):
        letters[place] = "x"
    return "".join(letters)


class TestJaccard:
    @pytest.mark.parametrize(
        ("left", "right"),
        [
            ("to be or", "to be of"),
            ("same text", "same text"),
            ("abc", "abd"),
            ("", "a"),
            ("猫が好きです", "猫が好きだ"),
        ],
    )
    def test_it_is_that_of_the_sets_of_runs(self, left, right):
        [similar] = jaccard([left, right], np.array([0]), np.array([1]))
        assert similar == pytest.approx(index(left, right))

    def test_many_pairs_at_once(self):
        generator = np.random.default_rng(1)
        texts = sentences(50)
        texts += [changed(text, generator) for text in texts]
        left, right = generator.integers(0, 100, (2, 400))
        expected = [index(texts[i], texts[j]) for i, j in zip(left, right, strict=True)]
        assert jaccard(texts, left, right) == pytest.approx(expected)


class TestFind:
    def test_all_pairs_above_the_threshold_and_no_other(self):
        generator = np.random.default_rng(2)
        train = sentences(400)
        test = [changed(text, generator) for text in train[:200]] + sentences(200, seed=3)
        found = find(splits_of(train=train, test=test), "test", "train")
        similar = {i: max(index(text, other) for other in train) for i, text in enumerate(test)}
        clear = {row for row, best in similar.items() if best >= THRESHOLD + 0.02}
        assert 40 < len(clear) < 200
        assert clear <= set(found)
        for row, (match, similarity) in found.items():
            assert similarity == pytest.approx(index(test[row], train[match]))
            assert similarity >= THRESHOLD

    def test_nearly_none_at_the_threshold_is_missed(self):
        generator = np.random.default_rng(4)
        train = sentences(1000, seed=5)
        test = [changed(text, generator) for text in train]
        found = find(splits_of(train=train, test=test), "test", "train")
        above = [row for row, text in enumerate(test) if index(text, train[row]) >= THRESHOLD]
        assert len(set(above) - set(found)) <= 0.01 * len(above)

    def test_within_a_split_the_earlier_row_is_the_match(self):
        texts = sentences(30)
        texts[20] = texts[10] + " too"
        found = find(splits_of(train=texts), "train", "train")
        assert {row: match for row, (match, _) in found.items()} == {20: 10}

    def test_equal_texts_are_not_near(self):
        texts = sentences(30)
        splits = splits_of(train=texts, test=[texts[3], texts[4].upper(), f" {texts[5]}  "])
        assert find(splits, "test", "train") == {}
        assert find(splits_of(train=texts + texts), "train", "train") == {}

    def test_a_family_of_thousands(self):
        texts = [f"thank you for calling us, your number is {i} and we are glad to help you" for i in range(3000)]
        found = find(splits_of(train=texts), "train", "train")
        assert len(found) == 2999
        assert all(match < row for row, (match, _) in found.items())

    def test_scripts_without_spaces(self):
        train = ["今日はとても良い天気ですから公園を散歩しました", "昨日は雨が降ったので家で本を読んでいました"]
        found = find(splits_of(train=train, test=["今日はとても良い天気ですから公園を散歩しましたよ"]), "test", "train")
        assert found[0][0] == 0

    def test_blank_texts_are_near_nothing(self):
        splits = splits_of(train=["", " ", "some words of a text"], test=["", "\t", ""])
        assert find(splits, "test", "train") == {}
        assert find(splits, "train", "train") == {}

    def test_only_the_beginning_of_a_very_long_text_counts(self):
        train, other = sentences(700), sentences(700, seed=9)
        long, longer = " ".join(train), " ".join(train + other)
        assert len(long) > module._LONGEST
        assert find(splits_of(train=[long], test=[longer]), "test", "train") == {0: (0, 1.0)}

    def test_nothing_depends_on_the_blocks(self, monkeypatch):
        generator = np.random.default_rng(6)
        train = sentences(100)
        splits = splits_of(train=train, test=[changed(text, generator) for text in train])
        whole = find(splits, "test", "train")
        monkeypatch.setattr("pegboard.inspection.block._BLOCK_BYTES", 300)
        monkeypatch.setattr(module, "_AT_ONCE", 500)
        monkeypatch.setattr(module, "_PAIRS_AT_ONCE", 7)
        assert find(splits, "test", "train") == whole


class TestManyRows:
    def test_of_the_largest_split_some_rows_are_taken(self, monkeypatch):
        monkeypatch.setattr(module, "_MOST_ROWS", 100)
        signatures = NearDuplicates({"train": 1000, "validation": 20, "test": 30})
        assert signatures.compared == {"train": 50, "validation": 20, "test": 30}

    def test_the_rows_are_those_that_are_compared(self, monkeypatch):
        monkeypatch.setattr(module, "_MOST_ROWS", 60)
        train = sentences(100)
        test = [f"{text} too" for text in train[:10]]
        found = find(splits_of(train=train, test=test), "test", "train")
        assert {row: match for row, (match, _) in found.items()} == {row: row for row in range(0, 10, 2)}

    @pytest.mark.parametrize("size", [1, 64, 100])
    def test_blocks_of_any_size_agree_on_them(self, monkeypatch, size):
        monkeypatch.setattr(module, "_MOST_ROWS", 40)
        train = sentences(100)
        splits = splits_of(train=train, test=[f"{text} too" for text in train[:10]])
        whole = find(splits, "test", "train")
        monkeypatch.setattr("pegboard.inspection.block._BLOCK_BYTES", size)
        assert find(splits, "test", "train") == whole
        assert whole
