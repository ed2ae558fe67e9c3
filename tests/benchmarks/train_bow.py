"""From a CSV to a trained classifier: the encoder `bow` against fastText, turn about.

    pip install fasttext-wheel        # or fasttext; needed by nothing but this script
    python tests/benchmarks/train_bow.py --data ../shared/data/emotion

Both read the same `train.csv`, train for as many epochs with vectors of the same size, the same n-grams of words, the
same number of buckets and two threads, and end with a model in a file. Each training is a new process; imports don't
count, everything else does. Pegboard begins with an empty cache and also validates each epoch and measures the test
split, which fastText does not.

fastText's learning rate is chosen on the validation split from --rates, which costs it no time here; Pegboard's own are
its defaults. `--exact` has Pegboard's n-grams weigh as much as its words, as fastText's do. "Training" is what the
trainer took, and for fastText `train_supervised`, which reads its file, too.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from turns import THREADS

REPOSITORY = Path(__file__).parents[2]
SPLITS = ("train", "validation", "test")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data" / "emotion")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument("--ngrams", type=int, default=2)
    parser.add_argument("--buckets", type=int, default=200_000)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.2, 0.5, 1.0], help="learning rates for fastText")
    parser.add_argument("--exact", action="store_true", help="n-grams weigh as much as words")
    parser.add_argument("--set", nargs="*", default=[], dest="settings", help="more settings for Pegboard")
    parser.add_argument("--one", choices=["pegboard", "fasttext"], help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        with tempfile.TemporaryDirectory() as folder:
            work = with_pegboard if options.one == "pegboard" else with_fasttext
            print(json.dumps(work(options, Path(folder))))
        return
    compare(options)


def compare(options: argparse.Namespace) -> None:
    found = {rate: process("fasttext", [*same(options), "--rates", str(rate)]) for rate in options.rates}
    best = max(options.rates, key=lambda rate: float(found[rate]["validation"]))
    print(f"{options.epochs} epochs, {options.dimension} dimensions, n-grams of {options.ngrams} words, ", end="")
    print(f"{options.buckets:,} buckets; fastText's learning rate {best}")
    print("seed   seconds: Pegboard, fastText   training: Pegboard, fastText   test accuracy: Pegboard, fastText")
    ours, theirs = [], []
    for seed in range(options.seeds):
        more = ["--seed", str(seed)]
        exact = ["--exact"] if options.exact else []
        settings = ["--set", *options.settings] if options.settings else []
        ours.append(process("pegboard", [*same(options), *more, *exact, *settings]))
        theirs.append(process("fasttext", [*same(options), *more, "--rates", str(best)]))
        mine, other = ours[-1], theirs[-1]
        print(
            f"{seed:4}   {mine['seconds']:17.2f}, {other['seconds']:8.2f}   {mine['training']:18.2f}, "
            f"{other['training']:8.2f}   {mine['test']:23.4f}, {other['test']:8.4f}",
            flush=True,
        )
    for name, key in (("all", "seconds"), ("training", "training"), ("processor time of all", "processor")):
        ratios = sorted(mine[key] / other[key] for mine, other in zip(ours, theirs, strict=True))
        print(f"Pegboard to fastText, {name}: {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    for name, results in (("Pegboard", ours), ("fastText", theirs)):
        accuracy = [result["test"] for result in results]
        print(f"test accuracy, {name}: {statistics.mean(accuracy):.4f} ({min(accuracy):.4f} to {max(accuracy):.4f})")


def same(options: argparse.Namespace) -> list[str]:
    shared = ("data", "epochs", "dimension", "ngrams", "buckets")
    return [part for name in shared for part in (f"--{name}", str(getattr(options, name)))]


def process(which: str, arguments: list[str]) -> dict[str, Any]:
    """What a training in a new process found out."""
    environment = {**os.environ, **THREADS, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, __file__, "--one", which, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def with_pegboard(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    os.environ["PEGBOARD_CACHE"] = str(folder / "cache")
    import accelerate
    import datasets
    import pegboard
    import pegboard_accelerate.trainer
    import pegboard_bow.encoder
    import pyarrow.parquet
    import sklearn.metrics
    import torch
    import torch._dynamo  # an optimizer does
    from pegboard.console import silent

    assert accelerate, datasets
    assert pegboard_accelerate.trainer, pegboard_bow.encoder
    assert pyarrow.parquet, sklearn.metrics
    torch.set_num_threads(2)
    weight = ["encoder.ngram_weight=1.0"] if options.exact else []
    start, start_of_processor = time.perf_counter(), time.process_time()
    run = pegboard.train(
        dataset=str(options.data),
        tokenizer="word",
        encoder="bow",
        seed=options.seed,
        out=folder / "run",
        console=silent,
        settings=[*weight, *options.settings],
        tokenizer_min_frequency=1,
        encoder_hidden_size=options.dimension,
        encoder_ngrams=options.ngrams,
        encoder_buckets=options.buckets,
        trainer_epochs=options.epochs,
    )
    seconds = {"seconds": time.perf_counter() - start, "processor": time.process_time() - start_of_processor}
    accuracy = {split: run.metrics[split]["accuracy"] for split in ("validation", "test")}
    return {**seconds, "training": run.metrics["train"]["seconds"], **accuracy}


def with_fasttext(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    import fasttext

    start, start_of_processor = time.perf_counter(), time.process_time()
    rows = {}
    for split in SPLITS:
        with (options.data / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            rows[split] = [(row["text"].replace("\n", " "), f"__label__{row['label']}") for row in csv.DictReader(file)]
    (folder / "train.txt").write_text("".join(f"{label} {text}\n" for text, label in rows["train"]), encoding="utf-8")
    training = time.perf_counter()
    model = fasttext.train_supervised(
        str(folder / "train.txt"),
        lr=options.rates[0],
        epoch=options.epochs,
        dim=options.dimension,
        wordNgrams=options.ngrams,
        bucket=options.buckets,
        minCount=1,
        thread=2,
        seed=options.seed,
        verbose=0,
    )
    training = time.perf_counter() - training
    model.save_model(str(folder / "model.bin"))
    seconds = {"seconds": time.perf_counter() - start, "processor": time.process_time() - start_of_processor}
    accuracy = {}
    for split in ("validation", "test"):
        predicted, _ = model.predict([text for text, _ in rows[split]])
        right = [found[0] == label for found, (_, label) in zip(predicted, rows[split], strict=True)]
        accuracy[split] = sum(right) / len(right)
    return {**seconds, "training": training, **accuracy}


if __name__ == "__main__":
    main()
