"""Character tokenizer for Pegboard: every character is a token."""

from __future__ import annotations

from collections.abc import Iterable

from pegboard import ComponentSpec, hookimpl


@hookimpl
def pegboard_tokenizers() -> Iterable[ComponentSpec]:
    """The tokenizer `char`."""
    yield ComponentSpec(
        name="char",
        factory="pegboard_char.tokenizer:CharTokenizer",
        options="pegboard_char.options:CharOptions",
        summary="every character is a token: tiny vocabulary, long sequences, no unknown words",
    )
