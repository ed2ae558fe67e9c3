"""The tokenizer `pretrained`: a checkpoint's own, with exactly the ids of its `tokenizer.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pegboard import ArtifactError, LibraryTokenizer, PegboardError, RecipeError, atomic_write

from pegboard_bert.checkpoint import Checkpoint, open_checkpoint, read_json
from pegboard_bert.cuts import where_to_cut
from pegboard_bert.tokenizer_json import library_problem, read_tokenizer_json

if TYPE_CHECKING:
    import pyarrow as pa
    import tokenizers

    from pegboard_bert.options import PretrainedOptions

__all__ = ["PretrainedTokenizer", "TokenizerFiles", "read_tokenizer"]

_SPECIAL = ("pad", "unk", "cls", "sep", "mask", "bos", "eos")
_BERT_CLASSES = ("BertTokenizer", "BertTokenizerFast")
_WHERE = "tokenizer.pretrained"


@dataclass(frozen=True)
class TokenizerFiles:
    """What a checkpoint says of its tokenizer.

    Attributes:
        backend: the library object, without padding or truncation.
        special: the special tokens by role, such as `{"pad": "[PAD]", "unk": "[UNK]"}`.
        cuts_left: whether it keeps the end of a long text.
    """

    backend: tokenizers.Tokenizer
    special: Mapping[str, str]
    cuts_left: bool = False

    @property
    def vocab_size(self) -> int:
        """Number of ids: every id is in `range(vocab_size)`."""
        return max(self.backend.get_vocab(with_added_tokens=True).values()) + 1


class PretrainedTokenizer(LibraryTokenizer):
    """The tokenizer of a checkpoint, of whatever kind; training does nothing.

    Where the checkpoint has no token for padding, or uses for it one that texts have, too, padding gets an id of its
    own behind the vocabulary; so does the unknown where nothing is unknown.

    Args:
        options: the checkpoint, and where texts are cut off.
        files: use these instead of reading the checkpoint.

    Raises:
        RecipeError: the checkpoint has no usable tokenizer.
        ArtifactError: its `tokenizer.json` is damaged, or not to be trusted.
        ComponentError: the checkpoint can't be had.

    Example:
        >>> tokenizer = PretrainedTokenizer(PretrainedOptions(pretrained="google-bert/bert-base-uncased"))
        >>> tokenizer.tokens("unaffable")
        ['[CLS]', 'una', '##ffa', '##ble', '[SEP]']
    """

    trained: ClassVar[bool] = False
    decodes: ClassVar[bool] = False  # many checkpoints fold case and strip accents

    def __init__(self, options: PretrainedOptions, files: TokenizerFiles | None = None) -> None:
        super().__init__(options)
        if files is None:
            assert options.pretrained is not None
            files = read_tokenizer(open_checkpoint(options.pretrained, options.revision, where=_WHERE), where=_WHERE)
        if files.cuts_left and self.long_texts == "head":
            raise RecipeError(
                "the checkpoint's tokenizer cuts texts off on the left, so it was trained on their ends",
                where="tokenizer.long_texts",
                hint="--set tokenizer.long_texts=tail",
            )
        self._special = files.special
        self._size = files.vocab_size
        self.pad_id, self.unk_id = self._id_of("pad", files.backend), self._id_of("unk", files.backend)
        with _explained():
            cuts = where_to_cut(files.backend)
            self.context_free, self.space_first, self.ascii_words, self.border, self.letters, self.left_to_right = cuts
            self.use(files.backend)

    @property
    def vocab_size(self) -> int:
        """Number of ids, those that padding and the unknown have of their own included."""
        return self._size

    def train(self, texts: Iterable[str] | pa.Array) -> None:
        """Nothing: the vocabulary is the checkpoint's."""

    def encode_batch(self, texts: Iterable[str] | pa.Array) -> pa.LargeListArray:
        """The ids of each text; see `Tokenizer.encode_batch`.

        Raises:
            ArtifactError: the checkpoint's tokenizer fails on a text.
        """
        with _explained():
            return super().encode_batch(texts)

    def encode_blocks(self, blocks: Iterable[pa.LargeStringArray]) -> Iterator[pa.LargeListArray]:
        """The ids of blocks of texts; see `Tokenizer.encode_blocks`."""
        with _explained():
            yield from super().encode_blocks(blocks)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; see `Tokenizer.decode`."""
        with _explained():
            return super().decode(ids)

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` and `tokenizer_config.json`; transformers' AutoTokenizer gives the same ids."""
        atomic_write(folder / "tokenizer.json", (self.backend.to_str(pretty=True) + "\n").encode())
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": self.max_length,
            "clean_up_tokenization_spaces": False,
            **({"truncation_side": "left"} if self.long_texts == "tail" else {}),
            **{f"{role}_token": token for role, token in self._special.items()},
        }
        text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
        atomic_write(folder / "tokenizer_config.json", text.encode())

    @classmethod
    def load(cls, folder: Path, options: PretrainedOptions) -> PretrainedTokenizer:
        """Read back what `save` wrote; the checkpoint is not needed any more.

        Raises:
            ArtifactError: a file is missing, damaged or not to be trusted.
        """
        backend = read_tokenizer_json(folder / "tokenizer.json").backend
        try:
            config = read_json(folder / "tokenizer_config.json", str(folder))
            return cls(options, TokenizerFiles(backend, _special_tokens(config)))
        except RecipeError as error:
            raise ArtifactError(error.what, where=str(folder)) from None

    def _id_of(self, role: str, backend: tokenizers.Tokenizer) -> int:
        """The id of the token for a role, or a new one behind all others."""
        if role not in self._special:
            self._size += 1
            return self._size - 1
        number = backend.token_to_id(self._special[role])
        if number is None:
            raise RecipeError(f"the checkpoint's tokenizer has no {role} token {self._special[role]!r}", where=_WHERE)
        return int(number)


def read_tokenizer(checkpoint: Checkpoint, *, where: str) -> TokenizerFiles:
    """The tokenizer of a checkpoint: `tokenizer.json`, or for a BERT what its `vocab.txt` means.

    Raises:
        RecipeError: it has neither, or its files disagree.
        ArtifactError: `tokenizer.json` is damaged, or not to be trusted.
    """
    config: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if file := checkpoint.find(name, optional=True):
            config |= read_json(file, where)
    is_bert = _is_bert(checkpoint, config, where)
    special = _special_tokens(config, bert=is_bert)
    cuts_left = False
    if file := checkpoint.find("tokenizer.json", optional=True):
        backend, own, cuts_left = read_tokenizer_json(file)
        special = {**own, **special}
    elif is_bert and not checkpoint.find("added_tokens.json", optional=True) and (file := checkpoint.find("vocab.txt")):
        backend = _from_vocabulary(file, special, where)
    else:
        raise RecipeError(
            f"{checkpoint.reference!r} has no tokenizer.json",
            where=where,
            hint="save_pretrained of transformers' AutoTokenizer writes one",
        )
    if is_bert:
        _follow_config(backend, config)
    cuts_left = config.get("truncation_side", "left" if cuts_left else "right") != "right"
    _check_added_tokens(backend, config.get("added_tokens_decoder"), where)
    others = {token for role, token in special.items() if role != "pad"}
    if special.get("pad") in others:  # as GPT is often set up: its end of text, which no batch tells from padding
        del special["pad"]
    return TokenizerFiles(backend, special, cuts_left)


def _check_added_tokens(backend: tokenizers.Tokenizer, declared: Any, where: str) -> None:
    """Refuse a `tokenizer_config.json` that gives an added token another id than the vocabulary."""
    if declared is None:
        return
    if not isinstance(declared, dict) or not all(isinstance(token, dict) for token in declared.values()):
        raise RecipeError("added_tokens_decoder of tokenizer_config.json is no table of tokens", where=where)
    for number, token in declared.items():
        content = token.get("content")
        if not isinstance(content, str) or str(backend.token_to_id(content)) != number:
            raise RecipeError(
                f"tokenizer_config.json and the vocabulary disagree on the id of {content!r}", where=where
            )


def _is_bert(checkpoint: Checkpoint, config: Mapping[str, Any], where: str) -> bool:
    """Whether transformers would take its BertTokenizer, which lets tokenizer_config.json overrule tokenizer.json."""
    if "tokenizer_class" in config:
        return config["tokenizer_class"] in _BERT_CLASSES
    file = checkpoint.find("config.json")
    return file is not None and read_json(file, where).get("model_type") == "bert"


def _special_tokens(config: Mapping[str, Any], *, bert: bool = False) -> dict[str, str]:
    special = {role: f"[{role.upper()}]" for role in ("pad", "unk", "cls", "sep", "mask")} if bert else {}
    for role in _SPECIAL:
        token = config.get(f"{role}_token")
        content = token.get("content") if isinstance(token, dict) else token
        if isinstance(content, str):
            special[role] = content
    return special


def _from_vocabulary(file: Path, special: Mapping[str, str], where: str) -> tokenizers.Tokenizer:
    """BERT's WordPiece tokenizer over a `vocab.txt`, one token a line in the order of their ids."""
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers, processors

    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise RecipeError(f"vocab.txt of the checkpoint can't be read: {error}", where=where) from None
    vocabulary = {token: number for number, token in enumerate(lines if lines[-1] else lines[:-1])}
    for role in ("pad", "unk", "cls", "sep"):
        if special[role] not in vocabulary:
            raise RecipeError(f"vocab.txt of the checkpoint lacks {special[role]!r}", where=where)
    backend = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token=special["unk"]))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.add_special_tokens([token for token in special.values() if token in vocabulary])
    cls, sep = special["cls"], special["sep"]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(cls, vocabulary[cls]), (sep, vocabulary[sep])],
    )
    return backend


def _follow_config(backend: tokenizers.Tokenizer, config: Mapping[str, Any]) -> None:
    """Normalize as tokenizer_config.json says, with BertTokenizer's defaults for what it leaves out."""
    from tokenizers import normalizers

    backend.normalizer = normalizers.BertNormalizer(
        lowercase=config.get("do_lower_case", True),
        handle_chinese_chars=config.get("tokenize_chinese_chars", True),
        strip_accents=config.get("strip_accents"),
    )


@contextmanager
def _explained() -> Iterator[None]:
    """Raise an `ArtifactError` where the library fails: the tokenizer in its hands came from outside."""
    try:
        yield
    except PegboardError:
        raise
    except BaseException as error:
        raise library_problem(error, _WHERE) from None
