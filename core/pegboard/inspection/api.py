"""The Python face of `pegboard inspect`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pegboard.api import open_registry
from pegboard.console import Console, silent
from pegboard.inspection.inspection import Inspection, inspect_document

__all__ = ["inspect"]


def inspect(
    dataset: str,
    *,
    tokenizer: str | None = None,
    encoder: str | None = None,
    plugins: Iterable[str] = (),
    console: Console = silent,
    settings: Iterable[str] = (),
    **options: Any,
) -> Inspection:
    """What is in a data set, and what will go wrong with it.

    Args:
        dataset: a name, a path, or `hub:owner/name`.
        tokenizer: whose tokens are counted; by default the one that `train` would use.
        encoder: whose maximum context counts, too; by default the one that `train` would use.
        plugins: one-file plugins to load.
        console: where progress is shown, `pegboard.console.Console()` for stderr.
        settings: options as `"dataset.label_column=topic"`, as on the command line.
        **options: options as `dataset_label_column="topic"` or `tokenizer_max_length=512`.

    Returns:
        The findings, `.warnings` first among them; `.to_dict()` has all figures, `.html()` is a page with plots.

    Raises:
        PegboardError: what happened, where, and what to do.

    Example:
        >>> found = pegboard.inspect("moods", encoder="rnn")
        >>> [warning.title for warning in found.warnings]
        []
        >>> found.to_dict()["splits"]["train"]["rows"]
        2516
    """
    from pegboard.recipe import TABLES, document_of

    choices = {"dataset": dataset, "tokenizer": tokenizer, "encoder": encoder}
    document = document_of(None, choices=choices, settings=settings, plugins=plugins)
    for name, value in options.items():
        kind, _, key = name.partition("_")
        if kind not in TABLES or not key:
            raise TypeError(f"inspect() got an unexpected keyword argument {name!r}; options read dataset_encoding=…")
        document.setdefault(kind, {})[key] = value
    registry = open_registry(document["plugins"])
    chosen = "tokenizer" in document or "encoder" in document
    return inspect_document(document, registry, chosen=chosen, console=console)
