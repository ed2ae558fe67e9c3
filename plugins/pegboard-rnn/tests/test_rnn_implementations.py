"""The readable loop, the fast layers and PyTorch's own packed sequences give the same numbers."""

from __future__ import annotations

import itertools

import pytest
import torch
from pegboard import VocabInfo
from pegboard_rnn.encoder import RnnEncoder, copy_weights
from pegboard_rnn.fused import FusedDirection, reversed_in_length
from pegboard_rnn.loop import LoopDirection
from pegboard_rnn.options import RnnOptions
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

CELLS = ("gru", "lstm", "rnn")
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
LENGTHS = (6, 1, 4, 0, 6)
VOCAB = VocabInfo(size=30, pad_id=0, max_length=64)


def batch(lengths: tuple[int, ...] = LENGTHS, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    ids = torch.randint(5, VOCAB.size, mask.shape, generator=generator) * mask
    return ids, mask.long()


def build(implementation: str, **options: object) -> RnnEncoder:
    torch.manual_seed(7)
    chosen = {"embedding_size": 8, "hidden_size": 6, "dropout": 0.0, "implementation": implementation, **options}
    return RnnEncoder(RnnOptions(**chosen), VOCAB)


@pytest.mark.parametrize(
    ("cell", "bidirectional", "layers"), list(itertools.product(CELLS, (True, False), (1, 2, 3))), ids=str
)
def test_same_states_pooled_and_gradients(cell: str, bidirectional: bool, layers: int) -> None:
    options = {"cell": cell, "bidirectional": bidirectional, "layers": layers, "pooling": "attention"}
    loop, fused = build("loop", **options), build("fused", **options)
    with torch.no_grad():
        for weight in fused.parameters():
            weight.add_(torch.randn_like(weight))  # not by chance the same
    copy_weights(fused, loop)
    ids, mask = batch()
    outputs = [encoder(ids, mask) for encoder in (loop, fused)]
    torch.testing.assert_close(outputs[0].states, outputs[1].states, atol=1e-5, rtol=0)
    torch.testing.assert_close(outputs[0].pooled, outputs[1].pooled, atol=1e-5, rtol=0)
    toward = torch.randn(outputs[0].states.shape, generator=torch.Generator().manual_seed(1))
    for output in outputs:
        ((output.states * toward).sum() + output.pooled.square().sum()).backward()
    slow, fast = dict(loop.named_parameters()), dict(fused.named_parameters())
    assert len(slow) == len(fast)
    for name, weight in fast.items():
        of_loop = slow[name.replace("_l0", "")]
        assert weight.grad is not None
        assert of_loop.grad is not None
        torch.testing.assert_close(of_loop.grad, weight.grad, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_same_as_a_packed_bidirectional_layer(cell: str) -> None:
    torch.manual_seed(3)
    layer = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}[cell](5, 4, batch_first=True, bidirectional=True)
    directions = [FusedDirection(cell, 5, 4), FusedDirection(cell, 5, 4, backward=True)]
    for direction, suffix in zip(directions, ("", "_reverse"), strict=True):
        weights = {f"cell.{name}": getattr(layer, f"{name}_l0{suffix}").detach() for name in NAMES}
        direction.load_state_dict(weights)
    lengths = torch.tensor([5, 2, 1, 3])
    mask = torch.arange(5) < lengths[:, None]
    vectors = torch.randn(4, 5, 5)
    packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(layer(packed)[0], batch_first=True)
    found = torch.cat([direction(vectors, mask) for direction in directions], dim=-1)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("cell", CELLS)
def test_loop_is_the_textbook_step(cell: str) -> None:
    torch.manual_seed(5)
    layer = LoopDirection(cell, 3, 2)
    vectors = torch.randn(1, 4, 3)
    w, u, b, c = (getattr(layer.cell, name).detach() for name in NAMES)
    hidden, memory = torch.zeros(2), torch.zeros(2)
    for t in range(4):
        x = vectors[0, t]
        if cell == "rnn":
            hidden = torch.tanh(w @ x + b + u @ hidden + c)
        elif cell == "gru":
            (xr, xz, xn), (hr, hz, hn) = (w @ x + b).chunk(3), (u @ hidden + c).chunk(3)
            update = torch.sigmoid(xz + hz)
            candidate = torch.tanh(xn + torch.sigmoid(xr + hr) * hn)
            hidden = (1 - update) * candidate + update * hidden
        else:
            enter, keep, candidate, show = (w @ x + b + u @ hidden + c).chunk(4)
            memory = torch.sigmoid(keep) * memory + torch.sigmoid(enter) * torch.tanh(candidate)
            hidden = torch.sigmoid(show) * torch.tanh(memory)
        states = layer(vectors, torch.ones(1, 4, dtype=torch.bool))
        torch.testing.assert_close(states[0, t], hidden, atol=1e-6, rtol=0)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("source", "target"), [("loop", "fused"), ("fused", "loop"), ("fused", "fused")])
def test_state_dict_of_one_loads_in_the_other(cell: str, source: str, target: str) -> None:
    options = {"cell": cell, "layers": 2, "downsample": 2, "kernel_size": 3, "channels": 10}
    one, other = build(source, **options), build(target, **options)
    with torch.no_grad():
        for weight in one.parameters():
            weight.mul_(2)
    saved = {name: weight.clone() for name, weight in one.state_dict().items()}
    assert saved.keys() == other.state_dict().keys()
    other.load_state_dict(saved)
    for name, weight in other.state_dict().items():
        assert torch.equal(weight, saved[name]), name
    ids, mask = batch()
    torch.testing.assert_close(one(ids, mask).pooled, other(ids, mask).pooled, atol=1e-6, rtol=0)


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        copy_weights(build("fused", hidden_size=5), build("loop", hidden_size=6))
    with pytest.raises(RuntimeError, match="Missing key"):
        copy_weights(build("loop", layers=1), build("fused", layers=2))


def test_weight_names_are_those_of_a_cell() -> None:
    names = list(build("fused").state_dict())
    assert "layers.0.directions.1.cell.weight_hh" in names
    assert not [name for name in names if "_l0" in name]


@pytest.mark.parametrize("implementation", ["loop", "fused"])
@pytest.mark.parametrize("cell", CELLS)
def test_bf16_autocast_stays_close(implementation: str, cell: str) -> None:
    encoder = build(implementation, cell=cell, layers=2, pooling="attention")
    ids, mask = batch()
    exact = encoder(ids, mask)
    with torch.autocast("cpu", torch.bfloat16):
        rough = encoder(ids, mask)
    torch.testing.assert_close(rough.states.float(), exact.states, atol=0.03, rtol=0)
    torch.testing.assert_close(rough.pooled.float(), exact.pooled, atol=0.03, rtol=0)
    rough.pooled.float().sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in encoder.parameters())


def test_reversal_within_the_length_undoes_itself() -> None:
    vectors = torch.arange(1.0, 13.0).view(3, 4, 1)
    lengths = torch.tensor([4, 2, 0])
    once = reversed_in_length(vectors, lengths)
    assert once.squeeze(-1).tolist() == [[4, 3, 2, 1], [6, 5, 7, 8], [9, 10, 11, 12]]
    assert torch.equal(reversed_in_length(once, lengths), vectors)
