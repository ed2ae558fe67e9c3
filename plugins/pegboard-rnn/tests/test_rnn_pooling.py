"""Each pooling against the same computation written for one row at a time."""

from __future__ import annotations

import pytest
import torch
from pegboard_rnn.pooling import AttentionPooling, build_pooling
from torch import Tensor, nn

POOLINGS = ("last", "mean", "max", "attention")


def naive(name: str, pooling: nn.Module, states: Tensor, bidirectional: bool) -> Tensor:
    """The pooled vector of one text's states [tokens, size]."""
    if name == "last":
        half = states.shape[1] // 2
        return torch.cat([states[-1, :half], states[0, half:]]) if bidirectional else states[-1]
    if name == "mean":
        return sum(states) / len(states)
    if name == "max":
        return torch.stack([max(feature) for feature in states.T])
    assert isinstance(pooling, AttentionPooling)
    w, b, v = pooling.project.weight, pooling.project.bias, pooling.score.weight[0]
    scores = torch.stack([torch.exp(v @ torch.tanh(w @ state + b)) for state in states])
    return sum(score / scores.sum() * state for score, state in zip(scores, states, strict=True))


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("bidirectional", [True, False])
def test_pooling_equals_the_naive_one(name: str, bidirectional: bool) -> None:
    torch.manual_seed(0)
    pooling = build_pooling(name, 6, bidirectional=bidirectional)
    lengths = [5, 1, 3, 5, 2]
    states = torch.randn(len(lengths), 5, 6) - 2  # mostly negative: a maximum over padding's zeros would show
    mask = torch.arange(5) < torch.tensor(lengths)[:, None]
    found = pooling(states, mask)
    for row, length in enumerate(lengths):
        expected = naive(name, pooling, states[row, :length], bidirectional)
        torch.testing.assert_close(found[row], expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", POOLINGS)
def test_what_stands_at_padding_does_not_matter(name: str) -> None:
    torch.manual_seed(0)
    pooling = build_pooling(name, 4, bidirectional=True)
    states = torch.randn(2, 5, 4)
    mask = torch.arange(5) < torch.tensor([[3], [5]])
    before = pooling(states, mask)
    states[0, 3:] = 1e4
    assert torch.equal(pooling(states, mask), before)


@pytest.mark.parametrize("name", ["mean", "max", "attention"])
def test_no_tokens_give_zeros(name: str) -> None:
    torch.manual_seed(0)
    pooling = build_pooling(name, 4, bidirectional=True)
    assert not pooling(torch.randn(2, 3, 4), torch.zeros(2, 3, dtype=torch.bool)).any()


def test_an_unknown_pooling_is_an_error() -> None:
    with pytest.raises(KeyError):
        build_pooling("median", 4, bidirectional=False)
