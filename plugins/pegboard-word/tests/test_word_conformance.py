"""The tokenizer keeps the contract of its kind, whatever its options."""

from __future__ import annotations

from typing import Any, ClassVar

from pegboard.testing import TokenizerConformance


class TestDefaults(TokenizerConformance):
    component = "word"


class TestWordsOnly(TokenizerConformance):
    component = "word"
    options: ClassVar[dict[str, Any]] = {"punctuation": "drop", "lowercase": False, "normalization": "nfkc"}


class TestFramed(TokenizerConformance):
    component = "word"
    options: ClassVar[dict[str, Any]] = {"special_tokens": "cls_sep"}
