"""`pegboard tokenize DATASET`: a whole data set as ids, in the cache and in files."""

import errno
import json
import os

import datasets
import pegboard
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

TEXTS = {"train": ["red green blue", "green blue", "blue"], "validation": ["red"], "test": ["blue grey", "green"]}

UNLABELLED = """
import datasets, pegboard
class Plain:
    def __init__(self, options): pass
    def load(self):
        rows = {"train": [f"word{i % 7} word{i % 3}" for i in range(40)]}
        return datasets.DatasetDict({n: datasets.Dataset.from_dict({"text": t}) for n, t in rows.items()})
@pegboard.hookimpl
def pegboard_datasets():
    yield pegboard.ComponentSpec(name="plain", factory=f"{__name__}:Plain", summary="texts without labels")
"""

FAILS_TO_SAVE = """
import pegboard
class Fails(pegboard.PieceTokenizer):
    def split(self, text): return text.split()
    saved = 0
    def save(self, folder):
        super().save(folder)
        if "target" in str(folder): raise RuntimeError("no more ink")
@pegboard.hookimpl
def pegboard_tokenizers():
    yield pegboard.ComponentSpec(name="fails", factory=f"{__name__}:Fails", summary="can't be saved")
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PEGBOARD_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def table(tmp_path):
    """A JSON file for the data set `table` of the odd plugin."""
    rows = {split: [[text, i % 2] for i, text in enumerate(texts)] for split, texts in TEXTS.items()}
    file = tmp_path / "colours.json"
    file.write_text(json.dumps({"names": ["warm", "cold"], **rows}))
    return file


@pytest.fixture
def tokenize(cli, toy, odd, table):
    """`tokenize("-t", "space")` on the small table."""

    def run(*arguments):
        plugins = ("--plugin", toy, "--plugin", odd, "--set", f"dataset.path={table}")
        return cli("tokenize", "table", *plugins, *arguments)

    return run


def test_figures(tokenize):
    done = tokenize("-t", "space", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["dataset"].endswith("colours.json")
    assert found["tokenizer"]["name"] == "space"
    assert found["tokenizer"]["vocab_size"] == 5 + 3
    assert found["tokenizer"]["from_cache"] is False
    for split, texts in TEXTS.items():
        figures = found["splits"][split]
        assert figures["rows"] == len(texts)
        assert figures["tokens"] == sum(len(text.split()) for text in texts)
        assert figures["bytes"] == sum(map(len, texts))
        assert figures["from_cache"] is False
        assert figures["megabytes_per_second"] > 0


def test_for_a_person(tokenize):
    done = tokenize("-t", "space:special_tokens=cls_sep")
    assert "space:special_tokens=cls_sep on " in done.out
    lines = [line.split() for line in done.out.splitlines() if line]
    assert lines[1] == ["split", "rows", "tokens", "tokens/row", "MB", "seconds", "MB/s", "encoded"]
    assert [line[:4] for line in lines[2:]] == [
        ["train", "3", "12", "4.0"],
        ["validation", "1", "3", "3.0"],
        ["test", "2", "7", "3.5"],
    ]
    assert all(line[-1] == "now" for line in lines[2:])


def test_again_nothing_is_done(tokenize):
    first, second = (json.loads(tokenize("-t", "space", "--json").out) for _ in range(2))
    assert second["tokenizer"]["from_cache"]
    assert all(split["from_cache"] and split["megabytes_per_second"] is None for split in second["splits"].values())
    for split, figures in second["splits"].items():
        assert figures["tokens"] == first["splits"][split]["tokens"]
    assert "from the cache" in tokenize("-t", "space").out


def test_an_option_more_and_it_is_done_again(tokenize):
    tokenize("-t", "space")
    found = json.loads(tokenize("-t", "space:lowercase=false", "--json").out)
    assert not found["tokenizer"]["from_cache"]


def test_what_a_training_encoded_is_there(cli, toy, toy_training, tmp_path):
    assert cli(*toy_training, "--out", tmp_path / "run").code == 0
    found = json.loads(cli("tokenize", "toy", "-t", "space", "--plugin", toy, "--json").out)
    assert found["tokenizer"]["from_cache"]
    assert found["splits"]["train"]["from_cache"]


def test_without_the_cache(tokenize, tmp_path):
    for _ in range(2):
        found = json.loads(tokenize("-t", "space", "--no-cache", "--json").out)
        assert not found["tokenizer"]["from_cache"]
    assert not (tmp_path / "cache").exists()


def test_missing_splits_are_cut_as_for_a_training(cli, toy):
    done = cli("tokenize", "toy", "-t", "space", "--plugin", toy, "--set", 'dataset.splits=["train"]', "--json")
    splits = json.loads(done.out)["splits"]
    assert {name: split["rows"] for name, split in splits.items()} == {"train": 66, "validation": 12, "test": 12}
    assert "cut from train" in done.err


def test_data_of_one_label(tokenize, table):
    table.write_text(json.dumps({"names": ["only"], "train": [[f"red {i}", 0] for i in range(20)]}))
    done = tokenize("-t", "space", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["splits"]["train"]["rows"] == 14


def test_data_to_be_tested_only(tokenize, table):
    table.write_text(json.dumps({"names": ["warm", "cold"], "test": [["red", 0], ["blue", 1]]}))
    done = tokenize("-t", "space")
    assert (done.code, done.out) == (2, "")
    assert "there is no train split to train a tokenizer on, only test" in done.err


class TestSave:
    def test_it_can_be_loaded(self, tokenize, tmp_path):
        folder = tmp_path / "deep" / "tokenizer"
        done = tokenize("-t", "space", "--save", folder)
        assert done.code == 0, done.err
        assert f"tokenizer: {folder}" in done.out
        pieces = json.loads((folder / "vocab.json").read_text())
        assert pieces[5:] == ["blue", "green", "red"]

    def test_the_library_reads_it(self, cli, tmp_path):
        tokenizers = pytest.importorskip("tokenizers")
        pytest.importorskip("pegboard_wordpiece")
        pytest.importorskip("pegboard_data")
        folder = tmp_path / "tokenizer"
        done = cli("tokenize", "moods", "-t", "wordpiece:vocab_size=500", "--save", folder)
        assert done.code == 0, done.err
        [shown] = pegboard.show_tokens("so tired of this", "wordpiece:vocab_size=500")
        assert tuple(tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")).encode("so tired of this").ids) == (
            shown.texts[0].input_ids
        )

    def test_an_empty_folder_will_do(self, tokenize, tmp_path):
        (tmp_path / "empty").mkdir()
        assert tokenize("-t", "space", "--save", tmp_path / "empty").code == 0
        assert (tmp_path / "empty" / "vocab.json").exists()

    def test_nothing_is_left_of_one_that_fails(self, cli, tmp_path):
        plugin = tmp_path / "fails.py"
        plugin.write_text(FAILS_TO_SAVE)
        toy = str(plugin.parent / "fails.py")
        done = cli("tokenize", "moods", "-t", "fails", "--plugin", toy, "--save", tmp_path / "target")
        assert done.code == 3
        assert "no more ink" in done.err
        assert not [path for path in tmp_path.iterdir() if "target" in path.name]


class TestOutput:
    def test_files(self, tokenize, tmp_path):
        done = tokenize("-t", "space", "--output", tmp_path / "ids")
        assert done.code == 0, done.err
        assert sorted(path.name for path in (tmp_path / "ids").iterdir()) == [
            "test.parquet",
            "train.parquet",
            "validation.parquet",
        ]
        content = pq.read_table(tmp_path / "ids" / "test.parquet")
        assert content.schema.field("input_ids").type.value_type == pa.int32()
        assert content.to_pydict() == {"input_ids": [[5, 1], [6]], "label": [0, 1]}

    def test_the_datasets_library_knows_the_labels(self, tokenize, tmp_path):
        tokenize("-t", "space", "--output", tmp_path / "ids")
        split = datasets.Dataset.from_parquet(str(tmp_path / "ids" / "train.parquet"), cache_dir=str(tmp_path / "hf"))
        assert split.features["label"].names == ["warm", "cold"]
        assert split[0] == {"input_ids": [7, 6, 5], "label": 0}

    def test_cache_or_not_the_same_bytes(self, tokenize, tmp_path):
        for name in ("one", "two"):
            tokenize("-t", "space", "--output", tmp_path / name)
        for split in TEXTS:
            one, two = ((tmp_path / name / f"{split}.parquet").read_bytes() for name in ("one", "two"))
            assert one == two

    def test_without_labels(self, cli, toy, tmp_path):
        plugin = tmp_path / "plain.py"
        plugin.write_text(UNLABELLED)
        more = ("--plugin", toy, "--plugin", plugin)
        done = cli("tokenize", "plain", "-t", "space", *more, "--output", tmp_path / "ids")
        assert done.code == 0, done.err
        content = pq.read_table(tmp_path / "ids" / "train.parquet")
        assert content.column_names == ["input_ids"]
        assert content.num_rows == 40

    def test_in_several_blocks(self, tmp_path, toy, monkeypatch):
        from pegboard.text import texts

        monkeypatch.setattr(texts.Texts.blocks, "__defaults__", (200,))
        done = pegboard.tokenize("toy", "space", plugins=[toy], output=tmp_path / "ids")
        content = pq.read_table(tmp_path / "ids" / "train.parquet")
        assert pq.ParquetFile(tmp_path / "ids" / "train.parquet").num_row_groups > 3
        split = pegboard.load_dataset("toy", plugins=[toy])["train"]
        assert content["label"].to_pylist() == split["label"][:]
        assert content["input_ids"].to_pylist() == done.tokenizer.encode_batch(split["text"][:]).to_pylist()

    def test_nothing_is_left_of_a_full_disk(self, tokenize, tmp_path, monkeypatch):
        def full(*_, **__):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
        done = tokenize("-t", "space", "--output", tmp_path / "target")
        assert done.code == 1
        assert "No space left" in done.err
        assert not [path for path in tmp_path.iterdir() if "target" in path.name]


class TestBadInput:
    def refused(self, done, code, *parts):
        assert done.code == code, done.err
        assert done.out == ""
        assert "Traceback" not in done.err
        for part in parts:
            assert part in done.err

    def test_nothing_to_do(self, cli):
        self.refused(cli("tokenize"), 2, "DATASET", "--show")

    def test_data_set_twice(self, tokenize):
        self.refused(tokenize("--dataset", "moods"), 2, "give one of them")

    def test_two_tokenizers(self, tokenize):
        self.refused(tokenize("-t", "space", "-t", "space:lowercase=false"), 2, "compare-tokenizers")

    def test_unknown_tokenizer(self, tokenize):
        self.refused(tokenize("-t", "spaces"), 3, "spaces", "did you mean space?")

    def test_unknown_option(self, tokenize):
        self.refused(tokenize("-t", "space:vocab_sise=8"), 2, "vocab_sise", "did you mean vocab_size?")

    def test_no_such_data(self, cli):
        pytest.importorskip("pegboard_data")
        self.refused(cli("tokenize", "nowhere.csv"), 2, "nowhere.csv: no such file")

    @pytest.mark.parametrize("table", ["encoder.size=3", "seed=3", "tokenizer.name=char"])
    def test_settings_of_what_takes_no_part(self, tokenize, table):
        self.refused(tokenize("-t", "space", "--set", table), 2, table.partition(".")[0].partition("=")[0])

    @pytest.mark.parametrize(
        ("how", "what"),
        [("raise", "ZeroDivisionError: one text too many"), ("too small", "vocab_size is 3")],
    )
    def test_broken_tokenizer(self, tokenize, how, what, tmp_path):
        done = tokenize("-t", f"broken-tokenizer:how={how}", "--output", tmp_path / "ids")
        self.refused(done, 3, what)
        assert not (tmp_path / "ids").exists()

    @pytest.mark.parametrize("option", ["--save", "--output"])
    def test_the_folder_must_be_new(self, tokenize, tmp_path, option):
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "mine.txt").write_text("mine")
        self.refused(tokenize("-t", "space", option, tmp_path / "full"), 2, option, "not empty")
        self.refused(tokenize("-t", "space", option, tmp_path / "full" / "mine.txt"), 2, "is a file")
        self.refused(tokenize("-t", "space", option, tmp_path / "full" / "mine.txt" / "deep"), 2, "is a file")
        assert (tmp_path / "full" / "mine.txt").read_text() == "mine"
        assert not (tmp_path / "cache").exists()

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
    def test_folder_that_is_not_ours(self, tokenize, tmp_path):
        (tmp_path / "locked").mkdir(mode=0o500)
        self.refused(tokenize("-t", "space", "--save", tmp_path / "locked" / "new"), 2, "can't be written")

    def test_folder_that_the_system_refuses(self, tokenize, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "access", lambda *_: False)
        self.refused(tokenize("-t", "space", "--output", tmp_path / "new"), 2, "--output", "can't be written")

    def test_one_folder_in_the_other(self, tokenize, tmp_path):
        for one, other in (("a", "a"), ("a", "a/b"), ("a/b", "a")):
            done = tokenize("-t", "space", "--save", tmp_path / one, "--output", tmp_path / other)
            self.refused(done, 2, "side by side")


class TestPython:
    def test_the_same_as_the_command_line(self, tokenize, toy, odd, table, tmp_path):
        done = pegboard.tokenize(
            "table", "space", plugins=[toy, odd], dataset_path=str(table), output=tmp_path / "python"
        )
        told = json.loads(tokenize("-t", "space", "--output", tmp_path / "cli", "--json").out)
        found = done.to_dict()
        assert found["fingerprint"] == told["fingerprint"]
        assert found["tokenizer"]["options"] == told["tokenizer"]["options"]
        assert done.tokenizer.tokens("red sky") == ["red", "[UNK]"]
        for split in TEXTS:
            one, two = ((tmp_path / name / f"{split}.parquet").read_bytes() for name in ("python", "cli"))
            assert one == two
        json.dumps(found, allow_nan=False)

    def test_default_tokenizer_and_options(self):
        pytest.importorskip("pegboard_word")
        pytest.importorskip("pegboard_data")
        done = pegboard.tokenize("moods", tokenizer_vocab_size=100, cache=False)
        assert (done.facts["name"], done.vocab_size) == ("word", 100)

    def test_not_kept_if_not_wanted(self, toy, odd, table, tmp_path):
        for _ in range(2):
            done = pegboard.tokenize("table", "space", plugins=[toy, odd], dataset_path=str(table), cache=False)
            assert not done.tokenizer_from_cache
        assert not (tmp_path / "cache" / "tokens").exists()

    def test_unexpected_argument(self):
        with pytest.raises(TypeError, match="unexpected keyword argument 'vocab_size'"):
            pegboard.tokenize("moods", "word", vocab_size=3)
