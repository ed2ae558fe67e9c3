"""Schedules, parameter groups, precision, batches and options, each on its own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pegboard import RecipeError
from pegboard.options import as_document, check_options
from pegboard_accelerate import pegboard_trainers
from pegboard_accelerate.batches import count_steps, epoch_steps, share_of
from pegboard_accelerate.environment import uses_all_parameters
from pegboard_accelerate.layers import layers_of
from pegboard_accelerate.optimizer import make_optimizer
from pegboard_accelerate.options import AccelerateOptions
from pegboard_accelerate.precision import resolve_precision
from pegboard_accelerate.schedule import learning_rate_factor
from pydantic import ValidationError

CPU = torch.device("cpu")
SCHEDULES = ["linear", "cosine", "constant", "one_cycle"]


def curve(schedule: str, total: int = 100, warmup: int = 20) -> list[float]:
    return [learning_rate_factor(schedule, step, total, warmup) for step in range(total)]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_rises_to_the_top_then_does_not_rise(schedule: str) -> None:
    factors = curve(schedule)
    assert max(factors) == factors[20] == 1.0
    assert factors[:21] == sorted(set(factors[:21]))
    assert factors[20:] == sorted(factors[20:], reverse=True)
    assert min(factors) > 0, "no step is wasted"


def test_shapes_of_the_schedules() -> None:
    assert curve("linear")[0] == pytest.approx(1 / 21)
    assert curve("linear")[60] == pytest.approx(0.5)
    assert curve("linear")[40] == pytest.approx(0.75)
    assert curve("cosine")[60] == pytest.approx(0.5)
    assert curve("cosine")[40] == pytest.approx((1 + math.cos(math.pi / 4)) / 2)
    assert set(curve("constant")[20:]) == {1.0}
    assert curve("one_cycle")[0] == pytest.approx(1 / 25)
    assert curve("one_cycle")[10] == pytest.approx((1 + 1 / 25) / 2)


def test_one_cycle_is_torchs_but_for_the_exact_ends() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=1000, pct_start=0.3)
    expected = []
    for _ in range(1000):
        expected.append(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()
    assert curve("one_cycle", 1000, 300) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("schedule", SCHEDULES)
@given(total=st.integers(1, 500), share=st.floats(0, 1, exclude_max=True))
def test_factors_are_shares(schedule: str, total: int, share: float) -> None:
    assert all(0 < factor <= 1 for factor in curve(schedule, total, round(share * total)))


def test_biases_and_norms_do_not_decay() -> None:
    model = torch.nn.ModuleDict(
        {"embedding": torch.nn.Embedding(5, 4), "rnn": torch.nn.GRU(4, 4), "norm": torch.nn.LayerNorm(4)}
    )
    model["embedding"].weight.requires_grad_(False)
    optimizer = make_optimizer(layers_of(model), 0.1, 0.01)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decay = {group["weight_decay"]: {names[id(p)] for p in group["params"]} for group in optimizer.param_groups}
    assert decay == {
        0.01: {"rnn.weight_ih_l0", "rnn.weight_hh_l0"},
        0.0: {"rnn.bias_ih_l0", "rnn.bias_hh_l0", "norm.weight", "norm.bias"},
    }
    assert optimizer.defaults["fused"] is True


LARGE, SMALL = torch.nn.Linear(1000, 1000), torch.nn.Linear(100, 100)


@pytest.mark.parametrize(
    ("features", "expected"), [({"avx2"}, "no"), ({"avx512_bf16"}, "bf16"), ({"amx_bf16"}, "bf16")]
)
def test_auto_precision_follows_the_processor(
    monkeypatch: pytest.MonkeyPatch, features: set[str], expected: str
) -> None:
    monkeypatch.setattr("pegboard.precision.processor_features", lambda: features)
    assert resolve_precision("auto", CPU, LARGE) == expected
    assert resolve_precision("bf16", CPU, LARGE) == "bf16", "what is asked for is done"
    assert resolve_precision("no", CPU, LARGE) == "no"


def test_auto_precision_follows_the_size_of_what_is_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pegboard.precision.processor_features", lambda: {"amx_bf16"})
    embedding = torch.nn.Embedding(10_000, 1000)
    assert resolve_precision("auto", CPU, SMALL) == "no"
    assert resolve_precision("auto", CPU, torch.nn.Sequential(embedding, SMALL)) == "no"
    assert resolve_precision("auto", CPU, torch.nn.Sequential(embedding, LARGE)) == "bf16"
    assert resolve_precision("bf16", CPU, SMALL) == "bf16"


@pytest.mark.parametrize(("capability", "fast"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_auto_precision_follows_the_gpu(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], fast: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert resolve_precision("auto", torch.device("cuda", 0), LARGE) == ("bf16" if fast else "no")
    assert resolve_precision("fp16", torch.device("cuda", 0), LARGE) == "fp16"


def test_fp16_on_a_processor_is_refused(run: Any, tiny: Any) -> None:
    with pytest.raises(RecipeError, match=r"trainer\.precision: fp16 needs a GPU[\s\S]*bf16"):
        tiny.fit(run, precision="fp16")


@given(rows=st.integers(1, 40), processes=st.integers(1, 7))
def test_shares_are_the_batch(rows: int, processes: int) -> None:
    batch = np.arange(100, 100 + rows)
    shares = [share_of(batch, process, processes) for process in range(processes)]
    counted = np.concatenate([share for share, counts in shares if counts])
    assert sorted(counted) == list(batch)
    assert all(len(share) for share, _ in shares)


@given(
    rows=st.integers(1, 300),
    batch_size=st.integers(1, 20),
    accumulate=st.integers(1, 5),
    length_buckets=st.integers(1, 4),
)
def test_every_row_is_in_one_batch_of_an_epoch(
    rows: int, batch_size: int, accumulate: int, length_buckets: int
) -> None:
    lengths = np.arange(rows) % 13
    steps = epoch_steps(
        lengths, batch_size=batch_size, accumulate=accumulate, seed=1, epoch=1, length_buckets=length_buckets
    )
    assert sorted(np.concatenate([batch for step in steps for batch in step])) == list(range(rows))
    assert all(len(step) <= accumulate and all(0 < len(batch) <= batch_size for batch in step) for step in steps)
    other = epoch_steps(
        lengths, batch_size=batch_size, accumulate=accumulate, seed=1, epoch=2, length_buckets=length_buckets
    )
    assert len(other) == len(steps), "the schedule counts on epochs of equal length"
    assert count_steps(rows, batch_size=batch_size, accumulate=accumulate) == len(steps)


@given(
    rows=st.integers(1, 3000),
    batch_size=st.integers(1, 600),
    accumulate=st.integers(1, 4),
    least=st.integers(1, 80),
)
def test_batches_are_as_large_as_the_least_number_of_steps_allows(
    rows: int, batch_size: int, accumulate: int, least: int
) -> None:
    def steps(size: int) -> int:
        return count_steps(rows, batch_size=size, accumulate=accumulate)

    options = AccelerateOptions(batch_size=batch_size, accumulate=accumulate, min_epoch_steps=least)
    size = options.fitting(rows).batch_size
    assert 1 <= size <= batch_size
    assert steps(size) >= least or size == 1
    assert size == batch_size or steps(size + 1) < least


def test_which_parameters_a_loss_uses() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    assert uses_all_parameters(model, model(torch.ones(1, 2)).sum())
    assert not uses_all_parameters(model, model[0](torch.ones(1, 2)).sum())
    model[1].requires_grad_(False)
    assert uses_all_parameters(model, model[0](torch.ones(1, 2)).sum())


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"schedule": "step"},
        {"precision": "f32"},
        {"warmup_share": 1.0},
        {"checkpoint_every": -1},
        {"checkpoint_every": "day"},
        {"patience": 0},
        {"epoch": 3},
        {"max_minutes": 0.0},
        {"ema_decay": 1.0},
        {"layer_decay": 0.0},
        {"unfreeze_every": 0},
        {"freeze": 3},
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AccelerateOptions(**wrong)


def test_one_frozen_part_needs_no_list() -> None:
    for written in ("encoder", ["encoder"]):
        options = check_options(AccelerateOptions, {"freeze": written}, table="trainer")
        assert options.freeze == ("encoder",)
        assert check_options(AccelerateOptions, as_document(options), table="trainer") == options


def test_every_option_has_help_and_the_spec_is_the_default() -> None:
    assert all(field.description for field in AccelerateOptions.model_fields.values())
    (spec,) = pegboard_trainers()
    assert (spec.name, spec.default) == ("accelerate", True)
