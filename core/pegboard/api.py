"""The Python face of Pegboard: `train`, `load`, `components`. The command line calls the same functions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard.console import Console
from pegboard.errors import ArtifactError, PegboardWarning
from pegboard.plugins.loading import Component
from pegboard.plugins.registry import Registry
from pegboard.threads import settle_threads

if TYPE_CHECKING:
    import datasets

    from pegboard.classifier import Classifier
    from pegboard.contracts.tokenizer import Tokenizer
    from pegboard.run import Run

__all__ = ["build_tokenizer", "components", "load", "load_dataset", "train"]


def train(
    recipe: str | Path | None = None,
    *,
    dataset: str | None = None,
    tokenizer: str | None = None,
    encoder: str | None = None,
    trainer: str | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    plugins: Iterable[str] = (),
    overwrite: bool = False,
    console: Console | None = None,
    settings: Iterable[str] = (),
    track: Iterable[str] | None = None,
    **options: Any,
) -> Run:
    """Train a classifier and save the run.

    Args:
        recipe: a recipe file; everything has a default without one.
        dataset: a name, a path, or `hub:owner/name`.
        tokenizer: a name.
        encoder: a name.
        trainer: a name.
        out: the run folder (default `runs/` and the components' names).
        seed: seed of everything random.
        plugins: one-file plugins to load.
        overwrite: start afresh where the folder holds a run.
        console: where progress is shown (default: stderr).
        settings: options as `"tokenizer.vocab_size=8000"`, as on the command line.
        track: trackers to tell, as `"tensorboard"` or `"sqlite=~/runs.sqlite"` (default: those in `PEGBOARD_TRACK`).
        **options: options of the components, as `tokenizer_vocab_size=8000` or `trainer_epochs=3`.

    Returns:
        The complete run, with `.metrics` and `.classifier()`.

    Raises:
        PegboardError: what happened, where, and what to do.

    Example:
        >>> run = pegboard.train(dataset="moods", tokenizer="word", encoder="rnn", out="runs/first")
        >>> run.metrics["test"]["accuracy"]
    """
    from pegboard.recipe import TABLES, document_of, resolve
    from pegboard.run import run_recipe
    from pegboard.tracking import trackers_asked_for

    settle_threads()
    asked = trackers_asked_for(track)
    choices = {"dataset": dataset, "tokenizer": tokenizer, "encoder": encoder, "trainer": trainer}
    document = document_of(
        Path(recipe) if recipe else None, choices=choices, settings=settings, seed=seed, plugins=plugins
    )
    for name, value in options.items():
        kind, _, key = name.partition("_")
        if kind not in TABLES or not key:
            raise TypeError(f"train() got an unexpected keyword argument {name!r}; options read tokenizer_vocab_size=…")
        document.setdefault(kind, {})[key] = value
    registry = open_registry(document["plugins"])
    resolved = resolve(document, registry)
    folder = Path(out) if out else default_folder(resolved)
    return run_recipe(resolved, registry, folder, overwrite=overwrite, console=console or Console(), track=asked)


def default_folder(recipe: Any) -> Path:
    """`runs/<dataset>-<tokenizer>-<encoder>` in the working folder."""
    dataset = getattr(recipe["dataset"].options, "path", None) or recipe["dataset"].component.name
    stem = Path(str(dataset)).name.partition(".")[0] or recipe["dataset"].component.name
    return Path("runs") / "-".join([stem, recipe["tokenizer"].component.name, recipe["encoder"].component.name])


def load(folder: str | Path, *, plugins: Iterable[str] = (), device: Any = None, precision: str = "f32") -> Classifier:
    """The classifier of a run folder, or of a model folder.

    Args:
        folder: what `train` wrote, or its `model` folder.
        plugins: one-file plugins that the model needs.
        device: where to compute (default: a GPU if there is one).
        precision: `f32` gives the figures of the run's metrics; `bf16` and `int8` are faster where the processor has
            instructions for them; `auto` takes the fastest whose labels agree with those of f32.

    Raises:
        ArtifactError: the folder is neither, or is damaged or unfinished.
        UsageError: the machine or the model can't compute in that precision.
        ComponentError: a component that the model names is not installed.

    Example:
        >>> pegboard.load("runs/first").predict(["what a lovely day"])
        ['joy']
    """
    return load_with(Path(folder), plugins, open_registry, device, precision)


def load_with(
    folder: Path,
    plugins: Iterable[str],
    open_registry: Callable[[list[str]], Registry],
    device: Any = None,
    precision: str = "f32",
) -> Classifier:
    """As `load`, with a way to open the registry."""
    from pegboard.classifier import Classifier
    from pegboard.run import Run

    settle_threads()
    if not folder.is_dir():
        raise ArtifactError("no such folder", where=str(folder))
    is_model = any((folder / name).is_file() for name in ("config.json", "model.safetensors", "manifest.json"))
    model = folder if is_model and not (folder / "recipe.toml").is_file() else Run.open(folder).model_folder
    return Classifier.from_folder(model, open_registry(list(plugins)), device, precision)


def components(kind: str | None = None, *, plugins: Iterable[str] = ()) -> list[Component]:
    """The installed components, of one kind or all.

    Example:
        >>> [component.name for component in pegboard.components("tokenizer")]
        ['bpe', 'char', 'chargram', 'pretrained', 'unigram', 'word', 'wordpiece']
    """
    registry = open_registry(plugins)
    return registry.of_kind(kind) if kind else registry.components


def build_tokenizer(name: str, *, plugins: Iterable[str] = (), **options: Any) -> Tokenizer:
    """An untrained tokenizer, to train and look at on its own.

    Args:
        name: the component's name.
        plugins: one-file plugins to load.
        **options: the tokenizer's options.

    Raises:
        ComponentError: it is not installed, or broken.
        RecipeError: an option is unknown or wrong.

    Example:
        >>> tokenizer = pegboard.build_tokenizer("word", min_frequency=1)
        >>> tokenizer.train(["a core task"])
        >>> tokenizer.tokens("a hard task")
        ['a', '[UNK]', 'task']
    """
    from pegboard.options import check_options

    registry = open_registry(plugins)
    component = registry.find("tokenizer", name)
    tokenizer: Tokenizer = registry.factory_of(component)(
        check_options(registry.options_of(component), options, table="tokenizer")
    )
    return tokenizer


def load_dataset(
    reference: str, *, label_text: bool = False, plugins: Iterable[str] = (), **options: Any
) -> datasets.DatasetDict:
    """The splits of a data set as its source has them: `text`, and `label` as a ClassLabel.

    Args:
        reference: a name, a path, or `hub:owner/name`.
        label_text: add a column `label_text` with each label's name.
        plugins: one-file plugins to load.
        **options: the data set's options.

    Raises:
        ComponentError: the data set is not installed, or broken.
        DataError: the data can't be used.

    Example:
        >>> moods = pegboard.load_dataset("moods", label_text=True)
        >>> moods.set_format("pandas")
        >>> moods["train"][:].groupby("label_text").size()
    """
    from pegboard.contracts.dataset import with_label_text
    from pegboard.recipe import resolve_dataset

    registry = open_registry(plugins)
    choice = resolve_dataset({"dataset": {"name": reference, **options}}, registry)
    loaded: datasets.DatasetDict = registry.factory_of(choice.component)(choice.options).load()
    return with_label_text(loaded) if label_text else loaded


def open_registry(files: Iterable[str] = ()) -> Registry:
    """The installed components; warns of plugins that can't be loaded."""
    registry = Registry(files)
    registry.check_strictly()
    for problem in registry.problems():
        warnings.warn(problem, PegboardWarning, stacklevel=3)
    return registry
