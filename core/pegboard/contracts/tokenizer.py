"""What a tokenizer must do, and two bases that do most of it.

`Tokenizer` is the contract. `PieceTokenizer` needs one method, `split`, from its author. `LibraryTokenizer` stands
on a `tokenizers.Tokenizer` and writes a standard `tokenizer.json`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pegboard.errors import ArtifactError, DataError, RecipeError
from pegboard.files import atomic_write
from pegboard.options import Options

if TYPE_CHECKING:
    import pyarrow as pa
    import tokenizers

__all__ = [
    "SPECIAL_TOKENS",
    "LibraryTokenizer",
    "PieceTokenizer",
    "Tokenizer",
    "TokenizerOptions",
    "VocabInfo",
]

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""The first entries of every trained vocabulary, so [PAD] is 0 and [UNK] is 1."""


class TokenizerOptions(Options):
    """Options that every trained tokenizer has."""

    vocab_size: int = Field(30_000, ge=len(SPECIAL_TOKENS) + 1)
    """the most entries of the vocabulary, special tokens included"""
    min_frequency: int = Field(1, ge=1)
    """how often a piece must occur in the training texts to enter the vocabulary"""
    max_length: int = Field(256, ge=3)
    """the most tokens of a text, special tokens included; what is beyond is cut off"""
    lowercase: bool = True
    """fold to lower case before splitting"""
    normalization: Literal["none", "nfc", "nfd", "nfkc", "nfkd"] = "nfc"
    """Unicode normalization form applied first"""
    special_tokens: Literal["none", "cls_sep"] = "none"
    """cls_sep puts [CLS] before and [SEP] after each text, as BERT expects"""


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
    at anything else, so the same options and texts give the same bytes.

    Args:
        options: an instance of the option schema its `ComponentSpec` names.
    """

    pad_id: int = 0
    unk_id: int = 1
    max_length: int

    def __init__(self, options: Any) -> None:
        self.options = options
        self.max_length = options.max_length

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Number of ids: every id is in `range(vocab_size)`."""

    @abstractmethod
    def train(self, texts: pa.LargeStringArray) -> None:
        """Learn the vocabulary from texts. A pretrained tokenizer does nothing here.

        Raises:
            DataError: the texts hold nothing to learn from.
        """

    @abstractmethod
    def encode_batch(self, texts: Iterable[str] | pa.Array) -> pa.LargeListArray:
        """The ids of each text, `large_list<int32>`: truncated to `max_length`, with special tokens, not padded.

        Raises:
            DataError: a text is missing or is not a Unicode string.
        """

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """The text that `ids` stand for, as well as the vocabulary can tell; special tokens are left out."""

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
    def vocab_info(self) -> VocabInfo:
        """What an encoder needs to know."""
        return VocabInfo(self.vocab_size, self.pad_id, self.max_length)


class PieceTokenizer(Tokenizer):
    """A tokenizer whose author writes one method: `split`.

    The base gives it a vocabulary (most frequent pieces first, ties in code-point order), special tokens, [UNK],
    truncation, save and load. A class that declares `context_free = True` promises that splitting a text at its
    spaces first gives the same pieces; then each distinct word is split only once, however large the data.

    Example:
        >>> class DashTokenizer(PieceTokenizer):
        ...     def split(self, text):
        ...         return text.split("-")
        >>> tokenizer = DashTokenizer(TokenizerOptions())
        >>> tokenizer.train(["a-b", "a-c"])
        >>> tokenizer.encode_batch(["a-b-z"]).to_pylist(), tokenizer.tokens("a-z")
        ([[5, 6, 1]], ['a', '[UNK]'])
    """

    context_free: ClassVar[bool] = False
    joiner: ClassVar[str] = " "

    def __init__(self, options: TokenizerOptions) -> None:
        super().__init__(options)
        self._pieces: list[str] = list(SPECIAL_TOKENS)
        self._ids: dict[str, int] = {}

    @abstractmethod
    def split(self, text: str) -> list[str]:
        """The pieces of a (normalized) text, in reading order."""

    def join(self, pieces: Sequence[str]) -> str:
        """The text that pieces came from; joins them with `joiner` unless overridden."""
        return self.joiner.join(pieces)

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return len(self._pieces)

    def train(self, texts: pa.LargeStringArray) -> None:
        """Count the pieces of `texts` and keep the most frequent."""
        import numpy as np

        counts: Counter[str] = Counter()
        for distinct, indices, _ in self._segmented(texts):
            for piece_list, times in zip(
                map(self._pieces_of, distinct.to_pylist()),
                np.bincount(indices, minlength=len(distinct)).tolist(),
                strict=True,
            ):
                for piece in piece_list:
                    counts[piece] += times
        self._set_vocabulary(most_frequent(counts, self.options))

    def encode_batch(self, texts: Iterable[str] | pa.Array) -> pa.LargeListArray:
        """The ids of each text; see `Tokenizer.encode_batch`."""
        from pegboard.text.ragged import from_lists, gather, truncate_and_wrap
        from pegboard.text.segments import as_arrow

        unknown, ids = self.unk_id, self._ids
        before, after = _wrapping(self.options)
        encoded = []
        for distinct, indices, rows in self._segmented(as_arrow(texts)):
            known = from_lists(
                [[ids.get(piece, unknown) for piece in self._pieces_of(text)] for text in distinct.to_pylist()]
            )
            values, ends = gather(known, indices)
            encoded.append(
                truncate_and_wrap(values, ends[rows], max_length=self.max_length, before=before, after=after)
            )
        return _concatenated(encoded)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; special tokens are left out."""
        skipped = {i for i in range(len(SPECIAL_TOKENS)) if i != self.unk_id}
        return self.join([self._pieces[i] for i in ids if i not in skipped])

    def tokens(self, text: str) -> list[str]:
        """The tokens of one text."""
        return [self._pieces[i] for i in self.encode_batch([text])[0].as_py()]

    def save(self, folder: Path) -> None:
        """Write `vocab.json`, the list of pieces in the order of their ids."""
        text = json.dumps(self._pieces, ensure_ascii=False, indent=0) + "\n"
        atomic_write(folder / "vocab.json", text.encode())

    @classmethod
    def load(cls, folder: Path, options: Any) -> PieceTokenizer:
        """Read `vocab.json` back."""
        pieces = _read_json(folder / "vocab.json")
        if not isinstance(pieces, list) or pieces[: len(SPECIAL_TOKENS)] != list(SPECIAL_TOKENS):
            raise ArtifactError("is not a list that starts with the special tokens", where=f"{folder}/vocab.json")
        tokenizer = cls(options)
        tokenizer._set_vocabulary(pieces[len(SPECIAL_TOKENS) :])
        return tokenizer

    def _pieces_of(self, text: str) -> list[str]:
        import unicodedata

        form: Any = self.options.normalization
        if form != "none":
            text = unicodedata.normalize(form.upper(), text)
        return self.split(text.lower() if self.options.lowercase else text)

    def _set_vocabulary(self, pieces: Sequence[str]) -> None:
        self._pieces = [*SPECIAL_TOKENS, *pieces]
        self._ids = {piece: i for i, piece in enumerate(self._pieces) if i >= len(SPECIAL_TOKENS)}

    def _segmented(self, texts: Iterable[str] | pa.Array) -> Iterable[Any]:
        return _segmented(texts, self.context_free)


class LibraryTokenizer(Tokenizer):
    """A tokenizer on top of the `tokenizers` library, with the ids that library gives.

    Subclasses write `_untrained` (the pipeline of normalizer, pre-tokenizer, model and decoder for a vocabulary)
    and `train`. Each distinct segment of the data is encoded once; that is exact because every normalizer and
    pre-tokenizer allowed here treats the two sides of a space apart.
    """

    context_free: bool = True

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._backend: tokenizers.Tokenizer | None = None

    @property
    def backend(self) -> tokenizers.Tokenizer:
        """The trained library object, set to truncate and to add special tokens.

        Raises:
            RecipeError: the tokenizer has not been trained or loaded.
        """
        if self._backend is None:
            raise RecipeError("the tokenizer has no vocabulary yet", hint="train it or load one first")
        return self._backend

    def use(self, backend: tokenizers.Tokenizer) -> None:
        """Take a trained library tokenizer, and set it to truncate and to wrap as the options say."""
        from tokenizers import processors

        if self.options.special_tokens == "cls_sep":
            ids = [(token, backend.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
            backend.post_processor = processors.TemplateProcessing(
                single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
            )
        backend.no_padding()
        backend.enable_truncation(self.max_length)
        self._backend = backend

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return int(self.backend.get_vocab_size(with_added_tokens=True))

    def encode_batch(self, texts: Iterable[str] | pa.Array) -> pa.LargeListArray:
        """The ids of each text; see `Tokenizer.encode_batch`."""
        from pegboard.text.ragged import from_lists, gather, truncate_and_wrap
        from pegboard.text.segments import as_arrow

        backend = self._without_limit()
        before, after = self._wrapping_ids()
        encoded = []
        for distinct, indices, rows in _segmented(as_arrow(texts), self.context_free):
            encodings = backend.encode_batch_fast(distinct.to_pylist(), add_special_tokens=False)
            values, ends = gather(from_lists([encoding.ids for encoding in encodings]), indices)
            encoded.append(
                truncate_and_wrap(values, ends[rows], max_length=self.max_length, before=before, after=after)
            )
        return _concatenated(encoded)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; special tokens are left out, [UNK] is kept."""
        special = {token.content for token in self.backend.get_added_tokens_decoder().values() if token.special}
        unknown = self.backend.id_to_token(self.unk_id)
        kept = [str(token) for token in map(self.backend.id_to_token, ids) if token not in special - {unknown}]
        decoder = self.backend.decoder
        return str(decoder.decode(kept)) if decoder is not None else " ".join(kept)

    def tokens(self, text: str) -> list[str]:
        """The tokens of one text."""
        return list(self.backend.encode(text).tokens)

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json`, which `tokenizers.Tokenizer.from_file` opens, and its `tokenizer_config.json`."""
        atomic_write(folder / "tokenizer.json", (self.backend.to_str(pretty=True) + "\n").encode())
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": self.max_length,
            **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")},
        }
        atomic_write(folder / "tokenizer_config.json", (json.dumps(config, indent=2) + "\n").encode())

    @classmethod
    def load(cls, folder: Path, options: Any) -> LibraryTokenizer:
        """Read `tokenizer.json` back."""
        tokenizer = cls(options)
        tokenizer.use(read_backend(folder / "tokenizer.json"))
        return tokenizer

    def _without_limit(self) -> tokenizers.Tokenizer:
        """A copy that does not truncate: segments are put together first, then cut."""
        import tokenizers

        copy = tokenizers.Tokenizer.from_str(self.backend.to_str())
        copy.no_truncation()
        return copy

    def _wrapping_ids(self) -> tuple[list[int], list[int]]:
        """The ids that the post-processor puts before and after a text."""
        encoding = self.backend.encode("a", add_special_tokens=True)
        added = encoding.special_tokens_mask
        before = next((i for i, special in enumerate(added) if not special), 0)
        after = next((i for i, special in enumerate(reversed(added)) if not special), 0)
        return encoding.ids[:before], encoding.ids[len(added) - after :]


def most_frequent(counts: Counter[str], options: TokenizerOptions) -> list[str]:
    """The pieces that enter the vocabulary: most frequent first, ties in code-point order.

    Raises:
        DataError: no piece is frequent enough.
    """
    frequent = [(-n, piece) for piece, n in counts.items() if n >= options.min_frequency]
    kept = [piece for _, piece in sorted(frequent) if piece not in SPECIAL_TOKENS]
    if not kept:
        raise DataError(
            "the training texts give the tokenizer no vocabulary",
            hint=f"no piece occurs {options.min_frequency} times; are the texts empty?",
        )
    return kept[: options.vocab_size - len(SPECIAL_TOKENS)]


def read_backend(file: Path) -> tokenizers.Tokenizer:
    """A `tokenizers.Tokenizer` from a `tokenizer.json`.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    import tokenizers

    if not file.is_file():
        raise ArtifactError("is missing", where=str(file))
    try:
        return tokenizers.Tokenizer.from_file(str(file))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the library panics with an exception that is no Exception
        raise ArtifactError(f"is not a tokenizer: {error}", where=str(file)) from None


def library_normalizer(options: TokenizerOptions, *more: Any) -> Any:
    """The `tokenizers` normalizer for the options' Unicode form and lower-casing, then `more`; `None` if empty."""
    from tokenizers import normalizers

    form: dict[str, Any] = {
        "nfc": normalizers.NFC,
        "nfd": normalizers.NFD,
        "nfkc": normalizers.NFKC,
        "nfkd": normalizers.NFKD,
    }
    steps = [form[options.normalization]()] if options.normalization in form else []
    if options.lowercase:
        steps.append(normalizers.Lowercase())
    steps += more
    return normalizers.Sequence(steps) if steps else None


def count_pieces(texts: Iterable[str] | pa.Array, normalizer: Any, pre_tokenizer: Any) -> Counter[str]:
    """How often each pre-token occurs in `texts`, splitting each distinct segment once."""
    import numpy as np

    counts: Counter[str] = Counter()
    for distinct, indices, _ in _segmented(texts, context_free=True):
        times = np.bincount(indices, minlength=len(distinct)).tolist()
        for text, n in zip(distinct.to_pylist(), times, strict=True):
            normal = normalizer.normalize_str(text) if normalizer is not None else text
            for piece, _span in pre_tokenizer.pre_tokenize_str(normal):
                counts[piece] += n
    return counts


def _segmented(texts: Iterable[str] | pa.Array, context_free: bool) -> Iterable[Any]:
    """Texts in blocks of `Segments`; unless context-free, each whole text is one segment."""
    import numpy as np

    from pegboard.text.segments import Segments, as_arrow, blocks, segment

    for block in blocks(as_arrow(texts)):
        if context_free:
            yield segment(block)
        else:
            encoded = block.dictionary_encode()
            yield Segments(encoded.dictionary, encoded.indices.to_numpy(), np.arange(len(block) + 1))


def _wrapping(options: TokenizerOptions) -> tuple[list[int], list[int]]:
    if options.special_tokens == "none":
        return [], []
    return [SPECIAL_TOKENS.index("[CLS]")], [SPECIAL_TOKENS.index("[SEP]")]


def _concatenated(parts: list[pa.LargeListArray]) -> pa.LargeListArray:
    import pyarrow as pa

    if len(parts) == 1:
        return parts[0]
    return pa.concat_arrays(parts) if parts else pa.array([], pa.large_list(pa.int32()))


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError("is missing", where=str(file)) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"can't be read: {error}", where=str(file)) from None
