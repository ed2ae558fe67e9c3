"""What may happen to a cache, many times over: no damage is served, nothing stale is, and nothing is left behind."""

import csv
import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pegboard
import pytest
from pegboard.cache import Cache
from pegboard.console import Console
from pegboard.options import check_options
from pegboard.pipeline.data import load_data
from pegboard.pipeline.tokens import encode_splits, prepare_tokenizer
from pegboard.plugins.registry import Registry
from pegboard.recipe import Choice, resolve_dataset

WORDS = ("sea", "Sea", "wind", "salt", "gull", "pier", "boat", "tide", "Étang", "don't", "42", "shore", "fog")
PLUGIN = """
from pegboard import ComponentSpec, PieceTokenizer, hookimpl
import {helper}

class Pieces(PieceTokenizer):
    def split(self, text):
        return {helper}.pieces(text)

@hookimpl
def pegboard_tokenizers():
    yield ComponentSpec(name="pieces", factory="{module}:Pieces", summary="for a test")
"""


class Warnings(Console):
    def __init__(self):
        super().__init__(quiet=True)
        self.said = []

    def warn(self, text):
        self.said.append(text)


def write_csv(file, seed=0, rows=300, label_of=lambda i: ("a", "b")[i % 2]):
    generator = random.Random(seed)
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["text", "label"])
        for i in range(rows):
            writer.writerow([" ".join(generator.choices(WORDS, k=8)), label_of(i)])
    return file


def encoded(file, cache, name="word", plugins=(), settings=None, **options):
    """Everything a run would take from the cache: the vocabulary, and the ids of each row of each split."""
    registry = Registry(plugins)
    data = load_data(resolve_dataset({"dataset": {"name": str(file), **(settings or {})}}, registry), registry)
    component = registry.find("tokenizer", name)
    options = {"min_frequency": 1, **options}
    choice = Choice(component, check_options(registry.options_of(component), options, table="tokenizer"))
    tokenizer = prepare_tokenizer(choice, registry, data.splits["train"].texts, cache)
    result = {"size": tokenizer.vocab_size}
    encoded_splits = encode_splits(choice, registry, tokenizer, data.splits.values(), cache)
    for split, ids in zip(data.splits, encoded_splits, strict=True):
        batch = ids.collate(np.arange(len(ids)))
        result[split] = [batch["input_ids"].tolist(), batch["attention_mask"].tolist(), batch["labels"].tolist()]
    return result


def files(root):
    return sorted(file for file in root.rglob("*") if file.is_file() and file.parent.name != ".locks")


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    """The cache that the command line and data sets find as well."""
    monkeypatch.setenv("PEGBOARD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_two_hundred_cuts_and_flips_are_all_found(own_cache, tmp_path):
    data = write_csv(tmp_path / "data.csv")
    console = Warnings()
    cache = Cache(own_cache, console)
    expected = encoded(data, cache)
    kinds = {file.parent.parent.name for file in files(own_cache)}
    assert kinds >= {"tokenizer", "tokens"}
    generator = random.Random(7)
    for trial in range(200):
        # Entries of data are opened by the data set itself, which has no console.
        file = generator.choice([file for file in files(own_cache) if file.parent.parent.name != "data"])
        content = bytearray(file.read_bytes())
        if trial % 2:
            content = content[: generator.randrange(len(content))]
        else:
            content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        file.write_bytes(content)
        assert encoded(data, cache) == expected
        assert len(console.said) == trial + 1, file
        assert "is damaged" in console.said[-1]


def test_damaged_data_are_read_again(own_cache, tmp_path):
    data = tmp_path / "data.csv.gz"  # packed files are kept in the cache, as large ones are
    data.write_bytes(gzip.compress(write_csv(tmp_path / "data.csv").read_bytes()))
    expected = encoded(data, Cache(own_cache))
    kept = [file for file in files(own_cache) if file.parent.parent.name == "data"]
    generator = random.Random(3)
    assert kept
    for trial in range(40):
        file = generator.choice(kept)
        content = bytearray(file.read_bytes())
        if trial % 2:
            content = content[: generator.randrange(len(content))]
        else:
            content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        file.write_bytes(content)
        assert encoded(data, Cache(own_cache)) == expected


class TestNothingIsStale:
    """Each change gives what a process without a cache gives."""

    def check(self, tmp_path, before, after, *, differs=True):
        cache = Cache(tmp_path / "cache")
        first = encoded(cache=cache, **before)
        after = after() if callable(after) else after
        changed = encoded(cache=cache, **after)
        shutil.rmtree(tmp_path / "cache")
        fresh = encoded(cache=Cache(tmp_path / "fresh"), **after)
        assert changed == fresh
        assert (changed != first) == differs

    @pytest.fixture
    def data(self, own_cache, tmp_path):
        return write_csv(tmp_path / "data.csv")

    def test_data_of_the_same_size_and_time(self, data, tmp_path):
        def rewrite():
            times = data.stat()
            data.write_text(data.read_text().replace("boat", "tide"))
            os.utime(data, ns=(times.st_atime_ns, times.st_mtime_ns))
            assert data.stat().st_size == times.st_size
            return {"file": data}

        self.check(tmp_path, {"file": data}, rewrite)

    def test_order_of_rows(self, data, tmp_path):
        def reverse():
            header, *rows = data.read_text().splitlines()
            data.write_text("\n".join([header, *rows[::-1]]) + "\n")
            return {"file": data}

        self.check(tmp_path, {"file": data}, reverse)

    def test_labels(self, data, tmp_path):
        self.check(tmp_path, {"file": data}, lambda: {"file": write_csv(data, label_of=lambda i: "ab"[i % 3 == 0])})

    def test_another_seed_of_the_split(self, data, tmp_path):
        self.check(tmp_path, {"file": data}, {"file": data, "settings": {"split_seed": 7}})

    @pytest.mark.parametrize(
        "option",
        [
            {"lowercase": False},
            {"max_length": 5},
            {"vocab_size": 9},
            {"special_tokens": "cls_sep"},
            {"min_frequency": 140},
        ],
        ids=lambda option: next(iter(option)),
    )
    def test_options(self, data, tmp_path, option):
        self.check(tmp_path, {"file": data}, {"file": data, **option})

    def test_another_tokenizer(self, data, tmp_path):
        self.check(tmp_path, {"file": data}, {"file": data, "name": "char"})

    def test_training_texts_of_the_same_test_split(self, own_cache, tmp_path):
        folder = tmp_path / "folder"
        folder.mkdir()
        for split in ("train", "validation", "test"):
            write_csv(folder / f"{split}.csv", rows=60)

        def change():
            write_csv(folder / "train.csv", seed=5, rows=90)
            return {"file": folder}

        self.check(tmp_path, {"file": folder}, change)

    def plugin(self, tmp_path, name, body):
        helper = tmp_path / f"helper_of_{name}.py"
        helper.write_text(f"def pieces(text):\n    return {body}\n")
        file = tmp_path / f"plugin_{name}.py"
        file.write_text(PLUGIN.format(helper=helper.stem, module=file.stem))
        return file

    def in_a_process(self, file, plugin, root):
        """What a new process encodes, as a plugin is imported once in a process."""
        script = f"""
import sys
sys.path.insert(0, {str(plugin.parent)!r}); sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_cache_torture import encoded
from pegboard.cache import Cache
print(encoded(Path({str(file)!r}), Cache(Path({str(root)!r})), "pieces", [{str(plugin)!r}])["test"])
"""
        command = [sys.executable, "-B", "-c", script]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    @pytest.mark.parametrize("edited", ["plugin", "what it imports"])
    def test_source_of_a_one_file_plugin(self, data, tmp_path, edited):
        plugin = self.plugin(tmp_path, "one", "text.split()")
        first = self.in_a_process(data, plugin, tmp_path / "cache")
        assert self.in_a_process(data, plugin, tmp_path / "cache") == first
        if edited == "plugin":
            plugin.write_text(plugin.read_text().replace("pieces(text)", "pieces(text)[::-1]"))
        else:
            self.plugin(tmp_path, "one", "text.split()[1:]")
        changed = self.in_a_process(data, plugin, tmp_path / "cache")
        assert changed != first
        assert changed == self.in_a_process(data, plugin, tmp_path / "fresh")

    @pytest.mark.parametrize("library", ["tokenizers", "pegboard"])
    def test_version_of_a_library(self, data, tmp_path, monkeypatch, library):
        """The ids are the same, but they are made anew."""
        cache = Cache(tmp_path / "cache")
        encoded(data, cache)
        before = len(cache.entries())
        encoded(data, cache)
        assert len(cache.entries()) == before
        if library == "pegboard":
            monkeypatch.setattr("pegboard.plugins.code._hash", lambda files: "another source")
            monkeypatch.setattr("pegboard.plugins.code._version", lambda package: "another version")
        else:
            monkeypatch.setattr("tokenizers.__version__", "99.0")
        encoded(data, cache)
        assert len(cache.entries()) > before

    def test_version_of_the_plugin(self, data, tmp_path, monkeypatch):
        from pegboard.plugins.loading import Component

        cache = Cache(tmp_path / "cache")
        encoded(data, cache)
        before = len(cache.entries())
        version = Component.__dataclass_fields__["version"]
        assert version
        real = Registry.find

        def newer(self, kind, reference):
            from dataclasses import replace

            return replace(real(self, kind, reference), version="9.9")

        monkeypatch.setattr(Registry, "find", newer)
        encoded(data, cache)
        assert len(cache.entries()) > before


@pytest.mark.slow
def test_ten_kills_and_a_good_run_leave_no_orphan(own_cache, tmp_path):
    data = write_csv(tmp_path / "data.csv", rows=60_000)
    command = [sys.executable, "-m", "pegboard", "tokenize", str(data), "--tokenizer", "word", "--quiet"]
    start = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    whole = time.monotonic() - start
    good = {file.relative_to(own_cache): file.stat().st_size for file in files(own_cache)}
    shutil.rmtree(own_cache)
    generator = random.Random(1)
    killed = 0
    while killed < 10:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(whole * generator.uniform(0.3, 0.95))
            shutil.rmtree(own_cache)  # it was done before
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
    subprocess.run(command, check=True, capture_output=True)
    assert {file.relative_to(own_cache): file.stat().st_size for file in files(own_cache)} == good
    assert list(own_cache.rglob("*.partial")) == []


@pytest.mark.slow
def test_two_processes_at_once_are_both_right(own_cache, tmp_path):
    data = write_csv(tmp_path / "data.csv", rows=20_000)
    command = [sys.executable, "-m", "pegboard", "tokenize", str(data), "--tokenizer", "word", "--output"]
    both = [subprocess.Popen([*command, str(tmp_path / name)], stderr=subprocess.PIPE) for name in ("one", "two")]
    assert [process.wait() for process in both] == [0, 0]
    for split in ("train", "validation", "test"):
        one, two = ((tmp_path / name / f"{split}.parquet").read_bytes() for name in ("one", "two"))
        assert one == two
    assert pegboard.Cache(own_cache).entries()
