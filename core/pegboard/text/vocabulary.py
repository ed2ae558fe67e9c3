"""Count the pieces of a corpus and choose those that enter a vocabulary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pegboard.contracts.tokenizer import SPECIAL_TOKENS, TokenizerOptions
from pegboard.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["count_pieces", "is_text", "most_frequent"]


def count_pieces(
    texts: Iterable[str] | pa.Array,
    normalizer: Any,
    pre_tokenizer: Any,
    *,
    space_first: bool = False,
    ascii_words: bool = False,
) -> Counter[str]:
    """How often each piece occurs in `texts`, splitting each distinct segment once.

    Args:
        texts: the texts.
        normalizer: a `tokenizers` normalizer, or `None`.
        pre_tokenizer: a `tokenizers` pre-tokenizer, or `None` to count characters. Both must be context-free.
        space_first: whether a space belongs to the word after it; see `LibraryTokenizer`.
        ascii_words: whether both keep the promise of `LibraryTokenizer.ascii_words`.

    Raises:
        DataError: a text is missing or is not a Unicode string.

    Example:
        >>> from tokenizers.pre_tokenizers import WhitespaceSplit
        >>> count_pieces(["to be or", "to do"], None, WhitespaceSplit()).most_common(1)
        [('to', 2)]
    """
    from pegboard.text.ascii_words import AsciiWords
    from pegboard.text.counting import count_units
    from pegboard.text.segments import Cutter, blocks

    counts: Counter[str] = Counter()
    rules = AsciiWords(normalizer, pre_tokenizer, (), space_first=space_first) if ascii_words else None
    cutter = Cutter("before_space" if space_first else "after_space", rules)
    for text, is_word, times in count_units(cutter, blocks(texts)):
        if is_word and rules is not None:
            counts[rules.piece(text)] += times
            continue
        normal = normalizer.normalize_str(text) if normalizer is not None else text
        pieces = normal if pre_tokenizer is None else [p for p, _ in pre_tokenizer.pre_tokenize_str(normal)]
        for piece in pieces:
            counts[piece] += times
    return counts


def most_frequent(counts: Counter[str], options: TokenizerOptions) -> list[str]:
    """The pieces that enter the vocabulary: most frequent first, ties in code-point order, no special tokens.

    Raises:
        DataError: no piece is frequent enough.

    Example:
        >>> most_frequent(Counter(b=2, a=2, c=3, d=1), TokenizerOptions(min_frequency=2))
        ['c', 'a', 'b']
    """
    frequent = [(-n, piece) for piece, n in counts.items() if n >= options.min_frequency]
    kept = [piece for _, piece in sorted(frequent) if piece not in SPECIAL_TOKENS]
    if not kept:
        least = "no piece occurs" if options.min_frequency == 1 else f"no piece occurs {options.min_frequency} times"
        raise DataError("the training texts give the tokenizer no vocabulary", hint=f"{least}; are the texts empty?")
    return kept[: options.vocab_size - len(SPECIAL_TOKENS)]


def is_text(pieces: Iterable[Any]) -> bool:
    r"""Whether all pieces are strings that have a UTF-8 form, which JSON does not promise.

    Example:
        >>> is_text(["a", "é"]), is_text(["a", 1]), is_text(["\ud800"])
        (True, False, False)
    """
    try:
        "".join(pieces).encode()
    except (TypeError, UnicodeEncodeError):
        return False
    return True
