"""The tokenizer `char` against its contract, the `tokenizers` library and itself."""

import csv
import doctest
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard_char import options as options_module
from pegboard_char import tokenizer as tokenizer_module
from pegboard_char.options import CharOptions
from pegboard_char.tokenizer import CharTokenizer

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
    tokenizer = CharTokenizer(CharOptions(**{"min_frequency": 1, **options}))
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
@given(texts=odd_texts, max_length=st.sampled_from([3, 5, 500]), special=SPECIAL)
def test_ids_are_those_of_tokenizer_json(form, lowercase, texts, max_length, special):
    """Encoding each distinct segment once changes nothing, whatever Unicode is in the text and around its spaces."""
    options = {"normalization": form, "lowercase": lowercase, "max_length": max_length, "special_tokens": special}
    tokenizer = trained("a", *texts[::2], **options)
    library = tokenizers.Tokenizer.from_str(tokenizer.backend.to_str())
    assert ids(tokenizer, texts) == [library.encode(text).ids for text in texts]
    assert [tokenizer.tokens(text) for text in texts] == [library.encode(text).tokens for text in texts]
    assert all(len(row) <= max_length for row in ids(tokenizer, texts))


def test_what_is_unknown_is_not_what_the_last_code_point_is():
    tokenizer = trained("a\U0010ffff")
    assert ids(tokenizer, ["b", "\U0010ffff"]) == [[tokenizer.unk_id], [tokenizer.backend.token_to_id("\U0010ffff")]]


@pytest.mark.emotion
@pytest.mark.parametrize("special", ["none", "cls_sep"])
def test_ids_of_the_emotion_data_are_those_of_the_saved_file(special, tmp_path):
    train = emotion("train")
    texts = [*train, *emotion("validation"), *emotion("test")]
    tokenizer = CharTokenizer(CharOptions(special_tokens=special, max_length=40))
    tokenizer.train(train)
    tokenizer.save(tmp_path)
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    expected = [encoding.ids for encoding in library.encode_batch(texts)]
    assert len(expected) == 20_000
    assert ids(tokenizer, texts) == expected
    assert ids(CharTokenizer.load(tmp_path, tokenizer.options), texts) == expected


PRINT_HASH = """
import hashlib, random
from pegboard_char.options import CharOptions
from pegboard_char.tokenizer import CharTokenizer
choice = random.Random(0).choices
texts = [" ".join("".join(choice("abcdeé한", k=5)) for _ in range(8)) for _ in range(400)]  # full of ties
tokenizer = CharTokenizer(CharOptions(vocab_size=300, min_frequency=1, special_tokens="cls_sep"))
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
    assert printed.pop().startswith("13 ")


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
    results = doctest.testmod(module, extraglobs={"CharOptions": CharOptions})
    assert results.attempted
    assert not results.failed


def test_every_character_is_a_token_white_space_too():
    tokenizer = trained("to be\n")
    assert tokenizer.tokens("To\n be z") == ["t", "o", "\n", " ", "b", "e", " ", "[UNK]"]


@settings(deadline=None)
@given(texts=odd_texts, form=st.sampled_from(FORMS))
def test_decoding_gives_the_normalized_text_back(texts, form):
    wanted = [unicodedata.normalize(form.upper(), text) if form != "none" else text for text in texts]
    if not any(wanted):
        return
    tokenizer = trained(*wanted, max_length=500, normalization="none", lowercase=False)
    known = [text for text in wanted if "[" not in text]
    assert [tokenizer.decode(row) for row in ids(tokenizer, known)] == known


def test_decoding_leaves_special_tokens_out_and_unknown_ones_in():
    tokenizer = trained("ab", special_tokens="cls_sep")
    assert tokenizer.decode([*ids(tokenizer, ["abz"])[0], 0, 0]) == "ab[UNK]"


def test_the_most_frequent_characters_are_kept():
    tokenizer = trained("aaabbc", vocab_size=7)
    assert tokenizer.tokens("abc") == ["a", "b", "[UNK]"]
    assert trained("aaabbc", min_frequency=3).tokens("abc") == ["a", "[UNK]", "[UNK]"]


def test_characters_of_many_languages_are_single_tokens():
    text = "한국어中文かな\U0001d15e👩"
    tokenizer = trained(text, normalization="none")
    assert tokenizer.tokens(text) == list(text)


def test_a_long_text_is_cut_at_512_by_default():
    tokenizer = trained("x")
    rows = ids(tokenizer, ["x" * length for length in (511, 512, 513, 1_000_000)])
    assert [len(row) for row in rows] == [511, 512, 512, 512]


def test_transformers_decodes_to_the_same_text(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    tokenizer = trained("to be , or", special_tokens="cls_sep")
    tokenizer.save(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path, trust_remote_code=False)
    [row] = ids(tokenizer, ["to  be , or"])
    assert theirs.decode(row, skip_special_tokens=True) == tokenizer.decode(row) == "to  be , or"
