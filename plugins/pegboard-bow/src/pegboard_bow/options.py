"""Options of the bag of n-grams."""

from __future__ import annotations

from pegboard import Options
from pydantic import Field

__all__ = ["BowOptions"]


class BowOptions(Options):
    """What the encoder `bow` can be told."""

    hidden_size: int = Field(64, ge=1)
    """size of the vectors"""
    ngrams: int = Field(2, ge=1, le=10)
    """the most neighbouring tokens that have a vector together; 1 = each token by itself only"""
    buckets: int = Field(200_000, ge=1)
    """vectors that all n-grams of two tokens and more share; each n-gram's is found by hashing"""
    ngram_weight: float = Field(0.3, gt=0, le=1)
    """what the vector of an n-gram of two and more counts beside that of a token: the smaller it is, the more slowly
    n-grams learn; 1 = as in fastText"""
