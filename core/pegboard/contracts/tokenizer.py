"""What a tokenizer must do.

Two bases do most of it: `pegboard.PieceTokenizer` needs one method from its author, `pegboard.LibraryTokenizer` stands
on the `tokenizers` library and writes a standard `tokenizer.json`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pegboard.errors import DataError, RecipeError
from pegboard.options import Options

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SPECIAL_TOKENS", "Tokenizer", "TokenizerOptions", "VocabInfo"]

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""The first entries of every trained vocabulary, so [PAD] is 0 and [UNK] is 1."""


class TokenizerOptions(Options):
    """Options that every trained tokenizer has.

    Example:
        >>> TokenizerOptions(vocab_size=8000).max_length
        256
    """

    vocab_size: int = Field(30_000, ge=len(SPECIAL_TOKENS) + 1)
    """the most entries of the vocabulary, special tokens included"""
    min_frequency: int = Field(1, ge=1)
    """how often a piece must occur in the training texts to enter the vocabulary"""
    max_length: int = Field(256, ge=3)
    """the most tokens that the encoder is given at once, special tokens included"""
    long_texts: Literal["head", "tail", "both", "windows"] = "head"
    """what becomes of a text with more tokens: its beginning is kept (head), its end (tail), or both, a quarter of them
    from the beginning and the rest from the end; or all of it, in overlapping windows whose predictions are pooled"""
    window_overlap: int = Field(32, ge=0)
    """tokens that a window shares with the one before it, which Hugging Face calls stride; only for windows"""
    lowercase: bool = True
    """fold to lower case before splitting"""
    normalization: Literal["none", "nfc", "nfd", "nfkc", "nfkd"] = "nfc"
    """Unicode normalization form applied first"""
    special_tokens: Literal["none", "cls_sep"] = "none"
    """cls_sep puts [CLS] before and [SEP] after each text, as BERT expects"""

    @model_validator(mode="after")
    def _windows_go_on(self) -> TokenizerOptions:
        window_step(self, 2 if self.special_tokens == "cls_sep" else 0)
        return self


def window_step(options: Any, special: int) -> int:
    """How many tokens further each window starts; 0 where the options ask for no windows.

    Args:
        options: those of a tokenizer.
        special: the number of special tokens around each window.

    Raises:
        RecipeError: the windows overlap so much that none would get further.
    """
    if getattr(options, "long_texts", "head") != "windows":
        return 0
    room, overlap = options.max_length - special, getattr(options, "window_overlap", 0)
    if overlap < room:
        return int(room - overlap)
    around = f" and {special} special ones" if special else ""
    raise RecipeError(
        f"windows of {options.max_length} tokens have no room for {overlap} of the window before{around}",
        where="tokenizer.window_overlap",
        hint=f"--set tokenizer.window_overlap={room // 4}, or a larger tokenizer.max_length",
    )


class VocabInfo:
    """What an encoder must know of the tokenizer: the size of the vocabulary and the longest sequence.

    Attributes:
        size: number of ids; every id is in `range(size)`.
        pad_id: the id that fills a batch.
        max_length: the most tokens in a sequence.
    """

    def __init__(self, size: int, pad_id: int, max_length: int) -> None:
        self.size = size
        self.pad_id = pad_id
        self.max_length = max_length


class Tokenizer(ABC):
    """Turns texts into ids and back.

    A tokenizer is built from its options, then either trained on texts or loaded from a folder. It never looks
    at anything else, so the same options and texts give the same bytes. Once trained it does not change: several
    threads may encode with it at once.

    Args:
        options: an instance of the option schema its `ComponentSpec` names.
    """

    pad_id: int = 0
    unk_id: int = 1
    max_length: int
    long_texts: str = "head"
    """what becomes of texts with more than `max_length` ids; see `TokenizerOptions`"""

    long_text_choices: ClassVar[tuple[str, ...]] = ("head",)
    """what it does where the option `long_texts` says so; the two bases do `head`, `tail`, `both` and `windows`"""
    trained: ClassVar[bool] = True
    """whether it learns from texts; a tokenizer that comes with its vocabulary does not"""
    decodes: ClassVar[bool] = True
    """whether `decode` keeps the letters of a text in their order"""
    lossless: bool = False
    """whether `decode` gives the normalized text back exactly; declare it where it is true, by options if need be"""

    def __init__(self, options: Any) -> None:
        self.options = options
        self.max_length = options.max_length
        self.long_texts = getattr(options, "long_texts", "head")
        if self.long_texts not in self.long_text_choices:
            raise RecipeError(
                f"{type(self).__name__} does not know how to do {self.long_texts!r}",
                where="tokenizer.long_texts",
                hint=f"it does {' and '.join(self.long_text_choices)}",
            )

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Number of ids: every id is in `range(vocab_size)`."""

    @abstractmethod
    def train(self, texts: Iterable[str] | pa.Array) -> None:
        """Learn the vocabulary from texts. A pretrained tokenizer does nothing here.

        Raises:
            DataError: the texts hold nothing to learn from, or one is missing or is not a Unicode string.
        """

    @abstractmethod
    def encode_batch(self, texts: Iterable[str] | pa.Array) -> pa.LargeListArray:
        """The ids of each text, `large_list<int32>`: truncated to `max_length`, with special tokens, not padded.

        Where `long_texts` is `windows` nothing is truncated: the windows are cut from these ids, and each gets the
        special tokens, of which `frame` tells the number.

        Raises:
            DataError: a text is missing or is not a Unicode string.
        """

    def encode_blocks(self, blocks: Iterable[pa.LargeStringArray]) -> Iterator[pa.LargeListArray]:
        """The ids of blocks of texts, block by block, as `encode_batch` gives them; memory stays bounded.

        Raises:
            DataError: a text is not a Unicode string.
        """
        return map(self.encode_batch, blocks)

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """The text that `ids` stand for, as well as the vocabulary can tell; special tokens are left out.

        Raises:
            DataError: an id is not in `range(vocab_size)`.
        """

    @abstractmethod
    def tokens(self, text: str) -> list[str]:
        """The tokens of one text as strings, in the order of their ids; unknown ones are `[UNK]`."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write all that `load` needs into an existing folder: JSON or text, never code."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, options: Any) -> Tokenizer:
        """The tokenizer that `save` wrote.

        Raises:
            ArtifactError: a file is missing or damaged.
        """

    @property
    def threads_suffice(self) -> bool:
        """Whether `encode_blocks` does in threads what keeps two processors busy, so that one process is enough.

        It is asked before much is encoded, and may take as long as getting ready for that does.
        """
        return False

    @property
    def frame(self) -> tuple[int, int]:
        """How many of a text's ids are special tokens put before it, and after it."""
        return 0, 0

    @property
    def vocab_info(self) -> VocabInfo:
        """What an encoder needs to know."""
        return VocabInfo(self.vocab_size, self.pad_id, self.max_length)

    def checked_ids(self, ids: Iterable[int]) -> list[int]:
        """`ids` as Python integers, for `decode`.

        Raises:
            DataError: an id is not in `range(vocab_size)`.
        """
        checked, size = [int(i) for i in ids], self.vocab_size
        for position, i in enumerate(checked):
            if not 0 <= i < size:
                raise DataError(f"id {i} is not in the vocabulary, which ends at {size - 1}", where=f"ids[{position}]")
        return checked
