"""The recurrent encoder: token vectors, an optional convolution, recurrent layers, pooling."""

from __future__ import annotations

import torch
from pegboard import Dropout, EncoderOutput, VocabInfo
from torch import Tensor, nn

from pegboard_rnn.fused import FusedDirection
from pegboard_rnn.loop import LoopDirection
from pegboard_rnn.options import RnnOptions
from pegboard_rnn.pooling import build_pooling

__all__ = ["Downsample", "RnnEncoder", "copy_weights"]

_DIRECTIONS: dict[str, type[FusedDirection | LoopDirection]] = {"fused": FusedDirection, "loop": LoopDirection}


class RnnEncoder(nn.Module):
    """Turns ids into one vector a token and one vector a text.

    Padding, on the right, never changes a result. Both implementations have the same weight names, so
    what was trained with one loads in the other.

    Args:
        options: see `RnnOptions`.
        vocab: what the tokenizer says of its ids.

    Attributes:
        hidden_size: size of a state and of the pooled vector: twice the option's where both directions are read.
        max_length: `None`, a text may have any length.

    Example:
        >>> encoder = RnnEncoder(RnnOptions(), VocabInfo(size=100, pad_id=0, max_length=256))
        >>> output = encoder(torch.tensor([[7, 8, 9], [7, 0, 0]]), torch.tensor([[1, 1, 1], [1, 0, 0]]))
        >>> output.states.shape, output.pooled.shape
        (torch.Size([2, 3, 256]), torch.Size([2, 256]))
    """

    def __init__(self, options: RnnOptions, vocab: VocabInfo) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab.size, options.embedding_size)
        self.downsample: Downsample | None = None
        size = options.embedding_size
        if options.downsample > 1:
            self.downsample = Downsample(size, options.channels, options.kernel_size, options.downsample)
            size = options.channels
        self.layers = nn.ModuleList()
        for _ in range(options.layers):
            self.layers.append(_Layer(options, size))
            size = options.hidden_size * (2 if options.bidirectional else 1)
        self.dropout = Dropout(options.dropout)
        self.pooling = build_pooling(options.pooling, size, bidirectional=options.bidirectional)
        self.hidden_size = size
        self.max_length: int | None = None

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> EncoderOutput:
        """Encode a batch.

        Args:
            input_ids: int64 [batch, time]; what stands at padding is of no account.
            attention_mask: int64 or bool [batch, time]; 1 for tokens, 0 for padding, which comes after all tokens.

        Returns:
            States float [batch, time, hidden_size], zeros at padding, where time is divided by `downsample` and
            rounded up; pooled float [batch, hidden_size], zeros for a text without tokens.
        """
        mask = attention_mask.bool()
        vectors = self.dropout(self.embedding(input_ids.masked_fill(~mask, 0)))
        if self.downsample is not None:
            vectors, mask = self.downsample(vectors, mask)
        states = self.layers[0](vectors, mask)
        for layer in self.layers[1:]:
            states = layer(self.dropout(states), mask)
        return EncoderOutput(states, self.dropout(self.pooling(states, mask)))


class Downsample(nn.Module):
    """A convolution with a stride and a ReLU: neighbouring positions become one.

    Position i of the result is centred on position `i * stride` of the input, so a text of n tokens has
    `ceil(n / stride)` positions, whatever follows it.

    Args:
        input_size: size of the vectors it reads.
        channels: size of the vectors it gives.
        kernel_size: positions that it sees at once; odd.
        stride: positions that become one.
    """

    def __init__(self, input_size: int, channels: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(input_size, channels, kernel_size, stride, padding=kernel_size // 2)
        self.stride = stride

    def forward(self, vectors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Merge positions.

        Args:
            vectors: float [batch, time, input_size].
            mask: bool [batch, time].

        Returns:
            Vectors float [batch, ceil(time / stride), channels] and their mask.
        """
        # A window at a text's end must find what it would find without padding: zeros.
        vectors = vectors * mask[..., None]
        merged: Tensor = self.convolution(vectors.transpose(1, 2)).relu().transpose(1, 2)
        return merged, mask[:, :: self.stride]


class _Layer(nn.Module):
    """One or two directions over the same vectors, their states side by side."""

    def __init__(self, options: RnnOptions, input_size: int) -> None:
        super().__init__()
        build = _DIRECTIONS[options.implementation]
        self.directions = nn.ModuleList(
            build(options.cell, input_size, options.hidden_size, backward=backward)
            for backward in ((False, True) if options.bidirectional else (False,))
        )

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """States float [batch, time, hidden_size] or, of both directions, [batch, time, 2 * hidden_size]."""
        return torch.cat([direction(vectors, mask) for direction in self.directions], dim=-1)


def copy_weights(source: RnnEncoder, target: RnnEncoder) -> None:
    """Give `target` the weights of `source`; one may be `fused` and the other `loop`.

    Raises:
        RuntimeError: their other options differ, so the weights do not fit.
    """
    target.load_state_dict(source.state_dict())
