"""Step 3: the network, built from the chosen encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pegboard.contracts.tokenizer import VocabInfo
from pegboard.errors import RecipeError
from pegboard.pipeline.blame import blaming
from pegboard.recipe import Choice
from pegboard.tasks.task import Labels, Task

if TYPE_CHECKING:
    from pegboard.plugins.registry import Registry
    from pegboard.tasks.network import ClassifierNetwork

__all__ = ["build_encoder", "build_network", "seed_everything"]


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch."""
    import random

    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def build_network(
    choice: Choice,
    registry: Registry,
    vocab: VocabInfo,
    *,
    label_names: Sequence[str],
    task: Task,
    train_labels: Labels | None = None,
    saved: Path | None = None,
) -> ClassifierNetwork:
    """The classifier's network on the CPU.

    Args:
        choice: the encoder component and its options.
        registry: the installed components.
        vocab: what the tokenizer says of its ids.
        label_names: the labels' names.
        task: what is learned.
        train_labels: to train; the loss may go by how often they occur.
        saved: the folder of a saved model; the encoder then builds its architecture only.

    Raises:
        ComponentError: the encoder's plugin is broken.
        RecipeError: tokenizer and encoder do not fit.
    """
    encoder = build_encoder(choice, registry, vocab, saved)
    if encoder.max_length is not None and vocab.max_length > encoder.max_length:
        raise RecipeError(
            f"{vocab.max_length} tokens are more than the encoder {choice.component.name!r} can take",
            where="tokenizer.max_length",
            hint=f"--set tokenizer.max_length={encoder.max_length}",
        )
    weights = task.class_weights(train_labels, label_names) if train_labels is not None else None
    return task.network(encoder, len(label_names), weights)


def build_encoder(choice: Choice, registry: Registry, vocab: VocabInfo, saved: Path | None = None) -> Any:
    """The encoder alone; with a folder of a saved model its architecture only.

    Raises:
        ComponentError: the plugin is broken, or what it gave is no encoder.
    """
    factory: Any = registry.factory_of(choice.component)
    hint = "it is called with (options, vocab), and has hidden_size and max_length; --debug shows where it failed"
    with blaming(choice.component, hint=hint):
        if saved is not None and hasattr(factory, "from_saved"):
            encoder = factory.from_saved(choice.options, vocab, saved)
        else:
            encoder = factory(choice.options, vocab)
        for attribute in ("hidden_size", "max_length"):
            if not hasattr(encoder, attribute):
                raise TypeError(f"the encoder has no attribute {attribute!r}")
    return encoder
