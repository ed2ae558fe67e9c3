"""The plugin as the core sees it: its spec, its options' errors, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pegboard
import pytest
from pegboard import ComponentSpec
from pegboard_rnn import pegboard_encoders
from pegboard_rnn.options import RnnOptions
from pydantic import ValidationError


def spec() -> ComponentSpec:
    (found,) = pegboard_encoders()
    return found


def test_the_encoder_is_found_and_is_the_default() -> None:
    assert spec().default
    assert "rnn" in [component.name for component in pegboard.components("encoder")]


def test_the_entry_point_module_and_the_options_import_no_torch() -> None:
    code = "import sys, pegboard_rnn, pegboard_rnn.options; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_every_option_has_help() -> None:
    for name, field in RnnOptions.model_fields.items():
        assert field.description, name


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"cell": "gruu"}, "gru"),
        ({"pooling": "median"}, "attention"),
        ({"layers": 0}, "greater than or equal to 1"),
        ({"dropout": 1.0}, "less than 1"),
        ({"hidden": 3}, "not permitted"),
        ({"downsample": 3, "kernel_size": 4}, "odd and at least downsample"),
        ({"downsample": 9}, "odd and at least downsample"),
        ({"bidirectional": 1}, "boolean"),
    ],
)
def test_a_wrong_option_is_told(options: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        RnnOptions(**options)


def test_an_even_kernel_is_free_where_it_is_not_used() -> None:
    assert RnnOptions(kernel_size=4).kernel_size == 4
    with pytest.raises(ValidationError):
        RnnOptions(kernel_size=4, downsample=2)
