"""The encoder keeps the contract of its kind, whatever its cell."""

from __future__ import annotations

from typing import Any, ClassVar

from pegboard.testing import EncoderConformance

SMALL = {"embedding_size": 8, "hidden_size": 6}


class TestDefaults(EncoderConformance):
    component = "rnn"


class TestLoop(EncoderConformance):
    component = "rnn"
    options: ClassVar[dict[str, Any]] = {**SMALL, "implementation": "loop", "cell": "lstm", "pooling": "last"}


class TestStacked(EncoderConformance):
    component = "rnn"
    options: ClassVar[dict[str, Any]] = {**SMALL, "cell": "lstm", "layers": 2, "pooling": "attention"}


class TestDownsampled(EncoderConformance):
    component = "rnn"
    options: ClassVar[dict[str, Any]] = {**SMALL, "downsample": 3, "channels": 10, "pooling": "mean"}
