"""WordPiece tokenizer for Pegboard: frequent words are one token, rare ones several."""

from __future__ import annotations

from collections.abc import Iterable

from pegboard import ComponentSpec, hookimpl


@hookimpl
def pegboard_tokenizers() -> Iterable[ComponentSpec]:
    """The tokenizer `wordpiece`."""
    yield ComponentSpec(
        name="wordpiece",
        factory="pegboard_wordpiece.tokenizer:WordPieceTokenizer",
        options="pegboard_wordpiece.options:WordPieceOptions",
        summary="subwords as BERT has them: frequent words are one token, rare ones several",
    )
