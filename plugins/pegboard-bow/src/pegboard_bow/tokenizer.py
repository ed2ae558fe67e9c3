"""The tokenizer `chargram`: words, and the character n-grams that they are made of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pegboard import PieceTokenizer

if TYPE_CHECKING:
    from pegboard_bow.options import ChargramOptions

__all__ = ["ChargramTokenizer"]

# Letters, digits and their accents; an apostrophe or an invisible joiner between them is part of the word.
_PIECE = re.compile(r"\w+(?:['’\u200c\u200d]\w+)*|[^\w\s]")


class ChargramTokenizer(PieceTokenizer):
    """Each word is followed by its character n-grams, so that words which training has not seen say something, too.

    `<` and `>` stand for the borders of the word, and an n-gram begins with `#`, which no word does. The most frequent
    words and n-grams have ids of their own; nothing is hashed.

    Source: Bojanowski, Grave, Joulin and Mikolov (2017), arXiv:1607.04606.

    Example:
        >>> tokenizer = ChargramTokenizer(ChargramOptions(shortest=3, longest=3))
        >>> tokenizer.train(["my cat"])
        >>> tokenizer.tokens("a cat")
        ['[UNK]', 'cat', '#<ca', '#cat', '#at>']
    """

    context_free = True
    decodes = False

    options: ChargramOptions

    def split(self, text: str) -> list[str]:
        """Words and single marks, each word with its n-grams after it."""
        pieces = []
        for word in _PIECE.findall(text):
            pieces.append(word)
            bordered = f"<{word}>"
            for size in range(self.options.shortest, min(self.options.longest, len(bordered) - 1) + 1):
                pieces += [f"#{bordered[start : start + size]}" for start in range(len(bordered) - size + 1)]
        return pieces
