"""Ways to have batches ready: in the main thread, in threads as `trainer.data_workers` has them, or in processes.

    python tests/benchmarks/data_workers.py                  the comparison, about a minute
    python tests/benchmarks/data_workers.py --delay 0.005    the same where a batch takes 5 ms more to read

Batches of the emotion data's texts, grouped by length as in training, are only made, and made while a small GRU trains
on them. The ways take turns, an epoch each; a time is the fastest of a way's epochs, a ratio that of each round.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pegboard.threads import settle_threads

settle_threads()

import numpy as np  # noqa: E402
import pegboard  # noqa: E402
import torch  # noqa: E402
from pegboard.tasks.classify import EncodedSplit  # noqa: E402
from pegboard_accelerate.ahead import Ahead, Workers  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2]


class Delayed(EncodedSplit):
    """Rows that lie on something slow."""

    delay = 0.0

    def collate(self, rows: Any) -> Any:
        if self.delay:
            time.sleep(self.delay)
        return super().collate(rows)


class Rows(torch.utils.data.Dataset):
    def __init__(self, split: EncodedSplit) -> None:
        self.split = split

    def __getitem__(self, rows: Any) -> Any:
        return self.split.collate(rows)


def encoded(file: Path, rows: int) -> tuple[Delayed, int]:
    with file.open(encoding="utf-8", newline="") as stream:
        table = list(csv.DictReader(stream))[:rows]
    names = sorted({row["label"] for row in table})
    tokenizer = pegboard.build_tokenizer("word", max_length=128)
    texts = [row["text"] for row in table]
    tokenizer.train(texts)
    labels = np.array([names.index(row["label"]) for row in table])
    return Delayed(tokenizer.encode_batch(texts), labels, tokenizer.vocab_info.pad_id), tokenizer.vocab_size


def ways_of(split: Delayed, batches: list[Any], numbers: list[int]) -> dict[str, Callable[[], Iterable[Any]]]:
    def threads(number: int) -> Callable[[], Iterator[Any]]:
        def epoch() -> Iterator[Any]:
            with Workers(number) as workers:
                ahead = Ahead(split, workers)
                ahead.plan(batches)
                for rows in batches:
                    yield ahead.collate(rows)

        return epoch

    ways: dict[str, Callable[[], Iterable[Any]]] = {"main thread": threads(0)}
    for number in numbers:
        ways[f"{number} threads"] = threads(number)
        loader = torch.utils.data.DataLoader(
            Rows(split), batch_size=None, sampler=batches, num_workers=number, persistent_workers=True
        )
        ways[f"{number} processes"] = loader.__iter__
    return ways


def trained(vocabulary: int) -> Callable[[Iterable[Any]], None]:
    embedding, gru = torch.nn.Embedding(vocabulary, 64), torch.nn.GRU(64, 64, batch_first=True)
    head = torch.nn.Linear(64, 32)
    optimizer = torch.optim.AdamW([*embedding.parameters(), *gru.parameters(), *head.parameters()], fused=True)

    def epoch(batches: Iterable[Any]) -> None:
        for batch in batches:
            logits = head(gru(embedding(batch["input_ids"]))[0].mean(1))
            torch.nn.functional.cross_entropy(logits, batch["labels"]).backward()
            optimizer.step()
            optimizer.zero_grad()

    return epoch


def only_made(batches: Iterable[Any]) -> None:
    for _ in batches:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data" / "emotion")
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that reading a batch takes besides")
    options = parser.parse_args()
    split, vocabulary = encoded(options.data / "train.csv", options.rows)
    split.delay = options.delay
    batches = pegboard.bucketed_batches(split.lengths, options.batch_size, seed=[1, 1])
    ways = ways_of(split, batches, options.workers)
    for what, use in {"only made": only_made, "a GRU trains on them": trained(vocabulary)}.items():
        times: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(options.rounds + 1):
            for name, way in ways.items():
                start = time.perf_counter()
                use(way())
                if number:  # in the first round processes start
                    times[name].append((time.perf_counter() - start) / len(batches))
        print(
            f"\n{what}: {len(batches)} batches of {options.batch_size}",
            f"{'':<16}{'ms a batch':>12}{'ratio (spread)':>26}",
            sep="\n",
        )
        for name, seconds in times.items():
            ratios = sorted(base / own for base, own in zip(times["main thread"], seconds, strict=True))
            shown = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            print(f"{name:<16}{1000 * min(seconds):12.3f}{shown:>26}")


if __name__ == "__main__":
    main()
