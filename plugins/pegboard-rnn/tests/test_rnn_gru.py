"""A GRU's own gradient on a processor: against numerical ones, the loop's, and with what else autograd is asked for."""

from __future__ import annotations

import pytest
import torch
from pegboard import VocabInfo
from pegboard_rnn.encoder import RnnEncoder
from pegboard_rnn.fused import FusedDirection
from pegboard_rnn.gru import gru_states
from pegboard_rnn.loop import LoopDirection
from pegboard_rnn.options import RnnOptions
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

DIRECTIONS = pytest.mark.parametrize("backward", [False, True])


def batch(lengths: tuple[int, ...], size: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return torch.randn(*mask.shape, size, dtype=dtype, requires_grad=True), mask


def by_all(states: Tensor, toward: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad((states * toward).sum(), inputs)


@DIRECTIONS
@pytest.mark.parametrize("lengths", [(4, 1, 0, 3), (1,)], ids=str)
def test_gradients_are_the_numerical_ones(backward: bool, lengths: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    vectors, mask = batch(lengths, 3, torch.float64)
    weights = [weight.detach().requires_grad_() for weight in nn.GRUCell(3, 2, dtype=torch.float64).parameters()]
    assert torch.autograd.gradcheck(
        lambda vectors, *weights: gru_states(vectors, mask, *weights, backward=backward), (vectors, *weights)
    )


@DIRECTIONS
@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [((6, 1, 4, 0, 6), (5, 4)), ((1,), (3, 1)), ((40, 38), (16, 32)), ((7,) * 70, (8, 8))],
    ids=str,
)
def test_states_and_gradients_are_the_loops(backward: bool, lengths: tuple[int, ...], sizes: tuple[int, int]) -> None:
    torch.manual_seed(2)
    loop = LoopDirection("gru", *sizes, backward=backward)
    own = FusedDirection("gru", *sizes, backward=backward)
    own.load_state_dict(loop.state_dict())
    vectors, mask = batch(lengths, sizes[0])
    toward = torch.randn(*mask.shape, sizes[1])
    expected, found = loop(vectors, mask), own(vectors, mask)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    assert not found[~mask].any()
    of_loop = by_all(expected, toward, vectors, *loop.parameters())
    of_own = by_all(found, toward, vectors, *own.parameters())
    for one, other in zip(of_loop, of_own, strict=True):
        torch.testing.assert_close(other, one, atol=1e-5, rtol=1e-5)
    for one, other in zip(loop.parameters(), own.parameters(), strict=True):
        assert torch.equal(one, other)  # nothing is computed in the weights' memory


@DIRECTIONS
def test_padding_takes_part_in_nothing(backward: bool) -> None:
    torch.manual_seed(3)
    direction = FusedDirection("gru", 4, 4, backward=backward)
    vectors, mask = batch((5, 2, 0), 4)
    toward = torch.randn(3, 5, 4)
    results = []
    for junk in (0.0, 50.0):
        other = torch.where(mask[..., None], vectors, junk).detach().requires_grad_()
        states = direction(other, mask)
        results.append([states, *by_all(states, toward + junk * ~mask[..., None], other, *direction.parameters())])
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))
    assert not results[0][1][~mask].any()


def test_same_bytes_every_time() -> None:
    torch.manual_seed(4)
    direction = FusedDirection("gru", 32, 32)
    vectors, mask = batch((9, 8, 9, 3), 32)
    runs = []
    for _ in range(2):
        states = direction(vectors, mask)
        runs.append([states, *by_all(states, torch.ones_like(states), vectors, *direction.parameters())])
    assert all(torch.equal(one, other) for one, other in zip(*runs, strict=True))


def test_checkpointing_gives_the_same_gradients() -> None:
    torch.manual_seed(5)
    direction = FusedDirection("gru", 4, 4, backward=True)
    vectors, mask = batch((5, 2), 4)
    toward = torch.randn(2, 5, 4)
    expected = by_all(direction(vectors, mask), toward, vectors, *direction.parameters())
    states = checkpoint(direction, vectors, mask, use_reentrant=False)
    for one, other in zip(expected, by_all(states, toward, vectors, *direction.parameters()), strict=True):
        assert torch.equal(one, other)


def test_a_second_derivative_is_refused() -> None:
    vectors, mask = batch((3,), 4)
    states = FusedDirection("gru", 4, 4)(vectors, mask)
    with pytest.raises(RuntimeError, match="once more"):
        torch.autograd.grad(states.sum(), vectors, create_graph=True)


def test_frozen_weights_have_no_gradient() -> None:
    direction = FusedDirection("gru", 4, 4)
    direction.cell.weight_hh_l0.requires_grad_(False)
    vectors, mask = batch((3, 2), 4)
    direction(vectors, mask).sum().backward()
    assert direction.cell.weight_hh_l0.grad is None
    assert vectors.grad is not None
    assert direction.cell.weight_ih_l0.grad is not None


def test_autocast_is_left_to_pytorch() -> None:
    direction = FusedDirection("gru", 4, 4)
    vectors, mask = batch((3, 2), 4)
    with torch.autocast("cpu", torch.bfloat16):
        found = direction(vectors, mask)
        expected, _ = nn.GRU.forward(direction.cell, vectors)
    assert torch.equal(found, expected * mask[..., None])
    assert not torch.equal(found, direction(vectors, mask))


def test_compiled_lengths_are_not_compiled_one_by_one() -> None:
    from torch._dynamo.testing import CompileCounter

    torch.compiler.reset()
    torch.manual_seed(6)
    encoder = RnnEncoder(
        RnnOptions(embedding_size=4, hidden_size=4, dropout=0.0), VocabInfo(size=9, pad_id=0, max_length=64)
    )
    counter = CompileCounter()
    compiled = torch.compile(encoder, dynamic=True, backend=counter)
    frames = []
    for time in (3, 5, 8, 11):
        ids = torch.randint(1, 9, (3, time))
        mask = torch.arange(time) < torch.tensor([[time], [2], [1]])
        pooled = compiled(ids, mask).pooled
        pooled.sum().backward()
        torch.testing.assert_close(pooled, encoder.forward(ids, mask).pooled)
        frames.append(counter.frame_count)
    assert len(set(frames[1:])) == 1
    torch.compiler.reset()


@pytest.mark.filterwarnings("ignore:The tensor attributes")  # of nn.GRU's list of its weights
def test_an_encoder_can_be_exported() -> None:
    encoder = RnnEncoder(RnnOptions(embedding_size=4, hidden_size=4), VocabInfo(size=9, pad_id=0, max_length=64)).eval()
    ids = torch.randint(1, 9, (2, 6))
    mask = torch.arange(6) < torch.tensor([[6], [4]])
    exported = torch.export.export(encoder, (ids, mask), strict=False)
    torch.testing.assert_close(exported.module()(ids, mask).pooled, encoder(ids, mask).pooled)
