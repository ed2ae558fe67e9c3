"""Early stopping, averages, freezing, rates by layer, sampling, limits of time and memory: what the options promise."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pegboard import RecipeError, RunError, StepOutput
from pegboard_accelerate.averaging import Average
from pegboard_accelerate.batches import drawn_rows, epoch_steps
from pegboard_accelerate.layers import frozen_parts, layers_of
from pegboard_accelerate.memory import cut, is_out_of_memory
from pegboard_accelerate.optimizer import make_optimizer
from torch import nn

CONSTANT = {"schedule": "constant", "warmup_share": 0.0}


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.named_parameters()}


# Schedules


def test_warmup_by_steps(run: Any, tiny: Any) -> None:
    tiny.fit(run, max_steps=10, log_every=1, warmup_steps=4, warmup_share=0.9)
    rates = [record["learning_rate"] / 0.03 for record in run.logged("step")]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])


def test_warmup_longer_than_the_training_is_refused(run: Any, tiny: Any) -> None:
    with pytest.raises(RecipeError, match=r"trainer\.warmup_steps: .* 21 steps: the training has 21"):
        tiny.fit(run, warmup_steps=21)
    assert run.bars == []


# Early stopping


def test_small_improvements_do_not_keep_it_going(run: Any, tiny: Any) -> None:
    data = tiny.Data()
    data.scripted = {"accuracy": [0.50, 0.54, 0.58, 0.59, 0.60, 0.99]}
    _, figures = tiny.fit(run, data=data, epochs=6, monitor="accuracy", patience=2, min_delta=0.05)
    assert figures["epochs"] == 5, "0.58 is enough more than 0.50, 0.60 is not enough more than 0.58"
    assert figures["best_epoch"] == 5, "the best is the best, by however little"


@pytest.mark.parametrize(("greater", "best"), [(None, 2), (True, 2), (False, 1)])
def test_which_way_is_better_can_be_said(run: Any, tiny: Any, greater: bool | None, best: int) -> None:
    data = tiny.Data()
    data.scripted = {"accuracy": [0.3, 0.6, 0.5]}
    assert tiny.fit(run, data=data, monitor="accuracy", greater_is_better=greater)[1]["best_epoch"] == best


# The moving average


def test_the_average_by_hand() -> None:
    model = nn.Linear(1, 1)
    model.register_buffer("count", torch.tensor(0))
    nn.init.constant_(model.weight, 4.0)
    average = Average(model, decay=0.5)
    expected = 4.0
    for step, value in enumerate([2.0, 8.0, 1.0, 0.0, 3.0, 7.0, 7.0, 7.0, 7.0, 7.0], start=1):
        nn.init.constant_(model.weight, value)
        model.count += 1
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert float(average.weights["weight"]) == pytest.approx(expected)
    assert int(average.weights["count"]) == 10, "a count is not averaged"
    with average.in_the_model():
        assert model.weight.item() == pytest.approx(expected)
    assert model.weight.item() == 7.0


@pytest.mark.parametrize("restore_best", [True, False])
def test_the_average_is_what_is_judged_and_kept(run: Any, tiny: Any, tmp_path: Any, restore_best: bool) -> None:
    data = tiny.Data()
    seen: list[float] = []
    metrics = data.metrics
    data.metrics = lambda outputs: (seen.append(float(outputs.sum())), metrics(outputs))[1]
    data.scripted = {"loss": [0.5, 0.9]}
    options = {"epochs": 2, "ema_decay": 0.9, "dropout": 0.0, "restore_best": restore_best, **CONSTANT}
    averaged, _ = tiny.fit(run, data=data, monitor="loss", **options)
    plain, _ = tiny.fit(tiny.Run(tmp_path / "plain"), **{**options, "ema_decay": 0.0}, monitor="loss")
    assert tiny.digest(averaged) != tiny.digest(plain)
    with torch.no_grad():
        outputs = [averaged.eval()(**data.validation.collate(np.array([row]))).outputs for row in range(60)]
    assert float(torch.cat(outputs).sum()) == pytest.approx(seen[1 if restore_best else 2], rel=1e-4)


def test_training_itself_is_not_changed_by_the_average(run: Any, tiny: Any, tmp_path: Any) -> None:
    tiny.fit(run, log_every=1, ema_decay=0.99)
    other = tiny.Run(tmp_path / "plain")
    tiny.fit(other, log_every=1)
    assert run.logged("step") == other.logged("step")


# Layers, freezing, rates


def names_of(model: nn.Module) -> list[set[str]]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [{names[id(parameter)] for parameter in layer} for layer in layers_of(model)]


FIRST = {"encoder.embedding.weight", "encoder.scale"}
SECOND, THIRD = ({f"encoder.layers.{n}.0.weight", f"encoder.layers.{n}.0.bias"} for n in (0, 1))
HEAD = {"head.weight", "head.bias"}


def test_layers_are_found(tiny: Any) -> None:
    assert names_of(tiny.Stack()) == [FIRST, SECOND, THIRD, HEAD]


def test_an_encoder_can_say_what_its_layers_are() -> None:
    class Knowing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.late, self.early, self.alone = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)

        def layers(self) -> list[nn.Module]:
            return [self.early, self.late]

    model = nn.Sequential(Knowing(), nn.Linear(2, 2))
    found = names_of(nn.ModuleDict({"encoder": model[0], "head": model[1]}))
    assert found == [
        {"encoder.early.weight", "encoder.early.bias", "encoder.alone.weight", "encoder.alone.bias"},
        {"encoder.late.weight", "encoder.late.bias"},
        {"head.weight", "head.bias"},
    ]


def test_frozen_and_shared_parameters_are_in_no_second_layer(tiny: Any) -> None:
    model = tiny.Stack()
    model.encoder.layers[1][0].weight = model.encoder.layers[0][0].weight
    model.head.requires_grad_(False)
    assert names_of(model) == [FIRST, SECOND, {"encoder.layers.1.0.bias"}]


def test_each_layer_has_its_share_of_the_rate(tiny: Any) -> None:
    optimizer = make_optimizer(layers_of(tiny.Stack()), 0.1, 0.01, layer_decay=0.5)
    shares = [(group["share"], group["weight_decay"], len(group["params"])) for group in optimizer.param_groups]
    assert shares == [
        (1.0, 0.01, 1),
        (1.0, 0.0, 1),
        (0.5, 0.01, 1),
        (0.5, 0.0, 1),
        (0.25, 0.01, 1),
        (0.25, 0.0, 1),
        (0.125, 0.01, 1),
        (0.125, 0.0, 1),
    ]


def test_lower_layers_move_less(run: Any, tiny: Any) -> None:
    """AdamW's first step is as long as the learning rate, whatever the gradient."""
    model = tiny.Stack()
    before = weights(model)
    tiny.fit(run, model=model, max_steps=1, layer_decay=0.1, weight_decay=0.0, **CONSTANT)
    moved = {name: float((tensor - before[name]).abs().max()) for name, tensor in weights(model).items()}
    assert moved["head.weight"] == pytest.approx(0.03, rel=0.01)
    assert moved["encoder.layers.1.0.weight"] == pytest.approx(0.003, rel=0.01)
    assert moved["encoder.embedding.weight"] == pytest.approx(0.00003, rel=0.01)


@pytest.mark.parametrize("option", [{"layer_decay": 0.9}, {"unfreeze_every": 1}])
def test_what_treats_layers_unlike_needs_several(run: Any, tiny: Any, option: dict[str, Any]) -> None:
    where = rf"trainer\.{next(iter(option))}"
    with pytest.raises(RecipeError, match=rf"{where}: the model has a single layer[\s\S]*layers\(\)"):
        tiny.fit(run, **option, freeze=("embedding", "norm"))


def test_parts_can_be_frozen(run: Any, tiny: Any) -> None:
    model = tiny.Stack()
    before = weights(model)
    tiny.fit(run, model=model, epochs=1, freeze=("encoder.embedding", "encoder.layers.0", "head.bias"))
    same = {name for name, tensor in weights(model).items() if torch.equal(tensor, before[name])}
    assert same == {"encoder.embedding.weight", *SECOND, "head.bias"}
    assert all(parameter.requires_grad for parameter in model.parameters()), "they are only frozen in training"


@pytest.mark.parametrize(
    ("name", "hint"), [("encodr", "did you mean encoder?"), ("xyz", "known: dropout, encoder"), ("", "known: dropout")]
)
def test_freezing_what_is_not_there_is_refused(tiny: Any, name: str, hint: str) -> None:
    with (
        pytest.raises(RecipeError, match=rf"trainer\.freeze: the model has no part '{name}'[\s\S]*{hint}"),
        frozen_parts(tiny.Stack(), [name]),
    ):
        pass


def test_gradual_unfreezing(run: Any, tiny: Any) -> None:
    model = tiny.Stack()
    changed: list[set[str]] = []
    before = [weights(model)]

    def compare(figures: dict[str, float]) -> None:
        now = weights(model)
        changed.append({name for name in now if not torch.equal(now[name], before[0][name])})
        before[0] = now

    run.epoch_finished = compare
    tiny.fit(run, model=model, epochs=5, unfreeze_every=1, restore_best=False)
    everything = FIRST | SECOND | THIRD | HEAD
    assert changed == [HEAD, HEAD | THIRD, HEAD | THIRD | SECOND, everything, everything]
    assert run.console.notes[:2] == ["epoch 1: 1 of 4 layers learn", "epoch 2: 2 of 4 layers learn"]
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_unfreezing_more_slowly_and_not_what_is_frozen(run: Any, tiny: Any) -> None:
    model = tiny.Stack()
    before = weights(model)
    tiny.fit(run, model=model, epochs=4, unfreeze_every=2, freeze=("head",), restore_best=False)
    same = {name for name, tensor in weights(model).items() if torch.equal(tensor, before[name])}
    assert same == HEAD | FIRST


# Sampling


@given(st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=200), st.integers(1, 9))
def test_drawn_rows_follow_their_weights(labels: list[int], epoch: int) -> None:
    weights = 1.0 / np.bincount(labels)[labels]
    rows = drawn_rows(weights, seed=5, epoch=epoch)
    assert len(rows) == len(labels)
    due = weights / weights.sum() * len(labels)
    assert (np.abs(np.bincount(rows, minlength=len(labels)) - due) < 1 + 1e-6).all()
    assert (rows == drawn_rows(weights, seed=5, epoch=epoch)).all()


def test_equal_weights_draw_each_row_once() -> None:
    assert sorted(drawn_rows(np.full(50, 0.3), seed=1, epoch=1)) == list(range(50))


def test_over_the_epochs_each_row_gets_its_due() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    weights = 1.0 / np.bincount(labels)[labels]
    counts = sum(np.bincount(drawn_rows(weights, seed=1, epoch=epoch), minlength=100) for epoch in range(200)) / 200
    assert counts[labels == 1] == pytest.approx(5, abs=0.01)
    assert counts[labels == 0] == pytest.approx(50 / 90, abs=0.15)


def test_steps_are_as_many_as_without_sampling() -> None:
    lengths, weights = np.arange(97) % 7 + 1, np.arange(97) + 1.0
    options = {"batch_size": 8, "accumulate": 2, "seed": 1, "epoch": 1, "length_buckets": 3}
    plain, drawn = epoch_steps(lengths, **options), epoch_steps(lengths, **options, weights=weights)
    assert [[len(batch) for batch in step] for step in drawn] == [[len(batch) for batch in step] for step in plain] or (
        sorted(map(len, drawn)) == sorted(map(len, plain))
    )
    rows = np.concatenate([batch for step in drawn for batch in step])
    assert len(rows) == 97
    assert (np.bincount(rows, minlength=97)[:10] <= 1).all()


def test_the_trainer_draws_by_the_splits_weights(run: Any, tiny: Any) -> None:
    data = tiny.Data()
    data.train.sampling_weights = (np.arange(200) < 20).astype(float)
    seen: list[int] = []
    collate = data.train.collate
    data.train.collate = lambda rows: (seen.extend(rows), collate(rows))[1]
    _, figures = tiny.fit(run, data=data, epochs=1)
    assert sorted(seen) == sorted([*range(20)] * 10)
    assert figures["steps"] == 7


# Limits


def test_time_is_a_limit(run: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("pegboard_accelerate.trainer.time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def on_advance() -> None:
        clock[0] += 6.0

    run.on_advance = on_advance
    _, figures = tiny.fit(run, max_minutes=1.0, epochs=5)
    assert (figures["steps"], figures["epochs"], figures["out_of_time"]) == (10, 2, True)
    assert figures["seconds"] == 60.0
    assert len(run.epochs) == 2, "an epoch cut short is validated too"
    assert run.console.notes == ["the 1.0 minutes are over, after step 10 of 35"]
    assert tiny.fit(run, max_minutes=1.0, epochs=5)[1]["steps"] == 10, "and it stays finished"


CUDA = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
PROCESSOR = RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried")


@pytest.mark.parametrize("error", [CUDA, PROCESSOR, MemoryError()])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_memory_that_runs_out_halves_what_is_computed_at_once(
    run: Any, tiny: Any, tmp_path: Any, error: Exception, accumulate: int
) -> None:
    torch.manual_seed(1)
    model = tiny.Narrow(tiny.Sums(), 10, error)
    narrow, figures = tiny.fit(run, model=model, accumulate=accumulate, log_every=1)
    torch.manual_seed(1)
    wide, plain = tiny.fit(tiny.Run(tmp_path / "wide"), model=tiny.Sums(), accumulate=accumulate, log_every=1)
    assert (figures["micro_batch_size"], plain["micro_batch_size"]) == (8, 32)
    assert figures["steps"] == plain["steps"]
    for name, tensor in narrow.network.state_dict().items():
        torch.testing.assert_close(tensor, wide.state_dict()[name], rtol=1e-3, atol=1e-3)
    step = 2 if accumulate == 1 else 1  # the first batch of a stretch may be a small one
    assert run.console.notes == [
        f"memory ran out at step {step}: now {rows} rows at once, as many in a step as before" for rows in (16, 8)
    ]


def test_it_ends_where_a_smaller_batch_size_ends(run: Any, tiny: Any, tmp_path: Any) -> None:
    """Bit for bit, with dropout: a failed attempt leaves no trace."""
    torch.manual_seed(1)
    narrow, _ = tiny.fit(run, model=tiny.Narrow(tiny.Sums(0.5), 10, CUDA))
    torch.manual_seed(1)
    options = {"batch_size": 8, "accumulate": 4}
    small, _ = tiny.fit(tiny.Run(tmp_path / "small"), model=tiny.Narrow(tiny.Sums(0.5), 10, CUDA), **options)
    assert tiny.digest(narrow) == tiny.digest(small)


@pytest.mark.parametrize(("rows", "options"), [(0, {}), (10, {"auto_batch_size": False})])
def test_where_halving_does_not_help_it_stops(run: Any, tiny: Any, rows: int, options: dict[str, Any]) -> None:
    with pytest.raises(RunError, match=r"step [12]: memory ran out with (1|32) rows at once[\s\S]*trainer\.accumulate"):
        tiny.fit(run, model=tiny.Narrow(tiny.Sums(), rows, CUDA), **options)


class Wide(nn.Module):
    """Has memory for so many tokens at once in validation."""

    def __init__(self, network: nn.Module, tokens: int) -> None:
        super().__init__()
        self.network, self.tokens = network, tokens

    def forward(self, input_ids: torch.Tensor, labels: torch.Tensor) -> StepOutput:
        if not self.training and input_ids.numel() > self.tokens:
            raise CUDA
        return self.network(input_ids, labels)


def test_memory_that_runs_out_in_validation(run: Any, tiny: Any, tmp_path: Any) -> None:
    torch.manual_seed(1)
    narrow, _ = tiny.fit(run, model=Wide(tiny.Sums(), 100))
    torch.manual_seed(1)
    other = tiny.Run(tmp_path / "wide")
    wide, _ = tiny.fit(other, model=Wide(tiny.Sums(), 100_000))
    assert tiny.digest(narrow) == tiny.digest(wide)
    assert run.console.notes[-1] == "memory ran out in validation: now 64 tokens at once"
    assert run.epochs[-1]["validation_loss"] == pytest.approx(other.epochs[-1]["validation_loss"])


def test_a_validation_row_that_does_not_fit_stops(run: Any, tiny: Any) -> None:
    data = tiny.Data()
    with pytest.raises(RunError, match=r"epoch 1: memory ran out in validation, with 1 tokens at once"):
        tiny.fit(run, model=Wide(tiny.Sums(), int(data.validation.lengths.max()) - 1), data=data)


def test_other_errors_pass(run: Any, tiny: Any) -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        tiny.fit(run, model=tiny.Narrow(tiny.Sums(), 10, RuntimeError("mat1 and mat2 shapes cannot be multiplied")))


def test_which_errors_are_of_memory() -> None:
    assert all(map(is_out_of_memory, (CUDA, PROCESSOR, MemoryError())))
    assert not any(map(is_out_of_memory, (RuntimeError("shapes"), ValueError("out of memory"))))


@given(st.lists(st.integers(1, 20), max_size=5), st.integers(1, 25))
def test_cut_batches_hold_the_same_rows(sizes: list[int], size: int) -> None:
    batches = [np.arange(length) for length in sizes]
    pieces = cut(batches, size)
    assert np.concatenate([*pieces, []]).tolist() == np.concatenate([*batches, []]).tolist()
    assert all(0 < len(piece) <= size for piece in pieces)


# Gradient checkpointing, torch.compile


def test_gradient_checkpointing_needs_an_encoder_that_can(run: Any, tiny: Any) -> None:
    with pytest.raises(RecipeError, match=r"trainer\.gradient_checkpointing: the encoder can't do it"):
        tiny.fit(run, gradient_checkpointing=True)


class Bert(nn.Module):
    """A BERT of two small layers with a head, through transformers."""

    def __init__(self) -> None:
        super().__init__()
        transformers = pytest.importorskip("transformers")
        config = transformers.BertConfig(
            vocab_size=20, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16
        )
        self.bert = transformers.BertModel(config)
        self.head = nn.Linear(8, 3)
        self.recomputed = 0

    def is_recomputing(self) -> bool:
        return any(getattr(module, "gradient_checkpointing", False) for module in self.bert.modules())

    def forward(self, input_ids: torch.Tensor, labels: torch.Tensor) -> StepOutput:
        self.recomputed += int(self.training and self.is_recomputing())
        logits = self.head(self.bert(input_ids).pooler_output).float()
        loss_sum = nn.functional.cross_entropy(logits, labels, reduction="sum")
        return StepOutput(logits, loss_sum, logits.new_tensor(float(len(labels))))


def test_gradient_checkpointing_changes_no_bit(tiny: Any, tmp_path: Any) -> None:
    digests = []
    for wanted in (False, True):
        torch.manual_seed(1)
        model = Bert()
        run = tiny.Run(tmp_path / str(wanted))
        tiny.fit(run, model=model, data=tiny.Data(train=50), epochs=1, gradient_checkpointing=wanted)
        assert (model.recomputed > 0) == wanted
        assert not model.is_recomputing(), "it is switched off afterwards"
        digests.append(tiny.digest(model))
    assert digests[0] == digests[1]


def test_the_layers_of_a_bert() -> None:
    layers = names_of(Bert())
    assert len(layers) == 5, "embeddings, two layers, pooler, head"
    assert all(name.startswith("bert.encoder.layer.1.") for name in layers[2])


def test_compiling_is_asked_for_and_leaves_nothing_behind(run: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []

    def compiled(call: Any, **options: Any) -> Any:
        assert options["dynamic"] is True, "each batch has another length"

        def counted(*arguments: Any, **keywords: Any) -> Any:
            calls.append(torch.is_grad_enabled())
            return call(*arguments, **keywords)

        return counted

    monkeypatch.setattr(torch, "compile", compiled)
    model = tiny.Sums()
    before = set(vars(model))
    tiny.fit(run, model=model, torch_compile=True, epochs=1)
    assert calls == [True] * 7, "training steps only: validation is computed as the saved model will be"
    assert set(vars(model)) == before
