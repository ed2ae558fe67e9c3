"""The tokenizer `word` against its contract, the `tokenizers` library and itself."""

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
from pegboard import DataError
from pegboard_word import options as options_module
from pegboard_word import pegboard_tokenizers
from pegboard_word import tokenizer as tokenizer_module
from pegboard_word.options import WordOptions
from pegboard_word.tokenizer import WordTokenizer

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
PUNCTUATION = st.sampled_from(["keep", "drop"])


def trained(*texts, **options):
    tokenizer = WordTokenizer(WordOptions(**{"min_frequency": 1, **options}))
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
@given(texts=odd_texts, max_length=st.sampled_from([3, 5, 500]), special=SPECIAL, punctuation=PUNCTUATION)
def test_ids_are_those_of_tokenizer_json(form, lowercase, texts, max_length, special, punctuation):
    """Encoding each distinct segment once changes nothing, whatever Unicode is in the text and around its spaces."""
    options = {"normalization": form, "lowercase": lowercase, "max_length": max_length, "special_tokens": special}
    tokenizer = trained("a", *texts[::2], **options, punctuation=punctuation)
    library = tokenizers.Tokenizer.from_str(tokenizer.backend.to_str())
    assert ids(tokenizer, texts) == [library.encode(text).ids for text in texts]
    assert [tokenizer.tokens(text) for text in texts] == [library.encode(text).tokens for text in texts]
    assert all(len(row) <= max_length for row in ids(tokenizer, texts))


@pytest.mark.emotion
@pytest.mark.parametrize("special", ["none", "cls_sep"])
def test_ids_of_the_emotion_data_are_those_of_the_saved_file(special, tmp_path):
    train = emotion("train")
    texts = [*train, *emotion("validation"), *emotion("test")]
    tokenizer = WordTokenizer(WordOptions(special_tokens=special, max_length=40))
    tokenizer.train(train)
    tokenizer.save(tmp_path)
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    expected = [encoding.ids for encoding in library.encode_batch(texts)]
    assert len(expected) == 20_000
    assert ids(tokenizer, texts) == expected
    assert ids(WordTokenizer.load(tmp_path, tokenizer.options), texts) == expected


PRINT_HASH = """
import hashlib, random
from pegboard_word.options import WordOptions
from pegboard_word.tokenizer import WordTokenizer
choice = random.Random(0).choices
texts = [" ".join("".join(choice("abcdeé한", k=5)) for _ in range(8)) for _ in range(400)]  # full of ties
tokenizer = WordTokenizer(WordOptions(vocab_size=300, min_frequency=1, special_tokens="cls_sep"))
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
    results = doctest.testmod(module, extraglobs={"WordOptions": WordOptions})
    assert results.attempted
    assert not results.failed


@pytest.mark.parametrize(
    ("text", "kept", "dropped"),
    [
        ("I don't know, do you?", ["i", "don't", "know", ",", "do", "you", "?"], ["i", "don't", "know", "do", "you"]),
        ("l’amour 'quoted' o'n'e", ["l’amour", "'", "quoted", "'", "o'n'e"], ["l’amour", "quoted", "o'n'e"]),
        ("so...\twell!!", ["so", ".", ".", ".", "well", "!", "!"], ["so", "well"]),
        ("happy😊 👍🏽 $5", ["happy", "😊", "👍", "🏽", "$", "5"], ["happy", "😊", "👍", "🏽", "$", "5"]),
        ("e\u0301te\u0301 a_b 한국어", ["été", "a_b", "한국어"], ["été", "a_b", "한국어"]),
        ("می\u200cخواهم «x»", ["می\u200cخواهم", "«", "x", "»"], ["می\u200cخواهم", "x"]),
        ("a\u00a0b\u3000c", ["a", "b", "c"], ["a", "b", "c"]),
        ("[x] #tag @me", ["[", "x", "]", "#", "tag", "@", "me"], ["x", "tag", "me"]),
    ],
)
def test_words_and_marks(text, kept, dropped):
    assert trained(text).tokens(text) == kept
    assert trained(text, punctuation="drop").tokens(text) == dropped


def test_a_word_needs_to_occur_twice_by_default():
    tokenizer = WordTokenizer(WordOptions())
    tokenizer.train(["to be", "to do"])
    assert tokenizer.tokens("to be do") == ["to", "[UNK]", "[UNK]"]


def test_decoding_joins_with_spaces():
    tokenizer = trained("To be, or", special_tokens="cls_sep")
    assert tokenizer.decode([*ids(tokenizer, ["to be, or not"])[0], 0]) == "to be , or [UNK]"


def test_a_word_that_is_cut_by_a_special_token():
    tokenizer = trained("to be")
    assert ids(tokenizer, ["to[SEP]be", "[PAD]"]) == [[tokenizer.backend.token_to_id("to"), 3, 5], [0]]


def test_nothing_but_punctuation_is_no_vocabulary():
    with pytest.raises(DataError, match="no vocabulary"):
        trained("?! ...", punctuation="drop")


def test_it_is_the_default_tokenizer():
    [spec] = pegboard_tokenizers()
    assert spec.default
