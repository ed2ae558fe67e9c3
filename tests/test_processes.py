"""`accelerate launch -m pegboard train` on two CPU processes: one run folder, and the figures of one process."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pegboard_accelerate")

TOY = Path(__file__).with_name("toy_plugin.py")
WATCHING = Path(__file__).with_name("watching_plugin.py")
RECIPE = ["--plugin", str(TOY), "--plugin", str(WATCHING), "--dataset", "toy", "--tokenizer", "noting"]
RECIPE += ["--encoder", "mean"]
OPTIONS = ["--set", "trainer.epochs=3", "--set", "trainer.precision=no", "--set", "trainer.learning_rate=0.02"]


WINDOWS = [
    "--set",
    "tokenizer.long_texts=windows",
    "--set",
    "tokenizer.max_length=3",
    "--set",
    "tokenizer.window_overlap=1",
]


def train(out, *launcher, options=()):
    # No dropout: two processes draw their own, so only without it can the figures be compared closely.
    command = [
        *launcher,
        "-m",
        "pegboard",
        "train",
        *RECIPE,
        *OPTIONS,
        *options,
        "--set",
        "task.dropout=0.0",
        "--out",
        str(out),
    ]
    notes = out.with_name(f"{out.name}-notes")
    notes.mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    environment |= {"WATCHED": str(out), "NOTES": str(notes), "PEGBOARD_CACHE": str(notes / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((out / "metrics.json").read_text()), done


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], WINDOWS], ids=["texts", "windows"])
def test_two_processes_give_what_one_gives(tmp_path, options):
    one, _ = train(tmp_path / "one", sys.executable, options=options)
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launcher += ["--num_machines", "1", "--mixed_precision", "no", "--main_process_port", free_port()]
    two, done = train(tmp_path / "two", *launcher, options=options)
    assert two["train"]["processes"] == 2
    for split in ("validation", "test"):
        assert two[split]["loss"] == pytest.approx(one[split]["loss"], abs=1e-3)
        assert two[split]["accuracy"] == pytest.approx(one[split]["accuracy"], abs=0.02)
    assert done.stdout.count("run: ") == 1, "only the main process reports"
    assert {path.name for path in (tmp_path / "two").iterdir()} == {path.name for path in (tmp_path / "one").iterdir()}
    notes = tmp_path / "two-notes"
    assert len((notes / "others").read_text().splitlines()) == 1
    assert not (notes / "written").exists(), (notes / "written").read_text()
    assert "gloo" not in (notes / "threads").read_text(), "a thread that frees a tensor while Python ends aborts it"
    assert len((notes / "trained").read_text().splitlines()) == 1, (
        "the tokenizer is trained by one and read by the other"
    )
