"""The tokenizer `wordpiece`: a frequent word is one token, a rare one several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pegboard import PLAIN_LETTERS, SPECIAL_TOKENS, LibraryTokenizer, count_pieces, library_normalizer

from pegboard_wordpiece.training import learn_pieces

if TYPE_CHECKING:
    import pyarrow as pa
    import tokenizers

    from pegboard_wordpiece.options import WordPieceOptions

__all__ = ["WordPieceTokenizer"]


_CHINESE = "\u4e00-\u9fff"
_MARKS = r"\t\n\r !-&(-,./:-@\\^_`{|}~\-"


class WordPieceTokenizer(LibraryTokenizer):
    """Words, punctuation marks and Chinese characters, cut further into pieces of the vocabulary.

    A word is cut into the longest piece that starts it, then the longest that goes on, and so forth; pieces that go
    on are written with `##`. A word that can't be cut so is `[UNK]`. (Devlin et al., 2019, BERT.)

    Example:
        >>> tokenizer = WordPieceTokenizer(WordPieceOptions(vocab_size=15, min_frequency=1))
        >>> tokenizer.train(["low lower low slow"])
        >>> tokenizer.tokens("lower slow")
        ['low', '##er', 's', '##l', '##ow']
    """

    context_free = True
    ascii_words = True
    left_to_right = True
    # Marks and Chinese characters are words of their own. The next character is one that no accent belongs to, and an
    # opening bracket is left out, since a special token may begin with it.
    border = rf"(?<=[{_MARKS}{_CHINESE}])(?=[A-Za-z0-9{_CHINESE}])|(?<=[A-Za-z0-9])(?=[{_CHINESE}])"
    letters = f"[{PLAIN_LETTERS}]"

    def learn(self, texts: Iterable[str] | pa.Array) -> list[str]:
        """The pieces of the vocabulary; see `LibraryTokenizer.learn`."""
        words = count_pieces(texts, _normalizer(self.options), _splitter(), ascii_words=True)
        return learn_pieces(words, self.options)

    def build(self, vocabulary: Mapping[str, int]) -> tokenizers.Tokenizer:
        """The library's pipeline; see `LibraryTokenizer.build`."""
        import tokenizers
        from tokenizers import decoders, models

        model = models.WordPiece(
            dict(vocabulary),
            unk_token=SPECIAL_TOKENS[self.unk_id],
            max_input_chars_per_word=self.options.max_word_length,
        )
        backend = tokenizers.Tokenizer(model)
        backend.normalizer = _normalizer(self.options)
        backend.pre_tokenizer = _splitter()
        backend.decoder = decoders.WordPiece(cleanup=False)
        return backend


def _normalizer(options: WordPieceOptions) -> Any:
    """Unicode form and case, then BERT's: no control characters, Chinese characters apart, accents as asked."""
    from tokenizers import normalizers

    bert = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=options.strip_accents, lowercase=False
    )
    return library_normalizer(options, bert)


def _splitter() -> Any:
    from tokenizers import pre_tokenizers

    return pre_tokenizers.BertPreTokenizer()
