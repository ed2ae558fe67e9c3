"""The tokenizer keeps the contract of its kind, whatever its options."""

from __future__ import annotations

from typing import Any, ClassVar

from pegboard.testing import TokenizerConformance


class TestDefaults(TokenizerConformance):
    component = "wordpiece"


class TestSmall(TokenizerConformance):
    component = "wordpiece"
    options: ClassVar[dict[str, Any]] = {"vocab_size": 400, "special_tokens": "cls_sep"}


class TestWithAccents(TokenizerConformance):
    component = "wordpiece"
    options: ClassVar[dict[str, Any]] = {"strip_accents": False, "lowercase": False}
