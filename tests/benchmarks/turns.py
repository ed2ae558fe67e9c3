"""Programs that train in turns, a slice of time each, so that whatever else the machine does hits all of them alike.

The one that has done the smallest part of its work goes on next; the others wait and use no processor. What counts is
the time of the steps: batches, forward and backward pass, optimizer. Loading, validation and saving do not.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pegboard.threads import settle_threads

SLICE = 1.5

THREADS: dict[str, str] = {}
"""The variables by which Pegboard settles how threads wait; they are set before torch is loaded."""
settle_threads(THREADS)
AS_THEY_COME: dict[str, None] = {"OMP_WAIT_POLICY": None, "GOMP_SPINCOUNT": None}
"""What takes them away."""


class Turns:
    """The worker's side: it tells what it has done, and waits for its next slice."""

    def __init__(self, slice_seconds: float = SLICE) -> None:
        self.slice_seconds = slice_seconds
        # What libraries print must not be taken for an answer.
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self._rows, self._seconds, self._since = 0, 0.0, None

    def start(self) -> None:
        """Steps begin."""
        self._since = time.perf_counter()

    def stop(self) -> None:
        """Steps end, for now: an epoch is over."""
        if self._since is not None:
            self._seconds += time.perf_counter() - self._since
        self._since = None

    def step(self, rows: int) -> None:
        """A step of so many rows is done."""
        now = time.perf_counter()
        self._rows += rows
        self._seconds += now - self._since
        self._since = now
        if self._seconds >= self.slice_seconds:
            self.wait()
            self._since = time.perf_counter()

    def wait(self, **more: Any) -> None:
        """Give up the turn, until it comes again."""
        print(json.dumps({"rows": self._rows, "seconds": self._seconds, **more}), file=self._out, flush=True)
        self._rows, self._seconds = 0, 0.0
        sys.stdin.readline()

    def finish(self, **results: Any) -> None:
        """All is done."""
        self.stop()
        answer = {"rows": self._rows, "seconds": self._seconds, "results": results}
        print(json.dumps(answer), file=self._out, flush=True)


@dataclass
class Trained:
    """What one program did."""

    rows: int = 0
    seconds: float = 0.0
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


class Worker:
    """The driver's side of one program.

    Args:
        script: is run as `script --worker JSON`.
        name: for messages.
        settings: what the program is told; `folder` takes its log.
        environment: more variables for it; `None` as a value takes one away.
    """

    def __init__(self, script: str, name: str, settings: dict[str, Any], environment: dict[str, str | None]) -> None:
        variables = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", **environment}
        command = [sys.executable, script, "--worker", json.dumps(settings)]
        self.name, self.trained = name, Trained()
        self._log = Path(settings["folder"]) / f"{name}-{settings['seed']}.log"
        with self._log.open("w") as stderr:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={variable: value for variable, value in variables.items() if value is not None},
                text=True,
            )

    def answer(self) -> tuple[int, float]:
        """Wait until it has done its slice; gives rows and seconds."""
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} failed:\n{self._log.read_text()[-3000:]}")
        answer = json.loads(line)
        self.trained.rows += answer["rows"]
        self.trained.seconds += answer["seconds"]
        self.trained.results = answer.get("results", {})
        return answer["rows"], answer["seconds"]

    def go_on(self) -> tuple[int, float]:
        """Let it do a slice."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self.answer()

    def end(self) -> None:
        """It is not needed any more."""
        self._process.kill()
        self._process.wait()


def train_in_turns(
    script: str, programs: dict[str, dict[str, Any]], base: str, *, passive: bool = False
) -> dict[str, Trained]:
    """Run each program in turns with the others, to the end; gives what each did, by name.

    The threads of `base` wait as its libraries have it, or, if `passive`, as those of Pegboard.
    """
    as_they_come = {base: AS_THEY_COME} if not passive else {}
    workers = [
        Worker(script, name, settings, dict(as_they_come.get(name, THREADS))) for name, settings in programs.items()
    ]
    try:
        for worker in workers:
            worker.answer()  # each is ready to begin
        while waiting := [worker for worker in workers if not worker.trained.results]:
            min(waiting, key=lambda worker: worker.trained.rows).go_on()
    finally:
        for worker in workers:
            worker.end()
    return {worker.name: worker.trained for worker in workers}


def report(seeds: list[dict[str, Trained]], base: str) -> None:
    """Print rates, ratios to the program `base`, and accuracies."""
    print(f"{'':<26}{'examples/s':>11}{'ratio (spread)':>24}{'test accuracy':>15}   each seed")
    for name in seeds[0]:
        rates = [seed[name].rate for seed in seeds]
        ratios = sorted(seed[name].rate / seed[base].rate for seed in seeds)
        accuracies = [seed[name].results["accuracy"] for seed in seeds]
        ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        shown = " ".join(f"{accuracy:.4f}" for accuracy in accuracies)
        print(f"{name:<26}{statistics.median(rates):11.1f}{ratio:>24}{statistics.mean(accuracies):15.4f}   {shown}")
    for name in seeds[0]:
        if name != base:
            differences = [100 * (s[name].results["accuracy"] - s[base].results["accuracy"]) for s in seeds]
            mean = statistics.mean(differences)
            error = statistics.stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else float("nan")
            print(f"{name}: {mean:+.2f} points of accuracy against {base} (standard error {error:.2f})")


def subset(source: Path, folder: Path, rows: int | None) -> Path:
    """A folder with all of test, the first rows of train, and a little of validation, which decides nothing here."""
    import csv

    target = folder / "data"
    target.mkdir(exist_ok=True)
    for split in ("train", "validation", "test"):
        with (source / f"{split}.csv").open(encoding="utf-8", newline="") as stream:
            lines = list(csv.reader(stream))
        most = {"train": rows, "validation": 200}.get(split)
        kept = lines if most is None else lines[: most + 1]
        with (target / f"{split}.csv").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(kept)
    return target


def train_pegboard(settings: dict[str, Any], turns: Turns, **choices: Any) -> float:
    """Train as `pegboard train` does, step by step in turns; gives the accuracy on the test split."""
    import tempfile
    from collections.abc import Iterator
    from contextlib import contextmanager

    import pegboard
    from pegboard.console import Console, Progress

    class InTurns(Console):
        """Its progress bar is what the trainer advances after each step."""

        @contextmanager
        def progress(self, description: str, total: int, done: int = 0, **more: Any) -> Iterator[Progress]:
            if not description.startswith("epoch"):
                yield Progress()
                return
            turns.start()
            yield Steps()
            turns.stop()

    class Steps(Progress):
        def advance(self, examples: int, **more: Any) -> None:
            turns.step(examples)

    turns.wait()
    with tempfile.TemporaryDirectory(dir=settings["folder"]) as folder:
        run = pegboard.train(
            dataset=settings["data"],
            out=f"{folder}/run",
            seed=settings["seed"],
            console=InTurns(quiet=True),
            **choices,
            **settings.get("options", {}),
        )
        return float(run.metrics["test"]["accuracy"])
