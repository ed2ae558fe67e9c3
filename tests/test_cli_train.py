"""`pegboard train`: what it prints where, and how the options of the command line reach the run."""

import contextlib
import json
import os
import subprocess
import sys

import pytest
from pegboard.console import Console, as_time, silent
from pegboard.toml import read_toml
from safetensors.torch import load_file


@pytest.fixture
def train(cli, toy_training, tmp_path):
    """`train(…)`: a training on toys into `tmp_path / "run"`, not quiet."""
    loud = [argument for argument in toy_training if argument != "--quiet"]
    return lambda *more: cli(*loud, "--out", tmp_path / "run", *more)


def test_results_on_stdout_the_rest_on_stderr(train, tmp_path):
    done = train()
    assert done.code == 0
    assert f"run: {tmp_path / 'run'}" in done.out
    assert "validation" in done.out
    assert "label (test)" in done.out
    assert "epoch" not in done.out
    assert "90 training texts, 360 tokens, vocabulary 106, 3 labels" in done.err
    assert "epoch 2" in done.err
    assert f'try: pegboard predict {tmp_path / "run"} "your text"' in done.err
    assert "\x1b" not in done.out + done.err


def test_quiet_leaves_the_result(train):
    done = train("--quiet")
    assert done.code == 0
    assert done.err == ""
    assert "accuracy" in done.out


def test_json(train, tmp_path):
    done = train("--json")
    assert json.loads(done.out) == json.loads((tmp_path / "run" / "metrics.json").read_text())


def test_options_reach_the_recipe(train, tmp_path):
    assert train("--seed", "7", "--set", "encoder.size=8", "--set", "task.dropout=0.5").code == 0
    recipe = read_toml(tmp_path / "run" / "recipe.toml")
    assert (recipe["seed"], recipe["encoder"]["size"], recipe["task"]["dropout"]) == (7, 8, 0.5)


def test_recipe_of_a_run_gives_the_same_run(cli, trained, tmp_path):
    done = cli("train", trained / "recipe.toml", "--out", tmp_path / "again", "--quiet")
    assert done.code == 0, done.err
    for name in ("model/model.safetensors", "recipe.toml"):
        assert (tmp_path / "again" / name).read_bytes() == (trained / name).read_bytes()


def test_class_weights_are_of_the_training_not_of_the_model(train, tmp_path):
    assert train("--set", "task.class_weights=balanced").code == 0
    weights = load_file(tmp_path / "run" / "model" / "model.safetensors")
    assert sorted(weights) == ["encoder.embedding.weight", "head.bias", "head.weight"]


def test_cut_splits_are_told(train):
    done = train("--set", 'dataset.splits=["train"]')
    assert "note: the data have no validation and no test split: validation (12 rows) and test (12 rows)" in done.err


def test_life_cycle_hooks(train, tmp_path):
    tracker = tmp_path / "tracker.py"
    tracker.write_text(
        "import pegboard\n\n"
        "@pegboard.hookimpl\ndef pegboard_run_started(run):\n"
        "    (run.folder / 'started').write_text(str((run.folder / 'recipe.toml').exists()))\n\n"
        "@pegboard.hookimpl\ndef pegboard_epoch_finished(run, metrics):\n"
        "    with (run.folder / 'epochs').open('a') as file:\n        file.write(f\"{metrics['epoch']} \")\n\n"
        "@pegboard.hookimpl\ndef pegboard_run_finished(run):\n"
        "    (run.folder / 'finished').write_text(str((run.folder / 'metrics.json').exists()))\n"
        "    raise ValueError('the tracker is offline')\n"
    )
    done = train("--plugin", tracker)
    assert done.code == 0
    run = tmp_path / "run"
    assert [(run / name).read_text() for name in ("started", "epochs", "finished")] == ["True", "1 2 ", "True"]
    assert "the tracker is offline" in done.err


def test_terminal_has_colours(toy_training, tmp_path):
    """On a terminal there are colours, which a pipe never gets."""
    pty = pytest.importorskip("pty")
    ours, terminal = pty.openpty()
    command = [sys.executable, "-m", "pegboard", *toy_training, "--out", str(tmp_path / "run")]
    running = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # which is how the end of a terminal reads
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert running.wait(timeout=60) == 0
    assert b"\x1b[1m" in shown
    assert b"\x1b[32m" in shown


class TestProgress:
    def test_terminal(self, capsys, monkeypatch):
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", "120")
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        with Console().progress("epoch 1", total=10, done=2) as bar:
            bar.advance(8, loss=0.25)
        out, err = capsys.readouterr()
        assert out == ""
        assert "epoch 1" in err
        assert "loss 0.2500" in err
        assert "0:00 left" in err

    def test_a_forecast_of_the_whole_work(self, capsys, monkeypatch):
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", "120")
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        with Console().progress("epoch 1", total=10) as bar:
            bar.advance(5, left=4000.0, at_most=True)
        assert "at most 1:06:40 left" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("seconds", "shown"),
        [(0, "0:00"), (75, "1:15"), (3599.6, "1:00:00"), (11_105, "3:05:05"), (300_000, "3 days 11 h")],
    )
    def test_times(self, seconds, shown):
        assert as_time(seconds) == shown

    @pytest.mark.parametrize("console", [Console(), silent])
    def test_pipe_and_quiet(self, capsys, console):
        with console.progress("epoch 1", total=10) as bar:
            bar.advance(10, loss=0.25)
        assert capsys.readouterr() == ("", "")

    def test_warnings_are_shown_also_when_quiet(self, capsys):
        silent.note("not this")
        silent.warn("but this")
        assert capsys.readouterr().err == "warning: but this\n"
