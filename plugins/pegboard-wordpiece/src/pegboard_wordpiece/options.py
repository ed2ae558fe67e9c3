"""What the WordPiece tokenizer can be told."""

from __future__ import annotations

from pegboard import TokenizerOptions
from pydantic import Field


class WordPieceOptions(TokenizerOptions):
    """Options of the tokenizer `wordpiece`.

    Example:
        >>> WordPieceOptions(strip_accents=True).vocab_size
        8000
    """

    vocab_size: int = Field(8000, ge=6)
    """the most entries of the vocabulary, special tokens and single characters included"""
    min_frequency: int = Field(2, ge=1)
    """how often a character, or a pair of pieces that is to become one, must occur in the training texts"""
    strip_accents: bool = False
    """remove accents after normalizing, so that é becomes e"""
    max_word_length: int = Field(100, ge=1, le=1000)
    """a word of more characters is unknown as a whole"""
