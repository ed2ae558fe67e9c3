"""Seconds from `fit` to the first batch of a training that is resumed far into an epoch.

    python tests/benchmarks/resume_far.py --batches 500000

The rows are made up, 32 to a batch; a training is interrupted after two steps, and its checkpoint is made to say that
so many batches were done. Reading the data and importing libraries do not count: they take as long at the start.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import statistics
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from pegboard import StepOutput
from pegboard.testing.tiny import TinyRun
from pegboard_accelerate.options import AccelerateOptions
from pegboard_accelerate.trainer import AccelerateTrainer

BATCH = 32


class Bag(torch.nn.Module):
    """Adds up embeddings."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.EmbeddingBag(100, 8)
        self.head = torch.nn.Linear(8, 3)

    def forward(self, input_ids, labels):
        logits = self.head(self.embedding(input_ids))
        loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
        return StepOutput(logits, loss, logits.new_tensor(float(len(labels))))


class Rows:
    """As many rows as wanted, of which only the lengths are kept."""

    def __init__(self, rows, action=None):
        self.lengths = np.random.default_rng(1).integers(1, 60, rows)
        self.calls, self.action = 0, action

    def __len__(self):
        return len(self.lengths)

    def collate(self, rows):
        self.calls += 1
        if self.action:
            self.action(self.calls)
        ids = torch.from_numpy(rows[:, None] % 97 + np.arange(int(self.lengths[rows].max())) % 3)
        return {"input_ids": ids, "labels": torch.from_numpy(rows % 3)}


class Found(Exception):
    """The first batch was asked for."""


def fit(folder, train):
    """Train with two epochs of these rows."""
    data = SimpleNamespace(train=train, validation=Rows(64), metrics=lambda outputs: {"loss": 0.0})
    options = AccelerateOptions(epochs=2, batch_size=BATCH, precision="no", monitor="loss")
    torch.manual_seed(1)
    AccelerateTrainer(options).fit(Bag(), data, TinyRun(folder))


def claim(folder, done):
    """Have the checkpoint say that so many steps of the first epoch are done."""
    [old] = (folder / "checkpoints").glob("step-*")
    new = old.with_name(f"step-{done:08d}")
    shutil.move(old, new)
    state = json.loads((new / "state.json").read_text())
    (new / "state.json").write_text(json.dumps({**state, "step": done, "step_in_epoch": done}))
    manifest = json.loads((new / "manifest.json").read_text())
    manifest["state.json"] = hashlib.sha256((new / "state.json").read_bytes()).hexdigest()
    (new / "manifest.json").write_text(json.dumps(manifest))


def measure(folder, train):
    """Wall and processor seconds from `fit` to the first batch."""

    def stop(calls):
        raise Found

    train.calls, train.action = 0, stop
    wall, processor = time.perf_counter(), time.process_time()
    try:
        fit(folder, train)
    except Found:
        return time.perf_counter() - wall, time.process_time() - processor
    raise AssertionError("the training did not go on")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=500_000, help="batches done [default: %(default)s]")
    parser.add_argument("--repeats", type=int, default=3, help="[default: %(default)s]")
    given = parser.parse_args()
    train = Rows((given.batches + 1000) * BATCH)
    print(f"{len(train):,} rows, {given.batches:,} of {len(train) // BATCH:,} batches done")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train.action = lambda calls: os.kill(os.getpid(), signal.SIGINT) if calls == 2 else None
        try:
            fit(folder, train)
        except KeyboardInterrupt:
            claim(folder, given.batches)
        taken = [measure(folder, train) for _ in range(given.repeats)]
    for name, values in zip(("wall", "processor"), zip(*taken, strict=True), strict=True):
        print(f"{name:>9}: {statistics.median(values):.1f} s ({min(values):.1f} to {max(values):.1f})")


if __name__ == "__main__":
    main()
