"""The encoder's contract: shapes, padding, gradients, determinism."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard import Encoder, VocabInfo
from pegboard_rnn.encoder import RnnEncoder
from pegboard_rnn.options import RnnOptions
from torch import Tensor
from torch.nn import functional

CELLS = ("gru", "lstm", "rnn")
POOLINGS = ("last", "mean", "max", "attention")
VOCAB = VocabInfo(size=40, pad_id=0, max_length=64)


def build(**options: object) -> RnnEncoder:
    torch.manual_seed(11)
    return RnnEncoder(RnnOptions(**{"embedding_size": 8, "hidden_size": 6, **options}), VOCAB).eval()


def padded(texts: list[list[int]], time: int, junk: int = 0) -> tuple[Tensor, Tensor]:
    """A batch of `time` positions; `junk` is what stands at padding."""
    ids = torch.full((len(texts), time), junk)
    mask = torch.zeros(len(texts), time, dtype=torch.int64)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = torch.tensor(text, dtype=torch.int64)
        mask[row, : len(text)] = 1
    return ids, mask


@pytest.mark.parametrize(
    ("implementation", "cell", "pooling", "downsample"),
    list(itertools.product(("fused", "loop"), CELLS, POOLINGS, (1, 3))),
    ids=str,
)
@torch.no_grad()
def test_padding_and_other_rows_change_nothing(implementation: str, cell: str, pooling: str, downsample: int) -> None:
    encoder = build(
        implementation=implementation, cell=cell, pooling=pooling, layers=2, downsample=downsample, channels=7
    )
    texts = [[7, 8, 9, 10, 11, 12, 13], [5], [20, 21, 22], [], [9, 9, 9, 9, 9, 9]]
    together = encoder(*padded(texts, 7))
    much_padding = encoder(*padded(texts, 23, junk=39))
    for row, text in enumerate(texts):
        alone = encoder(*padded([text], max(1, len(text))))
        count = math.ceil(len(text) / downsample)
        for output, place in ((together, row), (much_padding, row), (alone, 0)):
            torch.testing.assert_close(output.states[place, :count], together.states[row, :count], atol=1e-6, rtol=0)
            torch.testing.assert_close(output.pooled[place], together.pooled[row], atol=1e-6, rtol=0)
            assert not output.states[place, count:].any()
            assert output.pooled[place].isfinite().all()


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.lists(st.integers(5, 39), max_size=9), min_size=1, max_size=5),
    more=st.integers(0, 6),
    order=st.randoms(use_true_random=False),
    downsample=st.integers(1, 4),
)
@torch.no_grad()
def test_any_batch_gives_each_text_its_own_result(texts, more, order, downsample) -> None:  # type: ignore[no-untyped-def]
    encoder = build(downsample=downsample, channels=5)
    time = max(1, *map(len, texts))
    shuffled = order.sample(range(len(texts)), len(texts))
    expected = encoder(*padded(texts, time)).pooled[shuffled]
    found = encoder(*padded([texts[i] for i in shuffled], time + more)).pooled
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("implementation", ["fused", "loop"])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_gradient_reaches_every_parameter(implementation: str, cell: str, pooling: str) -> None:
    encoder = build(implementation=implementation, cell=cell, pooling=pooling, layers=2, downsample=2, channels=5)
    encoder(*padded([[7, 8, 9, 10, 11, 12], [5, 6]], 6)).pooled.square().sum().backward()
    for name, weight in encoder.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        assert weight.grad.any(), name


def test_an_empty_text_gives_zeros_and_no_bad_gradient() -> None:
    for pooling in POOLINGS:
        encoder = build(pooling=pooling)
        output = encoder(*padded([[], [7, 8]], 2))
        assert not output.pooled[0].any()
        output.pooled.sum().backward()
        assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in encoder.parameters())


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_shapes_and_attributes(bidirectional: bool, pooling: str) -> None:
    encoder = build(bidirectional=bidirectional, pooling=pooling, layers=2)
    assert isinstance(encoder, Encoder)
    assert encoder.hidden_size == (12 if bidirectional else 6)
    assert encoder.max_length is None
    for time in (1, 5, 300):
        output = encoder(torch.full((3, time), 6), torch.ones(3, time, dtype=torch.bool))
        assert output.states.shape == (3, time, encoder.hidden_size)
        assert output.pooled.shape == (3, encoder.hidden_size)
        assert output.pooled.dtype == torch.float32


def test_one_token_reads_the_same_in_every_pooling() -> None:
    ids, mask = padded([[9]], 1)
    vectors = {pooling: build(pooling=pooling)(ids, mask) for pooling in POOLINGS}
    for output in vectors.values():
        torch.testing.assert_close(output.pooled, output.states[:, 0])
        torch.testing.assert_close(output.pooled, vectors["max"].pooled)


@pytest.mark.parametrize("implementation", ["fused", "loop"])
def test_directions_see_what_they_should(implementation: str) -> None:
    """The forward half of a state depends on no later token, the backward half on no earlier one."""
    encoder = build(implementation=implementation)
    one, other = (encoder(*padded([text], 5)).states[0] for text in ([7, 8, 9, 10, 11], [7, 8, 30, 10, 11]))
    same = torch.isclose(one, other, atol=1e-6).view(5, 2, 6).all(-1)
    assert same[:, 0].tolist() == [True, True, False, False, False]
    assert same[:, 1].tolist() == [False, False, False, True, True]


def test_same_seed_same_bytes() -> None:
    ids, mask = padded([[7, 8, 9], [5]], 3)
    results = []
    for _ in range(2):
        encoder = build(dropout=0.5, layers=2).train()
        torch.manual_seed(3)
        pooled = encoder(ids, mask).pooled
        pooled.sum().backward()
        results.append([pooled, *(weight.grad for weight in encoder.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_dropout_acts_in_training_only() -> None:
    encoder, plain = build(dropout=0.5), build(dropout=0.0)
    ids, mask = padded([[7, 8, 9]], 3)
    assert torch.equal(encoder(ids, mask).pooled, plain(ids, mask).pooled)
    encoder.train()
    assert not torch.equal(encoder(ids, mask).pooled, encoder(ids, mask).pooled)


@pytest.mark.parametrize("time", range(1, 12))
@pytest.mark.parametrize(("stride", "kernel"), [(2, 3), (3, 3), (3, 7), (4, 5)])
@torch.no_grad()
def test_downsampling_merges_what_the_formula_says(time: int, stride: int, kernel: int) -> None:
    encoder = build(downsample=stride, kernel_size=kernel, channels=5)
    ids, mask = padded([list(range(5, 5 + time)), [7]], time)
    assert encoder.downsample is not None
    vectors, merged_mask = encoder.downsample(encoder.embedding(ids), mask.bool())
    assert vectors.shape == (2, math.ceil(time / stride), 5)
    assert merged_mask.sum(1).tolist() == [math.ceil(time / stride), 1]
    layer = encoder.downsample.convolution
    around = functional.pad(encoder.embedding(ids[0]), (0, 0, kernel // 2, kernel))
    for position in range(vectors.shape[1]):
        window = around[position * stride : position * stride + kernel]
        expected = torch.einsum("oik,ki->o", layer.weight, window) + layer.bias
        torch.testing.assert_close(vectors[0, position], expected.relu(), atol=1e-5, rtol=0)


def test_learns_a_task_that_needs_order() -> None:
    """Whether 5 comes before 6: no bag of tokens can tell."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(10, 40, (64, 8), generator=generator)
    labels = torch.arange(64) % 2
    ids[:, 2], ids[:, 5] = 5 + labels, 6 - labels
    torch.manual_seed(0)
    encoder = RnnEncoder(RnnOptions(embedding_size=16, hidden_size=16, dropout=0.0), VOCAB)
    head = torch.nn.Linear(encoder.hidden_size, 2)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        logits = head(encoder(ids, torch.ones_like(ids)).pooled)
        functional.cross_entropy(logits, labels).backward()
        optimizer.step()
    assert (logits.argmax(-1) == labels).float().mean() == 1
