"""Step 4: tokens, network and trainer come together; the trained model is saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard.artifact import save_model
from pegboard.contracts.trainer import Trainer
from pegboard.errors import ComponentError, PegboardError
from pegboard.pipeline.model import build_network, seed_everything
from pegboard.pipeline.tokens import encode_split, train_tokenizer
from pegboard.recipe import Choice, Recipe
from pegboard.tasks.classify import ClassificationData

if TYPE_CHECKING:
    from torch import nn

    from pegboard.pipeline.context import RunContext
    from pegboard.pipeline.data import LabelledData
    from pegboard.plugins.registry import Registry

__all__ = ["fit"]


def fit(recipe: Recipe, registry: Registry, data: LabelledData, run: RunContext) -> dict[str, Any]:
    """Train the tokenizer, build the network, train it, and save the model; gives the training's figures."""
    tokenizer = train_tokenizer(recipe["tokenizer"], registry, data)
    encoded = ClassificationData(
        encode_split(tokenizer, data.splits["train"]),
        encode_split(tokenizer, data.splits["validation"]),
        data.label_names,
    )
    assert encoded.train.labels is not None
    run.console.note(
        f"{len(encoded.train):,} training texts, {int(encoded.train.lengths.sum()):,} tokens, "
        f"vocabulary {tokenizer.vocab_size:,}, {len(data.label_names)} labels"
    )
    seed_everything(recipe.seed)
    network = build_network(
        recipe["encoder"],
        registry,
        tokenizer.vocab_info,
        label_count=len(data.label_names),
        task=recipe.task,
        train_labels=encoded.train.labels,
    )
    figures = _train(recipe["trainer"], registry, network, encoded, run)
    if run.is_main:
        save_model(
            Path(run.folder / "model"),
            recipe=recipe,
            tokenizer=tokenizer,
            network=network,
            label_names=data.label_names,
        )
    return {
        **figures,
        "parameters": sum(p.numel() for p in network.parameters()),
        "peak_memory_bytes": _peak_memory(),
    }


def _train(
    choice: Choice, registry: Registry, network: nn.Module, data: ClassificationData, run: RunContext
) -> dict[str, Any]:
    component = choice.component
    try:
        trainer: Any = registry.factory_of(component)(choice.options)
        if not isinstance(trainer, Trainer):
            raise TypeError(f"the factory gave a {type(trainer).__name__}, not a pegboard.Trainer")
        return dict(trainer.fit(network, data, run))
    except PegboardError:
        raise
    except Exception as error:
        raise ComponentError(
            f"training with the trainer {component.name!r} of {component.distribution} {component.version} "
            f"failed: {type(error).__name__}: {error}",
            hint="run with --debug to see where",
        ) from error


def _peak_memory() -> int:
    """Bytes of the largest resident set of this process so far; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
