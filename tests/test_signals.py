"""Real processes that are told to stop, or killed, at any time."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TOYS = ["--plugin", str(HERE / "toy_plugin.py"), "--dataset", "toy", "--encoder", "mean"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")
@pytest.mark.parametrize(
    ("where", "number", "status"), [("train", signal.SIGTERM, 143), ("evaluate", signal.SIGINT, 130)]
)
def test_compiled_code_is_not_waited_for(tmp_path, where, number, status):
    """The tokenizer is being trained, or the test split encoded, for minutes in which Python runs no handler."""
    command = [sys.executable, "-m", "pegboard", "train", *TOYS, "--trainer", "loop", "--tokenizer", "slow"]
    command += ["--plugin", str(HERE / "slow_plugin.py"), "--set", "trainer.epochs=1", "--out", str(tmp_path / "run")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PEGBOARD_CACHE": str(tmp_path / "cache")}
    running = subprocess.Popen(
        command, env={**environment, "SLOW_AT": where}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert running.stdout.readline() == "computing\n"
    time.sleep(0.5)  # it says so just before it begins
    start = time.monotonic()
    running.send_signal(number)
    _, said = running.communicate(timeout=60)
    took = time.monotonic() - start
    assert running.returncode == status, said
    assert "interrupted" in said
    assert "Traceback" not in said
    print(f"{where}: {took:.1f} s from {number.name} to the end")
    again = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
    assert again.returncode == 0, again.stderr
    assert not list(tmp_path.rglob("*.partial*"))


def train_command(out):
    options = {
        "dataset.rows": 2400,
        "trainer.precision": "no",
        "trainer.epochs": 3,
        "trainer.batch_size": 8,
        "trainer.accumulate": 3,
        "trainer.ema_decay": 0.99,
        "trainer.checkpoint_every": 15,
        "task.sampling": "balanced",
        "task.dropout": 0.3,
    }
    chosen = [word for name, value in options.items() for word in ("--set", f"{name}={value}")]
    return [sys.executable, "-m", "pegboard", "train", *TOYS, "--tokenizer", "space", *chosen, "--out", str(out)]


def wait_for_the_training(out, running):
    """Until this process has said in the log that it starts or goes on."""

    def begun():
        log = out / "log.jsonl"
        return log.read_text().count('"started"') + log.read_text().count('"resumed"') if log.is_file() else 0

    before = begun()
    while begun() == before and running.poll() is None:
        time.sleep(0.01)


@pytest.mark.torture
def test_killed_thirty_times(tmp_path):
    pytest.importorskip("pegboard_accelerate")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PEGBOARD_CACHE": str(tmp_path / "cache")}
    quiet = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    subprocess.run(train_command(tmp_path / "first"), check=True, **quiet)
    start = time.monotonic()
    subprocess.run(train_command(tmp_path / "plain"), check=True, **quiet)
    whole = time.monotonic() - start
    trained = json.loads((tmp_path / "plain" / "metrics.json").read_text())["train"]["seconds"]
    expected = digest(tmp_path / "plain")
    assert digest(tmp_path / "first") == expected
    generator, out = random.Random(5), tmp_path / "run"
    kills, with_state, finished = 0, 0, 0
    while kills < 30 or not finished:
        running = subprocess.Popen(train_command(out), **quiet)
        if kills % 3:  # else at any time, which mostly is before the training or after it
            wait_for_the_training(out, running)
        most = whole if kills % 3 == 0 else 0.9 * trained
        try:
            _, said = running.communicate(timeout=most * generator.random() if kills < 30 else None)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()
            kills += 1
            with_state += any(out.glob("checkpoints/step-*"))
            print(f"kill {kills}, {with_state} after a checkpoint", flush=True)
            continue
        assert running.returncode == 0, said
        assert "damaged" not in said
        assert digest(out) == expected
        assert not list(out.rglob("*.partial-*"))
        assert not (out / "checkpoints").exists()
        assert [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        shutil.rmtree(out)
        finished += 1
    print(f"{kills} kills, {with_state} of them after a checkpoint; {finished} trainings finished, {whole:.1f} s each")
    assert with_state >= 10


@pytest.mark.torture
@pytest.mark.parametrize("tokenizer", ["word", "wordpiece", "bpe"])
def test_same_bytes_in_fresh_processes(tokenizer, tmp_path):
    """Whatever the hash seed and the number of threads that read and encode."""
    for plugin in ("pegboard_accelerate", "pegboard_rnn", "pegboard_data", "pegboard_subword"):
        pytest.importorskip(plugin)
    surroundings = [
        {},
        {"PYTHONHASHSEED": "1", "RAYON_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"},
        {"PYTHONHASHSEED": "2", "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "3", "ARROW_NUM_THREADS": "4"},
    ]
    digests = set()
    for number, environment in enumerate(surroundings):
        out = tmp_path / str(number)
        command = [sys.executable, "-m", "pegboard", "train", "--dataset", "moods", "--encoder", "rnn", "--no-cache"]
        command += ["--tokenizer", tokenizer, "--set", "trainer.max_steps=12", "--out", str(out)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        subprocess.run(command, check=True, env=environment, capture_output=True)
        digests.add(digest(out))
    assert len(digests) == 1


def digest(out):
    return hashlib.sha256((out / "model" / "model.safetensors").read_bytes()).hexdigest()


def test_a_signal_that_a_check_sends_itself_does_not_end_it():
    """The property of trainers that SIGINT ends them: the process that checks goes on, however long it takes."""
    code = """
import sys
from pegboard.cli import signals
from pegboard.cli.main import main

signals._PATIENCE = 0.0
main(["plugins", "check", "loop", "--plugin", sys.argv[1], "--json"])
"""
    command = [sys.executable, "-c", code, str(HERE / "toy_plugin.py")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert "interrupted" not in done.stderr
    assert done.returncode in (0, 1), done.stderr
    assert any("interrupt" in verdict["property"] for verdict in json.loads(done.stdout))
