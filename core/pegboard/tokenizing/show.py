"""Texts as a tokenizer sees them: tokens, ids, special tokens, padding and attention mask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pegboard.console import Console, silent
from pegboard.contracts.tokenizer import SPECIAL_TOKENS, Tokenizer, window_step
from pegboard.errors import DataError, UsageError
from pegboard.pipeline.blame import blaming
from pegboard.pipeline.tokens import prepare_tokenizer
from pegboard.text.library import LibraryTokenizer
from pegboard.text.pieces import PieceTokenizer
from pegboard.text.segments import as_arrow
from pegboard.tokenizing.choose import NamedTokenizer, each_that_works
from pegboard.tokenizing.data import train_split
from pegboard.tokenizing.measure import encoded, without_limit

if TYPE_CHECKING:
    from pegboard.cache import Cache
    from pegboard.pipeline.data import LabelledData
    from pegboard.plugins.registry import Registry
    from pegboard.recipe import Choice

__all__ = ["BERT_FRAME", "ShownText", "ShownTokens", "check_texts", "show_batches", "show_texts", "special_tokens_of"]

BERT_FRAME = {"special_tokens": "cls_sep"}
"""What makes special tokens visible, where every installed tokenizer is shown and nothing else was said."""

_MOST_SPECIAL = 12
_LOST = {"tail": "beginning", "both": "middle"}


@dataclass(frozen=True)
class ShownText:
    """One text of a padded batch.

    Attributes:
        text: the text.
        tokens: its tokens as strings, then the padding.
        input_ids: their ids.
        attention_mask: 1 for a token, 0 for padding.
        length: tokens that the text would have if nothing were cut off.
        truncated: whether something was cut off.
        windows: how many windows the text is for an encoder; 1 where texts are not cut into windows.
        lost: what was cut off of it: its `end`, `beginning` or `middle`; empty where nothing was.
    """

    text: str
    tokens: tuple[str, ...]
    input_ids: tuple[int, ...]
    attention_mask: tuple[int, ...]
    length: int
    truncated: bool
    windows: int = 1
    lost: str = ""

    def fate(self) -> str:
        """What becomes of it for its length, to be put behind the number of its tokens; empty where it fits."""
        if self.lost:
            return f" of {self.length:,}, the {'rest' if self.lost == 'end' else self.lost} is cut off"
        return f" in {self.windows:,} windows" if self.windows > 1 else ""


@dataclass(frozen=True)
class ShownTokens:
    """A batch of texts as one tokenizer sees it.

    Attributes:
        name: the tokenizer as it was asked for.
        facts: its component, version and options.
        trained: whether its vocabulary was learned from the data.
        vocab_size: number of ids.
        max_length: the most tokens of a text.
        pad_id: the id of padding.
        unk_id: the id of what is unknown.
        special_tokens: the ids of special tokens by their names.
        texts: the batch, all rows of one length.
    """

    name: str
    facts: dict[str, Any]
    trained: bool
    vocab_size: int
    max_length: int
    pad_id: int
    unk_id: int
    special_tokens: dict[str, int]
    texts: tuple[ShownText, ...]

    def to_dict(self) -> dict[str, Any]:
        """All of it, as a document holds it."""
        return {
            **self.facts,
            "trained": self.trained,
            "vocab_size": self.vocab_size,
            "max_length": self.max_length,
            "pad_id": self.pad_id,
            "unk_id": self.unk_id,
            "special_tokens": dict(self.special_tokens),
            "texts": [asdict(text) for text in self.texts],
        }


def check_texts(texts: Iterable[str], where: str) -> list[str]:
    """Texts that can be shown.

    Raises:
        UsageError: there are none, or one is empty.
        DataError: one is not a Unicode string.
    """
    listed = [texts] if isinstance(texts, str) else list(texts)
    if not listed:
        raise UsageError("there is no text", where=where)
    for number, text in enumerate(listed, start=1):
        place = where if len(listed) == 1 else f"{where}, text {number}"
        try:
            as_arrow([text])
        except DataError as error:
            raise DataError(error.what, where=place, hint=error.hint) from None
        if not text:
            raise UsageError("the text is empty", where=place)
    return listed


def show_texts(named: NamedTokenizer, tokenizer: Tokenizer, texts: Sequence[str]) -> ShownTokens:
    """A batch of texts as a trained tokenizer sees it, padded to its longest.

    Raises:
        ComponentError: the tokenizer breaks its contract.
    """
    choice, column = named.choice, as_arrow(texts)
    rows = encoded(tokenizer, choice, column).to_pylist()
    lengths = [len(row) for row in encoded(without_limit(tokenizer), choice, column).to_pylist()]
    names = [_token_names(tokenizer, choice, text, len(row)) for text, row in zip(texts, rows, strict=True)]
    special = special_tokens_of(tokenizer)
    pad = next((name for name, i in special.items() if i == tokenizer.pad_id), "[PAD]")
    time = max(map(len, rows))
    shown = []
    for text, ids, tokens, length in zip(texts, rows, names, lengths, strict=True):
        rest = time - len(ids)
        shown.append(
            ShownText(
                text,
                (*tokens, *[pad] * rest),
                (*ids, *[tokenizer.pad_id] * rest),
                (*[1] * len(ids), *[0] * rest),
                max(length, len(ids)),
                length > len(ids),
                _windows(tokenizer, len(ids)),
                _LOST.get(tokenizer.long_texts, "end") if length > len(ids) else "",
            )
        )
    return ShownTokens(
        named.name,
        named.facts(),
        tokenizer.trained,
        tokenizer.vocab_size,
        tokenizer.max_length,
        tokenizer.pad_id,
        tokenizer.unk_id,
        special,
        tuple(shown),
    )


def show_batches(
    data: LabelledData,
    dataset: str,
    tokenizers: Sequence[NamedTokenizer],
    registry: Registry,
    texts: Sequence[str],
    *,
    cache: Cache,
    asked_for: bool = True,
    console: Console = silent,
) -> list[ShownTokens]:
    """Texts as each of several tokenizers sees them, trained on the train split or taken from the cache.

    Args:
        data: has the train split.
        dataset: what to call the data.
        tokenizers: which ones.
        registry: the installed components.
        texts: the batch.
        cache: where trained tokenizers are kept.
        asked_for: whether these tokenizers were named; else one that fails is left out.
        console: where a person reads along.

    Raises:
        DataError: there is no train split, or nothing in it to learn from.
        ComponentError: a tokenizer is broken.
    """
    train = train_split(data, dataset).texts

    def shown(named: NamedTokenizer) -> ShownTokens:
        return show_texts(named, prepare_tokenizer(named.choice, registry, train, cache, console), texts)

    return each_that_works(tokenizers, shown, console.warn, asked_for=asked_for)


def special_tokens_of(tokenizer: Tokenizer) -> dict[str, int]:
    """The ids of a trained tokenizer's special tokens by name, in the order of the ids.

    A tokenizer that stands on neither of the two bases tells only of padding and of what is unknown.
    """
    if isinstance(tokenizer, PieceTokenizer):
        return {token: i for i, token in enumerate(SPECIAL_TOKENS)}
    special = {tokenizer.pad_id: "[PAD]", tokenizer.unk_id: "[UNK]"}
    if isinstance(tokenizer, LibraryTokenizer):
        decoder = tokenizer.backend.get_added_tokens_decoder()
        special |= {i: tokenizer.backend.id_to_token(i) or name for i, name in special.items()}
        named = sorted(i for i, token in decoder.items() if token.special)[:_MOST_SPECIAL]
        special |= {i: decoder[i].content for i in named}
    return {special[i]: i for i in sorted(special)}


def _windows(tokenizer: Tokenizer, length: int) -> int:
    step = window_step(tokenizer.options, sum(tokenizer.frame))
    return 1 + -(-max(0, length - tokenizer.max_length) // step) if step else 1


def _token_names(tokenizer: Tokenizer, choice: Choice, text: str, count: int) -> list[str]:
    with blaming(choice.component, hint=f"it is a bug of {choice.component.distribution}"):
        tokens = tokenizer.tokens(text)
        if len(tokens) != count:
            raise ValueError(f"tokens() gave {len(tokens)} strings for {count} ids")
    return tokens
