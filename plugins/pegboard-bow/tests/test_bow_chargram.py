"""Words and their character n-grams."""

from __future__ import annotations

import pegboard
import pytest
from pegboard import RecipeError
from pegboard.options import check_options
from pegboard_bow.options import ChargramOptions
from pegboard_bow.tokenizer import ChargramTokenizer


def trained(*texts: str, **options: int) -> ChargramTokenizer:
    tokenizer = ChargramTokenizer(ChargramOptions(**options))
    tokenizer.train(list(texts))
    return tokenizer


def test_each_word_is_followed_by_its_ngrams() -> None:
    tokenizer = trained("My cat, a cat!", shortest=3, longest=4)
    expected = ["my", "#<my", "#my>", "cat", "#<ca", "#cat", "#at>", "#<cat", "#cat>", ",", "a"]
    assert tokenizer.tokens("my cat, a") == expected


def test_marks_and_short_words_have_no_ngram_of_themselves() -> None:
    assert trained("a ! b", shortest=1, longest=3).tokens("a !") == [
        "a", "#<", "#a", "#>", "#<a", "#a>", "!", "#<", "#!", "#>", "#<!", "#!>",
    ]  # fmt: skip


def test_an_unseen_word_has_the_ngrams_it_shares() -> None:
    tokens = trained("happy happiness", shortest=4, longest=4).tokens("happily")
    assert tokens == ["[UNK]", "#<hap", "#happ", "#appi", "[UNK]", "[UNK]", "[UNK]"]


def test_a_hash_in_a_text_is_no_ngram() -> None:
    tokenizer = trained("cat #cat", shortest=3, longest=3)
    assert tokenizer.tokens("#cat")[:2] == ["#", "cat"]


def test_the_encoder_is_told_not_to_pair_them() -> None:
    with pytest.raises(RecipeError, match="must not be larger"):
        check_options(ChargramOptions, {"shortest": 5, "longest": 4}, table="tokenizer")
    [component] = [c for c in pegboard.components("tokenizer") if c.name == "chargram"]
    assert component.spec.suggests == {"encoder.ngrams": 1}
