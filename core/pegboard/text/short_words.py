"""Encode short words of plain ASCII by a model of the `tokenizers` library, with compiled loops.

The library takes some microseconds for a word, the loops a fraction of one; the ids are the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pegboard.text.compiled import Kernels, address_of
from pegboard.text.kernels import INSIDE
from pegboard.text.ragged import concatenate, ragged
from pegboard.text.segments import offsets_of

__all__ = ["ShortWords", "settings_of"]

_SHORT = 15
"""Bytes of a token that two 64-bit numbers hold, together with their number."""

_MOST = 40
"""Bytes of a word; what is longer is rare, and the loops' time grows with the square."""

_MOST_OF_A_PATH = 2**24
"""Bytes of a word for a unigram model, whose loop takes no longer for each byte of a long word, but memory."""

_AS_USUAL: dict[str, dict[str, Any]] = {
    "WordPiece": {},
    "BPE": {"dropout": None, "end_of_word_suffix": None, "byte_fallback": False, "ignore_merges": False},
    "Unigram": {"byte_fallback": False},
}
"""By kind of model, what its loop knows nothing of, with the values that change nothing."""

_KNOWN = {
    "WordPiece": {"unk_token", "continuing_subword_prefix", "max_input_chars_per_word"},
    "BPE": {"unk_token", "continuing_subword_prefix", "fuse_unk", "merges"},
    "Unigram": {"unk_id"},
}


def settings_of(model: Any) -> dict[str, Any]:
    """The settings of a model of the library and its vocabulary, as `tokenizer.json` has them."""
    import tokenizers

    settings: dict[str, Any] = json.loads(tokenizers.Tokenizer(model).to_str())["model"]
    return settings


class _Slots(NamedTuple):
    """What is looked up by a key, as `kernels.py` has it.

    Attributes:
        slots: uint64 [a power of two].
        shift: 64 less the bits of a slot's number.
        keys: uint64 [units, 2].
    """

    slots: npt.NDArray[np.uint64]
    shift: int
    keys: npt.NDArray[np.uint64]


class ShortWords:
    """The ids of words by a WordPiece, BPE or Unigram model.

    Args:
        model: a model of the library.
        space: what the pre-tokenizer makes of the space before a word; empty if there is none.
        others: gives the ids of words that the loops leave: very long ones, and unknown ones.
    """

    def __init__(self, model: Any, space: str, others: Callable[[pa.LargeStringArray], pa.LargeListArray]) -> None:
        self._model = model
        self._space = space
        self._others = others
        self._made: tuple[str, int, tuple[Any, ...]] | None = None

    @cached_property
    def can_encode(self) -> bool:
        """Whether there is a loop for such a model."""
        kind = self._settings.get("type")
        if kind not in _KNOWN or (self._space and (len(self._space) > 1 or self._space.isascii())):
            return False
        others = {key: value for key, value in self._settings.items() if key not in {"type", "vocab", *_KNOWN[kind]}}
        merges = self._settings.get("merges", [])
        pairs = {tuple(merge) for merge in merges if isinstance(merge, list)}
        return others == _AS_USUAL[kind] and len(pairs) == len(merges)

    def __call__(self, words: pa.LargeStringArray, kernels: Kernels) -> pa.LargeListArray:
        """The ids of words, each of a byte at least; a word may have a space in front."""
        offsets = offsets_of(words)
        ids, ends = np.empty(int(offsets[-1] - offsets[0]), np.int32), np.empty(len(words) + 1, np.int64)
        left = np.empty(len(words), np.bool_)
        name, most, tables = self._loop(kernels)
        most = min(most, int(np.diff(offsets).max(initial=0)))
        # Each call has its own, since several threads may call at once.
        room = (np.empty((2, most + 1), np.int64), np.empty(most + 1)) if name == "best_paths" else ()
        data = address_of(words.buffers()[2])
        count = getattr(kernels, name)(data, offsets, len(words), most, *tables, *room, ids, ends, left)
        encoded = ragged(ids[:count], ends)
        if not left.any():
            return encoded
        order = np.arange(len(words))
        order[left] = len(words) + np.arange(left.sum())
        return concatenate([encoded, self._others(words.filter(pa.array(left)))]).take(pa.array(order))

    @cached_property
    def _settings(self) -> dict[str, Any]:
        return settings_of(self._model)

    def _loop(self, kernels: Kernels) -> tuple[str, int, tuple[Any, ...]]:
        """The name of the model's loop, the most bytes of a word, and what it is given besides words and room."""
        if self._made is None:
            make = {"WordPiece": self._word_pieces, "BPE": self._merged_pairs, "Unigram": self._best_paths}
            self._made = make[self._settings["type"]](kernels)
        return self._made

    def _word_pieces(self, kernels: Kernels) -> tuple[str, int, tuple[Any, ...]]:
        prefix, vocabulary = self._settings["continuing_subword_prefix"], self._settings["vocab"]
        inside = ((token[len(prefix) :], i) for token, i in vocabulary.items() if token.startswith(prefix))
        keys, ids = self._keys(vocabulary.items())
        more_keys, more_ids = self._keys(inside)
        more_keys[:, 1] |= INSIDE
        slots = _filled(np.concatenate([keys, more_keys]), kernels)
        # No more than a token that may be a part of the word and is too long for a key.
        most = _MOST if self._longest(vocabulary) <= _SHORT else _SHORT
        most = min(most, self._settings["max_input_chars_per_word"])
        return "word_pieces", most, (_SHORT, *slots, np.concatenate([ids, more_ids]))

    def _merged_pairs(self, kernels: Kernels) -> tuple[str, int, tuple[Any, ...]]:
        prefix, vocabulary = self._settings["continuing_subword_prefix"] or "", self._settings["vocab"]
        characters = np.full((2, 256), -1, np.int32)
        for byte in range(128):
            character = self._space if self._space and byte == ord(" ") else chr(byte)
            characters[:, byte] = vocabulary.get(character, -1), vocabulary.get(prefix + character, -1)
        merges = [(vocabulary[a], vocabulary[b], vocabulary[a + b[len(prefix) :]]) for a, b in self._settings["merges"]]
        left, right, merged = np.array(merges, np.uint64).reshape(-1, 3).T
        keys = np.stack([left << np.uint64(32) | right, np.ones_like(left)], axis=1)
        return "merged_pairs", _MOST, (characters, *_filled(keys, kernels), merged.astype(np.int32))

    def _best_paths(self, kernels: Kernels) -> tuple[str, int, tuple[Any, ...]]:
        vocabulary = {token: i for i, (token, _) in enumerate(self._settings["vocab"])}
        keys, ids = self._keys(vocabulary.items())
        scores = np.array([score for _, score in self._settings["vocab"]], np.float64)[ids]
        longest = self._longest(vocabulary)
        most = _MOST_OF_A_PATH if longest <= _SHORT else _SHORT
        return "best_paths", most, (min(longest, _SHORT), *_filled(keys, kernels), ids, scores)

    def _longest(self, tokens: Iterable[str]) -> int:
        """The bytes of the longest token that may be a part of a word."""
        return max(map(len, self._plain(tokens)), default=0)

    def _keys(self, tokens: Iterable[tuple[str, int]]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]:
        """The keys uint64 [tokens, 2] of the tokens that may be parts of short words, and their ids."""
        numbers = dict(tokens)
        short = {
            token: i
            for token, i in zip(self._plain(numbers), numbers.values(), strict=True)
            if 0 < len(token) <= _SHORT
        }
        packed = b"".join(token.ljust(_SHORT, b"\0") + bytes([len(token)]) for token in short)
        keys = np.frombuffer(packed, "<u8").astype(np.uint64).reshape(-1, 2)
        return keys, np.array(list(short.values()), np.int32)

    def _plain(self, tokens: Iterable[str]) -> Iterator[bytes]:
        """Each token as it would stand in a word of ASCII; empty if it can't."""
        for token in tokens:
            with_space = token.replace(self._space, " ") if self._space else token
            possible = with_space.isascii() and not (self._space and " " in token)
            yield with_space.encode() if possible else b""


def _filled(keys: npt.NDArray[np.uint64], kernels: Kernels) -> _Slots:
    bits = max(1, (2 * len(keys)).bit_length())
    slots = np.zeros(1 << bits, np.uint64)
    kernels.fill_slots(keys, len(keys), slots, 64 - bits)
    return _Slots(slots, 64 - bits, keys)
