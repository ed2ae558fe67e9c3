"""What the loop does with a tiny network."""

from __future__ import annotations

import copy
import math
import os
import warnings
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from pegboard import RecipeError, RunError, StepOutput, UsageError
from torch.optim.optimizer import register_optimizer_step_pre_hook

CONSTANT = {"schedule": "constant", "warmup_share": 0.0}


@pytest.mark.parametrize("precision", ["no", "bf16"])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_loss_falls_and_validation_rises(run: Any, tiny: Any, precision: str, accumulate: int) -> None:
    _, figures = tiny.fit(run, precision=precision, accumulate=accumulate, epochs=8, learning_rate=0.1, batch_size=16)
    first, last = run.epochs[0], run.epochs[-1]
    assert last["train_loss"] < first["train_loss"] / 2
    assert last["validation_accuracy"] > 0.6 > first["validation_accuracy"]
    assert figures["precision"] == precision


def test_figures_and_reports(run: Any, tiny: Any) -> None:
    _, figures = tiny.fit(run)
    assert figures["epochs"] == 3
    assert figures["steps"] == 3 * math.ceil(200 / 32)
    assert figures["processes"] == 1
    assert figures["device"] == "cpu"
    assert figures["precision"] == "no"
    assert 0 < figures["examples_per_second"] < figures["tokens_per_second"]
    assert sum(epoch["seconds"] for epoch in run.epochs) <= figures["seconds"] + 1e-9
    assert figures["history"] == run.epochs
    assert list(run.epochs[0]) == [
        "epoch",
        "train_loss",
        "validation_accuracy",
        "validation_macro_f1",
        "validation_loss",
        "seconds",
    ]
    assert [epoch["epoch"] for epoch in run.epochs] == [1, 2, 3]
    steps = run.logged("step")
    assert [record["step"] for record in steps] == [5, 10, 15, 20]
    assert all(record["loss"] > 0 and 0 < record["learning_rate"] <= 0.03 for record in steps)
    assert run.logged("started") == [
        {"event": "started", "steps": 21, "precision": "no", "device": "cpu", "processes": 1}
    ]
    assert run.bars == [(f"epoch {epoch}/3", 200, 0) for epoch in (1, 2, 3)]


def test_logged_losses_average_to_the_epochs_loss(run: Any, tiny: Any) -> None:
    """Each is a weighted mean, and with one logged mean an epoch the two are the same number."""
    tiny.fit(run, batch_size=25, log_every=8, epochs=2)
    logged = [record["loss"] for record in run.logged("step")]
    assert logged == pytest.approx([epoch["train_loss"] for epoch in run.epochs], abs=0)


def test_the_first_steps_loss_is_the_weighted_mean(run: Any, tiny: Any) -> None:
    """One batch with all rows: the logged loss is that of the untrained model, with the weights of the labels."""
    torch.manual_seed(0)
    model, data = tiny.Sums(), tiny.Data(train=30)
    with torch.no_grad():
        output = copy.deepcopy(model)(**data.train.collate(torch.arange(30).numpy()))
    tiny.fit(run, model=model, data=data, max_steps=1, log_every=1)
    assert run.logged("step")[0]["loss"] == pytest.approx(float(output.loss_sum / output.loss_weight), rel=1e-6)


def test_best_weights_are_restored(run: Any, tiny: Any, tmp_path: Any) -> None:
    data = tiny.Data()
    data.scripted = {"macro_f1": [0.1, 0.9, 0.2, 0.9]}
    best, figures = tiny.fit(run, data=data, epochs=4, **CONSTANT)
    assert figures["best_epoch"] == 2, "of two equally good epochs the first"
    two, _ = tiny.fit(tiny.Run(tmp_path / "two"), epochs=2, restore_best=False, checkpoint_every=0, **CONSTANT)
    assert tiny.digest(best) == tiny.digest(two)


def test_last_weights_are_kept_without_restore_best(run: Any, tiny: Any, tmp_path: Any) -> None:
    data = tiny.Data()
    data.scripted = {"macro_f1": [0.9, 0.1]}
    last, figures = tiny.fit(run, data=data, epochs=2, restore_best=False)
    assert figures["best_epoch"] == 1
    plain, _ = tiny.fit(tiny.Run(tmp_path / "plain"), epochs=2, restore_best=False, checkpoint_every=0)
    assert tiny.digest(last) == tiny.digest(plain)


def test_loss_as_monitor_is_better_when_lower(run: Any, tiny: Any) -> None:
    data = tiny.Data()
    data.scripted = {"loss": [0.5, 0.3, 0.4]}
    assert tiny.fit(run, data=data, monitor="loss")[1]["best_epoch"] == 2


def test_early_stopping(run: Any, tiny: Any) -> None:
    data = tiny.Data()
    data.scripted = {"accuracy": [0.5, 0.6, 0.6, 0.4, 0.9]}
    _, figures = tiny.fit(run, data=data, epochs=5, monitor="accuracy", patience=2)
    assert (figures["epochs"], figures["best_epoch"]) == (4, 2)


@pytest.mark.parametrize(("max_steps", "epochs"), [(3, 1), (7, 1), (10, 2), (1000, 3)])
def test_max_steps(run: Any, tiny: Any, max_steps: int, epochs: int) -> None:
    _, figures = tiny.fit(run, max_steps=max_steps)
    assert (figures["steps"], figures["epochs"]) == (min(max_steps, 21), epochs)
    assert len(run.epochs) == epochs, "an epoch cut short is validated too"


def test_the_schedule_ends_with_max_steps(run: Any, tiny: Any) -> None:
    tiny.fit(run, max_steps=10, log_every=1, warmup_share=0.0)
    rates = [record["learning_rate"] for record in run.logged("step")]
    assert rates == pytest.approx([0.03 * (10 - step) / 10 for step in range(10)])


def test_accumulation_equals_the_big_batch(run: Any, tiny: Any, tmp_path: Any) -> None:
    whole, _ = tiny.fit(run, dropout=0.0, batch_size=35)
    parts, figures = tiny.fit(tiny.Run(tmp_path / "parts"), dropout=0.0, batch_size=5, accumulate=7, checkpoint_every=0)
    assert figures["steps"] == 18
    for name, tensor in parts.state_dict().items():
        torch.testing.assert_close(tensor, whole.state_dict()[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_gradients_are_clipped(run: Any, tiny: Any, tmp_path: Any, accumulate: int) -> None:
    norms: list[float] = []

    def remember(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        gradients = [p.grad.flatten() for group in optimizer.param_groups for p in group["params"]]
        norms.append(float(torch.cat(gradients).norm()))

    handle = register_optimizer_step_pre_hook(remember)
    try:
        tiny.fit(run, max_grad_norm=0.01, epochs=1, accumulate=accumulate)
        clipped, norms = norms, []
        tiny.fit(tiny.Run(tmp_path / "off"), max_grad_norm=0.0, epochs=1, accumulate=accumulate, checkpoint_every=0)
    finally:
        handle.remove()
    assert clipped == pytest.approx([0.01] * len(clipped), rel=1e-3)
    assert min(norms) > 0.01


def test_unknown_monitor_is_refused_before_training(run: Any, tiny: Any) -> None:
    with pytest.raises(RecipeError, match=r"trainer\.monitor.*'makro_f1'[\s\S]*did you mean macro_f1"):
        tiny.fit(run, monitor="makro_f1")
    assert run.bars == []


class Breaking(torch.nn.Module):
    """Gives a loss, or a gradient, that is not a number from some step on."""

    def __init__(self, network: torch.nn.Module, step: int, where: str) -> None:
        super().__init__()
        self.network, self.left, self.where = network, step, where

    def forward(self, **batch: torch.Tensor) -> StepOutput:
        output = self.network(**batch)
        if self.training:
            self.left -= 1
            if self.left < 0 and self.where == "loss":
                return output._replace(loss_sum=output.loss_sum * math.nan)
            if (
                self.left < 0 and self.where == "gradient"
            ):  # the root's slope at 0 is infinite, and inf * 0 is no number
                root = torch.sqrt(0 * self.network.head.weight.sum())
                return output._replace(loss_sum=output.loss_sum + 0 * root)
        return output


@pytest.mark.parametrize(
    ("where", "checkpoint_every", "found"),
    [("loss", "epoch", 10), ("loss", 1, 10), ("gradient", "epoch", 11), ("gradient", 1, 10)],
)
def test_a_loss_that_is_not_a_number_stops(
    run: Any, tiny: Any, where: str, checkpoint_every: str | int, found: int
) -> None:
    model = Breaking(tiny.Sums(), 9, where)
    with pytest.raises(RunError, match=rf"step {found}: the loss is not a number[\s\S]*learning_rate") as caught:
        tiny.fit(run, model=model, checkpoint_every=checkpoint_every)
    assert "precision=no" in str(caught.value)
    saved = sorted(path.name for path in run.checkpoints.iterdir())
    assert saved == (["step-00000007"] if checkpoint_every == "epoch" else ["step-00000008", "step-00000009"])


def test_weights_broken_by_the_last_step_are_found(run: Any, tiny: Any) -> None:
    with pytest.raises(RunError, match="step 10: the loss is not a number"):
        tiny.fit(run, model=Breaking(tiny.Sums(), 9, "gradient"), max_steps=10, checkpoint_every=0)


def test_a_validation_figure_that_is_not_a_number_stops(run: Any, tiny: Any) -> None:
    data = tiny.Data()
    data.scripted = {"loss": [math.nan]}
    with pytest.raises(RunError, match="not a number"):
        tiny.fit(run, data=data, monitor="loss")


def test_nothing_is_left_behind(run: Any, tiny: Any) -> None:
    """Neither on the model, nor in torch's settings, nor in Accelerate's process-wide state."""
    mine = Accelerator(mixed_precision="no")
    shared = dict(AcceleratorState._shared_state), dict(GradientState._shared_state)
    threads, model = torch.get_num_threads(), tiny.Sums()
    before = set(vars(model))
    tiny.fit(run, model=model, precision="bf16", threads=1, epochs=1)
    assert set(vars(model)) == before
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    assert (dict(AcceleratorState._shared_state), dict(GradientState._shared_state)) == shared
    assert mine.mixed_precision == "no"


def test_threads_are_used(run: Any, tiny: Any) -> None:
    used = set()
    run.on_advance = lambda: used.add(torch.get_num_threads())
    tiny.fit(run, threads=1, epochs=1)
    assert used == {1}


def test_the_same_model_can_be_trained_again_in_another_precision(run: Any, tiny: Any, tmp_path: Any) -> None:
    model = tiny.Sums()
    for number, precision in enumerate(["bf16", "no", "bf16"]):
        seen = set()
        handle = model.head.register_forward_hook(
            lambda module, inputs, output, seen=seen: seen.add((module.training, output.dtype))
        )
        _, figures = tiny.fit(tiny.Run(tmp_path / str(number)), model=model, precision=precision, checkpoint_every=0)
        handle.remove()
        assert figures["precision"] == precision
        trained_in = torch.bfloat16 if precision == "bf16" else torch.float32
        assert seen == {(True, trained_in), (False, torch.float32)}, "validation is always computed in float32"


def test_a_kind_of_launch_that_it_does_not_know_is_refused(
    run: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate.utils import DistributedType

    monkeypatch.setattr(Accelerator, "distributed_type", DistributedType.XLA)
    with pytest.raises(UsageError, match="XLA"):
        tiny.fit(run)


def test_frozen_parameters_stay(run: Any, tiny: Any) -> None:
    model = tiny.Sums()
    model.embedding.weight.requires_grad_(False)
    before = model.embedding.weight.clone()
    tiny.fit(run, model=model, epochs=1)
    assert torch.equal(model.embedding.weight, before)


def test_a_model_with_nothing_to_learn_is_refused(run: Any, tiny: Any) -> None:
    with pytest.raises(RecipeError, match="nothing to learn"):
        tiny.fit(run, model=tiny.Sums().requires_grad_(False))


def test_rows_fewer_than_a_batch(run: Any, tiny: Any) -> None:
    _, figures = tiny.fit(run, data=tiny.Data(train=3, validation=1))
    assert figures["steps"] == 3


def test_seed_decides(tiny: Any, tmp_path: Any) -> None:
    digests = [
        tiny.digest(tiny.fit(tiny.Run(tmp_path / str(number), seed=seed), dropout=0.5, checkpoint_every=0)[0])
        for number, seed in enumerate([3, 3, 4])
    ]
    assert digests[0] == digests[1] != digests[2]


def test_dropout_does_not_depend_on_what_was_drawn_before(tiny: Any, tmp_path: Any) -> None:
    digests = []
    for number in range(2):
        torch.manual_seed(0)
        model = tiny.Sums(0.5)
        torch.rand(number)
        digests.append(tiny.digest(tiny.fit(tiny.Run(tmp_path / str(number)), model=model, checkpoint_every=0)[0]))
    assert digests[0] == digests[1]


@pytest.mark.parametrize(("deterministic", "before"), [(True, None), (True, ":16:8"), (False, None)])
def test_deterministic_kernels_are_asked_for_while_it_trains(
    deterministic: bool, before: str | None, run: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a user has set for cuBLAS stays, since there are two values that it may have."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", before or "")
    if before is None:
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    seen: set[tuple[Any, ...]] = set()

    def on_advance() -> None:
        asked = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
        seen.add((*asked, torch.backends.cudnn.benchmark, os.environ.get("CUBLAS_WORKSPACE_CONFIG")))

    run.on_advance = on_advance
    tiny.fit(run, epochs=1, deterministic=deterministic)
    assert seen == {(True, True, False, before or ":4096:8") if deterministic else (False, False, True, None)}
    assert (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark) == (False, True)


def test_an_operation_without_a_deterministic_form_is_told(run: Any, tiny: Any) -> None:
    """On a processor torch has one for every operation, so its warning is made up."""
    shown = warnings.showwarning
    text = "scatter does not have a deterministic implementation, but you set 'warn_only=True'"
    run.on_advance = lambda: warnings.warn(text, stacklevel=1)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        tiny.fit(run, epochs=1)
    assert run.console.warnings == ["scatter gives other bits each time on this device, and so will the training"]
    assert warnings.showwarning is shown


def test_a_launch_for_megatron_is_refused(run: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `accelerate launch` passes on a configuration, also where there is no GPU."""
    monkeypatch.setenv("ACCELERATE_USE_MEGATRON_LM", "true")
    with pytest.raises(UsageError, match=r"does not train with MEGATRON_LM\n.*--multi_gpu"):
        tiny.fit(run)
