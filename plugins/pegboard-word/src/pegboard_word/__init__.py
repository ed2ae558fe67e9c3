"""Word tokenizer for Pegboard: words and punctuation marks are tokens."""

from __future__ import annotations

from collections.abc import Iterable

from pegboard import ComponentSpec, hookimpl


@hookimpl
def pegboard_tokenizers() -> Iterable[ComponentSpec]:
    """The tokenizer `word`."""
    yield ComponentSpec(
        name="word",
        factory="pegboard_word.tokenizer:WordTokenizer",
        options="pegboard_word.options:WordOptions",
        summary="words and punctuation marks are tokens: short sequences, rare words are unknown",
        default=True,
    )
