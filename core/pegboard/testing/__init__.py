"""The conformance kit: what plugin authors run to know that a component keeps its contract.

Subclass the class of your kind; pytest does the rest:

    from pegboard.testing import TokenizerConformance

    class TestSyllables(TokenizerConformance):
        component = "syllables"

`pegboard plugins check syllables` runs the same properties without a line of code. New properties may come with a minor
version, so pin the version of pegboard that your CI checks against.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pegboard.testing.conformance import Conformance, Verdict, check_component
    from pegboard.testing.datasets import DatasetConformance
    from pegboard.testing.encoders import EncoderConformance
    from pegboard.testing.tokenizers import TokenizerConformance
    from pegboard.testing.trainers import TrainerConformance

__all__ = [
    "Conformance",
    "DatasetConformance",
    "EncoderConformance",
    "TokenizerConformance",
    "TrainerConformance",
    "Verdict",
    "check_component",
]

_HOME_OF = {
    "Conformance": "pegboard.testing.conformance",
    "DatasetConformance": "pegboard.testing.datasets",
    "EncoderConformance": "pegboard.testing.encoders",
    "TokenizerConformance": "pegboard.testing.tokenizers",
    "TrainerConformance": "pegboard.testing.trainers",
    "Verdict": "pegboard.testing.conformance",
    "check_component": "pegboard.testing.conformance",
}


def __getattr__(name: str) -> Any:
    """Import the module a public name lives in, on first use (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'pegboard.testing' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME_OF[name]), name)
