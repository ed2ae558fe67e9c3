"""A model that FSDP splits over two processes trains as a whole one does, and resumes as exactly."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate.utils import DistributedType
from pegboard import PegboardError, RecipeError, Run, UsageError
from pegboard_accelerate.options import AccelerateOptions
from pegboard_accelerate.splitting import check_can_be_split, copy_into, own_part, split_as_launched, whole
from safetensors.torch import load_file

SCRIPT = Path(__file__).with_name("train_tiny.py")
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "from-laptop-to-cluster.md"
FSDP = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT"}
BY_SIZE = {
    **FSDP,
    "FSDP_AUTO_WRAP_POLICY": "SIZE_BASED_WRAP",
    "FSDP_MIN_NUM_PARAMS": "10",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",
}
PLAIN: dict[str, Any] = {"batch_size": 16, "log_every": 1, "epochs": 2}
RANDOM: dict[str, Any] = {"rows": 200, "dropout": 0.4, "options": {**PLAIN, "ema_decay": 0.9}}
TRAININGS: list[dict[str, Any]] = [
    {"folder": "even", "rows": 200, "options": PLAIN},
    {"folder": "uneven", "rows": 97, "validation": 61, "unused": True, "options": {**PLAIN, "accumulate": 3}},
    {"folder": "thawing", "rows": 200, "options": {**PLAIN, "unfreeze_every": 1, "layer_decay": 0.5}},
    {"folder": "bf16", "rows": 200, "options": {**PLAIN, "precision": "bf16"}},
    {"folder": "random", **RANDOM},
    {"folder": "again", **RANDOM, "stop_after": 5},
    {"folder": "again", **RANDOM},
]


def launch(folder: Path, environment: dict[str, str], trainings: list[dict[str, Any]]) -> list[Any]:
    """The results of each of two processes."""
    (folder / "trainings.json").write_text(json.dumps(trainings))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [sys.executable, *launcher, SCRIPT, folder],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "arning" not in done.stderr
    return [json.loads((folder / f"results-{rank}.json").read_text()) for rank in range(2)]


@pytest.fixture(scope="module")
def whole_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def whole_model(whole_folder: Path) -> list[Any]:
    """The same trainings without splitting, and one that is left for others to continue."""
    return launch(whole_folder, {}, [*TRAININGS, {"folder": "crossed", **RANDOM, "stop_after": 5}])[0]


@pytest.mark.slow
@pytest.mark.parametrize("environment", [FSDP, BY_SIZE], ids=["all at once", "module by module"])
def test_a_split_model_trains_as_a_whole_one(
    environment: Any, whole_model: list[Any], whole_folder: Path, tmp_path: Path, tiny: Any
) -> None:
    shutil.copytree(whole_folder / "crossed", tmp_path / "crossed")
    first, second = launch(tmp_path, environment, [*TRAININGS, {"folder": "crossed", **RANDOM}])
    for split, other in zip(first, whole_model, strict=True):
        if other["exit"]:
            continue
        assert (split["processes"], split["precision"]) == (2, other["precision"])
        for mine, theirs in zip(split["log"], other["log"], strict=True):
            assert mine == pytest.approx({**theirs, "event": mine["event"]}, abs=1e-4)
        for mine, theirs in zip(split["history"], other["history"], strict=True):
            assert {**mine, "seconds": 0} == pytest.approx({**theirs, "seconds": 0}, abs=1e-4)
    assert [result.get("digest") for result in first] == [result.get("digest") for result in second]
    assert (first[5]["exit"], second[5]["exit"]) == (130, 143)
    assert first[6]["digest"] == first[4]["digest"], "resuming is exact"
    assert first[6]["log"] == first[4]["log"]
    continued, alone = first[7]["history"][-1], first[4]["history"][-1]
    assert continued == pytest.approx({**alone, "seconds": continued["seconds"]}, abs=1e-4)
    assert_whole(max((tmp_path / "random" / "checkpoints").iterdir()), tiny)


def assert_whole(checkpoint: Path, tiny: Any) -> None:
    """The tensors have the names and shapes of the model."""
    shapes = {name: tensor.shape for name, tensor in tiny.Sums().named_parameters()}
    for file in ("model", "average", "best"):
        tensors = load_file(checkpoint / f"{file}.safetensors")
        assert {name: tensors[name].shape for name in shapes} == shapes
    moments = load_file(checkpoint / "optimizer.safetensors")
    assert sorted(moments[key].shape for key in moments if key.endswith("exp_avg")) == sorted(shapes.values())


@pytest.mark.slow
def test_the_pages_configuration_launches_it(tmp_path: Path) -> None:
    """Through `accelerate launch` and the command line, with an encoder whose layers are split one by one."""
    pytest.importorskip("pegboard_bert")
    block = re.search(r"```yaml title=\"fsdp.yaml\"\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    (tmp_path / "fsdp.yaml").write_text(block[1].replace("num_processes: 4", "num_processes: 2"), encoding="utf-8")
    rows = [f"{'good fine' if i % 2 else 'bad poor'} {'word ' * (i % 5)}end,{i % 2}" for i in range(120)]
    (tmp_path / "data.csv").write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    size = [f"encoder.{name}" for name in ("layers=2", "hidden_size=16", "heads=2", "intermediate_size=32")]
    settings = [*size, "trainer.max_steps=6", "trainer.checkpoint_every=2", "tokenizer.min_frequency=1"]
    command = ["train", "--dataset", "data.csv", "--encoder", "bert", "--out", "run"]
    launcher = ["-m", "accelerate.commands.launch", "--config_file", "fsdp.yaml", "-m", "pegboard"]
    done = subprocess.run(
        [sys.executable, *launcher, *command, *(word for setting in settings for word in ("--set", setting))],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PEGBOARD_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    run = Run.open(tmp_path / "run")
    assert run.metrics["train"]["processes"] == 2
    assert run.classifier().predict(["good fine"])
    names = load_file(run.model_folder / "model.safetensors").keys()
    assert names
    assert not any("_fsdp" in name or "_checkpoint" in name for name in names)


def launched(version: int = 2, processes: int = 2, **plugin: Any) -> Any:
    """As much of an Accelerator as is looked at."""
    settings = {"fsdp_version": version, "activation_checkpointing": False, "transformer_cls_names_to_wrap": None}
    state = SimpleNamespace(distributed_type=DistributedType.FSDP, fsdp_plugin=SimpleNamespace(**settings | plugin))
    return SimpleNamespace(num_processes=processes, state=state, distributed_type=DistributedType.FSDP)


@pytest.mark.parametrize(
    ("accelerator", "message"),
    [
        (launched(version=1), r"FSDP 2 only[\s\S]*fsdp_version: 2"),
        (launched(activation_checkpointing=True), r"other names[\s\S]*trainer.gradient_checkpointing=true"),
        (launched(processes=1), r"this is one[\s\S]*--num_processes 2"),
    ],
    ids=["first version", "activation checkpointing", "one process"],
)
def test_what_does_not_go_is_refused(accelerator: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(UsageError, match=message):
        split_as_launched(accelerator)


@pytest.mark.parametrize(
    ("options", "sparse", "where"),
    [({"torch_compile": True}, False, "trainer.torch_compile"), ({}, True, "encoder")],
)
def test_what_a_split_model_cannot_do_is_refused(options: Any, sparse: bool, where: str, tiny: Any) -> None:
    model = tiny.Sums()
    model.embedding.sparse = sparse
    with pytest.raises(RecipeError) as caught:
        check_can_be_split(launched(), model, AccelerateOptions(**options))
    assert caught.value.where == where


def test_models_of_transformers_are_split_where_they_say(tiny: Any) -> None:
    model = tiny.Stack()
    model.encoder._no_split_modules = ["Sequential"]
    for given, expected in ((None, ["Sequential"]), (["Linear"], ["Linear"])):
        accelerator = launched(transformer_cls_names_to_wrap=given)
        check_can_be_split(accelerator, model, AccelerateOptions())
        assert accelerator.state.fsdp_plugin.transformer_cls_names_to_wrap == expected


def test_one_process_is_told_through_the_trainer(run: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(PegboardError, match="splits a model over several processes"):
        tiny.fit(run)
    monkeypatch.undo()
    assert tiny.fit(run, epochs=1)[1]["processes"] == 1, "the state of this process is as it was"


def test_whole_tensors_are_left_alone() -> None:
    tensor = torch.arange(3.0)
    assert whole({"a": tensor})["a"] is tensor is own_part(tensor)
    target = torch.zeros(3)
    copy_into(target, tensor)
    assert torch.equal(target, tensor)
