"""The tokenizer `bpe`: byte-pair encoding, over bytes or over characters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pegboard import SPECIAL_TOKENS, ArtifactError, LibraryTokenizer, library_normalizer

from pegboard_subword.merges import learn_merges
from pegboard_subword.words import BORDER, alphabet_of, metaspace_decoder, metaspace_splitter, words_to_learn_from

if TYPE_CHECKING:
    import pyarrow as pa
    import tokenizers

    from pegboard_subword.options import BpeOptions

__all__ = ["BpeTokenizer"]

Merge = tuple[str, str]


class BpeTokenizer(LibraryTokenizer):
    """Words cut into pieces: their bytes or characters, joined by the merges that were learned, in that order.

    Over bytes, a word is a run of letters, digits or other signs with the space before it, as GPT-2 has it (Radford et
    al., 2019), and every text has ids without [UNK]. Over characters, the space is written `▁`.

    Example:
        >>> tokenizer = BpeTokenizer(BpeOptions(vocab_size=265, min_frequency=1))
        >>> tokenizer.train(["low lower low slow"])
        >>> tokenizer.tokens("lower slow")
        ['Ġlow', 'er', 'Ġ', 's', 'low']
    """

    # A space starts a word of its own or the next word's, so neither splitter joins what stands before a run of white
    # space with the run. And the one thing that depends on what follows a run, that its last space goes to the next
    # word, happens within a segment, since a segment begins where a run begins.
    context_free = True
    space_first = True
    ascii_words = True
    border = BORDER
    left_to_right = True

    def __init__(self, options: BpeOptions) -> None:
        super().__init__(options)
        # Over bytes nothing is lost but the difference between a text with a space in front and one without.
        self.lossless = options.byte_level and not options.add_prefix_space

    def train(self, texts: Iterable[str] | pa.Array) -> None:
        """Learn pieces and merges; see `Tokenizer.train`."""
        words = words_to_learn_from(texts, self.options, self._splitter())
        alphabet = _bytes()
        if not self.options.byte_level:
            alphabet, words = alphabet_of(words, self.options)
        pieces, merges = learn_merges(
            words,
            alphabet,
            size=self.options.vocab_size - len(SPECIAL_TOKENS),
            min_frequency=self.options.min_frequency,
        )
        self.use(self._assembled({piece: i for i, piece in enumerate([*SPECIAL_TOKENS, *pieces])}, merges))

    def restore(self, model: Any, where: str) -> tokenizers.Tokenizer:
        """The pipeline around saved pieces and merges; see `LibraryTokenizer.restore`."""
        vocabulary = self.vocabulary_of(model, where)
        if self.options.byte_level and not vocabulary.keys() >= set(_bytes()):
            raise ArtifactError("its vocabulary lacks a byte", where=where)
        merges = model.get("merges")
        if not isinstance(merges, list) or not all(_is_merge(merge, vocabulary) for merge in merges):
            raise ArtifactError("has a merge that does not join two pieces of its vocabulary to a third", where=where)
        return self._assembled(vocabulary, [(left, right) for left, right in merges])

    def _assembled(self, vocabulary: Mapping[str, int], merges: Sequence[Merge]) -> tokenizers.Tokenizer:
        import tokenizers
        from tokenizers import decoders, models

        byte_level = self.options.byte_level
        unknown = {} if byte_level else {"unk_token": SPECIAL_TOKENS[self.unk_id], "fuse_unk": True}
        backend = tokenizers.Tokenizer(models.BPE(dict(vocabulary), list(merges), **unknown))
        backend.normalizer = library_normalizer(self.options)
        backend.pre_tokenizer = self._splitter()
        if not byte_level:
            backend.decoder = metaspace_decoder(self.options)
        elif self.options.add_prefix_space:
            backend.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
        else:
            backend.decoder = decoders.ByteLevel()
        backend.add_special_tokens(list(SPECIAL_TOKENS))
        return backend

    def _splitter(self) -> Any:
        from tokenizers import pre_tokenizers

        if not self.options.byte_level:
            return metaspace_splitter(self.options)
        return pre_tokenizers.ByteLevel(add_prefix_space=self.options.add_prefix_space, trim_offsets=False)


def _bytes() -> list[str]:
    """The 256 characters that stand for bytes, in code-point order."""
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


def _is_merge(merge: Any, vocabulary: Mapping[str, int]) -> bool:
    if not isinstance(merge, list) or len(merge) != 2 or not all(isinstance(piece, str) for piece in merge):
        return False
    return {*merge, "".join(merge)} <= vocabulary.keys()
