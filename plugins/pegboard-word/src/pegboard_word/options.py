"""What the word tokenizer can be told."""

from __future__ import annotations

from typing import Literal

from pegboard import TokenizerOptions
from pydantic import Field


class WordOptions(TokenizerOptions):
    """Options of the tokenizer `word`.

    Example:
        >>> WordOptions(punctuation="drop").min_frequency
        2
    """

    min_frequency: int = Field(2, ge=1)
    """how often a word must occur in the training texts to enter the vocabulary"""
    punctuation: Literal["keep", "drop"] = "keep"
    """keep makes each punctuation mark a token, drop leaves them out; symbols and emoji are always tokens"""
