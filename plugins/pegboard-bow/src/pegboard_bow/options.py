"""Options of the bag of n-grams, and of the tokenizer that goes with it."""

from __future__ import annotations

from pegboard import SPECIAL_TOKENS, Options, TokenizerOptions
from pydantic import Field, model_validator

__all__ = ["BowOptions", "ChargramOptions"]


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


class ChargramOptions(TokenizerOptions):
    """What the tokenizer `chargram` can be told."""

    vocab_size: int = Field(100_000, ge=len(SPECIAL_TOKENS) + 1)
    """the most entries of the vocabulary, words, n-grams and special tokens together"""
    max_length: int = Field(2048, ge=3)
    """the most tokens of a text; a word of six letters makes 19 with the options' defaults"""
    shortest: int = Field(3, ge=1)
    """characters of the shortest n-grams, the borders of the word counted"""
    longest: int = Field(6, ge=1)
    """characters of the longest n-grams"""

    @model_validator(mode="after")
    def _in_order(self) -> ChargramOptions:
        if self.shortest > self.longest:
            raise ValueError(f"shortest ({self.shortest}) must not be larger than longest ({self.longest})")
        return self
