"""The components keep the contract of their kind."""

from __future__ import annotations

from typing import Any, ClassVar

from pegboard.testing import EncoderConformance, TokenizerConformance


class TestDefaults(EncoderConformance):
    component = "bow"


class TestTokensOnly(EncoderConformance):
    component = "bow"
    options: ClassVar[dict[str, Any]] = {"ngrams": 1, "hidden_size": 8}


class TestLongNgramsInFewBuckets(EncoderConformance):
    component = "bow"
    options: ClassVar[dict[str, Any]] = {"ngrams": 5, "hidden_size": 8, "buckets": 50, "ngram_weight": 1.0}


class TestChargram(TokenizerConformance):
    component = "chargram"
