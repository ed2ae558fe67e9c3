"""Embedding tables with sparse gradients: what a step does to them, and that resuming is exact with them, too."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
import torch
from pegboard_accelerate.layers import layers_of
from pegboard_accelerate.optimizer import make_optimizer
from pegboard_accelerate.tables import tables_of
from torch import nn

OPTIONS: dict[str, Any] = {"batch_size": 8, "accumulate": 2, "epochs": 2, "table_learning_rate": 0.5, "log_every": 1}


def with_table(tiny: Any, dropout: float = 0.2) -> Any:
    torch.manual_seed(3)
    model = tiny.Sums(dropout)
    model.embedding = nn.Embedding(20, 8, padding_idx=0, sparse=True)
    return model


def stepped(gradients: list[torch.Tensor], *, texts: int = 4, rate: float = 0.5) -> torch.Tensor:
    """What steps with these gradients make of a table of zeros."""
    table = nn.EmbeddingBag(3, 2, sparse=True, _weight=torch.zeros(3, 2))
    optimizer = make_optimizer([[table.weight]], 0.1, 0.01, tables=tables_of(table), table_learning_rate=rate)
    [group] = optimizer.param_groups
    group["lr"], group["texts"] = 0.1 * group["share"], texts
    for gradient in gradients:
        table.weight.grad = gradient
        optimizer.step()
        assert table.weight.grad is None
    return table.weight.detach()


def test_rows_descend_and_are_damped_as_their_gradients_add_up() -> None:
    first = torch.tensor([[0.0, 0.0], [0.75, 1.0], [0.0, 0.0]])  # of 4 texts: their sum has the norm 5
    table = stepped([first.to_sparse(1), first.to_sparse(1)])
    damped = 1 / (1 + 5) + 1 / (1 + 50**0.5)
    torch.testing.assert_close(table, -0.5 * 4 * first * damped)


def test_rows_that_occur_twice_count_by_their_sum() -> None:
    rows, values = torch.tensor([[1, 1, 2]]), torch.tensor([[0.5, 1.0], [0.25, 0.0], [0.0, -1.0]])
    twice = torch.sparse_coo_tensor(rows, values, (3, 2), check_invariants=True)
    summed = torch.tensor([[0.0, 0.0], [0.75, 1.0], [0.0, -1.0]])
    torch.testing.assert_close(stepped([twice]), stepped([summed.to_sparse(1)]))
    torch.testing.assert_close(stepped([twice]), stepped([summed]), msg="a dense gradient is taken as well")


def test_the_size_of_a_batch_does_not_change_the_rate() -> None:
    mean_of_four, mean_of_eight = torch.ones(3, 2) / 4, torch.ones(3, 2) / 8
    torch.testing.assert_close(
        stepped([mean_of_four.to_sparse(1)], texts=4), stepped([mean_of_eight.to_sparse(1)], texts=8)
    )


def test_only_sparse_embeddings_are_tables(tiny: Any) -> None:
    model = nn.ModuleDict({"dense": nn.Embedding(4, 2), "sparse": nn.Embedding(4, 2, sparse=True)})
    assert tables_of(model) == {id(model["sparse"].weight)}
    optimizer = make_optimizer(layers_of(model), 0.1, 0.01, 0.5, tables=tables_of(model), table_learning_rate=3.0)
    shares = {group.get("table", False): group["share"] for group in optimizer.param_groups}
    assert shares == {True: pytest.approx(30.0), False: 0.5}
    assert type(make_optimizer(layers_of(tiny.Sums()), 0.1, 0.01)) is torch.optim.AdamW


def test_what_does_not_decay_is_one_group(tiny: Any) -> None:
    layers = layers_of(tiny.Sums())
    assert [len(make_optimizer(layers, 0.1, decay).param_groups) for decay in (0.01, 0.0)] == [2, 1]


def test_a_model_with_a_table_learns(run: Any, tiny: Any) -> None:
    _, figures = tiny.fit(run, model=with_table(tiny, 0.0), **{**OPTIONS, "epochs": 8})
    losses = [epoch["train_loss"] for epoch in figures["history"]]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("max_grad_norm", [0.0, 0.5])
def test_accumulated_batches_are_one_batch(run: Any, tiny: Any, tmp_path: Any, max_grad_norm: float) -> None:
    options = {**OPTIONS, "max_grad_norm": max_grad_norm}
    cut, _ = tiny.fit(run, model=with_table(tiny, 0.0), **options)
    whole, _ = tiny.fit(
        tiny.Run(tmp_path / "whole"), model=with_table(tiny, 0.0), **{**options, "batch_size": 16, "accumulate": 1}
    )
    for mine, other in zip(cut.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("step", [1, 7, 13, 20])
def test_resuming_is_exact(run: Any, tiny: Any, tmp_path: Any, step: int) -> None:
    options = {**OPTIONS, "ema_decay": 0.9}
    expected, _ = tiny.fit(tiny.Run(tmp_path / "undisturbed"), model=with_table(tiny), **options)
    left = iter(range(step - 1, -1000, -1))
    run.on_advance = lambda: next(left) == 0 and os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        tiny.fit(run, model=with_table(tiny), **options)
    run.on_advance = None
    resumed, _ = tiny.fit(run, model=with_table(tiny), **options)
    assert tiny.digest(resumed) == tiny.digest(expected)


def test_frozen_tables_stay_as_they_are(run: Any, tiny: Any) -> None:
    model = with_table(tiny)
    before = model.embedding.weight.detach().clone()
    tiny.fit(run, model=model, **OPTIONS, freeze=("embedding",))
    assert torch.equal(model.embedding.weight, before)
