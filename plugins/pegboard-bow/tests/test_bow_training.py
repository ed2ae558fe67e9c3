"""From data to a saved classifier, by the public functions."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pegboard
import pytest
from pegboard import Run
from pegboard.console import silent

EMOTION = Path(__file__).parents[4] / "shared" / "data" / "emotion"


def train(out: Path, **options: Any) -> Run:
    chosen = {
        "dataset": "moods",
        "encoder_hidden_size": 8,
        "encoder_buckets": 5_000,
        "trainer_batch_size": 32,
        **options,
    }
    return pegboard.train(encoder="bow", out=out, console=silent, **chosen)


def digest(run: Run) -> str:
    return hashlib.sha256((run.model_folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tmp_path_factory.mktemp("bow") / "run")


def test_it_learns_and_is_loaded_again(run: Run) -> None:
    assert run.metrics["test"]["accuracy"] > 0.6
    assert run.classifier().predict(["i feel so angry and annoyed"]) == ["anger"]
    predicted = run.predictions()
    probability = pegboard.load(run.folder).predict_proba(predicted["text"][:50])
    assert [run.classifier().label_names[i] for i in probability.argmax(1)] == predicted["prediction"][:50]


def test_the_same_recipe_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    assert digest(train(tmp_path / "again")) == digest(run)
    assert digest(train(tmp_path / "other", seed=1)) != digest(run)


@pytest.mark.emotion
@pytest.mark.slow
def test_accuracy_on_the_emotion_data(tmp_path: Path) -> None:
    if not EMOTION.is_dir():
        pytest.skip("the emotion data are not there")
    run = pegboard.train(dataset=str(EMOTION), encoder="bow", out=tmp_path / "run", console=silent)
    assert run.metrics["test"]["accuracy"] > 0.87
