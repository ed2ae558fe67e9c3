"""The tokenizer `wordpiece` against its contract, the `tokenizers` library and itself."""

import csv
import doctest
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard_wordpiece import options as options_module
from pegboard_wordpiece import tokenizer as tokenizer_module
from pegboard_wordpiece.options import WordPieceOptions
from pegboard_wordpiece.tokenizer import WordPieceTokenizer

EMOTION = Path(__file__).parents[4] / "shared" / "data" / "emotion"

odd_pieces = st.sampled_from(
    [
        *["", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2028", "\u0085", "\x00", "\x1f", "\ufeff"],
        *["\u0301", "\u0323", "\u0344", "e\u0301", "a\u0323\u0307", "Å", "\u212b", "´", "\u00a8", "\ufdfa"],
        *["\u1112\u1161\u11ab", "\u1161", "\u11a8", "한국", "か\u3099", "\uff9e", "中文", "\U0001d15e"],
        *["\U00011099\U000110ba", "👩\u200d👩\u200d👧", "👍🏽", "\u200d", "\u200c", "\u202eאב", "ﬁ", "½", "²"],
        *["ΟΔΟΣ", "Σ", "İ", "ß", "don't", "l’a", "'", "_", "##a", "#", "a", "B", "xyz", "1", ".", "$"],
        *["[UNK]", "[PAD]", "[CLS] x", "[SEP]", "[MASK]", "[", "]"],
    ]
)
odd_texts = st.lists(
    st.lists(st.one_of(odd_pieces, st.text(max_size=3)), max_size=10).map("".join), min_size=1, max_size=8
)
FORMS = ["none", "nfc", "nfd", "nfkc", "nfkd"]
SPECIAL = st.sampled_from(["none", "cls_sep"])


def trained(*texts, **options):
    tokenizer = WordPieceTokenizer(WordPieceOptions(**{"min_frequency": 1, **options}))
    tokenizer.train(list(texts))
    return tokenizer


def ids(tokenizer, texts):
    return tokenizer.encode_batch(texts).to_pylist()


def emotion(split):
    file = EMOTION / f"{split}.csv"
    if not file.is_file():
        pytest.skip("the emotion data are not there")
    with file.open(encoding="utf-8", newline="") as stream:
        return [row["text"] for row in csv.DictReader(stream)]


@pytest.mark.usefixtures("both_loops")
@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25, deadline=None)
@given(texts=odd_texts, max_length=st.sampled_from([3, 5, 500]), special=SPECIAL, strip_accents=st.booleans())
def test_ids_are_those_of_tokenizer_json(form, lowercase, texts, max_length, special, strip_accents):
    """Encoding each distinct segment once changes nothing, whatever Unicode is in the text and around its spaces."""
    options = {"normalization": form, "lowercase": lowercase, "max_length": max_length, "special_tokens": special}
    tokenizer = trained("a", *texts[::2], **options, strip_accents=strip_accents)
    library = tokenizers.Tokenizer.from_str(tokenizer.backend.to_str())
    assert ids(tokenizer, texts) == [library.encode(text).ids for text in texts]
    assert [tokenizer.tokens(text) for text in texts] == [library.encode(text).tokens for text in texts]
    assert all(len(row) <= max_length for row in ids(tokenizer, texts))


@pytest.mark.emotion
@pytest.mark.parametrize("special", ["none", "cls_sep"])
def test_ids_of_the_emotion_data_are_those_of_the_saved_file(special, tmp_path):
    train = emotion("train")
    texts = [*train, *emotion("validation"), *emotion("test")]
    tokenizer = WordPieceTokenizer(WordPieceOptions(special_tokens=special, max_length=40))
    tokenizer.train(train)
    tokenizer.save(tmp_path)
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    expected = [encoding.ids for encoding in library.encode_batch(texts)]
    assert len(expected) == 20_000
    assert ids(tokenizer, texts) == expected
    assert ids(WordPieceTokenizer.load(tmp_path, tokenizer.options), texts) == expected


PRINT_HASH = """
import hashlib, random
from pegboard_wordpiece.options import WordPieceOptions
from pegboard_wordpiece.tokenizer import WordPieceTokenizer
choice = random.Random(0).choices
texts = [" ".join("".join(choice("abcdeé한", k=5)) for _ in range(8)) for _ in range(400)]  # full of ties
tokenizer = WordPieceTokenizer(WordPieceOptions(vocab_size=300, min_frequency=1, special_tokens="cls_sep"))
tokenizer.train(texts)
print(tokenizer.vocab_size, hashlib.sha256(tokenizer.backend.to_str(pretty=True).encode()).hexdigest())
"""


def test_every_process_learns_the_same_vocabulary():
    printed = set()
    for hash_seed, threads in [("0", "1"), ("1", "2"), ("2", "5"), ("3", "1")]:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "RAYON_NUM_THREADS": threads}
        command = [sys.executable, "-c", PRINT_HASH]
        printed.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(printed) == 1
    assert printed.pop().startswith("300 ")


@pytest.mark.parametrize("special", ["none", "cls_sep"])
def test_transformers_opens_what_is_saved(special, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    texts = ["To be, or not to be?", " e\u0301 한 don't [MASK]", "", "\u00a0to\nbe 😀"]
    tokenizer = trained(*texts, max_length=12, special_tokens=special)
    tokenizer.save(tmp_path)
    for loader in (transformers.AutoTokenizer, transformers.PreTrainedTokenizerFast):
        theirs = loader.from_pretrained(tmp_path, trust_remote_code=False)
        assert [theirs(text, truncation=True)["input_ids"] for text in texts] == ids(tokenizer, texts)
        assert (theirs.pad_token_id, theirs.unk_token_id, theirs.model_max_length) == (0, 1, 12)
        batch = theirs(texts, truncation=True, padding=True)
        assert {len(row) for row in batch["input_ids"]} == {max(map(len, ids(tokenizer, texts)))}


@pytest.mark.parametrize("module", [options_module, tokenizer_module], ids=lambda module: module.__name__)
def test_the_examples_in_the_docstrings_are_true(module):
    results = doctest.testmod(module, extraglobs={"WordPieceOptions": WordPieceOptions})
    assert results.attempted
    assert not results.failed


def test_words_are_cut_into_the_longest_pieces():
    tokenizer = trained("low low low lower slow")
    assert tokenizer.tokens("Lower slow") == ["lower", "slow"]
    assert trained("low low low lower slow", vocab_size=15).tokens("lower slow") == ["low", "##er", "s", "##l", "##ow"]


def test_a_word_with_an_unknown_character_is_unknown_as_a_whole():
    assert trained("low lower").tokens("low lowz zlow, lower") == ["low", "[UNK]", "[UNK]", "[UNK]", "lower"]


@pytest.mark.parametrize(
    ("text", "options", "tokens"),
    [
        ("Don't", {}, ["don", "'", "t"]),
        ("中文字 abc", {}, ["中", "文", "字", "abc"]),
        ("a\x00b\u00adc", {}, ["abc"]),
        ("Éé e\u0301", {}, ["éé", "é"]),
        ("Éé e\u0301", {"strip_accents": True}, ["ee", "e"]),
        ("Éé", {"strip_accents": True, "lowercase": False}, ["Ee"]),
        ("abcd abc", {"max_word_length": 3}, ["[UNK]", "abc"]),
    ],
)
def test_normalizing_and_splitting(text, options, tokens):
    assert trained(*[text] * 3, "abc", **options).tokens(text) == tokens


def test_decoding_joins_the_pieces_of_a_word():
    tokenizer = trained("low low low lower slow, do not", vocab_size=25, special_tokens="cls_sep")
    [row] = ids(tokenizer, ["slower, do not 😀"])
    assert tokenizer.tokens("slower")[1:-1] == ["slow", "##er"]
    assert tokenizer.decode([*row, 0]) == "slower , do not [UNK]"


def test_its_defaults():
    options = WordPieceOptions()
    assert (options.vocab_size, options.min_frequency, options.strip_accents) == (8000, 2, False)


def test_words_can_not_be_of_any_length():
    """The time for a word grows with the square of its length."""
    assert WordPieceOptions(max_word_length=1000).max_word_length == 1000
    with pytest.raises(ValueError, match="less than or equal to 1000"):
        WordPieceOptions(max_word_length=1001)
