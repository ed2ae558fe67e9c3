"""Learning WordPiece vocabularies: by hand on small words, against the library on many."""

import doctest
import random
from collections import Counter

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard import SPECIAL_TOKENS, DataError
from pegboard_wordpiece import training
from pegboard_wordpiece.options import WordPieceOptions
from pegboard_wordpiece.training import learn_pieces
from tokenizers import models, pre_tokenizers, trainers

SPECIALS = len(SPECIAL_TOKENS)


def learned(words, size, **options):
    return learn_pieces(Counter(words), WordPieceOptions(**{"min_frequency": 1, **options}, vocab_size=size + SPECIALS))


def learned_by_library(words, size, pieces, min_frequency):
    """What the library's trainer learns when it is told the characters in the order that `pieces` has them.

    Left to itself it orders them by their hashes. It also adds each character as the start of a word, seen there or
    not; such additions are taken out again.
    """
    known = [piece for piece in pieces if len(piece.removeprefix("##")) == 1]
    additions = {character for word in words for character in word} - set(known)
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=SPECIALS + size + len(additions),
        min_frequency=min_frequency,
        special_tokens=[*SPECIAL_TOKENS, *known],
        show_progress=False,
    )
    tokenizer.train_from_iterator((" ".join([word] * n) for word, n in words.items()), trainer)
    vocabulary = tokenizer.get_vocab()
    return [piece for piece in sorted(vocabulary, key=vocabulary.get)[SPECIALS:] if piece not in additions]


def test_characters_come_first_then_merges_by_frequency():
    assert learned({"low": 3, "slow": 1}, 20) == ["##o", "##w", "l", "##l", "s", "##ow", "low", "##low", "slow"]


def test_the_vocabulary_stops_at_its_size():
    full = learned({"low": 3, "slow": 1, "lower": 2}, 50)
    for size in range(1, len(full) + 1):
        assert learned({"low": 3, "slow": 1, "lower": 2}, size) == full[:size]


def test_a_pair_must_be_frequent_enough():
    assert learned({"ab": 3, "cd": 2}, 50, min_frequency=3) == ["##b", "a", "ab"]
    assert learned({"ab": 2, "cb": 2}, 50, min_frequency=3) == ["##b"]


def test_a_pair_that_became_rare_is_not_merged():
    """`##b ##c` is frequent until `a ##b` has taken most of its ##b away."""
    pieces = learned({"abc": 4, "ab": 9, "xbc": 1}, 50, min_frequency=3)
    assert "abc" in pieces
    assert "##bc" not in pieces


@pytest.mark.parametrize("word", ["aaaa", "aaaaa", "ababab", "aabaab"])
def test_repeated_characters(word):
    assert word in learned({word: 2}, 50)


def test_a_piece_that_two_pairs_spell_enters_once():
    words = {"abc": 5, "ab": 9, "abx": 3, "xbc": 8, "ybc": 8}
    pieces = learned(words, 50)
    assert len(set(pieces)) == len(pieces)
    assert "abc" in pieces


def test_words_that_are_too_long_are_not_learned_from():
    assert learned({"abc": 9, "de": 1}, 50, max_word_length=2) == ["##e", "d", "de"]


@pytest.mark.parametrize("words", [{}, {"abc": 1}])
def test_nothing_frequent_is_no_vocabulary(words):
    with pytest.raises(DataError, match="no vocabulary"):
        learned(words, 50, min_frequency=2)


counted = st.dictionaries(st.text("abc", min_size=1, max_size=7), st.integers(1, 5), min_size=1, max_size=12)


@settings(deadline=None)
@given(counted, st.randoms())
def test_the_order_of_the_words_does_not_matter(words, shuffler):
    shuffled = list(words.items())
    shuffler.shuffle(shuffled)
    assert learned(words, 40) == learned(dict(shuffled), 40)


@settings(deadline=None)
@given(st.dictionaries(st.permutations("abcde").map("".join), st.integers(1, 9), min_size=1, max_size=12))
def test_small_vocabularies_are_the_librarys(words):
    pieces = learned(words, 60)
    assert pieces == learned_by_library(words, 60, pieces, 1)


@pytest.mark.parametrize(("size", "min_frequency"), [(100, 1), (1000, 2), (5000, 1)])
def test_large_vocabularies_are_the_librarys(size, min_frequency):
    generator = random.Random(0)
    syllables = ["".join(generator.choices("bdfgklmnprst", k=1) + generator.choices("aeiou", k=2)) for _ in range(60)]
    words = Counter("".join(generator.choices(syllables, k=generator.randint(1, 4))) for _ in range(6000))
    pieces = learned(words, size, min_frequency=min_frequency)
    assert len(pieces) > 90
    assert pieces == learned_by_library(words, size, pieces, min_frequency)


def test_the_example_in_the_docstring_is_true():
    results = doctest.testmod(training, extraglobs={"WordPieceOptions": WordPieceOptions})
    assert results.attempted
    assert not results.failed
