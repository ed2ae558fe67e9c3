"""A large split is encoded by several processes; the ids are the same, whatever becomes of the processes."""

import os
import signal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pegboard
import pyarrow as pa
import pytest
from pegboard.console import Console
from pegboard.options import check_options
from pegboard.pipeline import parallel
from pegboard.plugins.registry import Registry
from pegboard.recipe import Choice
from pegboard.text.texts import Texts

ROWS = [f"row {i} of words, {'and more ' * (i % 7)}it’s {i * 31 % 997}" for i in range(3000)]
PLUGIN = """
import os
from pegboard import ComponentSpec, PieceTokenizer, hookimpl

class Pieces(PieceTokenizer):
    context_free = True

    def split(self, text):
        if os.environ.get("FAIL_ON", "no text has this") in text:
            raise ValueError("does not like it")
        return text.split()

@hookimpl
def pegboard_tokenizers():
    yield ComponentSpec(name="own", factory="own_pieces:Pieces", summary="words")
"""


class Encoder(NamedTuple):
    threads_suffice: bool


@pytest.fixture
def texts(tmp_path):
    file = tmp_path / "rows.arrow"
    schema = pa.schema([("text", pa.string())])
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, schema) as stream:
        for start in range(0, len(ROWS), 700):
            stream.write_batch(pa.record_batch([pa.array(ROWS[start : start + 700])], schema=schema))
    return Texts.of_file(file, "text", len(ROWS))


class Encoding:
    """A trained tokenizer, and what encodes with it."""

    def __init__(self, name, folder: Path, plugins=()):
        self.registry = Registry(plugins)
        component = self.registry.find("tokenizer", name)
        options = check_options(self.registry.options_of(component), {"max_length": 20}, table="tokenizer")
        self.choice = Choice(component, options)
        self.tokenizer = self.registry.factory_of(component)(options)
        self.tokenizer.train(ROWS)
        self.saved = folder / "saved"
        self.saved.mkdir()
        self.tokenizer.save(self.saved)
        self.folder = folder / "entry"
        self.folder.mkdir()
        self.advanced = []

    def blocks(self, texts, processes=3):
        return parallel.encode_in_processes(
            processes,
            self.choice,
            self.registry,
            self.tokenizer,
            self.saved,
            texts,
            folder=self.folder,
            advance=self.advanced.append,
            console=Console(),
        )

    def ids(self, texts):
        return [row for block in self.blocks(texts) for row in block.to_pylist()]


@pytest.fixture(autouse=True)
def short_first_stretch(monkeypatch):
    monkeypatch.setattr(parallel, "_BYTES_AHEAD", 0)


def test_the_ids_are_those_of_one_process(texts, tmp_path, capfd):
    encoding = Encoding("wordpiece", tmp_path)
    assert encoding.ids(texts) == encoding.tokenizer.encode_batch(ROWS).to_pylist()
    assert sum(encoding.advanced) == len(ROWS)
    assert not list(encoding.folder.iterdir())
    assert "note" not in capfd.readouterr().err


def test_of_some_rows_too(texts, tmp_path):
    rows = np.flatnonzero(np.arange(len(ROWS)) % 3)
    encoding = Encoding("word", tmp_path)
    expected = encoding.tokenizer.encode_batch([ROWS[row] for row in rows]).to_pylist()
    assert encoding.ids(texts.take(rows)) == expected


def test_with_a_tokenizer_of_ones_own(texts, tmp_path, capfd):
    (tmp_path / "own_pieces.py").write_text(PLUGIN)
    encoding = Encoding("own", tmp_path, [str(tmp_path / "own_pieces.py")])
    assert encoding.ids(texts) == encoding.tokenizer.encode_batch(ROWS).to_pylist()
    assert "note" not in capfd.readouterr().err


def test_an_error_is_the_one_of_the_tokenizer(texts, tmp_path, monkeypatch):
    (tmp_path / "own_pieces.py").write_text(PLUGIN)
    encoding = Encoding("own", tmp_path, [str(tmp_path / "own_pieces.py")])
    monkeypatch.setenv("FAIL_ON", "2999")
    with pytest.raises(pegboard.ComponentError, match="does not like it"):
        encoding.ids(texts)
    assert not list(encoding.folder.iterdir())


def test_a_process_that_is_killed_is_made_up_for(texts, tmp_path, monkeypatch, capfd):
    started = []
    popen = parallel.subprocess.Popen

    def killed(*arguments, **options):
        started.append(popen(*arguments, **options))
        os.kill(started[-1].pid, signal.SIGSTOP)  # so that the task can be written, and nothing is done
        return started[-1]

    monkeypatch.setattr(parallel.subprocess, "Popen", killed)
    encoding = Encoding("word", tmp_path)
    blocks = encoding.blocks(texts)
    first = next(blocks)
    for process in started:
        process.kill()
    ids = [row for block in (first, *blocks) for row in block.to_pylist()]
    assert ids == encoding.tokenizer.encode_batch(ROWS).to_pylist()
    assert capfd.readouterr().err.count("its part is done here") == 2


def test_whoever_stops_early_leaves_nothing(texts, tmp_path, monkeypatch):
    started = []
    popen = parallel.subprocess.Popen
    monkeypatch.setattr(parallel.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    encoding = Encoding("word", tmp_path)
    blocks = encoding.blocks(texts)
    next(blocks)
    blocks.close()
    assert len(started) == 2
    assert all(process.returncode is not None for process in started)
    assert not list(encoding.folder.iterdir())


def test_small_data_and_texts_in_memory_take_one_process(texts):
    registry, tokenizer = Registry(), Encoder(threads_suffice=False)
    assert parallel.processes_for(texts, registry, tokenizer) == 1
    assert parallel.processes_for(Texts.of(ROWS), registry, tokenizer) == 1


def test_large_data_take_one_for_each_core(texts, monkeypatch):
    monkeypatch.setattr(parallel, "_BYTES_EACH", texts.size_in_file() // 5)
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda _: range(4), raising=False)
    tokenizer = Encoder(threads_suffice=False)
    assert parallel.processes_for(texts, Registry(), tokenizer) == 4
    assert parallel.processes_for(texts, Registry(path=[]), tokenizer) == 1
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda _: range(40), raising=False)
    assert parallel.processes_for(texts, Registry(), tokenizer) == 5
    assert parallel.processes_for(texts, Registry(), Encoder(threads_suffice=True)) == 1
