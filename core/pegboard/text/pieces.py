"""The base of the simplest tokenizers: their author writes `split`, the rest is here."""

from __future__ import annotations

import json
import unicodedata
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard.contracts.tokenizer import SPECIAL_TOKENS, Tokenizer, TokenizerOptions
from pegboard.errors import ArtifactError, ComponentError, UsageError
from pegboard.files import atomic_write
from pegboard.text.vocabulary import is_text, most_frequent
from pegboard.untrusted import read_json

if TYPE_CHECKING:
    import pyarrow as pa

    from pegboard.text.encoding import UnitEncoder
    from pegboard.text.segments import Cut

__all__ = ["PieceTokenizer"]


class PieceTokenizer(Tokenizer):
    """A tokenizer whose author writes one method: `split`.

    The base normalizes texts and gives the tokenizer a vocabulary (most frequent pieces first, ties in code-point
    order), special tokens, [UNK], truncation, save and load. A piece that is not in the vocabulary becomes [UNK], and
    so does one that is spelled like a special token: no text can produce padding.

    Attributes:
        context_free: set it to true to promise that `split(a + " " + b)` is `split(a + " ") + split(b)` for all a
            and b. Then each distinct word, with the space that ends it, is split only once, however large the data.
        joiner: what `join` puts between pieces.

    Example:
        >>> class DashTokenizer(PieceTokenizer):
        ...     def split(self, text):
        ...         return [piece for piece in text.split("-") if piece]
        >>> tokenizer = DashTokenizer(TokenizerOptions())
        >>> tokenizer.train(["a-b", "a-c"])
        >>> tokenizer.encode_batch(["a-b-z"]).to_pylist(), tokenizer.tokens("a-z")
        ([[5, 6, 1]], ['a', '[UNK]'])
    """

    long_text_choices = ("head", "tail", "both", "windows")
    context_free: bool = False
    joiner: str = " "

    def __init__(self, options: TokenizerOptions) -> None:
        super().__init__(options)
        self._pieces: list[str] = list(SPECIAL_TOKENS)
        self._encoder: UnitEncoder | None = None

    @abstractmethod
    def split(self, text: str) -> Iterable[str]:
        """The pieces of a normalized text, in reading order; none of them empty. It is never called with no text."""

    def join(self, pieces: Sequence[str]) -> str:
        """The text that pieces came from; puts `joiner` between them unless overridden."""
        return self.joiner.join(pieces)

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return len(self._pieces)

    def train(self, texts: Iterable[str] | pa.Array) -> None:
        """Count the pieces of `texts` and keep the most frequent; see `Tokenizer.train`.

        Raises:
            ComponentError: `split` failed or gave something else than pieces.
        """
        from pegboard.text.counting import count_units
        from pegboard.text.segments import Cutter, blocks

        counts: Counter[str] = Counter()
        for text, _, times in count_units(Cutter(self._border), blocks(texts)):
            for piece in self._pieces_of(text):
                counts[piece] += times
        self._set_vocabulary(most_frequent(counts, self.options))

    def encode_batch(self, texts: Iterable[str] | pa.Array) -> pa.LargeListArray:
        """The ids of each text; see `Tokenizer.encode_batch`.

        Raises:
            ComponentError: `split` failed or gave something else than pieces.
            UsageError: the tokenizer has not been trained or loaded.
        """
        return self._ready.encode(texts)

    def encode_blocks(self, blocks: Iterable[pa.LargeStringArray]) -> Iterator[pa.LargeListArray]:
        """The ids of blocks of texts; see `Tokenizer.encode_blocks`."""
        if type(self).encode_batch is not PieceTokenizer.encode_batch:  # a subclass that has its own must be asked
            return super().encode_blocks(blocks)
        return self._ready.encode_blocks(blocks)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; special tokens are left out, [UNK] is kept; see `Tokenizer.decode`."""
        kept = [i for i in self.checked_ids(ids) if i >= len(SPECIAL_TOKENS) or i == self.unk_id]
        return self.join([self._pieces[i] for i in kept])

    def tokens(self, text: str) -> list[str]:
        """The tokens of one text; see `Tokenizer.tokens`."""
        return [self._pieces[i] for i in self.encode_batch([text])[0].as_py()]

    def save(self, folder: Path) -> None:
        """Write `vocab.json`, the list of pieces in the order of their ids."""
        text = json.dumps(self._pieces, ensure_ascii=False, indent=0) + "\n"
        atomic_write(folder / "vocab.json", text.encode())

    @classmethod
    def load(cls, folder: Path, options: Any) -> PieceTokenizer:
        """Read `vocab.json` back; see `Tokenizer.load`."""
        file = folder / "vocab.json"
        pieces = read_json(file)
        specials = len(SPECIAL_TOKENS)
        if not isinstance(pieces, list) or pieces[:specials] != list(SPECIAL_TOKENS):
            raise ArtifactError("is not a list that starts with the special tokens", where=str(file))
        if not is_text(pieces) or not all(pieces) or len(set(pieces)) < len(pieces):
            raise ArtifactError("does not hold distinct pieces of text only", where=str(file))
        if len(pieces) == specials:
            raise ArtifactError("holds nothing but special tokens", where=str(file))
        tokenizer = cls(options)
        tokenizer._set_vocabulary(pieces[specials:])
        return tokenizer

    def _set_vocabulary(self, pieces: Sequence[str]) -> None:
        from pegboard.text.encoding import UnitEncoder
        from pegboard.text.ragged import from_lists
        from pegboard.text.segments import Cutter

        ids = {piece: i for i, piece in enumerate(pieces, start=len(SPECIAL_TOKENS))}
        cls, sep = SPECIAL_TOKENS.index("[CLS]"), SPECIAL_TOKENS.index("[SEP]")
        wrap = self.options.special_tokens == "cls_sep"
        self._pieces = [*SPECIAL_TOKENS, *pieces]

        def encode(units: pa.LargeStringArray, *_: object) -> pa.LargeListArray:
            unknown = repeat(self.unk_id)
            return from_lists([list(map(ids.get, self._pieces_of(text), unknown)) for text in units.to_pylist()])

        self._encoder = UnitEncoder(
            Cutter(self._border),
            encode,
            self.max_length,
            before=[cls] if wrap else [],
            after=[sep] if wrap else [],
            long_texts=self.long_texts,
        )

    @property
    def threads_suffice(self) -> bool:
        """Whether its loops are compiled; see `Tokenizer.threads_suffice`."""
        return type(self).encode_batch is PieceTokenizer.encode_batch and self._ready.compiled

    @property
    def frame(self) -> tuple[int, int]:
        """One special token before and one after, or none."""
        return (1, 1) if self.options.special_tokens == "cls_sep" else (0, 0)

    @property
    def _border(self) -> Cut:
        return "after_space" if self.context_free else "never"

    @property
    def _ready(self) -> UnitEncoder:
        if self._encoder is None:
            raise UsageError("the tokenizer has no vocabulary yet", hint="train it or load one first")
        return self._encoder

    def _pieces_of(self, text: str) -> list[str]:
        """What `split` makes of a text, checked."""
        form: Any = self.options.normalization
        if form != "none" and not text.isascii():  # ASCII is normalized in every form
            text = unicodedata.normalize(form.upper(), text)
        if self.options.lowercase:
            text = text.lower()
        if not text:
            return []
        try:
            pieces = self.split(text)
            listed = None if isinstance(pieces, (str, bytes)) else list(pieces)
        except Exception as error:
            raise self._broken(f"failed with {type(error).__name__}: {error}", text) from error
        if listed is None:
            raise self._broken(f"must give a list of pieces, not {type(pieces).__name__}", text)
        try:
            "".join(listed)
        except TypeError:
            kind = next(type(piece).__name__ for piece in listed if not isinstance(piece, str))
            raise self._broken(f"gave a piece that is not a string but {kind}", text) from None
        if "" in listed:
            raise self._broken("gave an empty piece", text, hint="leave empty pieces out: [p for p in pieces if p]")
        return listed

    def _broken(self, what: str, text: str, hint: str | None = None) -> ComponentError:
        excerpt = text if len(text) <= 40 else text[:40] + "…"
        return ComponentError(what, where=f"{type(self).__name__}.split({excerpt!r})", hint=hint)
