"""Pegboard: text classification in which every part hangs on a peg and comes off again.

Everything a plugin or a user needs is here; the names load their modules on first use, so that
`import pegboard` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard.version import __version__

if TYPE_CHECKING:
    from pegboard.api import build_tokenizer, components, load, load_dataset, train
    from pegboard.batching import bucketed_batches, sorted_batches
    from pegboard.cache import Cache
    from pegboard.classifier import Classifier
    from pegboard.compiled import CompiledLoops
    from pegboard.contracts.dataset import DatasetOptions, DatasetSource
    from pegboard.contracts.encoder import Encoder, EncoderOutput
    from pegboard.contracts.tokenizer import SPECIAL_TOKENS, Tokenizer, TokenizerOptions, VocabInfo
    from pegboard.contracts.trainer import Split, StepOutput, Trainer, TrainingData
    from pegboard.dropout import Dropout
    from pegboard.errors import (
        ArtifactError,
        ComponentError,
        DataError,
        PegboardError,
        PegboardWarning,
        RecipeError,
        RunError,
        UsageError,
        one_of,
    )
    from pegboard.files import atomic_folder, atomic_write
    from pegboard.hashing import hash_of_file
    from pegboard.hookspecs import hookimpl
    from pegboard.inspection.api import inspect
    from pegboard.inspection.inspection import Inspection
    from pegboard.options import Options
    from pegboard.pipeline.context import RunContext
    from pegboard.precision import available_precisions
    from pegboard.run import Run
    from pegboard.specs import ComponentSpec, SameAs
    from pegboard.text.ahead import read_ahead
    from pegboard.text.library import PLAIN_LETTERS, LibraryTokenizer, library_normalizer, read_backend
    from pegboard.text.merging import merge_frequent_pairs
    from pegboard.text.pieces import PieceTokenizer
    from pegboard.text.rows_file import write_rows
    from pegboard.text.texts import first_blank
    from pegboard.text.vocabulary import count_pieces, most_frequent
    from pegboard.threads import usable_cores
    from pegboard.tokenizing.api import compare_tokenizers, show_tokens, tokenize
    from pegboard.untrusted import read_json
    from pegboard.weights import read_tensors

_HOMES = {
    "pegboard.api": ("build_tokenizer", "components", "load", "load_dataset", "train"),
    "pegboard.batching": ("bucketed_batches", "sorted_batches"),
    "pegboard.cache": ("Cache",),
    "pegboard.classifier": ("Classifier",),
    "pegboard.compiled": ("CompiledLoops",),
    "pegboard.contracts.dataset": ("DatasetOptions", "DatasetSource"),
    "pegboard.contracts.encoder": ("Encoder", "EncoderOutput"),
    "pegboard.contracts.tokenizer": ("SPECIAL_TOKENS", "Tokenizer", "TokenizerOptions", "VocabInfo"),
    "pegboard.contracts.trainer": ("Split", "StepOutput", "Trainer", "TrainingData"),
    "pegboard.dropout": ("Dropout",),
    "pegboard.errors": (
        "ArtifactError",
        "ComponentError",
        "DataError",
        "PegboardError",
        "PegboardWarning",
        "RecipeError",
        "RunError",
        "UsageError",
        "one_of",
    ),
    "pegboard.files": ("atomic_folder", "atomic_write"),
    "pegboard.hashing": ("hash_of_file",),
    "pegboard.hookspecs": ("hookimpl",),
    "pegboard.inspection.api": ("inspect",),
    "pegboard.inspection.inspection": ("Inspection",),
    "pegboard.options": ("Options",),
    "pegboard.pipeline.context": ("RunContext",),
    "pegboard.precision": ("available_precisions",),
    "pegboard.run": ("Run",),
    "pegboard.specs": ("ComponentSpec", "SameAs"),
    "pegboard.text.ahead": ("read_ahead",),
    "pegboard.text.library": ("PLAIN_LETTERS", "LibraryTokenizer", "library_normalizer", "read_backend"),
    "pegboard.text.merging": ("merge_frequent_pairs",),
    "pegboard.text.pieces": ("PieceTokenizer",),
    "pegboard.text.rows_file": ("write_rows",),
    "pegboard.text.texts": ("first_blank",),
    "pegboard.text.vocabulary": ("count_pieces", "most_frequent"),
    "pegboard.threads": ("usable_cores",),
    "pegboard.tokenizing.api": ("compare_tokenizers", "show_tokens", "tokenize"),
    "pegboard.untrusted": ("read_json",),
    "pegboard.weights": ("read_tensors",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "PLAIN_LETTERS",
    "SPECIAL_TOKENS",
    "ArtifactError",
    "Cache",
    "Classifier",
    "CompiledLoops",
    "ComponentError",
    "ComponentSpec",
    "DataError",
    "DatasetOptions",
    "DatasetSource",
    "Dropout",
    "Encoder",
    "EncoderOutput",
    "Inspection",
    "LibraryTokenizer",
    "Options",
    "PegboardError",
    "PegboardWarning",
    "PieceTokenizer",
    "RecipeError",
    "Run",
    "RunContext",
    "RunError",
    "SameAs",
    "Split",
    "StepOutput",
    "Tokenizer",
    "TokenizerOptions",
    "Trainer",
    "TrainingData",
    "UsageError",
    "VocabInfo",
    "__version__",
    "atomic_folder",
    "atomic_write",
    "available_precisions",
    "bucketed_batches",
    "build_tokenizer",
    "compare_tokenizers",
    "components",
    "count_pieces",
    "first_blank",
    "hash_of_file",
    "hookimpl",
    "inspect",
    "library_normalizer",
    "load",
    "load_dataset",
    "merge_frequent_pairs",
    "most_frequent",
    "one_of",
    "read_ahead",
    "read_backend",
    "read_json",
    "read_tensors",
    "show_tokens",
    "sorted_batches",
    "tokenize",
    "train",
    "usable_cores",
    "write_rows",
]


def __getattr__(name: str) -> Any:
    """Import the module a public name lives in, on first use (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'pegboard' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Public names, loaded or not."""
    return sorted({*globals(), *_HOME_OF})
