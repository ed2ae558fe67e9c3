"""Whole trainings with trackers: killed and resumed, with trackers that fail, in several processes."""

from __future__ import annotations

import json
import sqlite3
import sys
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pegboard
import pytest
from pegboard import PegboardWarning
from pegboard.console import silent

SETTINGS = (
    *("tokenizer.min_frequency=1", "encoder.hidden_size=8", "encoder.embedding_size=8", "trainer.precision=no"),
    *("trainer.epochs=3", "trainer.batch_size=4", "trainer.log_every=2", "trainer.checkpoint_every=5"),
)
"""8 steps an epoch, 24 in all."""


class Killed(Exception):
    """Stands for a kill at any place."""


def kill() -> None:
    raise Killed


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for split, rows in (("train", 32), ("validation", 8), ("test", 8)):
        lines = [f"{('good', 'bad')[i % 2]} day number {i},{('up', 'down')[i % 2]}\n" for i in range(rows)]
        (folder / f"{split}.csv").write_text("text,label\n" + "".join(lines))
    return folder


@pytest.fixture
def train(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`train("tensorboard", out="run")`; `kill_after` so many lines of the log, or do something `after_line`."""
    monkeypatch.setenv("PEGBOARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PEGBOARD_TRACK", raising=False)
    log = pegboard.RunContext.log

    def run(*track: str, out: str = "run", kill_after: int = 0, after_line: Any = None, **more: Any) -> Any:
        lines = iter(range(1, 10_000))
        act_after, action = after_line or (kill_after, kill)

        def counted(self: Any, **record: Any) -> None:
            log(self, **record)
            if next(lines) == act_after:
                action()

        monkeypatch.setattr(pegboard.RunContext, "log", counted)
        return pegboard.train(
            dataset=str(data),
            tokenizer="word",
            encoder="rnn",
            out=tmp_path / out,
            settings=SETTINGS,
            track=track or None,
            console=silent,
            **more,
        )

    pytest.importorskip("pegboard_accelerate")
    pytest.importorskip("pegboard_word")
    pytest.importorskip("pegboard_rnn")
    return run


def scalars(folder: Path) -> dict[tuple[str, int], float]:
    """What TensorBoard reads; a point that occurs twice is an error."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    found = [(name, e.step, e.value) for name in events.Tags()["scalars"] for e in events.Scalars(name)]
    assert len({(name, step) for name, step, _ in found}) == len(found)
    return {(name, step): value for name, step, value in found}


def rows(file: Path, query: str = "SELECT name, step, value FROM points") -> list[Any]:
    with closing(sqlite3.connect(file)) as database:
        return database.execute(query).fetchall()


def curves(points: dict[tuple[str, int], float]) -> dict[tuple[str, int], float]:
    """Without what depends on the clock."""
    clocks = ("seconds", "examples_per_second", "tokens_per_second", "peak_memory_bytes")
    return {key: value for key, value in points.items() if not key[0].endswith(clocks)}


def test_every_figure_is_there(train, tmp_path):
    run = train("tensorboard", "sqlite")
    in_database = {(name, step): value for name, step, value in rows(tmp_path / "runs.sqlite")}
    assert sorted(step for name, step in in_database if name == "step/loss") == list(range(2, 25, 2))
    assert sorted(step for name, step in in_database if name == "epoch/validation_accuracy") == [1, 2, 3]
    assert in_database["test/accuracy", 0] == run.metrics["test"]["accuracy"]
    assert scalars(run.folder / "tensorboard") == pytest.approx(in_database)
    [row] = rows(
        tmp_path / "runs.sqlite", "SELECT folder, tokenizer, seed, finished > started, metrics, recipe FROM runs"
    )
    assert row[:4] == (str(run.folder), "word", 42, 1)
    assert json.loads(row[4]) == run.metrics
    assert json.loads(row[5])["trainer"]["epochs"] == 3


@pytest.mark.parametrize("kills", [[1], [4], [9], [11, 3], [14, 1, 3], [16]])
def test_a_run_that_is_killed_and_resumed_has_each_point_once(train, tmp_path, kills):
    whole = train("tensorboard", "sqlite=" + str(tmp_path / "whole.sqlite"), out="whole")
    for lines in kills:
        with pytest.raises(pegboard.ComponentError, match="Killed"):
            train("tensorboard", "sqlite", kill_after=lines)
    run = train("tensorboard", "sqlite")
    expected = curves(scalars(whole.folder / "tensorboard"))
    assert curves(scalars(run.folder / "tensorboard")) == expected
    kept = {(name, step): value for name, step, value in rows(tmp_path / "runs.sqlite")}
    assert curves(kept) == pytest.approx(expected)
    assert len(list((run.folder / "tensorboard").iterdir())) == 1


def test_trackers_change_nothing_and_are_no_part_of_the_recipe(train, tmp_path):
    with_them, without = train("tensorboard", "sqlite"), train(out="without")
    for name in ("recipe.toml", "model/model.safetensors"):
        assert (with_them.folder / name).read_bytes() == (without.folder / name).read_bytes()
    assert {path.name for path in with_them.folder.iterdir()} - {path.name for path in without.folder.iterdir()} == {
        "tensorboard"
    }


def test_a_run_can_be_continued_with_other_trackers(train, tmp_path):
    with pytest.raises(pegboard.ComponentError):
        train(kill_after=9)
    run = train("sqlite", "tensorboard")
    steps = [step for name, step, _ in rows(tmp_path / "runs.sqlite") if name == "step/loss"]
    assert steps == list(range(2, 25, 2))
    assert {step for name, step in scalars(run.folder / "tensorboard") if name == "step/loss"} == set(steps)


def test_by_the_environment(train, tmp_path, monkeypatch):
    monkeypatch.setenv("PEGBOARD_TRACK", f"sqlite={tmp_path / 'elsewhere' / 'all.sqlite'}")
    train()
    assert rows(tmp_path / "elsewhere" / "all.sqlite", "SELECT count(*) FROM runs") == [(1,)]


def test_one_file_holds_all_runs(train, tmp_path):
    train("sqlite", out="a")
    train("sqlite", out="b", seed=7)
    train("sqlite", out="a", overwrite=True)
    assert rows(tmp_path / "runs.sqlite", "SELECT folder, seed FROM runs") == [
        (str(tmp_path / "a"), 42),
        (str(tmp_path / "b"), 7),
    ]
    train("sqlite", out="a", seed=8, overwrite=True)
    assert len(rows(tmp_path / "runs.sqlite", "SELECT id FROM runs")) == 3


def stopped(caught: list[warnings.WarningMessage]) -> list[str]:
    return [str(warning.message) for warning in caught if issubclass(warning.category, PegboardWarning)]


@pytest.mark.parametrize("name", ["sqlite", "tensorboard"])
def test_a_tracker_that_fails_is_reported_once_and_stops_nothing(train, tmp_path, name):
    (tmp_path / "taken").write_text("a file of somebody's")
    other = {"sqlite": "tensorboard", "tensorboard": "sqlite"}[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = train(f"{name}={tmp_path / 'taken'}", other)
    [line] = stopped(caught)
    assert line.startswith(f"the tracker {name!r} has stopped: ")
    assert run.metrics["train"]["steps"] == 24
    assert (tmp_path / "taken").read_text() == "a file of somebody's"
    found = scalars(run.folder / "tensorboard") if other == "tensorboard" else rows(tmp_path / "runs.sqlite")
    assert len(found) > 30


def test_the_database_of_another_program_is_left_alone(train, tmp_path):
    with closing(sqlite3.connect(tmp_path / "runs.sqlite")) as database:
        database.execute("CREATE TABLE runs (id)")
    before = (tmp_path / "runs.sqlite").read_bytes()
    with pytest.warns(PegboardWarning, match="is another program's database"):
        train("sqlite")
    assert (tmp_path / "runs.sqlite").read_bytes() == before


def test_a_database_of_a_later_version_is_left_alone(train, tmp_path):
    train("sqlite")
    with closing(sqlite3.connect(tmp_path / "runs.sqlite")) as database:
        database.execute("PRAGMA user_version = 99")
    before = (tmp_path / "runs.sqlite").read_bytes()
    with pytest.warns(PegboardWarning, match="has the format 99"):
        train("sqlite", out="another")
    assert (tmp_path / "runs.sqlite").read_bytes() == before


def test_points_wait_while_another_program_holds_the_database(train, tmp_path, monkeypatch):
    monkeypatch.setattr("pegboard_trackers.database._PATIENCE", 0.0)
    train("sqlite", out="first")
    with closing(sqlite3.connect(tmp_path / "runs.sqlite", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        with warnings.catch_warnings():
            warnings.simplefilter("error", PegboardWarning)
            train("sqlite", out="second", after_line=(8, lambda: database.execute("ROLLBACK")))
    query = "SELECT step FROM points JOIN runs ON run = id WHERE name = 'step/loss' AND folder LIKE '%second'"
    assert [step for (step,) in rows(tmp_path / "runs.sqlite", query)] == list(range(2, 25, 2))


def test_without_the_package_tensorboard(train, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    for module in [name for name in sys.modules if name.startswith("tensorboard.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delitem(sys.modules, "pegboard_trackers.event_files", raising=False)
    with pytest.warns(PegboardWarning, match=r"pip install 'pegboard-trackers\[tensorboard\]'"):
        train("tensorboard")


def test_only_the_main_process_tells(tmp_path):
    class Registry:
        def lifecycle(self, hook: str, **arguments: Any) -> None:
            raise AssertionError

    run = pegboard.RunContext(tmp_path, None, Registry(), is_main=False, track={"sqlite": ""})  # type: ignore[arg-type]
    run.log(event="step", step=1, loss=1.0)
    run.epoch_finished({"epoch": 1})
    assert list(tmp_path.iterdir()) == []
