"""The tokenizer keeps the contract of its kind, whatever its options."""

from __future__ import annotations

from typing import Any, ClassVar

from pegboard.testing import TokenizerConformance


class TestDefaults(TokenizerConformance):
    component = "char"


class TestAsWritten(TokenizerConformance):
    component = "char"
    options: ClassVar[dict[str, Any]] = {"lowercase": False, "normalization": "none", "special_tokens": "cls_sep"}


class TestDecomposed(TokenizerConformance):
    component = "char"
    options: ClassVar[dict[str, Any]] = {"normalization": "nfkd"}
