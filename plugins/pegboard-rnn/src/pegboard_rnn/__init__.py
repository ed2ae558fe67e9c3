"""Recurrent encoder for Pegboard: GRU, LSTM or a plain recurrent network, in a fast and a readable implementation."""

from __future__ import annotations

from collections.abc import Iterable

from pegboard import ComponentSpec, hookimpl


@hookimpl
def pegboard_encoders() -> Iterable[ComponentSpec]:
    """The encoder `rnn`."""
    yield ComponentSpec(
        name="rnn",
        factory="pegboard_rnn.encoder:RnnEncoder",
        options="pegboard_rnn.options:RnnOptions",
        summary="recurrent network (GRU, LSTM or plain), in one or both directions",
        suggests={"trainer.epochs": 8, "trainer.learning_rate": 1e-3, "trainer.batch_size": 32},
        default=True,
    )
