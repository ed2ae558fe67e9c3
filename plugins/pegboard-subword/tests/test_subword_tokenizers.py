"""The tokenizers `bpe` and `unigram` against the `tokenizers` library and themselves."""

import csv
import doctest
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard import SPECIAL_TOKENS, ArtifactError, RecipeError
from pegboard_subword import bpe, unigram
from pegboard_subword.bpe import BpeTokenizer
from pegboard_subword.options import BpeOptions, UnigramOptions
from pegboard_subword.unigram import UnigramTokenizer
from tokenizers import trainers

EMOTION = Path(__file__).parents[4] / "shared" / "data" / "emotion"

WHITE_SPACE = ["\t", "\n", "\r\n", "\v", "\f", "\u0085", "\u00a0", "\u1680", "\u2003", "\u2028", "\u202f", "\u3000"]
odd_pieces = st.sampled_from(
    [
        *[" ", " ", " ", "  ", "   ", *WHITE_SPACE, "\x00", "\x1c", "\x1f", "\u200b", "\u2060", "\ufeff"],
        *["\u0301", "\u0323", "\u0344", "e\u0301", "a\u0323\u0307", "Å", "\u212b", "´", "\u00a8", "\ufdfa", "\u037a"],
        *["\u1112\u1161\u11ab", "\u1161", "\u11a8", "한국", "か\u3099", "\uff9e", "中文", "\U0001d15e", "हिन्दी"],
        *["👩\u200d👩\u200d👧", "👍🏽", "❤\ufe0f", "\u200d", "\u202eאב", "ﬁ", "½", "²", "٣", "▁", "▁a", "Ġ", "Ċ"],
        *["ΟΔΟΣ", "Σ", "İ", "ß", "don't", "'s", "'S", "l’a", "'", "_", "a", "B", "xyz", "1", "23", ".", "$", "!?"],
        *["[UNK]", "[PAD]", " [CLS] x", "[SEP]", "[MASK]", "[sep]", "［ＰＡＤ］", "[", "]", "<0x0A>"],
    ]
)
odd_texts = st.lists(
    st.lists(st.one_of(odd_pieces, st.text(max_size=3)), max_size=12).map("".join), min_size=1, max_size=8
)
FORMS = ["none", "nfc", "nfd", "nfkc", "nfkd"]
common = st.fixed_dictionaries(
    {
        "normalization": st.sampled_from(FORMS),
        "lowercase": st.booleans(),
        "add_prefix_space": st.booleans(),
        "special_tokens": st.sampled_from(["none", "cls_sep"]),
        "max_length": st.sampled_from([3, 5, 500]),
    }
)


def trained(kind, *texts, **options):
    options = {"min_frequency": 1, **options}
    if kind == "unigram":
        tokenizer = UnigramTokenizer(UnigramOptions(**options))
    else:
        tokenizer = BpeTokenizer(BpeOptions(**options, byte_level=kind == "bytes"))
    tokenizer.train(list(texts))
    return tokenizer


def ids(tokenizer, texts):
    return tokenizer.encode_batch(texts).to_pylist()


def assert_same_as_library(tokenizer, texts):
    library = tokenizers.Tokenizer.from_str(tokenizer.backend.to_str())
    assert ids(tokenizer, texts) == [library.encode(text).ids for text in texts]
    assert [tokenizer.tokens(text) for text in texts] == [
        [library.id_to_token(i) for i in library.encode(text).ids] for text in texts
    ]


def emotion(split):
    file = EMOTION / f"{split}.csv"
    if not file.is_file():
        pytest.skip("the emotion data are not there")
    with file.open(encoding="utf-8", newline="") as stream:
        return [row["text"] for row in csv.DictReader(stream)]


KINDS = ["bytes", "characters", "unigram"]


@pytest.mark.usefixtures("both_loops")
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=80, deadline=None)
@given(texts=odd_texts, options=common)
def test_ids_are_those_of_tokenizer_json(kind, texts, options):
    """Encoding each distinct segment once changes nothing, whatever Unicode is in the text and around its spaces."""
    assert_same_as_library(trained(kind, "a", *texts[::2], **options), texts)


def relearned(tokenizer, texts, folder):
    """The same pipeline with the merges that the library learns from whole texts, also those across our borders."""
    backend = tokenizer.backend
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()) if tokenizer.options.byte_level else []
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=alphabet, show_progress=False
    )
    backend.no_truncation()
    backend.train_from_iterator(texts, trainer)
    backend.enable_truncation(tokenizer.max_length)
    tokenizer.save(folder)
    return BpeTokenizer.load(folder, tokenizer.options)


@pytest.mark.parametrize("kind", ["bytes", "characters"])
@settings(max_examples=60, deadline=None)
@given(texts=odd_texts, options=common)
def test_no_merge_that_could_be_learned_reaches_across_a_border(kind, texts, options, tmp_path_factory):
    tokenizer = relearned(trained(kind, "a", **options), texts, tmp_path_factory.mktemp("relearned"))
    assert_same_as_library(tokenizer, texts)


@pytest.mark.parametrize("space", WHITE_SPACE)
@pytest.mark.parametrize("after", ["", " ", "  ", "b", " b", "  b", " \t b", "\t b", " [SEP]", "[SEP] b"])
def test_white_space_before_a_space_stays_with_it(space, after, tmp_path):
    texts = [f"a{space}{after}", f"{space}{after}", f"a {space}{after}", f"a{space} {after}"]
    assert_same_as_library(relearned(trained("bytes", "a", max_length=50), texts * 3, tmp_path), texts)


@pytest.mark.emotion
@pytest.mark.parametrize("kind", KINDS)
def test_ids_of_the_emotion_data_are_those_of_the_saved_file(kind, tmp_path):
    train = emotion("train")
    texts = [*train, *emotion("validation"), *emotion("test")]
    tokenizer = trained(kind, *train, min_frequency=2, special_tokens="cls_sep", max_length=40)
    assert tokenizer.vocab_size > 7900
    tokenizer.save(tmp_path)
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    expected = [encoding.ids for encoding in library.encode_batch(texts)]
    assert len(expected) == 20_000
    assert ids(tokenizer, texts) == expected
    assert ids(type(tokenizer).load(tmp_path, tokenizer.options), texts) == expected


PRINT_HASH = """
import hashlib, random, sys
from pegboard_subword.options import BpeOptions, UnigramOptions
from pegboard_subword.bpe import BpeTokenizer
from pegboard_subword.unigram import UnigramTokenizer
choice = random.Random(0).choices
texts = [" ".join("".join(choice("abcdeé한", k=5)) for _ in range(8)) for _ in range(400)]  # full of ties
texts = texts[:: int(sys.argv[1])]
for tokenizer in [
    BpeTokenizer(BpeOptions(vocab_size=400, min_frequency=1)),
    BpeTokenizer(BpeOptions(vocab_size=300, min_frequency=1, byte_level=False)),
    UnigramTokenizer(UnigramOptions(vocab_size=300, min_frequency=1)),
]:
    tokenizer.train(texts)
    print(tokenizer.vocab_size, hashlib.sha256(tokenizer.backend.to_str(pretty=True).encode()).hexdigest())
"""


def test_every_process_learns_the_same_vocabulary_in_any_order():
    printed = set()
    for hash_seed, threads, order in [("0", "1", "1"), ("1", "2", "-1"), ("2", "5", "1"), ("3", "1", "1")]:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "RAYON_NUM_THREADS": threads}
        command = [sys.executable, "-c", PRINT_HASH, order]
        printed.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(printed) == 1
    assert [line.split()[0] for line in printed.pop().splitlines()] == ["400", "300", "300"]


@pytest.mark.parametrize("kind", ["bytes", "characters"])
def test_merges_depend_on_shares_not_on_counts(kind):
    texts = ["so it goes", "so it went", "as so often"]
    once, often = trained(kind, *texts), trained(kind, *texts * 5)
    assert once.backend.to_str() == often.backend.to_str()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("special", ["none", "cls_sep"])
def test_transformers_opens_what_is_saved(kind, special, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    texts = ["To be, or not to be?", " e\u0301 한 don't [MASK]", "", "\u00a0to\nbe 😀", "  two  spaces "]
    tokenizer = trained(kind, *texts, max_length=12, special_tokens=special)
    tokenizer.save(tmp_path)
    for loader in (transformers.AutoTokenizer, transformers.PreTrainedTokenizerFast):
        theirs = loader.from_pretrained(tmp_path, trust_remote_code=False)
        assert [theirs(text, truncation=True)["input_ids"] for text in texts] == ids(tokenizer, texts)
        assert (theirs.pad_token_id, theirs.unk_token_id, theirs.model_max_length) == (0, 1, 12)


@settings(max_examples=60, deadline=None)
@given(texts=odd_texts, form=st.sampled_from(FORMS), lowercase=st.booleans())
def test_bytes_without_prefix_space_lose_nothing(texts, form, lowercase):
    tokenizer = trained("bytes", "a b", add_prefix_space=False, normalization=form, lowercase=lowercase, max_length=900)
    assert tokenizer.lossless
    normal = tokenizer.backend.normalizer
    for text, row in zip(texts, ids(tokenizer, texts), strict=True):
        if not any(token in text for token in SPECIAL_TOKENS):
            assert tokenizer.decode(row) == (normal.normalize_str(text) if normal is not None else text)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prefix", [True, False])
def test_known_text_is_decoded_exactly(kind, prefix):
    texts = ["A b,  c\td\n\n(e) don't", "한국 e\u0301 😀", "a  b ", "x"]
    tokenizer = trained(kind, *texts, add_prefix_space=prefix, lowercase=False)
    normal = [unicodedata.normalize("NFC", text) for text in texts]
    assert [tokenizer.decode(row) for row in ids(tokenizer, texts)] == normal
    assert tokenizer.lossless is (kind == "bytes" and not prefix)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_word_is_the_same_token_as_elsewhere(kind):
    texts = ["low low low low", "low"]
    assert len(set(trained(kind, *texts).tokens("low low"))) == 1
    assert len(set(trained(kind, *texts, add_prefix_space=False).tokens("low low"))) == 2


@pytest.mark.parametrize("kind", ["characters", "unigram"])
def test_what_is_unknown_is_one_token(kind):
    tokenizer = trained(kind, "to be or not to be")
    assert tokenizer.tokens("to ꙮꙮ be") == ["▁to", "▁", "[UNK]", "▁be"]
    assert tokenizer.decode(ids(tokenizer, ["to ꙮꙮ be"])[0]) == "to [UNK] be"


def test_over_bytes_nothing_is_unknown():
    tokenizer = trained("bytes", "a")
    assert tokenizer.unk_id not in ids(tokenizer, ["".join(map(chr, range(1, 3000))) + "😀"])[0]


@pytest.mark.parametrize("kind", ["characters", "unigram"])
def test_letters_digits_and_signs_are_not_joined(kind):
    tokenizer = trained(kind, *['say "ab12"! हिन्दी\n'] * 9)
    assert tokenizer.tokens('say "ab12"! हिन्दी\n') == ["▁say", '▁"', "ab", "12", '"!', "▁हिन्दी", "\n"]


def test_pieces_have_a_greatest_length():
    tokenizer = trained("unigram", *["unbelievable"] * 9, max_piece_length=3)
    assert max(map(len, tokenizer.tokens("unbelievable"))) == 3


def test_a_vocabulary_must_hold_all_bytes():
    with pytest.raises(RecipeError, match="less than the 256 bytes") as caught:
        BpeOptions(vocab_size=260)
    assert "byte_level=false" in str(caught.value)
    assert trained("bytes", "so so", vocab_size=261).vocab_size == 261
    assert trained("characters", "so so", vocab_size=7).vocab_size == 7


DAMAGES = {
    "bytes": [
        lambda model: model["vocab"].pop("a"),
        lambda model: model["vocab"].update(a=0),
        lambda model: model.update(merges=None),
        lambda model: model["merges"].append(["a"]),
        lambda model: model["merges"].append(["a", 1]),
        lambda model: model["merges"].append(["a", "zzz"]),
        lambda model: model["merges"].insert(0, ["Ġ", "Ġ"]),
        lambda model: model.update(byte_fallback=True),
        lambda model: model.update(dropout=0.5),
        lambda model: model.clear(),
    ],
    "unigram": [
        lambda model: model.update(vocab={}),
        lambda model: model["vocab"].pop(0),
        lambda model: model["vocab"].append(["a", -1.0]),
        lambda model: model["vocab"].append(["new", 1]),
        lambda model: model["vocab"].append(["new", float("nan")]),
        lambda model: model["vocab"].append(["new", True]),
        lambda model: model["vocab"].append("new"),
        lambda model: model["vocab"].append(["\ud800", -1.0]),
        lambda model: model.update(unk_id=3),
        lambda model: model.clear(),
    ],
}


@pytest.mark.parametrize(("kind", "number"), [(kind, n) for kind in DAMAGES for n in range(10)])
def test_a_damaged_model_is_refused(kind, number, tmp_path):
    tokenizer = trained(kind, "say a b c")
    tokenizer.save(tmp_path)
    file = tmp_path / "tokenizer.json"
    document = json.loads(file.read_text())
    DAMAGES[kind][number](document["model"])
    file.write_text(json.dumps(document))
    with pytest.raises(ArtifactError) as caught:
        type(tokenizer).load(tmp_path, tokenizer.options)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("module", [bpe, unigram])
def test_the_examples_in_the_docstrings_are_true(module):
    results = doctest.testmod(module, extraglobs={"BpeOptions": BpeOptions, "UnigramOptions": UnigramOptions})
    assert results.attempted
    assert not results.failed


def test_their_defaults():
    assert (BpeOptions().vocab_size, BpeOptions().min_frequency, BpeOptions().byte_level) == (8000, 2, True)
    assert (UnigramOptions().vocab_size, UnigramOptions().max_piece_length) == (8000, 16)


def test_a_saved_piece_that_is_longer_than_allowed_is_refused(tmp_path):
    """The time to cut a word grows with the longest piece."""
    tokenizer = UnigramTokenizer(UnigramOptions(min_frequency=1, vocab_size=40))
    tokenizer.train(["low lower low slow"])
    tokenizer.save(tmp_path)
    document = json.loads((tmp_path / "tokenizer.json").read_text())
    document["model"]["vocab"].append(["x" * 17, -3.5])
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match="has a piece of 17 characters"):
        UnigramTokenizer.load(tmp_path, tokenizer.options)
