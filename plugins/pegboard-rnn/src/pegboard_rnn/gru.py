"""The states of a GRU, and their gradients, on a processor: what `nn.GRU` computes, in two thirds of the time.

With x_t a token's vector, h the state, `*` the product element by element, and in the weights the rows of r, z and n:

    r_t = sigmoid(W_r x_t + b_r + U_r h_(t-1) + c_r)      reset gate
    z_t = sigmoid(W_z x_t + b_z + U_z h_(t-1) + c_z)      update gate
    m_t = U_n h_(t-1) + c_n
    n_t = tanh(W_n x_t + b_n + r_t * m_t)                 candidate
    h_t = n_t + z_t * (h_(t-1) - n_t)

What comes from the tokens' vectors depends on no state, so it is one matrix product for all positions. Only `U h_(t-1)`
has to be computed step by step.

Backward, let d_t be the gradient of the loss by h_t, by way of all that comes after it. The gradients by what enters
the gates are products with it:

    by n_t's argument    d_t * (1 - z_t) * (1 - n_t²)
    by m_t               d_t * (1 - z_t) * (1 - n_t²) * r_t
    by r_t's argument    d_t * (1 - z_t) * (1 - n_t²) * m_t * r_t * (1 - r_t)
    by z_t's argument    d_t * (h_(t-1) - n_t) * z_t * (1 - z_t)

and d_(t-1) is what the loss says of h_(t-1) itself, plus d_t * z_t, plus those by m_t and by the arguments of r_t and
z_t, times U. All factors but d_t are computed for all positions beforehand. What is left for a step are two products
element by element and one with U; the gradients of the weights are one matrix product each, over all positions.
Differentiated step by step, as `nn.GRU` is on a processor, each step has one product more, whose result is as large as
U and is added to that of the others.

At padding z_t is 1, so the state stays as it is. A text that is read from its end has zeros for a state until its last
token, and nothing needs to be reversed.

References:
    Cho, K. et al. (2014). Learning phrase representations using RNN encoder-decoder for statistical machine
    translation. EMNLP 2014, 1724-1734.
    Werbos, P. J. (1990). Backpropagation through time: what it does and how to do it. Proceedings of the IEEE 78(10),
    1550-1560.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["gru_states"]


def gru_states(
    vectors: Tensor,
    mask: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor,
    bias_hh: Tensor,
    *,
    backward: bool = False,
) -> Tensor:
    """The state after each token; zeros at padding. It can be differentiated once.

    Args:
        vectors: float [batch, time, input_size].
        mask: bool [batch, time], true for tokens, which come before all padding.
        weight_ih: W, float [3 * hidden_size, input_size]; it and the others are as `nn.GRUCell` has them.
        weight_hh: U, float [3 * hidden_size, hidden_size].
        bias_ih: b, float [3 * hidden_size].
        bias_hh: c, float [3 * hidden_size].
        backward: read from the last token to the first.

    Returns:
        float [batch, time, hidden_size].

    Example:
        >>> cell = torch.nn.GRUCell(8, 16)
        >>> gru_states(torch.randn(2, 5, 8), torch.ones(2, 5, dtype=torch.bool), *cell.parameters()).shape
        torch.Size([2, 5, 16])
    """
    # Time comes first in what follows, so that what a step needs lies together.
    is_token = mask.t().unsqueeze(-1)
    states: Tensor = _Gru.apply(  # type: ignore[no-untyped-call]
        vectors.transpose(0, 1), is_token, weight_ih, weight_hh, bias_ih, bias_hh, backward
    )
    return states.transpose(0, 1)


class _Gru(torch.autograd.Function):
    """What each position has, m, r, z and n, lies side by side in this order: [time, batch, 4 * hidden].

    So the first three, which are given something by the state, are a matrix, and so are the last three, which are
    given something by the token's vector.
    """

    @staticmethod
    def forward(
        ctx: Any,
        vectors: Tensor,
        is_token: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
        backward: bool,
    ) -> Tensor:
        """States [time, batch, hidden] for vectors [time, batch, input] and is_token [time, batch, 1]."""
        time, batch, _ = vectors.shape
        size = weight_hh.shape[1]
        vectors = vectors.contiguous()
        biases = pad(bias_ih, (size, 0)) + pad(bias_hh.roll(size), (0, size))
        gates = biases.repeat(time, batch, 1)
        by_state, by_vector, r_and_z = gates[..., : 3 * size], gates[..., size:], gates[..., size : 3 * size]
        m, r, z, n = gates.split(size, -1)
        by_vector.flatten(0, 1).addmm_(vectors.flatten(0, 1), weight_ih.t())
        z += torch.where(is_token, 0.0, torch.inf)

        all_states = vectors.new_empty(time + 1, batch, size)
        all_states[-1 if backward else 0] = 0
        before, after = (all_states[1:], all_states[:-1]) if backward else (all_states[:-1], all_states[1:])
        weight = weight_hh.roll(size, 0).t().contiguous()  # laid out like this, the product is a third faster
        steps = list(zip(before, by_state, r_and_z, m, r, z, n, after, strict=True))
        for h, by_state_t, r_and_z_t, m_t, r_t, z_t, n_t, next_h in reversed(steps) if backward else steps:
            by_state_t.addmm_(h, weight)
            r_and_z_t.sigmoid_()
            n_t.addcmul_(r_t, m_t).tanh_()
            torch.lerp(n_t, h, z_t, out=next_h)

        is_token = is_token.to(vectors.dtype)
        ctx.save_for_backward(vectors, is_token, weight_ih, weight_hh, gates, before)
        ctx.reads_backward = backward
        return after * is_token

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients by vectors, weights and biases for that by the states, [time, batch, hidden]."""
        if torch.is_grad_enabled():  # by `create_graph`; autograd would take what is computed here for constants
            raise RuntimeError("this gradient can't be differentiated once more: use encoder.implementation=loop")
        vectors, is_token, weight_ih, weight_hh, gates, before = ctx.saved_tensors
        size = weight_hh.shape[1]
        m, r, z, n = gates.split(size, -1)
        d = gradient * is_token
        by_gates = _factors(m, r, z, n, before)
        by_gates_flat = by_gates.flatten(2)

        weight = weight_hh.roll(size, 0)
        steps = list(zip(d, z, by_gates, by_gates_flat[..., : 3 * size], strict=True))
        if not ctx.reads_backward:
            steps.reverse()
        d_before = [d_t for d_t, *_ in steps[1:]] + [torch.empty_like(d[:1]).squeeze(0)]
        for (d_t, z_t, by_gates_t, by_state_t), d_next in zip(steps, d_before, strict=True):
            by_gates_t.mul_(d_t.unsqueeze(1))
            d_next.addcmul_(d_t, z_t).addmm_(by_state_t, weight)

        by_state, by_vector = by_gates_flat[..., : 3 * size].flatten(0, 1), by_gates_flat[..., size:].flatten(0, 1)
        by_biases = by_gates_flat.sum((0, 1))
        return (
            (by_vector @ weight_ih).view_as(vectors),
            None,
            by_vector.t() @ vectors.flatten(0, 1),
            (by_state.t() @ before.flatten(0, 1)).roll(-size, 0),
            by_biases[size:],
            by_biases[: 3 * size].roll(-size),
            None,
        )


def _factors(m: Tensor, r: Tensor, z: Tensor, n: Tensor, before: Tensor) -> Tensor:
    """What d_t is multiplied by for the gradients by m and by the arguments of r, z and n: [time, batch, 4, hidden]."""
    factors = m.new_empty(*m.shape[:2], 4, m.shape[2])
    by_m, by_r, by_z, by_n = factors.unbind(2)
    not_kept = 1 - z
    torch.mul(n, n, out=by_n).neg_().add_(1).mul_(not_kept)
    torch.mul(by_n, r, out=by_m)
    torch.mul(by_m, m, out=by_r)
    by_r.addcmul_(by_r, r, value=-1)
    torch.sub(before, n, out=by_z).mul_(z).mul_(not_kept)
    return factors
