"""Both tokenizers keep the contract of their kind, whatever their options."""

from __future__ import annotations

from typing import Any, ClassVar

from pegboard.testing import TokenizerConformance


class TestBpe(TokenizerConformance):
    component = "bpe"


class TestBpeWithoutPrefixSpace(TokenizerConformance):
    component = "bpe"
    options: ClassVar[dict[str, Any]] = {"add_prefix_space": False, "special_tokens": "cls_sep"}


class TestPlainBpe(TokenizerConformance):
    component = "bpe"
    options: ClassVar[dict[str, Any]] = {"byte_level": False, "lowercase": False}


class TestUnigram(TokenizerConformance):
    component = "unigram"


class TestUnigramSmall(TokenizerConformance):
    component = "unigram"
    options: ClassVar[dict[str, Any]] = {"vocab_size": 400, "special_tokens": "cls_sep", "add_prefix_space": False}
