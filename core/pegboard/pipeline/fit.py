"""Step 4: tokens, network and trainer come together; the trained model is saved."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pegboard.artifact import save_model
from pegboard.cache import Cache
from pegboard.console import Console, silent
from pegboard.contracts.tokenizer import Tokenizer
from pegboard.contracts.trainer import Trainer
from pegboard.errors import RecipeError, RunError
from pegboard.pipeline.blame import blaming
from pegboard.pipeline.model import build_network, seed_everything
from pegboard.pipeline.predict import predict_outputs
from pegboard.pipeline.tokens import encode_splits, prepare_tokenizer
from pegboard.recipe import Recipe
from pegboard.tasks.classify import ClassificationData
from pegboard.tasks.task import task_of
from pegboard.tasks.windows import windows_of
from pegboard.weights import all_finite

if TYPE_CHECKING:
    from pegboard.pipeline.context import RunContext
    from pegboard.pipeline.data import LabelledData, LabelledSplit
    from pegboard.plugins.registry import Registry
    from pegboard.tasks.classify import EncodedSplit
    from pegboard.tasks.network import ClassifierNetwork

__all__ = ["Parts", "assemble", "fit"]


@dataclass(frozen=True)
class Parts:
    """All that training needs, built and fitting together."""

    tokenizer: Tokenizer
    network: ClassifierNetwork
    trainer: Trainer
    data: ClassificationData


def assemble(recipe: Recipe, registry: Registry, data: LabelledData, console: Console = silent) -> Parts:
    """Train the tokenizer, encode the data, build network and trainer. Writes nothing but cache entries.

    Raises:
        RecipeError: the parts do not fit each other.
        ComponentError: one of them is broken.
    """
    task = task_of(recipe.task)
    task.check(data.label_names, multi_label=data.multi_label)
    cache, choice = Cache.open(console), recipe["tokenizer"]
    tokenizer = prepare_tokenizer(choice, registry, data.splits["train"].texts, cache, console)
    splits = [data.splits[split] for split in ("train", "validation")]
    windows = windows_of(tokenizer, task)
    train, validation = encode_splits(choice, registry, tokenizer, splits, cache, console, windows=windows)
    assert train.labels is not None
    weights = task.sampling_weights(train.labels)
    train.sampling_weights = train.for_rows(weights) if weights is not None else None
    encoded = ClassificationData(train, validation, data.label_names, task)
    console.note(
        f"{len(splits[0]):,} training texts{_in_windows(train, splits[0])}, {int(train.lengths.sum()):,} tokens, "
        f"vocabulary {tokenizer.vocab_size:,}, {len(data.label_names)} labels"
    )
    seed_everything(recipe.seed)
    network = build_network(
        recipe["encoder"],
        registry,
        tokenizer.vocab_info,
        label_names=data.label_names,
        task=task,
        train_labels=encoded.train.labels,
    )
    choice = recipe["trainer"]
    with blaming(choice.component):
        trainer: Any = registry.factory_of(choice.component)(choice.options)
        if not isinstance(trainer, Trainer):
            raise TypeError(f"the factory gave a {type(trainer).__name__}, not a pegboard.Trainer")
    if train.sampling_weights is not None and not trainer.samples:
        raise RecipeError(
            f"the trainer {choice.component.name!r} takes every row once an epoch",
            where="task.sampling",
            hint="--set task.class_weights=balanced works with every trainer",
        )
    return Parts(tokenizer, network, trainer, encoded)


def _in_windows(encoded: EncodedSplit, split: LabelledSplit) -> str:
    return f" in {len(encoded):,} windows" if len(encoded) > len(split) else ""


def fit(parts: Parts, run: RunContext) -> dict[str, Any]:
    """Train the network and save the model; gives the training's figures for `metrics.json`.

    Raises:
        RunError: the weights came out as no numbers, or the model can't be written.
        ComponentError: trainer or encoder raised something.
    """
    start = time.perf_counter()
    encoder = run.recipe["encoder"].component.name
    with blaming(run.recipe["trainer"].component, doing=f"while it trained the encoder {encoder!r}"):
        figures = dict(parts.trainer.fit(parts.network, parts.data, run))
        json.dumps(figures, allow_nan=False)  # better now than when metrics.json is written
    _check_finite(parts.network)
    task, validation = parts.data.task, parts.data.validation
    assert validation.labels is not None
    task.after_training(lambda: validation.pooled(predict_outputs(parts.network, validation)), validation.labels)
    if run.is_main:
        save_model(
            run.folder / "model",
            recipe=run.recipe,
            tokenizer=parts.tokenizer,
            network=parts.network,
            label_names=parts.data.label_names,
            learned=task.learned,
        )
    return {
        "seconds": time.perf_counter() - start,
        "parameters": sum(p.numel() for p in parts.network.parameters()),
        "peak_memory_bytes": _peak_memory(),
        **figures,
    }


def _check_finite(network: ClassifierNetwork) -> None:
    for name, tensor in network.state_dict().items():
        if not all_finite(tensor):
            raise RunError(
                f"training ended with weights that are not numbers ({name}); nothing was saved",
                hint="lower the learning rate, or clip the gradients",
            )


def _peak_memory() -> int:
    """Bytes of the largest resident set of this process so far; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
