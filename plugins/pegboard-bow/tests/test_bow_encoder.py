"""What the encoder computes: the mean that a slow and plain function computes, too, and its gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard import VocabInfo
from pegboard_bow.encoder import BowEncoder
from pegboard_bow.hashing import ngram_buckets
from pegboard_bow.options import BowOptions
from torch import Tensor

VOCAB = VocabInfo(size=40, pad_id=0, max_length=64)
TEXTS = [[7, 8, 9, 7, 8], [5], [], [20, 20, 20], [39, 0, 1]]


def build(**options: object) -> BowEncoder:
    torch.manual_seed(11)
    encoder = BowEncoder(BowOptions(**{"hidden_size": 6, "buckets": 30, **options}), VOCAB)
    torch.nn.init.normal_(encoder.table.weight)
    return encoder


def batch(texts: list[list[int]], *, more: int = 0, junk: int = 0) -> tuple[Tensor, Tensor]:
    time = max(1, *map(len, texts)) + more
    ids = torch.tensor([text + [junk] * (time - len(text)) for text in texts])
    return ids, torch.tensor([[1] * len(text) + [0] * (time - len(text)) for text in texts])


def plain_hash(ids: list[int]) -> int:
    """FNV-1a in Python's own integers."""
    value = 0xCBF29CE484222325
    for i in ids:
        value = (value ^ i) * 0x100000001B3 % 2**64
    signed = value - 2**64 if value >= 2**63 else value
    return signed ^ (signed >> 32)


def plain_mean(encoder: BowEncoder, text: list[int], options: BowOptions) -> Tensor:
    vectors = [encoder.table.weight[i] for i in text]
    for size in range(2, options.ngrams + 1):
        for start in range(len(text) - size + 1):
            bucket = plain_hash(text[start : start + size]) % options.buckets
            vectors.append(encoder.table.weight[VOCAB.size + bucket] * options.ngram_weight)
    return torch.stack(vectors).mean(0) if vectors else torch.zeros(options.hidden_size)


@pytest.mark.parametrize("ngrams", [1, 2, 3, 6])
@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_the_pooled_vector_is_the_mean(ngrams: int, weight: float) -> None:
    encoder = build(ngrams=ngrams, ngram_weight=weight)
    options = BowOptions(hidden_size=6, buckets=30, ngrams=ngrams, ngram_weight=weight)
    for ids, mask in (batch(TEXTS), batch(TEXTS, more=4, junk=33)):
        pooled = encoder(ids, mask).pooled
        assert torch.equal(pooled, encoder.pool(ids, mask))
        for row, text in enumerate(TEXTS):
            torch.testing.assert_close(pooled[row], plain_mean(encoder, text, options))


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.lists(st.integers(0, 39), max_size=7), min_size=1, max_size=5), ngrams=st.integers(1, 4))
def test_the_gradient_is_that_of_the_mean(texts: list[list[int]], ngrams: int) -> None:
    encoder = build(ngrams=ngrams)
    options = BowOptions(hidden_size=6, buckets=30, ngrams=ngrams)
    noise = torch.randn(len(texts), 6)
    (encoder.pool(*batch(texts)) * noise).sum().backward()
    sparse = encoder.table.weight.grad
    assert sparse.is_sparse
    rows = sparse.coalesce().indices()[0]
    assert len(rows.unique()) == sparse._nnz(), "a row occurs twice"
    assert (rows[1:] > rows[:-1]).all(), "torch was told that it is coalesced"
    (expected,) = (
        torch.autograd.grad(
            (torch.stack([plain_mean(encoder, text, options) for text in texts]) * noise).sum(),
            encoder.table.weight,
            allow_unused=True,
            materialize_grads=True,
        )
        if any(texts)
        else (torch.zeros_like(encoder.table.weight),)
    )
    torch.testing.assert_close(sparse.to_dense(), expected)


def test_states_are_the_tokens_vectors() -> None:
    encoder = build()
    ids, mask = batch(TEXTS, more=2, junk=33)
    states = encoder(ids, mask).states
    assert torch.equal(states[0, :5], encoder.table.weight[ids[0, :5]])
    assert not states[mask == 0].any()


def test_a_step_touches_only_what_occurs() -> None:
    encoder = build(buckets=1_000_000, hidden_size=2)
    encoder.pool(*batch(TEXTS)).sum().backward()
    assert encoder.table.weight.grad._nnz() < 30


def test_unseen_ngrams_begin_as_zero() -> None:
    encoder = BowEncoder(BowOptions(), VOCAB)
    assert encoder.table.weight[: VOCAB.size].all(dim=1).all()
    assert not encoder.table.weight[VOCAB.size :].any()


@given(ids=st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=9), buckets=st.integers(1, 2**40))
def test_hashes_are_those_of_plain_integers(ids: list[int], buckets: int) -> None:
    for size in (1, 2, 3):
        expected = [plain_hash(ids[start : start + size]) % buckets for start in range(len(ids) - size + 1)]
        assert ngram_buckets(torch.tensor(ids), size, buckets).tolist() == expected


def test_hashes_never_change() -> None:
    """Saved models rely on them."""
    ids = torch.tensor([7, 8, 9, 30_000])
    assert ngram_buckets(ids, 2, 200_000).tolist() == PAIRS
    assert ngram_buckets(ids, 3, 1_000).tolist() == TRIPLES


def test_hashes_spread_evenly() -> None:
    ids = torch.cartesian_prod(torch.arange(200), torch.arange(200))
    for buckets in (64, 1_000, 4_096):
        counts = torch.bincount(ngram_buckets(ids, 2, buckets)[:, 0], minlength=buckets)
        expected = len(ids) / buckets
        spread = ((counts - expected) ** 2 / expected).sum() / buckets
        assert spread < 1.5, f"{buckets} buckets: chi² per bucket is {spread:.2f}"


PAIRS = [21965, 102237, 190939]
TRIPLES = [577, 822]
