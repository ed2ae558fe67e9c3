"""The tokenizer `char`: every character (Unicode code point) of the normalized text is a token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pegboard import SPECIAL_TOKENS, LibraryTokenizer, count_pieces, library_normalizer, most_frequent

if TYPE_CHECKING:
    import pyarrow as pa
    import tokenizers

__all__ = ["CharTokenizer"]


class CharTokenizer(LibraryTokenizer):
    """Every character is a token, spaces and line breaks too.

    Example:
        >>> tokenizer = CharTokenizer(CharOptions())
        >>> tokenizer.train(["to be"])
        >>> tokenizer.tokens("To z")
        ['t', 'o', ' ', '[UNK]']
        >>> tokenizer.decode(tokenizer.encode_batch(["to be"])[0].as_py())
        'to be'
    """

    context_free = True
    characters = True
    left_to_right = True
    lossless = True

    def learn(self, texts: Iterable[str] | pa.Array) -> list[str]:
        """The most frequent characters; see `LibraryTokenizer.learn`."""
        return most_frequent(count_pieces(texts, library_normalizer(self.options), None), self.options)

    def build(self, vocabulary: Mapping[str, int]) -> tokenizers.Tokenizer:
        """The library's pipeline; see `LibraryTokenizer.build`."""
        import tokenizers
        from tokenizers import decoders, models

        # Byte-pair encoding starts from single characters; without merges it stops there.
        model = models.BPE(vocab=dict(vocabulary), merges=[], unk_token=SPECIAL_TOKENS[self.unk_id])
        backend = tokenizers.Tokenizer(model)
        if normalizer := library_normalizer(self.options):
            backend.normalizer = normalizer
        backend.decoder = decoders.Fuse()
        return backend
