"""A recurrent layer as an explicit loop: the readable reference.

A recurrent network reads a text one token at a time. It takes a token's vector and the previous hidden state and
gives the next hidden state; the hidden state after the last token stands for the whole text:

    state = zeros
    for token_vector in text:
        state = cell(token_vector, state)

The same cell, with the same weights, does every step, so a text may have any length. What differs is the cell:

- `rnn`: `tanh(W x + U h + b)`, the network of Elman (1990). At each step the whole state goes through `U` and
  `tanh`, so what was read early fades, and its gradient with it; after a dozen tokens little is left.
- `lstm` (Hochreiter and Schmidhuber 1997): beside the hidden state runs a second one, the cell state, that is only
  added to and scaled by gates between 0 and 1. Where the forget gate stays near 1, memory and gradient
  pass over many steps almost unchanged.
- `gru` (Cho et al. 2014): one state and two gates. The update gate mixes the previous state with a new candidate, so
  keeping something is as easy as leaving the gate shut; the reset gate decides how much of the previous state the
  candidate sees.

Texts in a batch differ in length and are padded on the right. The loop runs over the padded time, and a mask says
which texts have a token at step t: those take the new state, the others keep theirs. So a text's state stands still
once its last token is read, and padding can't change it.

A second network may read from the end. It runs over the same steps in reverse order with the same rule: at the padding
its state is still the zeros it started from, and it begins to change at the text's last token. Position t
then has two states, one that knows the tokens up to t and one that knows those from t on.

References:
    Elman, J. L. (1990). Finding structure in time. Cognitive Science 14(2), 179-211.
    Hochreiter, S. and Schmidhuber, J. (1997). Long short-term memory. Neural Computation 9(8), 1735-1780.
    Cho, K. et al. (2014). Learning phrase representations using RNN encoder-decoder for statistical machine
    translation. EMNLP 2014, 1724-1734.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["LoopDirection"]

_CELLS: dict[str, type[nn.RNNCell | nn.GRUCell | nn.LSTMCell]] = {
    "rnn": nn.RNNCell,
    "gru": nn.GRUCell,
    "lstm": nn.LSTMCell,
}


class LoopDirection(nn.Module):
    """One layer that reads in one direction, step by step.

    Args:
        cell: `rnn`, `gru` or `lstm`.
        input_size: size of the vectors it reads.
        hidden_size: size of its state.
        backward: read from the last token to the first.

    Example:
        >>> layer = LoopDirection("gru", 8, 16)
        >>> layer(torch.randn(2, 5, 8), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])).shape
        torch.Size([2, 5, 16])
    """

    def __init__(self, cell: str, input_size: int, hidden_size: int, *, backward: bool = False) -> None:
        super().__init__()
        self.cell = _CELLS[cell](input_size, hidden_size)
        self.hidden_size = hidden_size
        self.backwards = backward

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """The state after each token; zeros at padding.

        Args:
            vectors: float [batch, time, input_size].
            mask: bool [batch, time], true for tokens.

        Returns:
            float [batch, time, hidden_size].
        """
        batch, time, _ = vectors.shape
        steps = reversed(range(time)) if self.backwards else range(time)
        hidden = vectors.new_zeros(batch, self.hidden_size)
        memory = hidden  # the LSTM's cell state; the other cells have none
        states = [hidden] * time
        for t in steps:
            has_token = mask[:, t, None]
            if isinstance(self.cell, nn.LSTMCell):
                next_hidden, next_memory = self.cell(vectors[:, t], (hidden, memory))
                memory = torch.where(has_token, next_memory, memory)
            else:
                next_hidden = self.cell(vectors[:, t], hidden)
            hidden = torch.where(has_token, next_hidden, hidden)
            states[t] = hidden
        return torch.stack(states, dim=1) * mask[..., None]
