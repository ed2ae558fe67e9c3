"""Interrupted, killed or damaged: the training ends with the bits of one that was left alone."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pegboard import ArtifactError, RunError, UsageError

RECIPE: dict[str, Any] = {"dropout": 0.3, "batch_size": 8, "accumulate": 3, "length_buckets": 3, "epochs": 3}
"""9 steps an epoch, 27 in all"""


class Killed(Exception):
    """Stands for a crash at any place."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {"folder": tmp_path_factory.mktemp("undisturbed")}


@pytest.fixture
def expected(undisturbed: dict[str, Any], tiny: Any) -> dict[str, Any]:
    """What a training that nothing disturbs ends with."""
    if "digest" not in undisturbed:
        run = tiny.Run(undisturbed["folder"])
        model, figures = tiny.fit(run, **RECIPE)
        undisturbed |= outcome(tiny, model, figures) | {"log": run.logged("step")}
    return undisturbed


def outcome(tiny: Any, model: Any, figures: dict[str, Any]) -> dict[str, Any]:
    history = [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in figures["history"]]
    return {"digest": tiny.digest(model), "history": history, **{k: figures[k] for k in ("best_epoch", "steps")}}


def assert_same(tiny: Any, model: Any, figures: dict[str, Any], expected: dict[str, Any]) -> None:
    result = outcome(tiny, model, figures)
    assert result == {name: expected[name] for name in result}


def after(steps: int, action: Any) -> Any:
    """Calls `action` when so many steps are done."""
    left = iter(range(steps - 1, -10_000, -1))

    def on_advance() -> None:
        if next(left) == 0:
            action()

    return on_advance


def send(number: signal.Signals) -> Any:
    return lambda: os.kill(os.getpid(), number)


def crash() -> None:
    raise Killed


def disturb_generators() -> None:
    """A new process starts with other random numbers."""
    torch.manual_seed(999)
    np.random.seed(999)
    random.seed(999)


@pytest.mark.parametrize("step", [1, 4, 9, 10, 17, 18, 26, 27])
def test_sigint_saves_and_the_same_call_goes_on(run: Any, tiny: Any, expected: dict[str, Any], step: int) -> None:
    run.on_advance = after(step, send(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(run, **RECIPE)
    assert run.console.notes == [f"interrupted after step {step}: the same command continues from here"]
    assert (run.checkpoints / f"step-{step:08d}" / "manifest.json").is_file()
    run.on_advance = None
    disturb_generators()
    model, figures = tiny.fit(run, **RECIPE)
    assert_same(tiny, model, figures, expected)
    assert f"continuing after step {step}" in run.console.notes[1]
    assert run.logged("step") == expected["log"]
    assert [epoch["epoch"] for epoch in run.epochs] == [1, 2, 3]


def test_interrupted_again_and_again(run: Any, tiny: Any, expected: dict[str, Any]) -> None:
    for _ in range(6):
        run.on_advance = after(4, send(signal.SIGTERM))
        with pytest.raises(SystemExit) as caught:
            tiny.fit(run, **RECIPE)
        assert caught.value.code == 143
    assert_same(tiny, *tiny.fit(run, **RECIPE), expected)
    assert run.logged("step") == expected["log"]


@pytest.mark.parametrize("step", [2, 9, 12, 20, 27])
@pytest.mark.parametrize("checkpoint_every", ["epoch", 2, 5])
def test_killed_and_started_again(
    run: Any, tiny: Any, expected: dict[str, Any], step: int, checkpoint_every: str | int
) -> None:
    run.on_advance = after(step, crash)
    with pytest.raises(Killed):
        tiny.fit(run, **RECIPE, checkpoint_every=checkpoint_every)
    done = step - 1  # the bar is told of a step before its state is saved
    saved = done - done % (9 if checkpoint_every == "epoch" else int(checkpoint_every))
    names = sorted(path.name for path in run.checkpoints.iterdir()) if saved else []
    assert (names[-1] if names else None) == (f"step-{saved:08d}" if saved else None)
    run.on_advance = None
    disturb_generators()
    model, figures = tiny.fit(run, **RECIPE, checkpoint_every=checkpoint_every)
    assert_same(tiny, model, figures, expected)
    assert len(run.logged("resumed")) == (1 if saved else 0)


def test_resuming_in_bf16(run: Any, tiny: Any, tmp_path: Path) -> None:
    model, figures = tiny.fit(tiny.Run(tmp_path / "plain"), **RECIPE, precision="bf16")
    expected = outcome(tiny, model, figures)
    run.on_advance = after(5, send(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(run, **RECIPE, precision="bf16")
    run.on_advance = None
    assert_same(tiny, *tiny.fit(run, **RECIPE, precision="bf16"), expected)


def test_going_on_in_another_precision_is_said(run: Any, tiny: Any) -> None:
    """As happens when `auto` means something else on another machine."""
    run.on_advance = after(5, send(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(run, **RECIPE, precision="bf16")
    run.on_advance = None
    assert tiny.fit(run, **RECIPE)[1]["precision"] == "no"
    [warning] = run.console.warnings
    assert "(precision bf16 then, no now)" in warning


def test_another_number_of_threads_is_said(run: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import pegboard_accelerate.resuming as module

    run.on_advance = after(5, send(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(run, **RECIPE, threads=1)
    run.on_advance, real = None, module.surroundings
    monkeypatch.setattr(module, "surroundings", lambda accelerator: {**real(accelerator), "threads": 64})
    tiny.fit(run, **RECIPE)
    [warning] = run.console.warnings
    assert "(threads 1 then, 64 now)" in warning


def test_a_finished_training_is_not_repeated(run: Any, tiny: Any, expected: dict[str, Any]) -> None:
    tiny.fit(run, **RECIPE)
    run.bars.clear()
    model, figures = tiny.fit(run, **RECIPE)
    assert_same(tiny, model, figures, expected)
    assert run.bars == []
    assert figures["examples_per_second"] > 0


def test_early_stopping_survives(run: Any, tiny: Any) -> None:
    options = {**RECIPE, "epochs": 9, "patience": 3}
    data = tiny.Data()
    data.scripted = {"macro_f1": [0.5, 0.9, 0.3]}
    run.on_advance = after(28, crash)
    with pytest.raises(Killed):
        tiny.fit(run, data=data, **options)
    data.scripted = {"macro_f1": [0.4, 0.8, 0.9, 1.0]}
    run.on_advance = None
    _, figures = tiny.fit(run, data=data, **options)
    assert (figures["epochs"], figures["best_epoch"]) == (5, 2)


def test_the_best_weights_survive(run: Any, tiny: Any, tmp_path: Path) -> None:
    """The best epoch lies before the crash."""
    data = tiny.Data()
    data.scripted = {"macro_f1": [0.9, 0.5, 0.3]}
    plain, _ = tiny.fit(tiny.Run(tmp_path / "plain"), data=data, **RECIPE)
    data.scripted = {"macro_f1": [0.9, 0.5]}
    run.on_advance = after(20, crash)
    with pytest.raises(Killed):
        tiny.fit(run, data=data, **RECIPE)
    data.scripted = {"macro_f1": [0.3]}
    run.on_advance = None
    resumed, figures = tiny.fit(run, data=data, **RECIPE)
    assert figures["best_epoch"] == 1
    assert tiny.digest(resumed) == tiny.digest(plain)


def test_the_progress_bar_goes_on_where_it_was(run: Any, tiny: Any) -> None:
    run.on_advance = after(13, send(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(run, **RECIPE)
    run.on_advance = None
    run.bars.clear()
    tiny.fit(run, **RECIPE)
    assert run.bars == [("epoch 2/3", 200, 4 * 24), ("epoch 3/3", 200, 0)]


def newest(run: Any) -> Path:
    return max(run.checkpoints.glob("step-*"))


def stopped_at_20(run: Any, tiny: Any) -> None:
    """Leaves two checkpoints, after steps 15 and 20."""
    run.on_advance = after(21, crash)
    with pytest.raises(Killed):
        tiny.fit(run, **RECIPE, checkpoint_every=5)
    run.on_advance = None
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["step-00000015", "step-00000020"]


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


FILES = [
    "manifest.json",
    "model.safetensors",
    "optimizer.safetensors",
    "best.safetensors",
    "random.safetensors",
    "state.json",
]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", [flip, cut, Path.unlink, lambda file: file.write_bytes(b"")])
def test_a_damaged_checkpoint_falls_back(run: Any, tiny: Any, expected: dict[str, Any], file: str, damage: Any) -> None:
    stopped_at_20(run, tiny)
    damage(newest(run) / file)
    if file == "manifest.json" and damage is cut:  # the last byte is a line feed
        cut(newest(run) / file)
    model, figures = tiny.fit(run, **RECIPE, checkpoint_every=5)
    assert_same(tiny, model, figures, expected)
    assert len(run.console.warnings) == 1
    assert "step-00000020 is damaged" in run.console.warnings[0]
    assert "continuing after step 15" in run.console.notes[0]


def swap_with_another_run(folder: Path, tiny: Any, *, whole: bool, identity: str) -> None:
    """Put in what a run of another seed and another identity has saved after as many steps."""
    other = tiny.Run(folder.parents[1] / "other", seed=8, identity=identity)
    other.on_advance = after(21, crash)
    with pytest.raises(Killed):
        tiny.fit(other, **RECIPE, checkpoint_every=5)
    for file in sorted((other.checkpoints / folder.name).iterdir()) if whole else [newest(other) / FILES[1]]:
        shutil.copy(file, folder)


@pytest.mark.parametrize("whole", [False, True])
def test_swapped_with_another_runs(run: Any, tiny: Any, expected: dict[str, Any], whole: bool) -> None:
    stopped_at_20(run, tiny)
    swap_with_another_run(newest(run), tiny, whole=whole, identity="another run")
    assert_same(tiny, *tiny.fit(run, **RECIPE, checkpoint_every=5), expected)
    said = (
        "step-00000020 belongs to another run" if whole else "step-00000020 is damaged (model.safetensors has changed)"
    )
    assert said in run.console.warnings[0]
    assert "continuing after step 15" in run.console.notes[0]


def test_anothers_of_the_same_step_is_replaced(run: Any, tiny: Any, expected: dict[str, Any]) -> None:
    stopped_at_20(run, tiny)
    swap_with_another_run(newest(run), tiny, whole=True, identity="another run")
    run.on_advance = after(6, crash)
    with pytest.raises(Killed):
        tiny.fit(run, **RECIPE, checkpoint_every=5)
    run.on_advance = None
    run.console.warnings.clear()
    assert_same(tiny, *tiny.fit(run, **RECIPE, checkpoint_every=5), expected)
    assert run.console.warnings == []


def an_extra_file(folder: Path) -> None:
    shutil.copy(folder / "model.safetensors", folder / "average.safetensors")


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def a_file_instead(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


def a_link(folder: Path) -> None:
    shutil.move(folder, folder.parents[1] / "moved")
    folder.symlink_to(folder.parents[1] / "moved")


def the_one_before(folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("step-00000015"), folder)


def without_the_best(folder: Path) -> None:
    """A file and its line in the manifest are gone: each file that is left is whole."""
    (folder / "best.safetensors").unlink()
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["best.safetensors"]
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "damage", [an_extra_file, empty, a_file_instead, a_link, the_one_before, without_the_best], ids=lambda d: d.__name__
)
def test_a_damaged_folder_falls_back(run: Any, tiny: Any, expected: dict[str, Any], damage: Any) -> None:
    stopped_at_20(run, tiny)
    damage(newest(run))
    assert_same(tiny, *tiny.fit(run, **RECIPE, checkpoint_every=5), expected)
    assert "step-00000020 is damaged" in run.console.warnings[0]
    assert "continuing after step 15" in run.console.notes[0]
    assert [path.name for path in sorted(run.checkpoints.iterdir())] == ["step-00000020", "step-00000025"]


@pytest.mark.parametrize(
    "manifest",
    ["[]", "{}", "null", '{"../state.json": "0"}', "[" * 100_000, '{"model.safetensors": 1, "state.json": 2}'],
)
def test_a_strange_manifest_is_damage(run: Any, tiny: Any, manifest: str) -> None:
    stopped_at_20(run, tiny)
    (newest(run) / "manifest.json").write_text(manifest)
    tiny.fit(run, **RECIPE, checkpoint_every=5)
    assert "step-00000020 is damaged" in run.console.warnings[0]


def test_without_any_whole_checkpoint_training_starts_afresh(run: Any, tiny: Any, expected: dict[str, Any]) -> None:
    stopped_at_20(run, tiny)
    for folder in run.checkpoints.iterdir():
        flip(folder / "model.safetensors")
    model, figures = tiny.fit(run, **RECIPE, checkpoint_every=5)
    assert_same(tiny, model, figures, expected)
    assert len(run.console.warnings) == 2


def test_a_damaged_one_is_replaced_when_its_step_comes_again(run: Any, tiny: Any) -> None:
    stopped_at_20(run, tiny)
    flip(newest(run) / "optimizer.safetensors")
    run.on_advance = after(6, send(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(run, **RECIPE, checkpoint_every=5)
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["step-00000020", "step-00000021"]
    run.on_advance = None
    run.console.warnings.clear()
    flip(newest(run) / "state.json")
    tiny.fit(run, **RECIPE, checkpoint_every=5)
    assert len(run.console.warnings) == 1, "the replaced one is whole"


def test_a_damaged_newer_one_does_not_push_out_whole_ones(run: Any, tiny: Any) -> None:
    stopped_at_20(run, tiny)
    flip(newest(run) / "state.json")
    run.on_advance = after(1, send(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(run, **RECIPE, checkpoint_every=5)
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["step-00000015", "step-00000016"]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_disk_full_keeps_what_was_there(
    run: Any, tiny: Any, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The write of one of the files of the third checkpoint fails."""
    import pegboard_accelerate.checkpoint as module

    calls, real = [], module.to_safetensors

    def to_safetensors(tensors: Any) -> bytes:
        calls.append(tensors)
        if len(calls) == 8 + step:
            raise OSError(28, "No space left on device")
        return real(tensors)

    with monkeypatch.context() as patched:
        patched.setattr(module, "to_safetensors", to_safetensors)
        with pytest.raises(RunError, match="No space left on device"):
            tiny.fit(run, **RECIPE)
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["step-00000009", "step-00000018"]
    assert_same(tiny, *tiny.fit(run, **RECIPE), expected)


def test_what_can_not_be_read_back_removes_nothing(run: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes what is written and keeps something else."""
    write, files = Path.write_bytes, []

    def forget(self: Path, data: bytes) -> int:
        files.append(self.name)
        lost = files.count("model.safetensors") == 3 and self.name == "optimizer.safetensors"
        return write(self, data[:-1] + b"?" if lost else data)

    monkeypatch.setattr(Path, "write_bytes", forget)
    with pytest.raises(RunError, match=r"step-00000027: .*not what was written \(optimizer\.safetensors has changed"):
        tiny.fit(run, **RECIPE)
    assert sorted(path.name for path in run.checkpoints.glob("step-*"))[:2] == ["step-00000009", "step-00000018"]


def test_leftovers_of_a_killed_write_go_away(run: Any, tiny: Any) -> None:
    leftover = run.checkpoints / ".step-00000001.partial-0123abcd"
    leftover.mkdir(parents=True)
    (leftover / "model.safetensors").write_bytes(b"half")
    tiny.fit(run, **RECIPE)
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["step-00000018", "step-00000027"]


def test_anothers_checkpoint_is_refused(run: Any, tiny: Any) -> None:
    stopped_at_20(run, tiny)
    run.identity = "another"
    with pytest.raises(ArtifactError, match=r"another recipe[\s\S]*--overwrite"):
        tiny.fit(run, **RECIPE)
    assert newest(run).name == "step-00000020"


def test_another_number_of_processes_is_refused(run: Any, tiny: Any) -> None:
    from pegboard_accelerate.checkpoint import Checkpoints

    stopped_at_20(run, tiny)
    with pytest.raises(UsageError, match="1 processes and can't be continued by 2"):
        Checkpoints(run.checkpoints, identity=run.identity, processes=2).newest(pytest.fail)


def test_another_architecture_is_refused(run: Any, tiny: Any) -> None:
    stopped_at_20(run, tiny)
    with pytest.raises(ArtifactError, match=r"another model.*head\.bias"):
        tiny.fit(run, model=tiny.Sums(labels=4), **{k: v for k, v in RECIPE.items() if k != "dropout"})


def test_interrupted_in_validation(run: Any, tiny: Any, expected: dict[str, Any]) -> None:
    data = tiny.Data()
    collate, calls = data.validation.collate, []

    def collate_and_signal(rows: np.ndarray) -> dict[str, torch.Tensor]:
        calls.append(rows)
        if len(calls) == 3:  # the trainer's first look, the first epoch, the second
            os.kill(os.getpid(), signal.SIGINT)
        return collate(rows)

    data.validation.collate = collate_and_signal
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(run, data=data, **RECIPE)
    assert len(run.epochs) == 1
    assert_same(tiny, *tiny.fit(run, **RECIPE), expected)
    assert len(run.epochs) == 3


def test_interrupted_between_epochs(run: Any, tiny: Any, expected: dict[str, Any]) -> None:
    """Also after the last one: the signal is not swallowed."""
    listening = run.epoch_finished

    def epoch_finished(metrics: dict[str, float]) -> None:
        listening(metrics)
        os.kill(os.getpid(), signal.SIGTERM)

    run.epoch_finished = epoch_finished
    for _ in range(3):
        with pytest.raises(SystemExit):
            tiny.fit(run, **RECIPE)
    assert_same(tiny, *tiny.fit(run, **RECIPE), expected)


@pytest.mark.parametrize(("seconds", "saved"), [(0.5, True), (1.5, False)])
def test_a_late_second_sigint_stops_at_once(
    run: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch, seconds: float, saved: bool
) -> None:
    """An early one is the echo of a launcher."""
    clock = iter([0.0, seconds])
    monkeypatch.setattr("pegboard_accelerate.interrupts.time", SimpleNamespace(monotonic=lambda: next(clock)))

    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    run.on_advance = after(3, twice)
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(run, **RECIPE)
    assert run.checkpoints.exists() == saved


def test_with_several_processes_none_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from pegboard_accelerate.interrupts import Interrupts

    clock = iter([0.0, 100.0])
    monkeypatch.setattr("pegboard_accelerate.interrupts.time", SimpleNamespace(monotonic=lambda: next(clock)))
    with Interrupts(processes=2) as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.requested


def test_handlers_are_restored(run: Any, tiny: Any) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    inside = []
    run.on_advance = lambda: inside.append(signal.getsignal(signal.SIGTERM))
    tiny.fit(run, epochs=1)
    assert inside[0] != before[1]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_training_in_another_thread_leaves_signals_alone(run: Any, tiny: Any) -> None:
    result = []
    thread = threading.Thread(target=lambda: result.append(tiny.fit(run, epochs=1)))
    before = signal.getsignal(signal.SIGINT)
    thread.start()
    assert signal.getsignal(signal.SIGINT) == before
    thread.join()
    assert result[0][1]["epochs"] == 1


def test_checkpoints_only_when_interrupted(run: Any, tiny: Any) -> None:
    run.on_advance = after(11, send(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(run, **RECIPE, checkpoint_every=0)
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-00000011"]


def test_checkpoints_hold_data_only(run: Any, tiny: Any) -> None:
    stopped_at_20(run, tiny)
    names = sorted(path.name for path in newest(run).iterdir())
    assert names == sorted(FILES)
    assert set(json.loads((newest(run) / "manifest.json").read_text())) == set(FILES) - {"manifest.json"}


SINGLY: dict[str, dict[str, Any]] = {
    "average": {"ema_decay": 0.9},
    "rates by layer": {"layer_decay": 0.7, "warmup_steps": 5, "schedule": "cosine"},
    "unfreezing": {"unfreeze_every": 1, "freeze": ("network.encoder.scale",)},
    "patience": {"patience": 1, "min_delta": 0.02, "epochs": 9, "monitor": "loss"},
    "sampling": {"sampled": True},
    "little memory": {"rows_in_memory": 10, "batch_size": 32, "accumulate": 1},
}
SINGLY["all"] = {name: value for options in SINGLY.values() for name, value in options.items()}


def fit_stack(run: Any, tiny: Any, *, sampled: bool = False, rows_in_memory: int = 1000, **options: Any) -> Any:
    """9 steps an epoch."""
    torch.manual_seed(1)
    data = tiny.Data()
    if sampled:
        data.train.sampling_weights = np.linspace(5, 1, 200)
    model = tiny.Narrow(tiny.Stack(), rows_in_memory, torch.cuda.OutOfMemoryError("CUDA out of memory"))
    return tiny.fit(run, model=model, data=data, **{**RECIPE, "log_every": 1, "checkpoint_every": 3, **options})


@pytest.mark.parametrize("options", SINGLY.values(), ids=SINGLY)
def test_every_option_resumes_exactly(run: Any, tiny: Any, tmp_path: Path, options: dict[str, Any]) -> None:
    other = tiny.Run(tmp_path / "undisturbed")
    model, figures = fit_stack(other, tiny, **options)
    expected = outcome(tiny, model, figures)
    for steps, action in [(1, send(signal.SIGINT)), (5, crash), (4, send(signal.SIGTERM)), (5, send(signal.SIGINT))]:
        run.on_advance = after(steps, action)
        with pytest.raises((KeyboardInterrupt, SystemExit, Killed)):
            fit_stack(run, tiny, **options)
        disturb_generators()
    run.on_advance = None
    assert_same(tiny, *fit_stack(run, tiny, **options), expected)
    logged = {record["step"]: record for record in run.logged("step")}
    assert list(logged.values()) == other.logged("step")


def test_out_of_time_survives(run: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted in the validation after the time was over; what came before counts, too."""
    clock = [0.0]
    monkeypatch.setattr("pegboard_accelerate.trainer.time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def on_advance() -> None:
        clock[0] += 10.0

    def stop(rows: np.ndarray) -> Any:
        if clock[0] == 60.0:
            os.kill(os.getpid(), signal.SIGINT)
        return collate(rows)

    options = {**RECIPE, "max_minutes": 1.0}
    run.on_advance = after(4, send(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(run, **options)
    clock[0] = 0.0
    run.on_advance = on_advance
    data = tiny.Data()
    collate = data.validation.collate
    data.validation.collate = stop
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(run, data=data, **options)
    _, figures = tiny.fit(run, **options)
    assert (figures["steps"], figures["epochs"], figures["out_of_time"]) == (10, 2, True)


def test_tied_weights_are_saved_once_and_restored(run: Any, tiny: Any, tmp_path: Path) -> None:
    def tied() -> Any:
        torch.manual_seed(1)
        model = tiny.Sums(0.3)
        model.twin = torch.nn.Embedding(20, 8)
        model.twin.weight = model.embedding.weight
        return model

    options = {key: value for key, value in RECIPE.items() if key != "dropout"}
    plain, _ = tiny.fit(tiny.Run(tmp_path / "plain"), model=tied(), **options)
    run.on_advance = after(5, send(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(run, model=tied(), **options)
    run.on_advance = None
    resumed, _ = tiny.fit(run, model=tied(), **options)
    assert tiny.digest(resumed) == tiny.digest(plain)
    assert resumed.twin.weight is resumed.embedding.weight


def test_a_checkpoint_folder_can_be_moved(run: Any, tiny: Any, expected: dict[str, Any], tmp_path: Path) -> None:
    stopped_at_20(run, tiny)
    moved = tiny.Run(tmp_path / "moved")
    shutil.move(run.checkpoints, moved.checkpoints)
    assert_same(tiny, *tiny.fit(moved, **RECIPE), expected)


def windowed(texts: int, seed: int) -> Any:
    """Texts of up to 30 ids, in windows of 8, labelled by what stands at their end."""
    import pyarrow as pa
    from pegboard.tasks.windows import WindowedSplit, Windows

    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, texts)
    rows = [[*generator.integers(2, 32, generator.integers(1, 28)), 2 + 10 * label, 3] for label in labels]
    return WindowedSplit(pa.array(rows, pa.large_list(pa.int32())), labels, 0, Windows(8, 5, 0, 1))


@pytest.mark.parametrize("sampled", [False, True])
def test_windows_resume_exactly(run: Any, tiny: Any, tmp_path: Path, sampled: bool) -> None:
    from pegboard.tasks.classify import ClassificationData
    from pegboard.testing.tiny import tiny_network

    data = ClassificationData(windowed(80, 1), windowed(30, 2), ("a", "b", "c"))
    assert len(data.train) > 200
    if sampled:
        data.train.sampling_weights = data.train.for_rows(np.linspace(5, 1, 80))

    def fit(run: Any) -> Any:
        return tiny.fit(run, model=tiny_network(), data=data, **{**RECIPE, "log_every": 1, "checkpoint_every": 3})

    other = tiny.Run(tmp_path / "undisturbed")
    model, figures = fit(other)
    for steps, action in [(5, crash), (4, send(signal.SIGTERM)), (7, crash)]:
        run.on_advance = after(steps, action)
        with pytest.raises((SystemExit, Killed)):
            fit(run)
        disturb_generators()
    run.on_advance = None
    assert_same(tiny, *fit(run), outcome(tiny, model, figures))


def test_the_position_is_computed(run: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No batch before it is made, and the order of rows is made for the epoch under way only."""
    import pegboard_accelerate.trainer as module

    run.on_advance = after(13, send(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(run, **RECIPE)
    run.on_advance = None
    data, epochs, real = tiny.Data(), [], module.epoch_steps
    collate, computed = data.train.collate, []

    def epoch_steps(*lengths: Any, epoch: int, **options: Any) -> Any:
        epochs.append(epoch)
        return real(*lengths, epoch=epoch, **options)

    monkeypatch.setattr(module, "epoch_steps", epoch_steps)
    data.train.collate = lambda rows: (computed.append(len(rows)), collate(rows))[1]
    tiny.fit(run, data=data, **RECIPE)
    assert epochs == [2, 3]
    assert sum(computed) == (200 - 4 * 24) + 200
