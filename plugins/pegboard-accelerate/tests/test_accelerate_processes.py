"""Real processes: several that train together, and fresh ones that must come to the same bits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("train_tiny.py")
EVEN: dict[str, Any] = {"options": {"batch_size": 16, "log_every": 1, "epochs": 2}, "rows": 200}
UNEVEN: dict[str, Any] = {"options": {**EVEN["options"], "accumulate": 3}, "rows": 97, "unused": True}
UNEVEN["validation"] = 61
"""97 rows: the last batch has a single one, so that a process has none"""
THAWING: dict[str, Any] = {
    **EVEN,
    "options": {**EVEN["options"], "unfreeze_every": 1, "ema_decay": 0.9, "layer_decay": 0.5, "max_minutes": 60.0},
}
TABLE: dict[str, Any] = {**UNEVEN, "table": True}
RANDOM: dict[str, Any] = {**EVEN, "dropout": 0.4}


def data_of(training: dict[str, Any], tiny: Any) -> Any:
    return tiny.Data(train=training["rows"], validation=training.get("validation", 60))


def launch(folder: Path, trainings: list[dict[str, Any]], *, processes: int) -> tuple[list[Any], str]:
    """The results of each process, and what was written to stderr."""
    folder.mkdir(exist_ok=True)
    (folder / "trainings.json").write_text(json.dumps(trainings))
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    done = subprocess.run(
        [sys.executable, *launcher, SCRIPT, folder],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    results = [json.loads((folder / f"results-{rank}.json").read_text()) for rank in range(processes)]
    return results, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("together")


@pytest.fixture(scope="module")
def together(folder: Path) -> tuple[list[Any], str]:
    """Two processes; in the fourth training one of them is asked to stop, the fifth continues it."""
    trainings = [
        {"folder": "even", **EVEN},
        {"folder": "uneven", **UNEVEN},
        {"folder": "random", **RANDOM},
        {"folder": "again", **RANDOM, "stop_after": 5},
        {"folder": "again", **RANDOM},
        {"folder": "thawing", **THAWING},
        {"folder": "stopped", **RANDOM, "stop_after": 3},
        {"folder": "table", **TABLE},
    ]
    return launch(folder, trainings, processes=2)


@pytest.mark.parametrize(("number", "training"), [(0, EVEN), (1, UNEVEN), (5, THAWING), (7, TABLE)])
def test_two_processes_train_as_one_does(
    together: Any, number: int, training: dict[str, Any], run: Any, tiny: Any
) -> None:
    results, _ = together
    two = results[0][number]
    torch.manual_seed(run.seed)
    model = tiny.Sums(0.0)
    model.embedding.sparse = bool(training.get("table"))
    _, one = tiny.fit(run, model=model, data=data_of(training, tiny), **training["options"])
    assert (two["processes"], two["steps"]) == (2, one["steps"])
    for mine, other in zip(two["log"], run.logged("step"), strict=True):
        assert mine == pytest.approx({**other, "event": mine["event"]}, abs=1e-4)
    for mine, other in zip(two["history"], one["history"], strict=True):
        assert {**mine, "seconds": 0} == pytest.approx({**other, "seconds": 0}, abs=1e-4)


def test_all_processes_hold_the_same_weights(together: Any) -> None:
    (first, second), _ = together
    assert [result.get("digest") for result in first] == [result.get("digest") for result in second]


def test_a_signal_to_one_process_stops_all_and_resuming_is_exact(together: Any) -> None:
    (first, second), _ = together
    assert (first[3]["exit"], second[3]["exit"]) == (130, 143)
    assert first[4]["digest"] == first[2]["digest"]
    assert first[4]["log"] == first[2]["log"]


def test_one_process_does_not_continue_what_two_began(together: Any, folder: Path, tiny: Any) -> None:
    from pegboard import UsageError

    assert together[0][0][6]["exit"] == 130
    with pytest.raises(UsageError, match=r"made by 2 processes and can't be continued by 1[\s\S]*launch as many"):
        tiny.fit(tiny.Run(folder / "stopped"), data=data_of(RANDOM, tiny), dropout=0.4, **RANDOM["options"])


def test_several_processes_give_no_warnings(together: Any) -> None:
    _, stderr = together
    assert "arning" not in stderr


def test_processes_that_do_not_find_each_other_are_refused(
    run: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accelerate's state of this process is older than the launch and knows of one process."""
    from accelerate import PartialState
    from pegboard import UsageError

    PartialState()
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="2 processes were launched, but Accelerate sees 1"):
        tiny.fit(run)


def test_fresh_processes_come_to_the_same_bits(tmp_path: Path) -> None:
    trainings = [
        {"folder": "f32", "dropout": 0.4, "options": {"accumulate": 2, "batch_size": 8}},
        {"folder": "bf16", "dropout": 0.4, "options": {"precision": "bf16"}},
    ]
    (first,), _ = launch(tmp_path / "first", trainings, processes=1)
    (second,), _ = launch(tmp_path / "second", trainings, processes=1)
    assert [result["digest"] for result in first] == [result["digest"] for result in second]
    assert first[0]["log"] == second[0]["log"]


@pytest.mark.parametrize(("slow", "saved"), [(["train", 40], 14), (["validation", 3], 18)])
def test_a_slow_computation_is_not_waited_for(tiny: Any, tmp_path: Path, slow: list[Any], saved: int) -> None:
    """The process is left while it computes, and what it had after the last whole step is saved."""
    options = {"accumulate": 3, "batch_size": 8, "length_buckets": 3, "ema_decay": 0.9}
    plain = tiny.Run(tmp_path / "plain")
    expected = tiny.digest(tiny.fit(plain, dropout=0.3, **options)[0])
    run = tiny.Run(tmp_path / "run")
    training = {"folder": "run", "options": options, "dropout": 0.3, "slow": slow}
    (tmp_path / "trainings.json").write_text(json.dumps([training]))
    done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 143, done.stderr
    assert max(run.checkpoints.iterdir()).name == f"step-{saved:08d}"
    assert tiny.digest(tiny.fit(run, dropout=0.3, **options)[0]) == expected
