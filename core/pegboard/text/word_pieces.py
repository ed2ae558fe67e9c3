"""Encode many short words by WordPiece with a compiled loop; the ids are the library's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pegboard.text.compiled import Kernels, address_of
from pegboard.text.kernels import INSIDE
from pegboard.text.ragged import concatenate, ragged
from pegboard.text.segments import offsets_of

__all__ = ["WordPieces"]

_SHORT = 15
"""Bytes of a token that two 64-bit numbers hold, together with its length."""


class WordPieces:
    """The ids of words by a WordPiece model: always the longest token that fits.

    References:
        Schuster, M. and Nakajima, K. (2012). Japanese and Korean voice search. ICASSP 2012, 5149-5152.

    Args:
        model: the library's model; see `can_encode`.
        others: gives the ids of words of more than 15 bytes, which are few.
    """

    def __init__(self, model: Any, others: Callable[[pa.LargeStringArray], pa.LargeListArray]) -> None:
        self._others = others
        self._most = min(_SHORT, model.max_input_chars_per_word)
        vocabulary = _vocabulary(model)
        self._unknown = vocabulary[model.unk_token]
        prefix = model.continuing_subword_prefix
        first = {token.encode(): number for token, number in vocabulary.items()}
        inside = {
            token[len(prefix) :].encode(): number for token, number in vocabulary.items() if token.startswith(prefix)
        }
        (keys, tokens), (more_keys, more_tokens) = _keys(first), _keys(inside)
        more_keys[:, 1] |= INSIDE
        self._keys, self._tokens = np.concatenate([keys, more_keys]), np.concatenate([tokens, more_tokens])
        self._longest = int((self._keys[:, 1] >> np.uint64(56) & np.uint64(0x7F)).max(initial=0))
        self._slots: npt.NDArray[np.uint64] | None = None

    @staticmethod
    def can_encode(model: Any) -> bool:
        """Whether the model's unknown token is one of its vocabulary, without which the library has an error."""
        return model.unk_token in _vocabulary(model)

    def __call__(self, words: pa.LargeStringArray, kernels: Kernels) -> pa.LargeListArray:
        """The ids of words of plain ASCII, each of a byte at least."""
        long = np.diff(offsets_of(words)) > self._most
        if not long.any():
            return self._short_words(words, kernels)
        short, others = words.filter(pa.array(~long)), words.filter(pa.array(long))
        order = np.empty(len(words), np.int64)
        order[~long], order[long] = np.arange(len(short)), len(short) + np.arange(len(others))
        return concatenate([self._short_words(short, kernels), self._others(others)]).take(pa.array(order))

    def _short_words(self, words: pa.LargeStringArray, kernels: Kernels) -> pa.LargeListArray:
        offsets = offsets_of(words)
        bits = (2 * len(self._keys)).bit_length()
        if self._slots is None:
            slots = np.zeros(1 << bits, np.uint64)
            kernels.fill_slots(self._keys, len(self._keys), slots, 64 - bits)
            self._slots = slots
        ids, ends = np.empty(int(offsets[-1] - offsets[0]), np.int32), np.empty(len(words) + 1, np.int64)
        table = self._slots, 64 - bits, self._keys, self._tokens, self._longest, self._unknown
        count = kernels.word_pieces(address_of(words.buffers()[2]), offsets, len(words), *table, ids, ends)
        return ragged(ids[:count], ends)


def _vocabulary(model: Any) -> dict[str, int]:
    import tokenizers

    return tokenizers.Tokenizer(model).get_vocab()


def _keys(tokens: dict[bytes, int]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]:
    """The keys uint64 [tokens, 2] of those tokens of 1 to 15 bytes, as `kernels.py` has them, and their ids."""
    short = {token: number for token, number in tokens.items() if 0 < len(token) <= _SHORT}
    packed = b"".join(token.ljust(_SHORT, b"\0") + bytes([len(token)]) for token in short)
    keys = np.frombuffer(packed, "<u8").astype(np.uint64).reshape(-1, 2)
    return keys, np.fromiter(short.values(), np.int32, len(short))
