"""The faster dropout: as PyTorch's in all but the random numbers themselves."""

from __future__ import annotations

import pytest
import torch
from pegboard import Dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_as_many_are_zeroed_and_the_mean_stays(p, dtype):
    torch.manual_seed(0)
    out = Dropout(p)(torch.ones(500, 401, dtype=dtype))
    zeroed = float((out == 0).double().mean())
    assert out.dtype == dtype
    assert zeroed == pytest.approx(p, abs=5 * (p * (1 - p) / out.numel()) ** 0.5 + 1e-5)
    assert out.unique().numel() == 2
    assert float(out.double().mean()) == pytest.approx(1, abs=0.03)


def test_neighbours_are_independent():
    """The four that share a draw are zeroed apart from each other."""
    torch.manual_seed(0)
    zeroed = (Dropout(0.5)(torch.ones(40_000, 4)) == 0).double()
    correlation = torch.corrcoef(zeroed.T) - torch.eye(4)
    assert float(correlation.abs().max()) < 5 / 40_000**0.5


def test_the_gradient_goes_where_the_value_went():
    torch.manual_seed(0)
    x = torch.randn(7, 9, requires_grad=True)
    out = Dropout(0.3)(x)
    out.sum().backward()
    scale = 65_536 / (65_536 - round(0.3 * 65_536))
    torch.testing.assert_close(x.grad, torch.where(out == 0, 0.0, scale))
    torch.testing.assert_close(out.detach(), x.detach() * x.grad)


def test_the_same_seed_gives_the_same_zeros():
    dropout, x = Dropout(0.2), torch.ones(11, 13)
    torch.manual_seed(3)
    first, state = dropout(x), torch.get_rng_state()
    second = dropout(x)
    torch.manual_seed(3)
    assert torch.equal(dropout(x), first)
    assert not torch.equal(first, second)
    torch.set_rng_state(state)
    assert torch.equal(dropout(x), second)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_none_or_all(p):
    assert torch.equal(Dropout(p)(torch.ones(5)), torch.full((5,), 1 - p))


def test_an_empty_batch_and_evaluation():
    assert Dropout(0.1)(torch.ones(0, 4)).shape == (0, 4)
    x = torch.ones(9)
    assert Dropout(0.5).eval()(x) is x
