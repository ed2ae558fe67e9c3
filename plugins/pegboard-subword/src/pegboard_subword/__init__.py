"""Subword tokenizers for Pegboard: byte-pair encoding and the unigram language model."""

from __future__ import annotations

from collections.abc import Iterable

from pegboard import ComponentSpec, hookimpl


@hookimpl
def pegboard_tokenizers() -> Iterable[ComponentSpec]:
    """The tokenizers `bpe` and `unigram`."""
    yield ComponentSpec(
        name="bpe",
        factory="pegboard_subword.bpe:BpeTokenizer",
        options="pegboard_subword.options:BpeOptions",
        summary="subwords as GPT has them, grown from bytes by merging frequent pairs; no text is unknown",
    )
    yield ComponentSpec(
        name="unigram",
        factory="pegboard_subword.unigram:UnigramTokenizer",
        options="pegboard_subword.options:UnigramOptions",
        summary="subwords as SentencePiece has them, chosen so that the text is most probable",
    )
