"""A tiny network, tiny data and a run folder: all that a trainer needs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pegboard import StepOutput
from torch import nn
from torch.nn import functional


class Sums(nn.Module):
    """Adds up the vectors of the tokens, and classifies the sum."""

    def __init__(self, dropout: float = 0.0, labels: int = 3) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 8, padding_idx=0)
        self.norm = nn.LayerNorm(8)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(8, labels)
        self.register_buffer("weights", torch.linspace(0.5, 1.5, labels), persistent=False)

    def forward(self, input_ids: torch.Tensor, labels: torch.Tensor) -> StepOutput:
        logits = self.head(self.dropout(self.norm(self.embedding(input_ids).sum(1)))).float()
        loss_sum = functional.cross_entropy(logits, labels, weight=self.weights, reduction="sum")
        return StepOutput(logits, loss_sum, self.weights[labels].sum())


class Stack(nn.Module):
    """Shaped like an encoder of several layers and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.embedding = nn.Embedding(20, 8)
        self.encoder.layers = nn.ModuleList([nn.Sequential(nn.Linear(8, 8), nn.Tanh()) for _ in range(2)])
        self.encoder.scale = nn.Parameter(torch.ones(8))
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(8, 3)

    def forward(self, input_ids: torch.Tensor, labels: torch.Tensor) -> StepOutput:
        states = self.encoder.embedding(input_ids).sum(1) * self.encoder.scale
        for layer in self.encoder.layers:
            states = layer(states)
        logits = self.head(self.dropout(states)).float()
        loss_sum = nn.functional.cross_entropy(logits, labels, reduction="sum")
        return StepOutput(logits, loss_sum, logits.new_tensor(float(len(labels))))


class Narrow(nn.Module):
    """Has memory for so many rows at once."""

    def __init__(self, network: nn.Module, rows: int, error: Exception) -> None:
        super().__init__()
        self.network, self.rows, self.error = network, rows, error

    def forward(self, input_ids: torch.Tensor, labels: torch.Tensor) -> StepOutput:
        if self.training and len(labels) > self.rows:
            torch.rand(3)  # what a failed attempt draws must not count
            raise self.error
        return self.network(input_ids, labels)


class Split:
    """Rows of random tokens whose label can be learned."""

    def __init__(self, rows: int, seed: int) -> None:
        generator = np.random.default_rng(seed)
        self.lengths = generator.integers(1, 9, rows)
        self.ids = [generator.integers(1, 20, length) for length in self.lengths]
        self.labels = np.array([int(ids.max()) % 3 for ids in self.ids])

    def __len__(self) -> int:
        return len(self.ids)

    def collate(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        ids = np.zeros((len(rows), int(self.lengths[rows].max())), np.int64)
        for place, row in enumerate(rows):
            ids[place, : self.lengths[row]] = self.ids[row]
        return {"input_ids": torch.from_numpy(ids), "labels": torch.from_numpy(self.labels[rows])}


class Data:
    """Two splits and the figures of a classifier."""

    def __init__(self, train: int = 200, validation: int = 60) -> None:
        self.train, self.validation = Split(train, 1), Split(validation, 2)
        self.scripted: dict[str, list[float]] = {}

    def metrics(self, outputs: np.ndarray) -> dict[str, float]:
        """Figures of the outputs; those in `scripted`, one an epoch, take their place."""
        assert outputs.dtype == np.float32
        logits, labels = torch.from_numpy(outputs), torch.from_numpy(self.validation.labels)
        accuracy = float((logits.argmax(-1) == labels).float().mean())
        loss = float(functional.cross_entropy(logits, labels))
        figures = {"accuracy": accuracy, "macro_f1": accuracy, "loss": loss}
        if np.any(outputs):  # all zeros is the trainer's look before training
            figures |= {name: values.pop(0) for name, values in self.scripted.items() if values}
        return figures


@dataclass
class FakeConsole:
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class FakeBar:
    def __init__(self, on_advance: Any, forecasts: list[tuple[float | None, bool]]) -> None:
        self.on_advance = on_advance
        self.forecasts = forecasts

    def __enter__(self) -> FakeBar:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def advance(
        self, examples: int, *, loss: float | None = None, left: float | None = None, at_most: bool = False
    ) -> None:
        self.forecasts.append((left, at_most))
        if self.on_advance:
            self.on_advance()


@dataclass
class FakeRun:
    """What a trainer uses of `pegboard.RunContext`; `on_advance` is called after each step."""

    folder: Path
    seed: int = 7
    identity: str = "this run"
    is_main: bool = True
    console: FakeConsole = field(default_factory=FakeConsole)
    epochs: list[dict[str, float]] = field(default_factory=list)
    bars: list[tuple[str, int, int]] = field(default_factory=list)
    forecasts: list[tuple[float | None, bool]] = field(default_factory=list)
    on_advance: Any = None

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def log(self, **record: Any) -> None:
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(record) + "\n")

    def logged(self, event: str) -> list[dict[str, Any]]:
        file = self.folder / "log.jsonl"
        records = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [record for record in records if record["event"] == event]

    def progress(self, description: str, total: int, done: int = 0) -> FakeBar:
        self.bars.append((description, total, done))
        return FakeBar(self.on_advance, self.forecasts)

    def epoch_finished(self, metrics: dict[str, float]) -> None:
        self.epochs.append(dict(metrics))


@pytest.fixture
def run(tmp_path: Path) -> FakeRun:
    return FakeRun(tmp_path)


def fit(run: Any, *, data: Any = None, model: Any = None, dropout: float = 0.1, **options: Any) -> Any:
    """Train a fresh (or the given) model; gives the model and the figures."""
    from pegboard_accelerate.options import AccelerateOptions
    from pegboard_accelerate.trainer import AccelerateTrainer

    if model is None:
        torch.manual_seed(run.seed)
        model = Sums(dropout)
    chosen = {"epochs": 3, "learning_rate": 0.03, "precision": "no", "log_every": 5, **options}
    return model, AccelerateTrainer(AccelerateOptions(**chosen)).fit(model, data or Data(), run)


def digest(model: nn.Module) -> str:
    """A hash of every bit of the weights."""
    sha = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        sha.update(name.encode() + tensor.cpu().numpy().tobytes())
    return sha.hexdigest()


@pytest.fixture
def tiny() -> SimpleNamespace:
    """The pieces above; test modules can't import a conftest."""
    return SimpleNamespace(Sums=Sums, Stack=Stack, Narrow=Narrow, Data=Data, Run=FakeRun, fit=fit, digest=digest)
