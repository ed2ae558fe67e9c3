"""The tokenizer `word`: words and single marks are tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pegboard import PLAIN_LETTERS, SPECIAL_TOKENS, LibraryTokenizer, count_pieces, library_normalizer, most_frequent

if TYPE_CHECKING:
    import pyarrow as pa
    import tokenizers

    from pegboard_word.options import WordOptions

__all__ = ["WordTokenizer"]

# Letters, digits and their accents; an apostrophe or an invisible joiner between them is part of the word.
_WORD = r"\w+(?:['’\u200c\u200d]\w+)*"
# An opening bracket is left out, since a special token may begin with it.
_MARKS = r",.!?;:()\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f\U0001f300-\U0001f64f"
_OTHER_MARK = {"keep": r"[^\w\s]", "drop": r"[^\w\s\p{P}]"}


class WordTokenizer(LibraryTokenizer):
    """Words are tokens, and so is each other mark that is not white space.

    Example:
        >>> tokenizer = WordTokenizer(WordOptions(min_frequency=1))
        >>> tokenizer.train(["I don't know, you know?"])
        >>> tokenizer.tokens("You don't say?")
        ['you', "don't", '[UNK]', '?']
    """

    context_free = True
    ascii_words = True
    left_to_right = True
    # After a mark that is no apostrophe, and before a character that no accent belongs to.
    border = rf"(?<=[\t\n\r {_MARKS}])(?=[A-Za-z0-9\u4e00-\u9fff{_MARKS}])"
    letters = rf"[{PLAIN_LETTERS}\u4e00-\u9fff]"

    def learn(self, texts: Iterable[str] | pa.Array) -> list[str]:
        """The most frequent words; see `LibraryTokenizer.learn`."""
        counts = count_pieces(texts, library_normalizer(self.options), _splitter(self.options), ascii_words=True)
        return most_frequent(counts, self.options)

    def build(self, vocabulary: Mapping[str, int]) -> tokenizers.Tokenizer:
        """The library's pipeline; see `LibraryTokenizer.build`."""
        import tokenizers
        from tokenizers import models

        backend = tokenizers.Tokenizer(models.WordLevel(dict(vocabulary), unk_token=SPECIAL_TOKENS[self.unk_id]))
        if normalizer := library_normalizer(self.options):
            backend.normalizer = normalizer
        backend.pre_tokenizer = _splitter(self.options)
        return backend


def _splitter(options: WordOptions) -> Any:
    from tokenizers import Regex, pre_tokenizers

    pattern = Regex(f"{_WORD}|{_OTHER_MARK[options.punctuation]}")
    return pre_tokenizers.Split(pattern, behavior="removed", invert=True)
