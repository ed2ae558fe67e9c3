"""What the character tokenizer can be told."""

from __future__ import annotations

from pegboard import TokenizerOptions
from pydantic import Field


class CharOptions(TokenizerOptions):
    """Options of the tokenizer `char`.

    Example:
        >>> CharOptions(lowercase=False).max_length
        512
    """

    max_length: int = Field(512, ge=3)
    """the most characters that the encoder is given at once, special tokens included"""
