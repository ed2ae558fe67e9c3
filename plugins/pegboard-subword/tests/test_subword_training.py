"""Learning merges and unigrams: by hand on small words, against the library or by brute force on others."""

import doctest
import itertools
import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard import DataError
from pegboard_subword import merges, unigrams, words
from pegboard_subword.merges import learn_merges
from pegboard_subword.options import BpeOptions, UnigramOptions
from pegboard_subword.unigrams import learn_unigrams
from pegboard_subword.words import alphabet_of, words_to_learn_from
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

counted = st.dictionaries(st.text("abc", min_size=1, max_size=8), st.integers(1, 5), min_size=1, max_size=12)


def merged(counts, size=50, min_frequency=1, alphabet=None):
    alphabet = sorted({character for word in counts for character in word}) if alphabet is None else alphabet
    return learn_merges(Counter(counts), alphabet, size=size, min_frequency=min_frequency)


def learned_by_library(counts, size, min_frequency):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=min_frequency, show_progress=False)
    tokenizer.train_from_iterator((" ".join([word] * n) for word, n in counts.items()), trainer)
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.get), [tuple(merge) for merge in saved_model(tokenizer)["merges"]]


def saved_model(tokenizer):
    import json

    return json.loads(tokenizer.to_str())["model"]


def test_pieces_grow_by_the_most_frequent_pair():
    assert merged({"low": 3, "slow": 1}).pieces == ["l", "o", "s", "w", "lo", "low", "slow"]
    assert merged({"low": 3, "slow": 1}).merges == [("l", "o"), ("lo", "w"), ("s", "low")]


def test_the_vocabulary_stops_at_its_size():
    full = merged({"low": 3, "slow": 1, "lower": 2}).pieces
    for size in range(6, len(full) + 1):
        assert merged({"low": 3, "slow": 1, "lower": 2}, size=size).pieces == full[:size]


def test_a_pair_must_be_frequent_enough():
    assert merged({"ab": 3, "cd": 2}, min_frequency=3).merges == [("a", "b")]


def test_words_are_cut_at_characters_that_are_too_rare():
    options = UnigramOptions(min_frequency=9)
    assert alphabet_of(Counter({"axbaxb": 9, "\n-b": 8, "b]": 1}), options) == (
        ["b", "a", "x"],
        {"axbaxb": 9, "b": 9},
    )


@settings(deadline=None)
@given(counted, st.integers(3, 30), st.integers(1, 4))
def test_merges_are_those_of_the_library(counts, size, min_frequency):
    pieces, pairs = learned_by_library(counts, size, min_frequency)
    learned = merged(counts, size, min_frequency)
    assert (learned.pieces, learned.merges) == (pieces, pairs)


def test_many_merges_are_those_of_the_library():
    generator = random.Random(0)
    syllables = ["".join(generator.choices("bdfgklmnprst", k=1) + generator.choices("aeiou", k=2)) for _ in range(60)]
    counts = Counter("".join(generator.choices(syllables, k=generator.randint(1, 4))) for _ in range(6000))
    learned = merged(counts, 3000, 2)
    assert (learned.pieces, learned.merges) == learned_by_library(counts, 3000, 2)


@settings(deadline=None)
@given(counted, st.randoms())
def test_the_order_of_the_words_does_not_matter(counts, shuffler):
    shuffled = list(counts.items())
    shuffler.shuffle(shuffled)
    assert merged(counts) == merged(dict(shuffled))
    assert scored(counts) == scored(dict(shuffled))


def scored(counts, size=20, min_frequency=1, longest=4, alphabet=None):
    alphabet = sorted({character for word in counts for character in word}) if alphabet is None else alphabet
    return learn_unigrams(Counter(counts), alphabet, size=size, min_frequency=min_frequency, longest=longest)


def all_cuts(word, scores):
    """Every way to cut a word into known pieces, with the logarithm of its probability."""
    for borders in itertools.product([False, True], repeat=len(word) - 1):
        ends = [*(i + 1 for i, border in enumerate(borders) if border), len(word)]
        pieces = [word[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        if all(piece in scores for piece in pieces):
            yield pieces, sum(scores[piece] for piece in pieces)


@settings(deadline=None)
@given(counted)
def test_expected_counts_are_those_over_all_ways_to_cut(counts):
    alphabet = sorted({character for word in counts for character in word})
    lattice = unigrams._seeded(Counter(counts), alphabet, 4, 2, 100)
    scores = dict(zip(lattice.pieces(), lattice.scores.tolist(), strict=True))
    expected = Counter()
    for word, n in counts.items():
        ways = list(all_cuts(word, scores))
        total = sum(math.exp(score) for _, score in ways)
        for pieces, score in ways:
            for piece in pieces:
                expected[piece] += n * math.exp(score) / total
    found = dict(zip(lattice.pieces(), unigrams._expected(lattice).tolist(), strict=True))
    assert found == pytest.approx({piece: expected[piece] for piece in found}, abs=1e-5)


@settings(deadline=None)
@given(counted)
def test_the_next_best_way_to_cut_a_piece_is_found(counts):
    alphabet = sorted({character for word in counts for character in word})
    lattice = unigrams._seeded(Counter(counts), alphabet, 4, 2, 100)
    scores = dict(zip(lattice.pieces(), lattice.scores.tolist(), strict=True))
    for piece, best in zip(lattice.pieces(), unigrams._best_without(lattice).tolist(), strict=True):
        others = [score for pieces, score in all_cuts(piece, scores) if len(pieces) > 1]
        assert best == pytest.approx(max(others, default=-math.inf))


@settings(deadline=None)
@given(counted)
def test_seeds_are_the_frequent_substrings(counts):
    alphabet = sorted({character for word in counts for character in word})
    substrings = Counter()
    for word, n in counts.items():
        for start, end in itertools.combinations(range(len(word) + 1), 2):
            if end - start <= 4:
                substrings[word[start:end]] += n
    lattice = unigrams._seeded(Counter(counts), alphabet, 4, 3, 10_000)
    found = dict(zip(lattice.pieces(), lattice.expected.tolist(), strict=True))
    assert found == {piece: n for piece, n in substrings.items() if n >= 3 or len(piece) == 1}


@settings(deadline=None)
@given(counted, st.integers(3, 12), st.integers(1, 3))
def test_a_unigram_vocabulary_keeps_to_its_bounds(counts, size, longest):
    pieces = scored(counts, size=size, longest=longest)
    names = [piece for piece, _ in pieces]
    assert len(set(names)) == len(names) <= size
    assert {character for word in counts for character in word} <= set(names)
    assert max(map(len, names)) <= longest
    assert all(math.isfinite(score) and score < 0.1 for _, score in pieces)
    assert pieces == sorted(pieces, key=lambda entry: (-entry[1], entry[0]))


@settings(deadline=None)
@given(counted)
def test_the_words_become_more_probable_with_each_step(counts):
    alphabet = sorted({character for word in counts for character in word})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unigrams, "_LEAST_EXPECTED", 1e-9)
        patch.setattr(unigrams, "_DECIMALS", 12)
        lattice = unigrams._seeded(Counter(counts), alphabet, 4, 2, 100)
        before = -math.inf
        for _ in range(4):
            after = float((lattice.times * unigrams._backwards(lattice)[lattice.starts]).sum())
            assert after >= before - 1e-6
            before, lattice = after, unigrams._estimated(lattice)


def test_text_needs_no_more_pieces_than_with_the_library():
    generator = random.Random(0)
    syllables = ["".join(generator.choices("bdfgklmnprst", k=1) + generator.choices("aeiou", k=2)) for _ in range(60)]
    counts = Counter("".join(generator.choices(syllables, k=generator.randint(1, 4))) for _ in range(3000))
    text = " ".join(word for word, n in counts.items() for _ in range(n))
    library = Tokenizer(models.Unigram())
    library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.UnigramTrainer(vocab_size=101, special_tokens=["?"], unk_token="?", show_progress=False)
    library.train_from_iterator([text], trainer)
    ours = Tokenizer(models.Unigram([("?", 0.0), *scored(counts, size=100, longest=16)], unk_id=0))
    ours.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    assert len(ours.encode(text).ids) <= len(library.encode(text).ids)


@pytest.mark.parametrize("options", [BpeOptions(), UnigramOptions()])
@pytest.mark.parametrize("texts", [[], ["", ""]])
def test_nothing_to_learn_from(options, texts):
    with pytest.raises(DataError, match="no vocabulary"):
        words_to_learn_from(texts, options, pre_tokenizers.ByteLevel())


def test_of_many_words_the_most_frequent_count_and_of_equals_a_sample(monkeypatch):
    monkeypatch.setattr(words, "_MOST_WORDS", 5)
    rare = [f"{letter}{letter}" for letter in "abcdefghijkl"]
    splitter = pre_tokenizers.WhitespaceSplit()
    kept = words_to_learn_from([*rare, "often often"], BpeOptions(), splitter)
    assert kept["often"] == 2
    assert len(kept) == 5
    assert kept == words_to_learn_from(["often", *rare[::-1], "often"], BpeOptions(), splitter)
    assert sorted(kept) != ["aa", "bb", "cc", "dd", "often"]


def test_a_very_long_word_counts_as_several():
    kept = words_to_learn_from(["x" * 450], BpeOptions(), pre_tokenizers.WhitespaceSplit())
    assert kept == {"x" * 200: 2, "x" * 50: 1}


@pytest.mark.parametrize("module", [merges, unigrams])
def test_the_examples_in_the_docstrings_are_true(module):
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed
