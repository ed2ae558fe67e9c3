"""Batches made ahead by workers: the same bytes with any number of them, whatever happens in between."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pegboard
import pytest
from pegboard import RecipeError, RunError

SCRIPT = Path(__file__).with_name("train_tiny.py")
SLEEPY = "pegboard-data"
RECIPES: dict[str, dict[str, Any]] = {
    "buckets, accumulation, dropout": {"dropout": 0.3, "batch_size": 8, "accumulate": 3, "length_buckets": 3},
    "average, thawing, steps": {"dropout": 0.2, "ema_decay": 0.9, "unfreeze_every": 1, "max_steps": 16},
}


def workers_left() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(SLEEPY)]


def checkpoints_of(run: Any) -> dict[str, str]:
    """A hash of each file of tensors; the others say how long it took."""
    files = sorted(run.checkpoints.rglob("*.safetensors"))
    return {str(f.relative_to(run.checkpoints)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def without_seconds(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{**epoch, "seconds": 0.0} for epoch in history]


@pytest.mark.parametrize("recipe", RECIPES)
def test_any_number_of_workers_gives_the_same_bytes(recipe: str, tiny: Any, tmp_path: Path) -> None:
    outcomes = []
    for workers in (0, 1, 2, 4):
        run = tiny.Run(tmp_path / str(workers))
        model, figures = tiny.fit(run, data_workers=workers, **RECIPES[recipe])
        outcomes.append((tiny.digest(model), without_seconds(figures["history"]), run.logged("step")))
        assert checkpoints_of(run)
        outcomes[-1] += (checkpoints_of(run),)
        assert not workers_left()
    assert all(outcome == outcomes[0] for outcome in outcomes[1:])


def test_rows_drawn_by_weight_are_the_same(tiny: Any, tmp_path: Path) -> None:
    digests = []
    for workers in (0, 2):
        data = tiny.Data()
        data.train.sampling_weights = np.random.default_rng(5).random(200)
        digests.append(tiny.digest(tiny.fit(tiny.Run(tmp_path / str(workers)), data=data, data_workers=workers)[0]))
    assert digests[0] == digests[1]


@pytest.mark.parametrize(("before", "afterwards"), [(0, 2), (4, 0), (2, 1)])
def test_it_goes_on_with_another_number(before: int, afterwards: int, run: Any, tiny: Any, tmp_path: Path) -> None:
    recipe = RECIPES["buckets, accumulation, dropout"]
    expected = tiny.digest(tiny.fit(tiny.Run(tmp_path / "plain"), **recipe)[0])
    steps: list[None] = []

    def on_advance() -> None:
        steps.append(None)
        if len(steps) == 14:
            os.kill(os.getpid(), signal.SIGINT)

    run.on_advance = on_advance
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(run, data_workers=before, **recipe)
    assert not workers_left()
    run.on_advance = None
    assert tiny.digest(tiny.fit(run, data_workers=afterwards, **recipe)[0]) == expected
    assert run.logged("resumed")[0]["step"] == 14


def test_batches_are_made_ahead_and_each_once(run: Any, tiny: Any) -> None:
    data, made_in, rows_made = tiny.Data(), set(), []
    collate = data.train.collate

    def note(rows: Any) -> Any:
        made_in.add(threading.current_thread().name.partition("_")[0])
        rows_made.extend(rows.tolist())
        return collate(rows)

    data.train.collate = note
    tiny.fit(run, data=data, data_workers=2, epochs=2)
    assert made_in == {SLEEPY}
    assert sorted(rows_made) == sorted([*range(200)] * 2)


def test_a_worker_that_fails_stops_the_training_with_the_reason(run: Any, tiny: Any) -> None:
    data, made = tiny.Data(), [0]
    collate = data.train.collate

    def fail(rows: Any) -> Any:
        made[0] += 1
        if made[0] == 9:
            raise OSError("the disk is gone")
        return collate(rows)

    data.train.collate = fail
    with pytest.raises(RunError, match=r"a data worker could not make a batch: OSError: the disk is gone[\s\S]*=0"):
        tiny.fit(run, data=data, data_workers=2)
    assert not workers_left()


def test_memory_that_runs_out_halves_the_batches_as_ever(tiny: Any, tmp_path: Path) -> None:
    digests = []
    for workers in (0, 3):
        model = tiny.Narrow(tiny.Sums(0.0), 5, MemoryError())
        for parameter in model.parameters():
            parameter.data.fill_(0.25)
        _, figures = tiny.fit(tiny.Run(tmp_path / str(workers)), model=model, data_workers=workers)
        assert figures["micro_batch_size"] == 4
        digests.append(tiny.digest(model))
    assert digests[0] == digests[1]


@pytest.mark.slow
@pytest.mark.parametrize("slow", [["train", 40], ["validation", 3]])
def test_a_slow_worker_is_not_waited_for(slow: list[Any], tiny: Any, tmp_path: Path) -> None:
    options = {"accumulate": 3, "batch_size": 8, "length_buckets": 3, "data_workers": 2, "threads": 1}
    expected = tiny.digest(tiny.fit(tiny.Run(tmp_path / "plain"), dropout=0.3, **options)[0])
    training = {"folder": "run", "options": options, "dropout": 0.3, "slow": slow}
    (tmp_path / "trainings.json").write_text(json.dumps([training]))
    done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 143, done.stderr
    run = tiny.Run(tmp_path / "run")
    assert tiny.digest(tiny.fit(run, dropout=0.3, **options)[0]) == expected
    assert run.logged("resumed")


def test_a_run_of_windows_is_continued_with_another_number(tmp_path: Path) -> None:
    """The option is no part of what a run is, and a model's bytes do not depend on it; other options are refused."""
    rows = [f"{'good fine nice' if i % 2 else 'bad poor awful'} {'word ' * (i % 40)}end,{i % 2}" for i in range(120)]
    (tmp_path / "data.csv").write_text("\n".join(["text,label", *rows]) + "\n")

    def train(folder: str, *settings: str) -> str:
        options = [
            "tokenizer.min_frequency=1",
            "tokenizer.max_length=12",
            "tokenizer.window_overlap=3",
            "tokenizer.long_texts=windows",
            "task.sampling=balanced",
            "trainer.epochs=2",
        ]
        run = pegboard.train(
            dataset=str(tmp_path / "data.csv"),
            tokenizer="word",
            encoder="rnn",
            settings=[*options, "trainer.precision=no", *settings],
            out=tmp_path / folder,
        )
        return hashlib.sha256((run.model_folder / "model.safetensors").read_bytes()).hexdigest()

    assert train("none") == train("two", "trainer.data_workers=2")
    (tmp_path / "none" / "metrics.json").unlink()
    assert train("none", "trainer.data_workers=3") == train("two")
    with pytest.raises(pegboard.UsageError, match=r"another recipe \(trainer.epochs"):
        train("none", "trainer.epochs=3")


def test_there_is_a_limit() -> None:
    from pegboard_accelerate.options import AccelerateOptions

    with pytest.raises((RecipeError, ValueError)):
        AccelerateOptions(data_workers=-1)
