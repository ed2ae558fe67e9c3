"""The encoder `bow`: a text is the mean of the vectors of its tokens and n-grams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pegboard import EncoderOutput, VocabInfo
from torch import Tensor, nn
from torch.nn import functional

from pegboard_bow.hashing import ngram_buckets

if TYPE_CHECKING:
    from pegboard_bow.options import BowOptions

__all__ = ["BowEncoder"]


class BowEncoder(nn.Module):
    """Mean of the vectors of all tokens, and of all n-grams of up to `ngrams` neighbouring tokens.

    Each token has its own vector. The n-grams of two and more share `buckets` vectors, see `hashing`. These begin as
    zero, so that n-grams which training has not seen say nothing, and are multiplied by `ngram_weight`, so that they
    learn more slowly than tokens: most are rare, and what tokens explain needn't be learned by heart for each n-gram.

    The gradient of the table is sparse: a step costs as much as its texts are long, however many vectors there are.

    Source: Joulin, Grave, Bojanowski and Mikolov (2016), arXiv:1607.01759, whose n-grams weigh as much as words.

    Args:
        options: `BowOptions`.
        vocab: what the tokenizer says of its ids.

    Attributes:
        table: the vectors, [vocabulary + buckets, hidden]; those of tokens come first.

    Example:
        >>> encoder = BowEncoder(BowOptions(hidden_size=4), VocabInfo(size=10, pad_id=0, max_length=8))
        >>> encoder(torch.tensor([[7, 8, 0]]), torch.tensor([[1, 1, 0]])).pooled.shape
        torch.Size([1, 4])
    """

    max_length: int | None = None

    def __init__(self, options: BowOptions, vocab: VocabInfo) -> None:
        super().__init__()
        self.hidden_size = options.hidden_size
        self._options, self._vocabulary = options, vocab.size
        buckets = options.buckets if options.ngrams > 1 else 0
        weights = torch.zeros(vocab.size + buckets, options.hidden_size)
        nn.init.uniform_(weights[: vocab.size], -1 / options.hidden_size, 1 / options.hidden_size)
        self.table = nn.EmbeddingBag(len(weights), options.hidden_size, mode="sum", sparse=True, _weight=weights)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> EncoderOutput:
        """Vectors of the tokens [batch, time, hidden], zero where there is padding, and of the texts [batch, hidden].

        Args:
            input_ids: int64 [batch, time].
            attention_mask: int64 or bool [batch, time].
        """
        mask = attention_mask.bool()
        states = functional.embedding(input_ids.masked_fill(~mask, 0), self.table.weight, sparse=True)
        return EncoderOutput(states * mask.unsqueeze(-1), self.pool(input_ids, attention_mask))

    def pool(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The pooled vectors [batch, hidden] alone; those of texts without tokens are zero."""
        options, mask = self._options, attention_mask.bool()
        rows, counts, weights = [input_ids.masked_select(mask)], [mask.sum(1)], [1.0]
        for size in range(2, min(options.ngrams, input_ids.shape[1]) + 1):
            present = mask[:, : 1 - size] & mask[:, size - 1 :]
            hashed = ngram_buckets(input_ids, size, options.buckets).masked_select(present)
            rows.append(hashed + self._vocabulary)
            counts.append(present.sum(1))
            weights.append(options.ngram_weight)
        sum_rows: Any = _SumsOfRows.apply
        sums: Tensor = sum_rows(self.table.weight, torch.cat(rows), torch.cat(counts))
        shares = sums.new_tensor(weights).unsqueeze(1) / torch.stack(counts).sum(0).clamp(min=1)
        return (sums.view(*shares.shape, -1) * shares.unsqueeze(2)).sum(0)


class _SumsOfRows(torch.autograd.Function):
    """What `embedding_bag` computes, with a gradient in which each row of the table occurs once.

    Its own sparse gradient has a row for each occurrence, which the optimizer must sort and sum. Here these sums are
    themselves an `embedding_bag`: of the bags' gradients, with a bag for each row.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, counts: Tensor) -> Tensor:
        ctx.save_for_backward(rows, counts)
        ctx.shape = table.shape
        return functional.embedding_bag(rows, table, counts.cumsum(0) - counts, mode="sum")

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        rows, counts = ctx.saved_tensors
        bags = torch.repeat_interleave(torch.arange(len(counts), device=rows.device), counts)
        # A row and the bag it is in are one number, so that a plain sort brings both in order.
        bits = len(counts).bit_length()
        pairs = _in_order(rows << bits | bags)
        found, occurrences = torch.unique_consecutive(pairs >> bits, return_counts=True)
        starts = occurrences.cumsum(0) - occurrences
        values = functional.embedding_bag(pairs & ((1 << bits) - 1), gradient.contiguous(), starts, mode="sum")
        sums = torch.sparse_coo_tensor(found[None], values, ctx.shape, check_invariants=False, is_coalesced=True)
        return sums, None, None


def _in_order(numbers: Tensor) -> Tensor:
    """Sorted; by NumPy where that can be, which is several times faster at it."""
    return torch.from_numpy(np.sort(numbers.numpy())) if numbers.device.type == "cpu" else numbers.sort().values
