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
        # float32 because a GRU of this size is no faster in bfloat16 on a processor; an LSTM is.
        # One thread because the steps are so small that two would mostly wait for each other.
        suggests={
            "trainer.epochs": 6,
            "trainer.learning_rate": 3e-3,
            "trainer.precision": "no",
            "trainer.threads": 1,
        },
        default=True,
    )
