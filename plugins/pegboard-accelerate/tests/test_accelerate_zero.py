"""DeepSpeed: what is passed on to it and what is refused; and where it is installed, that it trains as it should."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate.utils import DistributedType
from pegboard import RecipeError, UsageError
from pegboard_accelerate import environment, resuming
from pegboard_accelerate.options import AccelerateOptions
from pegboard_accelerate.zero import check_zero_can, gathered, zero_as_launched, zero_precision

SCRIPT = Path(__file__).with_name("train_tiny.py")
installed = pytest.mark.skipif(importlib.util.find_spec("deepspeed") is None, reason="deepspeed is not installed")


def launched(kind: DistributedType = DistributedType.DEEPSPEED, **config: Any) -> Any:
    """As much of an Accelerator as is looked at."""
    state = SimpleNamespace(distributed_type=kind, deepspeed_plugin=SimpleNamespace(deepspeed_config=config))
    return SimpleNamespace(num_processes=4, state=state, distributed_type=kind)


def test_deepspeed_is_told_what_the_recipe_says(tiny: Any) -> None:
    accelerator = launched(zero_optimization={"stage": 2}, gradient_clipping="auto", train_batch_size="auto")
    check_zero_can(accelerator, tiny.Sums(), AccelerateOptions(batch_size=30, max_grad_norm=0.5))
    assert accelerator.state.deepspeed_plugin.deepspeed_config == {
        "zero_optimization": {"stage": 2},
        "gradient_clipping": 0.5,
        "train_micro_batch_size_per_gpu": 8,
        "train_batch_size": "auto",
        "gradient_accumulation_steps": 1,
    }


@pytest.mark.parametrize(
    ("options", "config", "where"),
    [
        ({"accumulate": 2}, {}, "trainer.accumulate"),
        ({"ema_decay": 0.9}, {}, "trainer.ema_decay"),
        ({"unfreeze_every": 1}, {}, "trainer.unfreeze_every"),
        ({"torch_compile": True}, {}, "trainer.torch_compile"),
        ({"max_grad_norm": 1.0}, {"gradient_clipping": 0.3}, "trainer.max_grad_norm"),
    ],
)
def test_what_does_not_go_with_it_is_refused(options: Any, config: Any, where: str, tiny: Any) -> None:
    with pytest.raises(RecipeError) as caught:
        check_zero_can(launched(**config), tiny.Sums(), AccelerateOptions(**options))
    assert caught.value.where == where


def test_sparse_tables_are_refused(tiny: Any) -> None:
    model = tiny.Sums()
    model.embedding.sparse = True
    with pytest.raises(RecipeError, match="sparse gradients"):
        check_zero_can(launched(), model, AccelerateOptions())


@pytest.mark.parametrize("part", ["optimizer", "scheduler", "bf16", "fp16"])
def test_a_configuration_that_decides_what_the_recipe_does_is_refused(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    zero_as_launched(launched(**{part: {"enabled": False}}))
    with pytest.raises(UsageError, match=f"{part}.*which the recipe decides"):
        zero_as_launched(launched(**{part: {"enabled": True}}))


def test_one_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(UsageError, match="this is one"):
        zero_as_launched(launched(DistributedType.NO))


def test_precision_is_float32() -> None:
    assert zero_precision("auto") == zero_precision("no") == "no"
    with pytest.raises(RecipeError, match="float32, not bf16"):
        zero_precision("bf16")


def test_it_must_be_installed(run: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setattr(environment, "is_deepspeed_available", lambda: False)
    with pytest.raises(UsageError, match=r"not installed[\s\S]*pip install deepspeed, or FSDP"):
        tiny.fit(run)


def test_no_checkpoints_are_written_or_read(run: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(resuming, "is_zero", lambda accelerator: True)
        tiny.fit(run, epochs=1)
        assert not run.checkpoints.exists()
        assert run.console.warnings == [
            "with DeepSpeed no checkpoints are written: a training that is interrupted starts afresh"
        ]
    run.on_advance = lambda: os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(run)
    monkeypatch.setattr(resuming, "is_zero", lambda accelerator: True)
    with pytest.raises(UsageError, match="DeepSpeed can't continue it"):
        tiny.fit(run)


def test_weights_are_copied(tiny: Any) -> None:
    model = tiny.Sums()
    copies = gathered(model)
    assert copies.keys() == {name for name, _ in [*model.named_parameters(), *model.named_buffers()]}
    model.head.bias.data.add_(1)
    assert not torch.equal(copies["head.bias"], model.head.bias)


@installed
@pytest.mark.slow
def test_it_trains_as_without(tmp_path: Path) -> None:
    """The first time DeepSpeed compiles its way for processes to talk, which takes a minute or two."""
    plain: dict[str, Any] = {"batch_size": 16, "log_every": 1, "epochs": 2}
    trainings = [
        {"folder": "even", "rows": 200, "options": plain},
        {"folder": "uneven", "rows": 97, "validation": 61, "options": {**plain, "layer_decay": 0.5}},
        {"folder": "random", "rows": 200, "dropout": 0.4, "options": plain},
        {"folder": "stopped", "rows": 200, "options": plain, "stop_after": 3},
    ]
    results = {stage: _launch(tmp_path / str(stage), stage, trainings) for stage in (0, 1, 2, 3)}
    for stage in (1, 2, 3):
        for mine, other in zip(results[stage][0][:3], results[0][0], strict=False):
            losses, expected = ([step["loss"] for step in result["log"]] for result in (mine, other))
            assert losses == pytest.approx(expected, abs=1e-4), f"stage {stage}"
            last, wanted = mine["history"][-1], other["history"][-1]
            assert last == pytest.approx({**wanted, "seconds": last["seconds"]}, abs=1e-4)
        digests = [[result.get("digest") for result in of_process] for of_process in results[stage]]
        assert digests[0] == digests[1], "every process ends with the whole model"
        assert (results[stage][0][3]["exit"], results[stage][1][3]["exit"]) == (130, 143)


def _launch(folder: Path, stage: int, trainings: list[dict[str, Any]]) -> list[Any]:
    folder.mkdir()
    (folder / "trainings.json").write_text(json.dumps(trainings))
    zero = {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": str(stage)} if stage else {}
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [sys.executable, *launcher, SCRIPT, folder],
        env={**os.environ, "OMP_NUM_THREADS": "1", **zero},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"results-{rank}.json").read_text()) for rank in range(2)]
