"""The log of a run that was killed, resumed and begun anew, as curves with each point once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pegboard_trackers.history import History, Point, read_log


def step(number: int, loss: float = 1.0) -> dict[str, Any]:
    return {"event": "step", "step": number, "loss": loss, "time": 5.0}


def epoch(number: int, accuracy: float = 0.5) -> dict[str, Any]:
    return {"event": "epoch", "epoch": number, "validation_accuracy": accuracy, "time": 6.0}


def history_of(*records: dict[str, Any]) -> History:
    history = History()
    for record in records:
        history.add(record)
    return history


def places(history: History) -> list[tuple[str, int]]:
    return [(point.name, point.step) for point in history.points]


def test_numbers_become_points_and_nothing_else_does():
    history = History()
    record = {**step(50, 1.5), "learning_rate": 1, "device": "cpu", "fused": True, "scale": float("inf")}
    points = [Point("step/loss", 50, 1.5, 5.0), Point("step/learning_rate", 50, 1.0, 5.0)]
    assert history.add(record) == points
    assert history.add({"event": "note", "step": 60, "loss": 2.0}) == []
    assert history.points == points


def test_what_comes_after_the_checkpoint_is_void_when_a_training_is_resumed():
    history = history_of(step(10), step(20), epoch(1), step(30), epoch(2), step(40))
    assert history.add({"event": "resumed", "step": 20, "epoch": 2}) is None
    assert places(history) == [("step/loss", 10), ("step/loss", 20), ("epoch/validation_accuracy", 1)]
    assert history.add(step(30, 7.0)) == [Point("step/loss", 30, 7.0, 5.0)]


def test_nothing_is_void_when_it_was_resumed_right_where_it_stood():
    history = history_of(step(10), step(20))
    assert history.add({"event": "resumed", "step": 25, "epoch": 1}) == []
    assert places(history) == [("step/loss", 10), ("step/loss", 20)]


def test_all_is_void_when_it_starts_anew():
    history = history_of({"event": "started", "steps": 5}, step(10), epoch(1))
    assert history.add({"event": "started", "steps": 5}) is None
    assert history.points == []
    assert history.add(step(10)) != []


def test_a_trainer_that_begins_anew_without_saying_so():
    history = history_of(epoch(1, 0.1), epoch(2, 0.2))
    assert history.add(epoch(1, 0.3)) is None
    assert history.points == [Point("epoch/validation_accuracy", 1, 0.3, 6.0)]
    history = history_of(step(1), step(2), step(3), epoch(1))
    assert history.add(step(2, 9.0)) is None
    assert places(history) == [("step/loss", 1), ("epoch/validation_accuracy", 1), ("step/loss", 2)]


def test_a_log_with_a_line_that_was_cut_short(tmp_path: Path):
    file = tmp_path / "log.jsonl"
    assert list(read_log(file)) == []
    file.write_text('{"event": "step", "step": 1}\n3\n{"event": "step", "st')
    assert list(read_log(file)) == [{"event": "step", "step": 1}]
