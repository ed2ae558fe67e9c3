"""The tokenizer `unigram`: the most probable way to cut a text into pieces."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pegboard import SPECIAL_TOKENS, ArtifactError, LibraryTokenizer, library_normalizer

from pegboard_subword.unigrams import learn_unigrams
from pegboard_subword.words import BORDER, alphabet_of, metaspace_decoder, metaspace_splitter, words_to_learn_from

if TYPE_CHECKING:
    import pyarrow as pa
    import tokenizers


__all__ = ["UnigramTokenizer"]

ScoredPiece = tuple[str, float]


class UnigramTokenizer(LibraryTokenizer):
    """Words cut into the pieces whose probabilities have the greatest product.

    A word is a run of letters, digits or other signs with the space before it, which is written `▁`. Characters that
    are not in the vocabulary are `[UNK]`, one for several that follow each other in a word. (Kudo, 2018.)

    Example:
        >>> tokenizer = UnigramTokenizer(UnigramOptions(vocab_size=14, min_frequency=1))
        >>> tokenizer.train(["low lower low slow"])
        >>> tokenizer.tokens("slower low")
        ['▁', 's', 'low', 'e', 'r', '▁low']
    """

    # Why a text may be cut before its spaces: see `metaspace_splitter`.
    context_free = True
    space_first = True
    ascii_words = True
    border = BORDER
    left_to_right = True

    def train(self, texts: Iterable[str] | pa.Array) -> None:
        """Learn pieces and their scores; see `Tokenizer.train`."""
        words = words_to_learn_from(texts, self.options, metaspace_splitter(self.options))
        alphabet, words = alphabet_of(words, self.options)
        pieces = learn_unigrams(
            words,
            alphabet,
            size=self.options.vocab_size - len(SPECIAL_TOKENS),
            min_frequency=self.options.min_frequency,
            longest=self.options.max_piece_length,
        )
        self.use(self._assembled([*((token, 0.0) for token in SPECIAL_TOKENS), *pieces]))

    def restore(self, model: Any, where: str) -> tokenizers.Tokenizer:
        """The pipeline around saved pieces and scores; see `LibraryTokenizer.restore`."""
        vocabulary = model.get("vocab") if isinstance(model, dict) else None
        if not isinstance(vocabulary, list) or not all(map(_is_scored_piece, vocabulary)):
            raise ArtifactError("has no list of pieces with scores", where=where)
        longest = max([len(piece) for piece, _ in vocabulary[len(SPECIAL_TOKENS) :]], default=0)
        if longest > self.options.max_piece_length:
            raise ArtifactError(f"has a piece of {longest} characters, which max_piece_length forbids", where=where)
        self.vocabulary_of({"vocab": {piece: i for i, (piece, _) in enumerate(vocabulary)}}, where)
        return self._assembled([(piece, score) for piece, score in vocabulary])

    def _assembled(self, vocabulary: Sequence[ScoredPiece]) -> tokenizers.Tokenizer:
        import tokenizers
        from tokenizers import models

        backend = tokenizers.Tokenizer(models.Unigram(list(vocabulary), unk_id=self.unk_id, byte_fallback=False))
        backend.normalizer = library_normalizer(self.options)
        backend.pre_tokenizer = metaspace_splitter(self.options)
        backend.decoder = metaspace_decoder(self.options)
        backend.add_special_tokens(list(SPECIAL_TOKENS))
        return backend


def _is_scored_piece(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 2
        and isinstance(entry[0], str)
        and type(entry[1]) is float
        and math.isfinite(entry[1])
    )
