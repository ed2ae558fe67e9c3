"""Trains the tiny network as one of several processes or alone: `train_tiny.py FOLDER`.

`FOLDER/trainings.json` is a list of trainings, done one after the other: `folder`, `options` for the trainer, and
maybe `rows`, `validation`, `dropout`, `unused` (parameters that no loss depends on), `table` (sparse gradients),
`stop_after` (steps after which the last process gets a SIGTERM) and `slow` (of which split which batch takes minutes,
in which a SIGTERM comes).
Each process writes `FOLDER/results-<rank>.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import torch
from conftest import Data, FakeRun, Sums, digest, fit

RANK, PROCESSES = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def make_slow(split: Any, batch: int) -> None:
    collate, calls = split.collate, []

    def collate_slowly(rows: Any) -> Any:
        calls.append(rows)
        if len(calls) == batch:
            if threading.current_thread() is threading.main_thread():
                torch.rand(5)  # what was drawn since the last step must not count
            os.kill(os.getpid(), signal.SIGTERM)
            hashlib.pbkdf2_hmac("sha256", b"", b"", 500_000_000)  # Python runs no handler while it computes
        return collate(rows)

    split.collate = collate_slowly


def train(base: Path, training: dict[str, Any]) -> dict[str, Any]:
    run = FakeRun(base / training["folder"], is_main=RANK == 0)
    if not run.is_main:
        run.log = lambda **record: None  # type: ignore[method-assign]
    torch.manual_seed(7)
    model = Sums(training.get("dropout", 0.0))
    if training.get("unused"):
        model.unused = torch.nn.Linear(2, 2)
    model.embedding.sparse = bool(training.get("table"))
    steps: list[None] = []

    def on_advance() -> None:
        steps.append(None)
        if len(steps) == training.get("stop_after") and RANK == PROCESSES - 1:
            os.kill(os.getpid(), signal.SIGTERM)

    run.on_advance = on_advance
    data = Data(train=training.get("rows", 200), validation=training.get("validation", 60))
    if "slow" in training:
        make_slow(getattr(data, training["slow"][0]), training["slow"][1])
    try:
        _, figures = fit(run, model=model, data=data, **training["options"])
    except SystemExit as error:
        return {"exit": error.code}
    except KeyboardInterrupt:
        return {"exit": 130}
    return {"exit": 0, "digest": digest(model), "log": run.logged("step"), **figures}


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    trainings = json.loads((folder / "trainings.json").read_text())
    results = [train(folder, training) for training in trainings]
    (folder / f"results-{RANK}.json").write_text(json.dumps(results))
