"""Any `tokenizer.json` gives the library's ids, however it is cut; one that would do harm is refused."""

from __future__ import annotations

import base64
import json
import random
import re
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard import SPECIAL_TOKENS, ArtifactError, LibraryTokenizer, RecipeError
from pegboard.testing import TokenizerConformance
from pegboard.testing.texts import TRAINING_TEXTS
from pegboard_bert.cuts import Cuts, where_to_cut
from pegboard_bert.options import PretrainedOptions
from pegboard_bert.patterns import _GPT_PATTERNS, check_pattern
from pegboard_bert.tokenizer import PretrainedTokenizer
from pegboard_bert.tokenizer_json import read_tokenizer_json
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers

GPT2 = next(pattern for pattern in _GPT_PATTERNS if pattern.startswith("'s"))
GPT4O = next(pattern for pattern in _GPT_PATTERNS if r"\p{Lu}" in pattern)
GPT4, QWEN = sorted(_GPT_PATTERNS - {GPT2, GPT4O}, key=len, reverse=True)

odd_pieces = st.sampled_from(
    [
        *[" ", " ", " ", "  ", "   ", "\t", "\n", "\r\n", "\v", "\u0085", "\u00a0", "\u2003", "\u2028", "\u3000"],
        *["\x00", "\x1c", "\u200b", "\ufeff", "\u0301", "e\u0301", "´", "\u00a8", "\ufdfa", "\u1112\u1161\u11ab"],
        *[
            "한국",
            "中文",
            "か\u3099",
            "👩\u200d👧",
            "👍🏽",
            "ﬁ",
            "½",
            "٣",
            "▁",
            "▁a",
            "Ġ",
            "ΟΔΟΣ",
            "İ",
            "ß",
            "don't",
            "'S",
        ],
        *[
            "_",
            "a",
            "B",
            "xyz",
            "1",
            "234",
            ".",
            "!?",
            "<m>",
            " <m>",
            "<m> ",
            "<l>",
            "<r>",
            "<w>",
            "<n>",
            "<N>",
            "A<n>",
        ],
    ]
)
odd_texts = st.lists(
    st.lists(st.one_of(odd_pieces, st.text(max_size=3)), max_size=12).map("".join), min_size=1, max_size=6
)


def split(pattern: str, behavior: str = "isolated", *, invert: bool = False) -> Any:
    return pre_tokenizers.Split(Regex(pattern), behavior, invert=invert)


AFTER, BEFORE, WORDS, WHOLE = Cuts(True), Cuts(True, True), Cuts(True, False, True), Cuts()
SPACED_WORDS = Cuts(True, True, True)
Sequence = pre_tokenizers.Sequence
DIGITS = pre_tokenizers.Digits()
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
PIPELINES: dict[str, tuple[Any, Any, Cuts]] = {
    "bert": (normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(), WORDS),
    "whitespace": (normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]), "Whitespace", WORDS),
    "split": (None, "WhitespaceSplit", WORDS),
    "delimiter": (None, pre_tokenizers.CharDelimiterSplit(" "), WORDS),
    "digits first": (None, Sequence([pre_tokenizers.Digits(True), pre_tokenizers.WhitespaceSplit()]), WORDS),
    "signs then digits": (
        normalizers.NFKC(),
        Sequence(
            [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Digits()]
        ),
        WORDS,
    ),
    "t5": (normalizers.NFKC(), Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]), AFTER),
    "split and bytes": (None, Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel()]), AFTER),
    "gpt2": (None, pre_tokenizers.ByteLevel(add_prefix_space=False), SPACED_WORDS),
    "roberta": (normalizers.NFKC(), pre_tokenizers.ByteLevel(add_prefix_space=True), SPACED_WORDS),
    "lower": (
        normalizers.Sequence([normalizers.NFKD(), normalizers.Lowercase()]),
        pre_tokenizers.ByteLevel(),
        SPACED_WORDS,
    ),
    "starcoder": (None, Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel()]), BEFORE),
    "falcon": (
        None,
        Sequence(
            [
                pre_tokenizers.Punctuation("contiguous"),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
                pre_tokenizers.Digits(),
                split("[0-9][0-9][0-9]"),
            ]
        ),
        BEFORE,
    ),
    "gpt2 split": (None, Sequence([split(GPT2), BYTES]), BEFORE),
    "llama3": (None, Sequence([split(GPT4), BYTES]), BEFORE),
    "gpt4": (None, Sequence([split(GPT4, "removed", invert=True), BYTES]), BEFORE),
    "qwen": (normalizers.NFC(), Sequence([split(QWEN), BYTES]), BEFORE),
    "gpt4o": (None, Sequence([split(GPT4O), BYTES]), BEFORE),
    "always": (normalizers.NFKC(), pre_tokenizers.Metaspace(prepend_scheme="always"), SPACED_WORDS),
    "first": (None, pre_tokenizers.Metaspace(prepend_scheme="first"), SPACED_WORDS),
    "never": (normalizers.NFD(), pre_tokenizers.Metaspace(prepend_scheme="never"), SPACED_WORDS),
    "digits, first": (
        None,
        Sequence([DIGITS, pre_tokenizers.Metaspace(prepend_scheme="first")]),
        BEFORE,
    ),
    # To these a space is no border that can be told from the outside.
    "nothing": (None, None, WHOLE),
    "one word": (None, pre_tokenizers.Metaspace(split=False), WHOLE),
    "all bytes": (None, BYTES, WHOLE),
    "no spaces": (normalizers.Replace(" ", ""), "Whitespace", WHOLE),
    "llama2": (normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None, WHOLE),
    "prepended": (normalizers.Prepend("x"), "Whitespace", WHOLE),
    "stripped": (normalizers.Strip(), pre_tokenizers.ByteLevel(), WHOLE),
    "accents": (normalizers.StripAccents(), pre_tokenizers.ByteLevel(), WHOLE),
    "bert's and bytes": (normalizers.BertNormalizer(), pre_tokenizers.ByteLevel(), WHOLE),
    "first word": (
        None,
        Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="first")]),
        WHOLE,
    ),
    "joined signs": (None, Sequence([pre_tokenizers.Punctuation("merged_with_next"), BYTES]), WHOLE),
    "own pattern": (None, Sequence([split(r"\s?\S+\s?"), BYTES]), WHOLE),
    "signs alone": (None, pre_tokenizers.Punctuation(), WHOLE),
    "two characters": (None, pre_tokenizers.FixedLength(2), WHOLE),
}
WITH_BORDERS = {
    *("bert", "whitespace", "signs then digits", "gpt2", "roberta", "lower", "starcoder", "falcon"),
    *("gpt2 split", "llama3", "gpt4", "qwen", "gpt4o"),
}
ADDED = [
    AddedToken("<m>", lstrip=True, special=True),
    AddedToken("<l>", lstrip=True, normalized=True),
    AddedToken("<w>", single_word=True),
    AddedToken("<n>", normalized=True),
]


MODELS = {
    "BPE": (models.BPE, trainers.BpeTrainer),
    "Unigram": (models.Unigram, trainers.UnigramTrainer),
    "WordPiece": (models.WordPiece, trainers.WordPieceTrainer),
    "WordLevel": (models.WordLevel, trainers.WordLevelTrainer),
}


def learned(name: str, texts: list[str], model: str = "BPE") -> tokenizers.Tokenizer:
    """A pipeline with a model that the library learned from whole texts, so that pieces may lie across any border."""
    normalizer, splitter, _ = PIPELINES[name]
    kind, trainer = MODELS[model]
    of_unigram = {"unk_token": "[UNK]"} if model == "Unigram" else {}
    backend = tokenizers.Tokenizer(kind() if of_unigram else kind(unk_token="[UNK]"))
    if normalizer is not None:
        backend.normalizer = normalizer
    if splitter is not None:
        backend.pre_tokenizer = getattr(pre_tokenizers, splitter)() if isinstance(splitter, str) else splitter
    settings = {"vocab_size": 900, "special_tokens": list(SPECIAL_TOKENS), "show_progress": False, **of_unigram}
    backend.train_from_iterator([*texts, "a b c"], trainer(**settings))
    return backend


def pretrained(backend: tokenizers.Tokenizer, folder: Path, max_length: int = 50) -> PretrainedTokenizer:
    backend.save(str(folder / "any.json"))
    return PretrainedTokenizer(PretrainedOptions(pretrained=str(folder / "any.json"), max_length=max_length))


def assert_same_ids(tokenizer: PretrainedTokenizer, backend: tokenizers.Tokenizer, texts: list[str]) -> None:
    backend.enable_truncation(tokenizer.max_length)
    assert tokenizer.encode_batch(texts).to_pylist() == [encoding.ids for encoding in backend.encode_batch(texts)]


@pytest.mark.parametrize("name", PIPELINES)
@settings(max_examples=50, deadline=None)
@given(texts=odd_texts, added=st.lists(st.sampled_from(range(len(ADDED))), unique=True))
def test_ids_are_those_of_the_library(name: str, texts: list[str], added: list[int], tmp_path_factory) -> None:
    backend = learned(name, texts)
    if added and added[0] % 2:
        backend.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP] [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    backend.add_tokens([ADDED[i] for i in added])
    tokenizer = pretrained(backend, tmp_path_factory.mktemp("any"))
    cuts = (tokenizer.context_free, tokenizer.space_first, tokenizer.ascii_words)
    takes_spaces = name == "delimiter" and any(ADDED[i].lstrip for i in added)
    assert cuts == tuple(WHOLE if takes_spaces else PIPELINES[name][2])[:3]
    assert_same_ids(tokenizer, backend, texts)


@pytest.mark.parametrize("name", PIPELINES)
@settings(max_examples=25, deadline=None)
@given(texts=odd_texts, added=st.lists(st.sampled_from(range(len(ADDED))), unique=True))
def test_a_text_may_end_at_its_borders(name: str, texts: list[str], added: list[int], tmp_path_factory) -> None:
    texts = [*texts, "字，字。A.b!?c,d", "don't, 's. e\u0301. ⑴.a)", "<w>.<n>,<m> <l>)"]
    backend = learned(name, texts)
    backend.add_tokens([ADDED[i] for i in added])
    border = pretrained(backend, tmp_path_factory.mktemp("any")).border
    assert bool(border) == (name in WITH_BORDERS)
    for text in texts if border else ():
        whole = backend.encode(text).ids
        for match in re.finditer(border, text):
            beginning = backend.encode(text[: match.start()]).ids
            assert beginning == whole[: len(beginning)], (text[: match.start()], text[match.start() :])


@pytest.mark.parametrize("name", [name for name, (_, _, cuts) in PIPELINES.items() if cuts != WHOLE])
@settings(max_examples=25, deadline=None)
@given(
    texts=odd_texts, added=st.lists(st.sampled_from(range(len(ADDED))), unique=True), size=st.sampled_from([2, 7, 20])
)
def test_a_text_may_start_at_its_borders(
    name: str, texts: list[str], added: list[int], size: int, tmp_path_factory
) -> None:
    """Of a long text only the end is encoded, though some of these put a space before every text."""
    texts = ["".join(texts), "字，字。A.b!?c,d", "don't, 's. e\u0301. ⑴.a)", "<w>.<n>,<m> <l>) a b"]
    backend = learned(name, texts)
    backend.add_tokens([ADDED[i] for i in added])
    file = tmp_path_factory.mktemp("any") / "any.json"
    backend.save(str(file))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pegboard.text.encoding._LONG_BYTES", size)
        tokenizer = PretrainedTokenizer(PretrainedOptions(pretrained=str(file), max_length=4, long_texts="tail"))
        ids = [tokenizer.encode_batch([text])[0].as_py() for text in texts]
    assert ids == [backend.encode(text).ids[-4:] for text in texts]


def test_no_border_lies_within_an_added_token(tmp_path: Path) -> None:
    backend = learned("gpt2", TRAINING_TEXTS)
    backend.add_tokens(["U.S."])
    assert not pretrained(backend, tmp_path).border


def test_the_rest_of_a_word_that_is_too_long_is_not_looked_at(tmp_path: Path) -> None:
    backend = learned("bert", TRAINING_TEXTS)
    tokenizer = pretrained(backend, tmp_path)
    texts = [f"the {'día' * 100_000}! fox", f"{'x' * 500_000} fox", "the fox"]
    assert [row[:9] for row in tokenizer.encode_batch(texts).to_pylist()] == [
        backend.encode(text).ids[:9] for text in texts
    ]
    backend.add_tokens(["a"])
    assert not pretrained(backend, tmp_path).letters


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["bert", "gpt2", "first", "llama2"])
def test_every_model_works(name: str, model: str, tmp_path: Path) -> None:
    backend = learned(name, TRAINING_TEXTS[:20], model)
    tokenizer = pretrained(backend, tmp_path)
    assert_same_ids(tokenizer, backend, TRAINING_TEXTS)
    assert tokenizer.unk_id == 1
    assert tokenizer.tokens("a") == backend.encode("a").tokens


@pytest.mark.parametrize(
    ("token", "context_free"),
    [
        (AddedToken("a b"), False),
        (AddedToken("\n"), False),
        (AddedToken("a\u00a0b", normalized=True), False),
        (AddedToken("<r>", rstrip=True), False),
        (AddedToken("<m>", lstrip=True, single_word=True), True),
    ],
)
def test_added_tokens_that_take_white_space(token: AddedToken, context_free: bool, tmp_path: Path) -> None:
    texts = ["x a b y", "a\u00a0b", "x\n  b", "<r>  b", "b <r> a", "x  <m>  b", "a  b<m>"]
    backend = learned("roberta", texts)
    backend.add_tokens([token])
    tokenizer = pretrained(backend, tmp_path)
    assert tokenizer.context_free is context_free
    assert_same_ids(tokenizer, backend, texts)


@pytest.mark.parametrize("token", [AddedToken("<r>", rstrip=True), AddedToken("<m>", lstrip=True)])
def test_tokens_that_take_white_space_leave_words_alone(token: AddedToken, tmp_path: Path) -> None:
    texts = ["<r>  b", "b <r> a", "x  <m>  b", "a  b<m>c", "<r> <m> a"]
    backend = learned("bert", texts)
    backend.add_special_tokens([token])
    tokenizer = pretrained(backend, tmp_path)
    assert tokenizer.context_free
    assert_same_ids(tokenizer, backend, texts)


def test_a_single_file_or_its_folder(tmp_path: Path) -> None:
    backend = learned("gpt2", TRAINING_TEXTS)
    backend.save(str(tmp_path / "tokenizer.json"))
    for reference in (tmp_path, tmp_path / "tokenizer.json"):
        tokenizer = PretrainedTokenizer(PretrainedOptions(pretrained=str(reference), max_length=50))
        assert_same_ids(tokenizer, backend, TRAINING_TEXTS)
    with pytest.raises(RecipeError, match="on this machine"):
        PretrainedTokenizer(PretrainedOptions(pretrained=str(tmp_path / "tokenizer.json"), revision="main"))
    with pytest.raises(RecipeError, match="there is no"):
        PretrainedTokenizer(PretrainedOptions(pretrained=str(tmp_path / "no.json")))


def test_a_file_of_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = learned("gpt2", TRAINING_TEXTS)
    (tmp_path / "carries_one/data").mkdir(parents=True)
    (tmp_path / "carries_one/__init__.py").write_text("raise RuntimeError('it was imported')")
    backend.save(str(tmp_path / "carries_one/data/small.json"))
    monkeypatch.syspath_prepend(tmp_path)
    options = PretrainedOptions(pretrained="package:carries_one/data/small.json", max_length=50)
    assert_same_ids(PretrainedTokenizer(options), backend, TRAINING_TEXTS)
    with pytest.raises(RecipeError, match="leads out"):
        PretrainedTokenizer(PretrainedOptions(pretrained="package:carries_one/../any.json"))


def test_what_is_missing_gets_ids_of_its_own(tmp_path: Path) -> None:
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel()
    backend.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(initial_alphabet=alphabet, special_tokens=["<|end|>"], show_progress=False)
    backend.train_from_iterator(["a b"], trainer)
    size = backend.get_vocab_size()
    tokenizer = pretrained(backend, tmp_path)
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.vocab_size) == (size, size + 1, size + 2)
    assert tokenizer.decode([0, *tokenizer.encode_batch(["a b"])[0].as_py(), size, size + 1]).strip() == "a b"
    tokenizer.save(tmp_path)
    loaded = PretrainedTokenizer.load(tmp_path, tokenizer.options)
    assert (loaded.pad_id, loaded.unk_id, loaded.vocab_size) == (size, size + 1, size + 2)

    config = {"pad_token": "<|end|>", "eos_token": "<|end|>", "unk_token": "<|end|>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = PretrainedTokenizer(PretrainedOptions(pretrained=str(tmp_path)))
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.vocab_size) == (size, 0, size + 1)


def test_the_files_own_padding_names_the_token(tmp_path: Path) -> None:
    backend = learned("bert", TRAINING_TEXTS)
    backend.enable_padding(pad_id=4, pad_token="[MASK]", length=7)
    backend.enable_truncation(2)
    tokenizer = pretrained(backend, tmp_path)
    assert tokenizer.pad_id == 4
    assert len(tokenizer.encode_batch(["a b c"])[0]) == 3


def test_what_is_cut_off_on_the_left_is_never_cut_on_the_right(tmp_path: Path) -> None:
    backend = learned("bert", TRAINING_TEXTS)
    backend.enable_truncation(9, direction="left")
    with pytest.raises(RecipeError, match=r"tokenizer\.long_texts: .*on the left[\s\S]*long_texts=tail"):
        pretrained(backend, tmp_path)
    texts = [" ".join(TRAINING_TEXTS), "a b", "", "the end, of it. " * 20_000]
    options = PretrainedOptions(pretrained=str(tmp_path / "any.json"), max_length=9, long_texts="tail")
    tokenizer = PretrainedTokenizer(options)
    assert tokenizer.encode_batch(texts).to_pylist() == [backend.encode(text).ids for text in texts]
    (tmp_path / "saved").mkdir()
    tokenizer.save(tmp_path / "saved")
    loaded = PretrainedTokenizer.load(tmp_path / "saved", options)
    assert loaded.encode_batch(texts) == tokenizer.encode_batch(texts)
    assert json.loads((tmp_path / "saved/tokenizer_config.json").read_text())["truncation_side"] == "left"


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_the_library_keeps_the_same_end(tmp_path: Path, kind: str) -> None:
    """Also of long texts without spaces, and where a space is put before every text."""
    backend = learned(kind, TRAINING_TEXTS)
    pretrained(backend, tmp_path)
    texts = [*TRAINING_TEXTS, *(text * 3000 for text in ("a, b. c!x", "one two  three\n", "天气很好，今天。", "x"))]
    backend.enable_truncation(20, direction="left")
    options = PretrainedOptions(pretrained=str(tmp_path / "any.json"), max_length=20, long_texts="tail")
    expected = [backend.encode(text).ids for text in texts]
    assert PretrainedTokenizer(options).encode_batch(texts).to_pylist() == expected


def test_what_wraps_a_text_is_found_in_any_script(tmp_path: Path) -> None:
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(special_tokens=list(SPECIAL_TOKENS), show_progress=False)
    backend.train_from_iterator(["한국 한국"], trainer)
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    assert_same_ids(pretrained(backend, tmp_path, 3), backend, ["한국", "한국 한국 한국", "abc", ""])


def document(**changes: Any) -> dict[str, Any]:
    made = json.loads(learned("bert", ["a b c ab"]).to_str())
    for key, value in changes.items():
        part, _, inner = key.partition("__")
        if inner:
            made[part] = {**made[part], inner: value}
        else:
            made[part] = value
    return made


def replace(content: str, **pattern: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def sequence(inner: str, *steps: Any) -> dict[str, Any]:
    return {"type": "Sequence", inner: list(steps)}


def nested(depth: int) -> Any:
    step: Any = {"type": "NFC"}
    for _ in range(depth):
        step = sequence("normalizers", step)
    return step


TEXT = {"Sequence": {"id": "A", "type_id": 0}}
CLS = {"SpecialToken": {"id": "c", "type_id": 0}}


def template(*single: Any, ids: Any = (2,)) -> dict[str, Any]:
    special = {"c": {"id": "c", "ids": list(ids), "tokens": ["c"] * len(ids)}}
    return {"type": "TemplateProcessing", "single": list(single), "pair": [TEXT], "special_tokens": special}


HOSTILE = {
    "doubling again and again": (
        {"normalizer": sequence("normalizers", *[replace("aa", String="a")] * 26)},
        "times as long",
    ),
    "doubling by a pattern": ({"normalizer": sequence("normalizers", *[replace("x", Regex="(?=.)")] * 26)}, "as long"),
    "doubling in the decoder": ({"decoder": sequence("decoders", *[replace("aa", String="a")] * 26)}, "as long"),
    "one huge replacement": ({"normalizer": replace("a" * 3000, String="a")}, "3e\\+03 times as long"),
    "a huge text": ({"normalizer": {"type": "Prepend", "prepend": "a" * 10**6}}, "a text of 1000000 characters"),
    "too many steps": ({"normalizer": sequence("normalizers", *[{"type": "NFC"}] * 100)}, "100 steps"),
    "steps within steps": ({"normalizer": nested(300)}, "can't be read: recursion limit"),
    "an unknown step": ({"normalizer": {"type": "Execute", "command": "rm"}}, "unknown type 'Execute'"),
    "an unknown splitter": ({"pre_tokenizer": {"type": "NFC"}}, "unknown type 'NFC'"),
    "a step without a type": ({"pre_tokenizer": {"pattern": "a"}}, "without a type"),
    "a sequence without steps": ({"pre_tokenizer": {"type": "Sequence"}}, "without steps"),
    "an endless pattern": (
        {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}},
        "repeats a group without bound",
    ),
    "an endless replacement": ({"normalizer": replace("", Regex="(a|aa)+$")}, "repeats a group without bound"),
    "pieces of no length": ({"pre_tokenizer": {"type": "FixedLength", "length": 0}}, "no length"),
    "an unknown model": ({"model__type": "Neural"}, "unknown type 'Neural'"),
    "no model": ({"model": None}, "has no model"),
    "chance": ({"model": {"type": "BPE", "dropout": 0.5, "vocab": {"a": 0}, "merges": []}}, "at random"),
    "endless words": (
        {
            "model": {
                "type": "WordPiece",
                "unk_token": "a",
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 10**9,
                "vocab": {"a": 0},
            }
        },
        "words of 1000000000 characters",
    ),
    "an id far beyond": ({"model": {"type": "WordLevel", "vocab": {"a": 4 * 10**9}, "unk_token": "a"}}, "ids up to"),
    "an id below": ({"model": {"type": "WordLevel", "vocab": {"a": -1}, "unk_token": "a"}}, "ids up to"),
    "an added id far beyond": ({"added_tokens": [{"id": 4 * 10**9, "content": "a", "special": True}]}, "ids up to"),
    "an added token without content": ({"added_tokens": [{"id": 1, "content": ""}]}, "without content"),
    "no vocabulary": ({"model": {"type": "BPE", "vocab": {}, "merges": []}, "added_tokens": []}, "0 tokens"),
    "a score that is none": (
        {"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", 0.0], ["b", float("nan")]]}},
        "can't be read",
    ),
    "text that is none": ({"model": {"type": "BPE", "vocab": {"\ud800": 0}, "merges": []}}, "can't be read"),
    "nothing for the unknown": (
        {"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "?"}},
        "the unknown, '?'",
    ),
    "merges of nothing": ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "b"]]}}, "can't work with it"),
    "many tokens around a text": ({"post_processor": template(*[CLS] * 100, TEXT)}, "puts up to"),
    "much in one token": ({"post_processor": template(CLS, TEXT, ids=[2] * 100)}, "puts up to"),
    "the text twice": ({"post_processor": template(TEXT, TEXT)}, "text once"),
    "no text": ({"post_processor": template(CLS)}, "text once"),
    "ids that do not exist": ({"post_processor": template(CLS, TEXT, ids=[10**6])}, "no token has"),
    "bert's with ids that do not exist": (
        {"post_processor": {"type": "BertProcessing", "sep": ["s", 10**6], "cls": ["c", 2]}},
        "no token has",
    ),
    "not made as one": ({"post_processor": {"type": "BertProcessing", "sep": 3, "cls": ["c", 2]}}, "not made as"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_would_do_harm_is_refused(name: str, tmp_path: Path) -> None:
    changes, message = HOSTILE[name]
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(document(**changes)))
    with pytest.raises(ArtifactError, match=message) as caught:
        PretrainedTokenizer(PretrainedOptions(pretrained=str(file)))
    assert str(file) in str(caught.value)
    with pytest.raises(ArtifactError):
        PretrainedTokenizer.load(tmp_path, PretrainedOptions(pretrained="x"))


@pytest.mark.parametrize("content", [b"[]", b"{", b"\xff", b"[" * 100_000, b'{"model": ' * 3000])
def test_a_file_that_is_no_tokenizer(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ArtifactError):
        read_tokenizer_json(tmp_path / "tokenizer.json")


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    with (tmp_path / "tokenizer.json").open("wb") as file:
        file.truncate(200 * 2**20)  # takes no space on the disk
    with pytest.raises(ArtifactError, match="more than 128 MiB"):
        read_tokenizer_json(tmp_path / "tokenizer.json")


def test_padding_without_end_is_not_even_looked_at(tmp_path: Path) -> None:
    padding = {"strategy": {"Fixed": 2 * 10**9}, "direction": "Right", "pad_to_multiple_of": None}
    padding |= {"pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(document(padding=padding)))
    tokenizer = PretrainedTokenizer(PretrainedOptions(pretrained=str(tmp_path / "tokenizer.json")))
    assert len(tokenizer.encode_batch(["a b"])[0]) == 2
    assert json.loads(tokenizer.backend.to_str())["padding"] is None


def test_a_panic_of_the_library_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        """Named as the library's, which can't be imported."""

    def panic(*_: Any) -> None:
        raise PanicException("index out of bounds")

    tokenizer = pretrained(learned("bert", TRAINING_TEXTS), tmp_path)
    monkeypatch.setattr(LibraryTokenizer, "encode_batch", panic)
    monkeypatch.setattr(LibraryTokenizer, "decode", panic)
    with pytest.raises(ArtifactError, match="can't work with it: index out of bounds"):
        tokenizer.encode_batch(["a"])
    with pytest.raises(ArtifactError, match="can't work with it"):
        tokenizer.decode([1])


def test_a_model_that_lacks_its_unknown_token_is_an_error(tmp_path: Path) -> None:
    model = {"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "?"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(document(model=model, added_tokens=[])))
    tokenizer = PretrainedTokenizer(PretrainedOptions(pretrained=str(tmp_path / "tokenizer.json")))
    assert tokenizer.encode_batch(["a"]).to_pylist() == [[0]]
    for encode in (tokenizer.encode_batch, lambda texts: list(tokenizer.encode_blocks([texts]))):
        import pyarrow as pa

        with pytest.raises(ArtifactError, match="can't work with it"):
            encode(pa.array(["z"], pa.large_string()))


def test_damaged_character_maps_do_no_harm(tmp_path: Path) -> None:
    generator = random.Random(0)
    for _ in range(100):
        size = generator.choice([0, 4, 8, 64, 2**20])
        junk = size.to_bytes(4, "little") + generator.randbytes(generator.choice([0, 8, 60, 64, 400]))
        normalizer = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(junk).decode()}
        (tmp_path / "tokenizer.json").write_text(json.dumps(document(normalizer=normalizer)))
        try:
            tokenizer = PretrainedTokenizer(PretrainedOptions(pretrained=str(tmp_path / "tokenizer.json")))
            assert not tokenizer.context_free
            tokenizer.encode_batch(["a b \u00e9 中 ｆ"])
        except ArtifactError:
            pass


GOOD_PATTERNS = [
    *sorted(_GPT_PATTERNS),
    r" {2,}",
    r"\s+",
    r" ?[^(\s|[.,!?…。，、।۔،])]+",
    r"<\|startoftext\|>|'s|'t|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    r"(\[[^\]]+]|Br?|Cl?|N|O|\(|\)|\.|=|#|-|\+|\\|\/|:|~|@|\?|>|\*|\$|\%[0-9]{2}|[0-9])",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+|\s++$|\s*[\r\n]",
    r"\d{1,3}(?=(?:\d{3})*\b)",
    r"(?i)a|[]a]+|[^]a]+|[[:alpha:]]+|a{}",
    r"\p{L}+(?:['’]\p{L}+)?|<[^>]+>|//[^\n]*\n|a*b*c*",
]
BAD_PATTERNS = [
    *["(a+)+$", "(a|aa)*b", r"(a)\1", r"(?<x>a)\k<x>", r"(?<x>a\g<x>?)", "a{1,100000}", "(?:a{1,100}){1,100}"],
    *["(?(1)a)", "(?~a)", "(*FAIL)", "(?x: a)", "a**", "(", "a)", "[a", "(" * 30 + "a" + ")" * 30],
    *["a*a*b", "a+a+$", "a+(?:a*)(?=b)", "(?:a*b){2}", "a{0,99}a{0,99}b", "(a*|b)a*b", "(?:a*a*b)?"],
    *["(?:ab?){3,}", "a{3}{3}", "(?:a{2}){20}", "a" * 5000],
]


@pytest.mark.parametrize("pattern", GOOD_PATTERNS)
def test_patterns_of_real_tokenizers_are_let_through(pattern: str) -> None:
    assert check_pattern(pattern) is None
    Regex(pattern)


@pytest.mark.parametrize("pattern", BAD_PATTERNS)
def test_patterns_that_could_take_for_ever_are_refused(pattern: str) -> None:
    assert check_pattern(pattern)


def test_what_a_pipeline_with_fields_left_out_means(tmp_path: Path) -> None:
    """Older files leave out what newer ones say; the library's defaults count."""
    made = document(pre_tokenizer={"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}, normalizer=None)
    (tmp_path / "tokenizer.json").write_text(json.dumps(made))
    assert where_to_cut(read_tokenizer_json(tmp_path / "tokenizer.json").backend)[:2] == BEFORE[:2]


@cache
def made(name: str, model: str) -> str:
    file = Path(mkdtemp(prefix="pegboard-test-")) / "tokenizer.json"
    backend = learned(name, TRAINING_TEXTS, model)
    backend.decoder = decoders.ByteLevel() if name == "gpt2" else decoders.Metaspace()
    backend.save(str(file))
    return str(file)


class TestByteLevelBpe(TokenizerConformance):
    component = "pretrained"

    @property
    def options(self) -> dict[str, Any]:
        return {"pretrained": made("gpt2", "BPE")}


class TestUnigram(TokenizerConformance):
    component = "pretrained"

    @property
    def options(self) -> dict[str, Any]:
        return {"pretrained": made("always", "Unigram")}
