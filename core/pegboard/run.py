"""The run folder, and the way from a recipe to a complete one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard.console import Console, silent
from pegboard.errors import ArtifactError, UsageError
from pegboard.files import atomic_write, remove_leftovers
from pegboard.recipe import Recipe
from pegboard.toml import parse_toml, read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pegboard.classifier import Classifier
    from pegboard.plugins.registry import Registry

__all__ = ["Run", "run_recipe"]

_RECIPE, _METRICS, _MODEL = "recipe.toml", "metrics.json", "model"


@dataclass(frozen=True)
class Run:
    """A complete run folder.

    Attributes:
        folder: where it is.
        metrics: the content of `metrics.json`.
        was_complete: it was there already, so nothing was done.
    """

    folder: Path
    metrics: Mapping[str, Any]
    was_complete: bool = False

    @classmethod
    def open(cls, folder: Path) -> Run:
        """A run that is complete.

        Raises:
            ArtifactError: the folder is not a run, or an unfinished or damaged one.
        """
        if not (folder / _RECIPE).is_file():
            raise ArtifactError("is not a run folder: it has no recipe.toml", where=str(folder))
        if not (folder / _METRICS).is_file():
            raise ArtifactError(
                "the run is unfinished",
                where=str(folder),
                hint="give the same train command again to continue it",
            )
        try:
            metrics = json.loads((folder / _METRICS).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ArtifactError(f"can't be read: {error}", where=str(folder / _METRICS)) from None
        return cls(folder, metrics)

    @property
    def model_folder(self) -> Path:
        """The saved model."""
        return self.folder / _MODEL

    def recipe_document(self) -> dict[str, Any]:
        """The resolved recipe as a document."""
        return read_toml(self.folder / _RECIPE)

    @property
    def plugin_files(self) -> list[str]:
        """One-file plugins the run was made with."""
        return list(self.recipe_document().get("plugins", []))

    def classifier(self, registry: Registry | None = None) -> Classifier:
        """The trained classifier; see `pegboard.load`."""
        from pegboard.classifier import Classifier
        from pegboard.plugins.registry import Registry

        return Classifier.from_folder(self.model_folder, registry or Registry())


def run_recipe(
    recipe: Recipe, registry: Registry, out: Path, *, overwrite: bool = False, console: Console = silent
) -> Run:
    """Do all that a recipe says; continues an unfinished run of the same recipe.

    Args:
        recipe: resolved.
        registry: the installed components.
        out: the run folder.
        overwrite: remove what an earlier run left there.
        console: where a person reads along.

    Raises:
        UsageError: the folder holds another recipe's run, or something else, or is in use.
        PegboardError: whatever went wrong in a step.
    """
    from pegboard.pipeline.context import is_main_process

    if not is_main_process():
        return _run_steps(recipe, registry, out, silent)
    with _locked(out):
        if overwrite:
            _clear(out)
        return _run_steps(recipe, registry, out, console)


def _run_steps(recipe: Recipe, registry: Registry, out: Path, console: Console) -> Run:
    from pegboard.pipeline.context import RunContext
    from pegboard.pipeline.data import load_data
    from pegboard.pipeline.evaluate import evaluate_and_finish
    from pegboard.pipeline.fit import fit

    _check_free(out)
    data = load_data(recipe["dataset"], registry, seed=recipe.seed, console=console)
    recipe = recipe.with_data(data.fingerprint)
    if _same_recipe(out, recipe) and (out / _METRICS).is_file():
        return Run(out, Run.open(out).metrics, was_complete=True)
    run = RunContext(out, recipe, registry, console)
    if run.is_main:
        remove_leftovers(out)
        atomic_write(out / _RECIPE, recipe.to_toml().encode())
        registry.lifecycle("pegboard_run_started", run=run)
    figures = fit(recipe, registry, data, run)
    if not run.is_main:
        return Run(out, {"train": figures})
    metrics = evaluate_and_finish(run, data, figures)
    registry.lifecycle("pegboard_run_finished", run=run)
    return Run(out, metrics)


def _check_free(out: Path) -> None:
    """The folder must be new, empty, or a run."""
    if not out.is_dir() or (out / _RECIPE).is_file():
        return
    foreign = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
    if foreign:
        raise UsageError(
            f"the folder holds other things ({', '.join(foreign[:3])}) and no run",
            where=str(out),
            hint="choose another with --out",
        )


def _same_recipe(out: Path, recipe: Recipe) -> bool:
    """Whether the folder holds a run of this very recipe; raises when it holds one of another."""
    if not (out / _RECIPE).is_file():
        return False
    before, now = _flat(read_toml(out / _RECIPE)), _flat(parse_toml(recipe.to_toml()))
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if changed:
        shown = "; ".join(f"{key}: {before.get(key)!r} there, {now.get(key)!r} now" for key in changed[:5])
        raise UsageError(
            f"the folder holds a run of another recipe ({shown})",
            where=str(out),
            hint="choose another folder with --out, or start afresh with --overwrite",
        )
    return True


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def _clear(out: Path) -> None:
    if (out / _RECIPE).is_file():
        for path in out.iterdir():
            if path.name != ".lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Only one process trains into a folder; the operating system frees the lock of one that was killed."""
    from filelock import FileLock, Timeout

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the run folder can't be made: {error.strerror}",
            where=str(out),
            hint="choose another with --out",
        ) from None
    lock = FileLock(out / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            "another process is training into this folder",
            where=str(out),
            hint="wait for it or choose another --out",
        ) from None
    except OSError as error:
        raise UsageError(
            f"the run folder is not writable: {error.strerror}",
            where=str(out),
            hint="choose another with --out",
        ) from None
    try:
        yield
    finally:
        lock.release()
        (out / ".lock").unlink(missing_ok=True)
        with_nothing = out.is_dir() and not any(out.iterdir())
        if with_nothing:
            out.rmdir()
