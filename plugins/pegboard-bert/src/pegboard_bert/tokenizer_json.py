"""Read a `tokenizer.json` that may come from anyone.

The `tokenizers` library trusts the file: a few kilobytes can make it hang, ask for more memory than there is, or end
the process. So the file is checked before the library sees it: components that are known, and sizes that are sane.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pegboard import ArtifactError, read_json

from pegboard_bert.patterns import check_pattern

if TYPE_CHECKING:
    import tokenizers

__all__ = ["Step", "TokenizerFile", "library_problem", "read_tokenizer_json", "steps_of"]

Step = Mapping[str, Any]

_HINT = "if you trust it nevertheless, open it with the tokenizers library, mend it, and save it again"
_FILE_BYTES = 128 * 2**20
_STEPS = 64
_TEXT = 4_000
_NUMBER = 10_000_000
_SCORE = 1e30
_GROWTH = 100
_WORD = 1_000
_WRAPPING = 64
_ADDED_TOKENS, _ADDED_CHARACTERS = 200_000, 4_000_000
_SPARE_IDS = 1_000

_PARTS = {
    "normalizer": (
        "normalizers",
        {
            *("BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Precompiled"),
            *("Prepend", "Replace", "Sequence", "Strip", "StripAccents"),
        },
    ),
    "pre_tokenizer": (
        "pretokenizers",
        {
            *("BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "FixedLength", "Metaspace"),
            *("Punctuation", "Sequence", "Split", "UnicodeScripts", "Whitespace", "WhitespaceSplit"),
        },
    ),
    "post_processor": (
        "processors",
        {"BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing"},
    ),
    "decoder": (
        "decoders",
        {
            *("BPEDecoder", "ByteFallback", "ByteLevel", "CTC", "Fuse", "Metaspace", "Replace", "Sequence", "Strip"),
            "WordPiece",
        },
    ),
}
"""The parts of a pipeline: what holds the steps of a sequence, and which steps there are."""
_MODELS = {"BPE", "Unigram", "WordLevel", "WordPiece"}


class TokenizerFile(NamedTuple):
    """A checked `tokenizer.json`.

    Attributes:
        backend: the library object, without padding or truncation.
        special: the tokens that the file itself names for the roles `unk` and `pad`.
        cuts_left: whether it says to cut long texts off on the left.
    """

    backend: tokenizers.Tokenizer
    special: dict[str, str]
    cuts_left: bool


def read_tokenizer_json(file: Path) -> TokenizerFile:
    """The library's tokenizer for a file that need not be trusted.

    Raises:
        ArtifactError: the file is missing, damaged, or asks for something that is unknown or out of proportion.
    """
    import tokenizers

    document = _read(file)
    try:
        _check(document)
    except _ProblemError as problem:
        raise ArtifactError(str(problem), where=str(file), hint=_HINT) from None
    except (AttributeError, KeyError, IndexError, TypeError, RecursionError):
        raise ArtifactError("is not made as a tokenizer.json is", where=str(file), hint=_HINT) from None
    padding, truncation = document.get("padding"), document.get("truncation")
    safe = json.dumps({**document, "padding": None, "truncation": None}, ensure_ascii=False)
    try:
        backend = tokenizers.Tokenizer.from_str(safe)
    except UnicodeEncodeError:
        raise ArtifactError("holds text that is not Unicode", where=str(file)) from None
    except BaseException as error:
        raise library_problem(error, str(file)) from None
    special = {"unk": _unknown_token(document["model"])}
    if isinstance(padding, dict) and isinstance(padding.get("pad_token"), str):
        special["pad"] = padding["pad_token"]
    known = {role: token for role, token in special.items() if token and backend.token_to_id(token) is not None}
    return TokenizerFile(backend, known, isinstance(truncation, dict) and truncation.get("direction") == "Left")


def library_problem(error: BaseException, where: str) -> BaseException:
    """What to raise for an error that the library raised over a tokenizer from outside: an `ArtifactError`.

    The library raises plain exceptions, and panics with one that is not even an `Exception`. Any other error is given
    back as it is.
    """
    if type(error) is not Exception and type(error).__name__ != "PanicException":
        return error
    return ArtifactError(f"the tokenizers library can't work with it: {error}", where=where)


def steps_of(part: Any, inner: str) -> Iterator[Step]:
    """The steps of a part of a pipeline, in their order; sequences are opened.

    Args:
        part: the part as its JSON says, or `None`.
        inner: where a sequence holds its steps: `normalizers`, `pretokenizers`, `processors` or `decoders`.
    """
    if part is None:
        return
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise _ProblemError("has a component without a type")
    if part["type"] != "Sequence":
        yield part
        return
    if not isinstance(part.get(inner), list):
        raise _ProblemError("has a sequence without steps")
    for step in part[inner]:
        yield from steps_of(step, inner)


class _ProblemError(Exception):
    """What is wrong with a document, in words."""


def _read(file: Path) -> dict[str, Any]:
    try:
        document = read_json(file.resolve(), most_bytes=_FILE_BYTES)
    except ArtifactError as error:
        raise ArtifactError(error.what, where=str(file)) from None
    if not isinstance(document, dict):
        raise ArtifactError("is not a JSON object", where=str(file))
    return document


def _check(document: dict[str, Any]) -> None:
    """Raise a problem if something in the document is unknown or out of proportion."""
    steps = {}
    for part, (inner, known) in _PARTS.items():
        steps[part] = list(steps_of(document.get(part), inner))
        if len(steps[part]) > _STEPS:
            raise _ProblemError(f"its {part} has {len(steps[part])} steps, and more than {_STEPS} are too many")
        for step in steps[part]:
            if step["type"] not in known:
                raise _ProblemError(f"its {part} has a step of unknown type {step['type']!r}")
            _check_sizes(step, part)
    _check_growth(steps["normalizer"], "normalizer")
    _check_growth(steps["decoder"], "decoder")
    ids = _ids_of_model(document.get("model")) | _ids_of_added_tokens(document.get("added_tokens"))
    highest = max(ids, default=-1)
    if not 0 <= min(ids, default=-1) <= highest <= 2 * len(ids) + _SPARE_IDS:
        raise _ProblemError(f"has {len(ids)} tokens with ids up to {highest}")
    for step in steps["post_processor"]:
        _check_wrapping(step, highest)


def _check_sizes(value: Any, part: str) -> None:
    """Texts, numbers and patterns anywhere in a step."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Regex" and isinstance(inner, str):
                problem = check_pattern(inner)
                if problem:
                    raise _ProblemError(f"its {part} has a pattern that {problem}: {inner[:80]!r}")
            elif key == "length" and inner == 0:
                raise _ProblemError(f"its {part} cuts into pieces of no length")
            elif key != "precompiled_charsmap":
                _check_sizes(inner, part)
    elif isinstance(value, list):
        for inner in value:
            _check_sizes(inner, part)
    elif isinstance(value, str) and len(value) > _TEXT:
        raise _ProblemError(f"its {part} has a text of {len(value)} characters")
    elif isinstance(value, (int, float)) and not abs(value) <= _NUMBER:
        raise _ProblemError(f"its {part} has the number {value}")


def _check_growth(steps: list[Step], part: str) -> None:
    """Each replacement that makes text longer may work on what the one before has made."""
    growth = 1.0
    for step in steps:
        if step["type"] == "Replace":
            growth *= _growth(step, part)
    if growth > _GROWTH:
        raise _ProblemError(f"its {part} can make a text {growth:.3g} times as long")


def _growth(step: Step, part: str) -> float:
    """How many times as long a replacement can make a text."""
    content, pattern = step.get("content"), step.get("pattern")
    if not isinstance(content, str) or not isinstance(pattern, dict):
        raise _ProblemError(f"its {part} has a malformed Replace")
    literal, expression = pattern.get("String"), pattern.get("Regex")
    if isinstance(literal, str) and literal:
        return max(1.0, len(content) / len(literal))
    if isinstance(expression, str) and not _can_match_nothing(expression):
        return max(1.0, len(content))
    return 1.0 + len(content)


def _can_match_nothing(expression: str) -> bool:
    """Whether a pattern can match between two characters; looking at neighbours apart, it then matches no text, too."""
    from tokenizers import Regex, normalizers

    if re.search(r"\(\?[=!<]|\\[bBAzZGKyY]|[\^$]", expression):
        return True
    try:
        return bool(normalizers.Replace(Regex(expression), "x").normalize_str(""))
    except BaseException as error:
        raise library_problem(error, expression) from None


def _ids_of_model(model: Any) -> set[int]:
    if not isinstance(model, dict):
        raise _ProblemError("has no model")
    if model.get("type", "BPE") not in _MODELS:
        raise _ProblemError(f"its model is of unknown type {model['type']!r}")
    if model.get("dropout"):
        raise _ProblemError("its model drops merges at random, so that a text has other ids each time")
    if isinstance(model.get("max_input_chars_per_word"), int) and model["max_input_chars_per_word"] > _WORD:
        raise _ProblemError(f"its model takes words of {model['max_input_chars_per_word']} characters")
    _check_sizes({key: value for key, value in model.items() if key not in ("vocab", "merges")}, "model")
    vocabulary = model.get("vocab")
    if isinstance(vocabulary, dict):
        if not all(type(i) is int for i in vocabulary.values()):
            raise _ProblemError("its vocabulary has an id that is no whole number")
        if model.get("type") in ("WordLevel", "WordPiece") and model.get("unk_token") not in vocabulary:
            raise _ProblemError(f"its vocabulary lacks the token for the unknown, {model.get('unk_token')!r}")
        return set(vocabulary.values())
    if not isinstance(vocabulary, list) or not all(map(_is_scored_piece, vocabulary)):
        raise _ProblemError("has no vocabulary of tokens with ids, or of pieces with scores")
    return set(range(len(vocabulary)))


def _is_scored_piece(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 2
        and isinstance(entry[0], str)
        and isinstance(entry[1], (int, float))
        and abs(entry[1]) <= _SCORE  # nor is it nan
    )


def _ids_of_added_tokens(tokens: Any) -> set[int]:
    tokens = [] if tokens is None else tokens
    if not isinstance(tokens, list) or not all(isinstance(token, dict) for token in tokens):
        raise _ProblemError("its added tokens are no list of objects")
    ids, contents = [token.get("id") for token in tokens], [token.get("content") for token in tokens]
    if not all(type(i) is int for i in ids) or not all(isinstance(content, str) and content for content in contents):
        raise _ProblemError("has an added token without an id or without content")
    if len(tokens) > _ADDED_TOKENS or sum(map(len, contents)) > _ADDED_CHARACTERS:
        raise _ProblemError(f"has {len(tokens)} added tokens of {sum(map(len, contents))} characters")
    return set(ids)


def _check_wrapping(step: Step, highest: int) -> None:
    """What is put around a text: few tokens that exist, and the text itself once."""
    if step["type"] == "TemplateProcessing":
        pieces, special = step.get("single"), step.get("special_tokens")
        if not isinstance(pieces, list) or not isinstance(special, dict):
            raise _ProblemError("its post_processor has a malformed template")
        texts = [piece for piece in pieces if isinstance(piece, dict) and "Sequence" in piece]
        if len(texts) != 1 or texts[0]["Sequence"].get("id") != "A":
            raise _ProblemError("its post_processor does not take the text once")
        ids = [i for token in special.values() for i in token["ids"]]
        most = len(pieces) * max([len(token["ids"]) for token in special.values()], default=0)
    else:
        ids = [step[side][1] for side in ("cls", "sep") if side in step]
        most = len(ids)
    if most > _WRAPPING:
        raise _ProblemError(f"its post_processor puts up to {most} tokens around a text")
    if not all(type(i) is int and 0 <= i <= highest for i in ids):
        raise _ProblemError("its post_processor puts ids around a text that no token has")


def _unknown_token(model: Step) -> str | None:
    """The token of what the vocabulary does not have, if the model has one."""
    if isinstance(model["vocab"], list):
        place = model.get("unk_id")
        if not isinstance(place, int) or not 0 <= place < len(model["vocab"]):
            return None
        return str(model["vocab"][place][0])
    token = model.get("unk_token")
    return token if isinstance(token, str) else None
