"""The base of tokenizers that stand on the `tokenizers` library and write its standard file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pegboard.contracts.tokenizer import SPECIAL_TOKENS, Tokenizer, TokenizerOptions, window_step
from pegboard.errors import ArtifactError, PegboardError, UsageError
from pegboard.files import atomic_write
from pegboard.text.vocabulary import is_text
from pegboard.untrusted import read_json, shortened

if TYPE_CHECKING:
    import pyarrow as pa
    import tokenizers

    from pegboard.text.characters import CharacterEncoder
    from pegboard.text.compiled import Kernels
    from pegboard.text.encoding import UnitEncoder
    from pegboard.text.segments import Cut

__all__ = ["PLAIN_LETTERS", "LibraryTokenizer", "library_normalizer", "read_backend"]

_MANY = 500
"""Units from which on the library's threads gain more than they cost where other threads are busy as well."""

PLAIN_LETTERS = (
    "0-9A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u0131\u0134-\u013e\u0141-\u0148\u014a-\u017e"  # Latin
    "\u0391-\u03a1\u03a3-\u03a9\u03b1-\u03c9\u0400-\u045f"  # Greek, Cyrillic
    "\u05d0-\u05ea\u0621-\u063a\u0641-\u064a"  # Hebrew, Arabic
    "\u3041-\u3096\u30a1-\u30fa\uac00-\ud7a3"  # Japanese syllables, Korean
)
"""Letters and digits of many scripts, for a class of a regular expression: those that stay letters in every Unicode
normalization form, with accents or without, and that are not Chinese."""


class _Trained(NamedTuple):
    """What `use` works out once, kept together so that other threads see all of it or nothing."""

    backend: tokenizers.Tokenizer
    encoder: UnitEncoder | CharacterEncoder
    size: int
    hidden: frozenset[int]
    frame: tuple[int, int]


class LibraryTokenizer(Tokenizer):
    """A tokenizer on top of the `tokenizers` library, with the ids that library gives.

    A subclass writes `learn` (the pieces of its vocabulary) and `build` (the library's pipeline for a vocabulary). One
    that is not trained overrides `train` and `load` instead and calls `use`. As in the library, a text that spells a
    special token, such as `[SEP]`, is given that token's id.

    Attributes:
        context_free: set it to true to promise that encoding `a + " " + b` gives the ids of `a + " "` and then those
            of `b`, for all a and b. Normalizers and pre-tokenizers to which a space is a border keep it. Then each
            distinct word is encoded only once, however large the data.
        space_first: set it to true where a space belongs to the word after it: the promise is then that encoding
            `a + " " + b` gives the ids of `a` and then those of `" " + b`, for all a that do not end in white space.
        ascii_words: set it to true to promise more of ASCII texts: the normalizer changes each character by itself, and
            whether a word ends between two characters depends on these two alone, if none of them is an apostrophe.
            Then ASCII text is normalized and split by tables, and only distinct words pass through the library. Where
            `space_first` is true, a space in front of a word is its first character, whatever the word.
        border: a regular expression that matches, without a character of its own, further places where a text may be
            cut in two: the ids of what stands before such a place are the first of the whole text's ids, and those that
            follow are the same whatever stands before it, if anything does. Of a text of 64 kB and more only as much is
            then encoded as `max_length` leaves of it, also in scripts without spaces.
        letters: a regular expression of one character: of characters that it matches, however many follow each other,
            each leaves at least one when normalized, and no word ends between them. Of a word that is longer than any
            known one, only the beginning is then looked at.
        left_to_right: set it to true to promise that the normalizer and the pre-tokenizer look no further ahead than a
            hundred characters: what they make of a text before that does not depend on how it goes on, except where
            accents are put in order. Then of a text without a place to cut, such as one letter ten million times, only
            the beginning is encoded where that tells the first `max_length` ids.
        characters: set it to true where each character of the normalized text is a token, and nothing else is.
    """

    long_text_choices = ("head", "tail", "both", "windows")
    context_free: bool = False
    space_first: bool = False
    ascii_words: bool = False
    border: str = ""
    letters: str = ""
    left_to_right: bool = False
    characters: bool = False

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._trained: _Trained | None = None

    def learn(self, texts: Iterable[str] | pa.Array) -> list[str]:
        """The pieces of the vocabulary in the order of their ids, without the special tokens.

        Raises:
            DataError: the texts hold nothing to learn from.
        """
        raise NotImplementedError(f"{type(self).__name__} has no `learn`")

    def build(self, vocabulary: Mapping[str, int]) -> tokenizers.Tokenizer:
        """The library's normalizer, pre-tokenizer, model and decoder for a vocabulary that has the special tokens."""
        raise NotImplementedError(f"{type(self).__name__} has no `build`")

    def restore(self, model: Any, where: str) -> tokenizers.Tokenizer:
        """The library's pipeline around the model of a saved `tokenizer.json`.

        Override it where a model is more than a vocabulary, and check all that is taken from it.

        Args:
            model: the `model` of the parsed file, whatever that is.
            where: the file, for messages.

        Raises:
            ArtifactError: the model is damaged.
        """
        return self.build(self.vocabulary_of(model, where))

    @staticmethod
    def vocabulary_of(model: Any, where: str) -> dict[str, int]:
        """The vocabulary of a saved model: special tokens at their places, ids without a gap.

        Raises:
            ArtifactError: it is not so.
        """
        return _checked_vocabulary(model, where)

    @property
    def backend(self) -> tokenizers.Tokenizer:
        """The trained library object, set to truncate and to add special tokens; not to be changed.

        It truncates as `long_texts` says: on the right for `head`, on the left for `tail`, for `windows` with the rest
        as overflowing encodings. The library has nothing for `both`, and then cuts no text at all.

        Raises:
            UsageError: the tokenizer has not been trained or loaded.
        """
        return self._ready.backend

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return self._ready.size

    def train(self, texts: Iterable[str] | pa.Array) -> None:
        """Learn the vocabulary from `texts`; see `Tokenizer.train`."""
        pieces = self.learn(texts)
        vocabulary = {piece: i for i, piece in enumerate([*SPECIAL_TOKENS, *pieces])}
        self.use(_with_special_tokens(self.build(vocabulary)))

    def use(self, backend: tokenizers.Tokenizer) -> None:
        """Take a trained library tokenizer, and set it to truncate and to wrap as the options say.

        Where the options have no `special_tokens`, its own post-processor stays.
        """
        from tokenizers import processors

        if getattr(self.options, "special_tokens", "none") == "cls_sep":
            ids = [(token, backend.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
            backend.post_processor = processors.TemplateProcessing(
                single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
            )
        backend.no_padding()
        backend.no_truncation()
        before, after = _wrapping(backend)
        step = window_step(self.options, len(before) + len(after))
        if self.long_texts != "both":
            backend.enable_truncation(
                self.max_length,
                stride=self.max_length - len(before) - len(after) - step if step else 0,
                direction="left" if self.long_texts == "tail" else "right",
            )
        special = {i for i, token in backend.get_added_tokens_decoder().items() if token.special}
        size = max(backend.get_vocab(with_added_tokens=True).values()) + 1
        encoder = self._encoder_of(backend, before, after)
        hidden = frozenset(special - {self.unk_id})
        self._trained = _Trained(backend, encoder, size, hidden, (len(before), len(after)))

    def encode_batch(self, texts: Iterable[str] | pa.Array) -> pa.LargeListArray:
        """The ids of each text, those of `backend.encode(text)` where that truncates; see `Tokenizer.encode_batch`.

        Raises:
            UsageError: the tokenizer has not been trained or loaded.
        """
        return self._ready.encoder.encode(texts)

    def encode_blocks(self, blocks: Iterable[pa.LargeStringArray]) -> Iterator[pa.LargeListArray]:
        """The ids of blocks of texts; see `Tokenizer.encode_blocks`."""
        if type(self).encode_batch is not LibraryTokenizer.encode_batch:  # a subclass that has its own must be asked
            return super().encode_blocks(blocks)
        return self._ready.encoder.encode_blocks(blocks)

    @property
    def threads_suffice(self) -> bool:
        """Whether its loops are compiled; see `Tokenizer.threads_suffice`."""
        return type(self).encode_batch is LibraryTokenizer.encode_batch and self._ready.encoder.compiled

    @property
    def frame(self) -> tuple[int, int]:
        """How many special tokens the post-processor puts before and after a text."""
        return self._ready.frame

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; special tokens are left out, [UNK] is kept; see `Tokenizer.decode`."""
        ready = self._ready
        names = [ready.backend.id_to_token(i) for i in self.checked_ids(ids) if i not in ready.hidden]
        kept = [name for name in names if name is not None]
        decoder = ready.backend.decoder
        return str(decoder.decode(kept)) if decoder is not None else " ".join(kept)

    def tokens(self, text: str) -> list[str]:
        """The tokens of one text; see `Tokenizer.tokens`."""
        return [str(self.backend.id_to_token(i)) for i in self.encode_batch([text])[0].as_py()]

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json`, which `tokenizers.Tokenizer.from_file` opens, and its `tokenizer_config.json`."""
        atomic_write(folder / "tokenizer.json", (self.backend.to_str(pretty=True) + "\n").encode())
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": self.max_length,
            "clean_up_tokenization_spaces": False,
            **({"truncation_side": "left"} if self.long_texts == "tail" else {}),
            **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")},
        }
        atomic_write(folder / "tokenizer_config.json", (json.dumps(config, indent=2) + "\n").encode())

    @classmethod
    def load(cls, folder: Path, options: Any) -> LibraryTokenizer:
        """Read `tokenizer.json` back; see `Tokenizer.load`.

        Only what `restore` takes from the model comes from the file. The pipeline around it is built from the options,
        and the file must describe the same one: a file that was tampered with is never run.
        """
        file = folder / "tokenizer.json"
        stored = read_json(file)
        tokenizer = cls(options)
        backend = tokenizer.restore(stored.get("model") if isinstance(stored, dict) else None, str(file))
        tokenizer.use(_with_special_tokens(backend))
        built = json.loads(tokenizer.backend.to_str())
        different = []
        if json.dumps(stored) != json.dumps(built):  # as it nearly never is, and is found out fast
            different = [key for key in {**built, **stored} if not _agrees(stored.get(key, ...), built.get(key, ...))]
        if different:
            raise ArtifactError(
                f"its {shortened(', '.join(different))} is not what the {cls.__name__}'s options make",
                where=str(file),
                hint="the file was edited, or saved with other options or another version",
            )
        return tokenizer

    def _encoder_of(
        self, backend: tokenizers.Tokenizer, before: list[int], after: list[int]
    ) -> UnitEncoder | CharacterEncoder:
        """What encodes for the library: the same ids, but each distinct unit once."""
        import tokenizers

        from pegboard.text.encoding import UnitEncoder
        from pegboard.text.library_units import (
            borders_within_words,
            character_encoder,
            cutter,
            long_words,
            word_encoder,
        )
        from pegboard.text.ragged import from_lists

        unlimited = tokenizers.Tokenizer.from_str(backend.to_str())
        unlimited.no_truncation()
        where: Cut = "never"
        if self.context_free:
            where = "before_space" if self.space_first else "after_space"

        units_cutter = cutter(unlimited, where, ascii_words=self.ascii_words)
        encode_words = word_encoder(unlimited.model, units_cutter.words)

        def encode(units: pa.LargeStringArray, are_words: bool, kernels: Kernels | None) -> pa.LargeListArray:
            if are_words:
                return encode_words(units, kernels)
            if len(units) < _MANY:
                return from_lists([unlimited.encode(unit, add_special_tokens=False).ids for unit in units.to_pylist()])
            encodings = unlimited.encode_batch_fast(units.to_pylist(), add_special_tokens=False)
            return from_lists([encoding.ids for encoding in encodings])

        within_words = borders_within_words(unlimited, units_cutter.words, head=self.long_texts == "head")
        encoder = UnitEncoder(
            units_cutter,
            encode,
            self.max_length,
            before=before,
            after=after,
            border="|".join(filter(None, (self.border, within_words))),
            long_words=long_words(unlimited, self.unk_id, left_to_right=self.left_to_right, letters=self.letters),
            long_texts=self.long_texts,
        )
        if not self.characters:
            return encoder
        return character_encoder(
            encoder, unlimited, self.max_length, before=before, after=after, long_texts=self.long_texts
        )

    @property
    def _ready(self) -> _Trained:
        if self._trained is None:
            raise UsageError("the tokenizer has no vocabulary yet", hint="train it or load one first")
        return self._trained


def _with_special_tokens(backend: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    backend.add_special_tokens(list(SPECIAL_TOKENS))
    return backend


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


def read_backend(file: Path) -> tokenizers.Tokenizer:
    """A `tokenizers.Tokenizer` from a `tokenizer.json` that is trusted to be a reasonable one.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    import tokenizers

    if not file.is_file():
        raise ArtifactError("is missing", where=str(file))
    try:
        return tokenizers.Tokenizer.from_file(str(file))
    except (KeyboardInterrupt, PegboardError):
        raise
    except BaseException as error:  # the library panics with an exception that is no Exception
        raise ArtifactError(f"is not a tokenizer: {error}", where=str(file)) from None


def _wrapping(backend: tokenizers.Tokenizer) -> tuple[list[int], list[int]]:
    """The ids that the post-processor puts before and after a text: those around the ids of a short one."""
    for text in _short_texts(backend):
        encoding = backend.encode(text)
        content = [i for i, special in enumerate(encoding.special_tokens_mask) if not special]
        if content:
            return encoding.ids[: content[0]], encoding.ids[content[-1] + 1 :]
    return backend.encode("").ids, []


def _short_texts(backend: tokenizers.Tokenizer) -> Iterator[str]:
    """Texts of which one is sure to have ids, if any has: a vocabulary may be of a script of its own."""
    yield from ("a", "the", "0", ".")
    yield from backend.get_vocab(with_added_tokens=False)


def _checked_vocabulary(model: Any, where: str) -> dict[str, int]:
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocabulary, dict):
        raise ArtifactError("has no vocabulary", where=where)
    if not is_text(vocabulary):
        raise ArtifactError("has a token that is not Unicode text", where=where)
    if not all(type(i) is int for i in vocabulary.values()):
        raise ArtifactError("has an id that is no whole number", where=where)
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise ArtifactError("has ids with gaps or ids that occur twice", where=where)
    wrong = [token for i, token in enumerate(SPECIAL_TOKENS) if vocabulary.get(token) != i]
    if wrong:
        expected = ", ".join(f"{token}={i}" for i, token in enumerate(SPECIAL_TOKENS))
        raise ArtifactError(f"the special tokens {', '.join(wrong)} have other ids than {expected}", where=where)
    return vocabulary


def _agrees(stored: Any, built: Any) -> bool:
    """Whether a stored setting is the built one; it may lack a field that an older version did not write."""
    if isinstance(stored, dict) and isinstance(built, dict):
        return all(key in built and _agrees(value, built[key]) for key, value in stored.items())
    if isinstance(stored, list) and isinstance(built, list):
        return len(stored) == len(built) and all(map(_agrees, stored, built))
    return bool(stored == built) and type(stored) is type(built)
