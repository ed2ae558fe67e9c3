"""The run folder, and the way from a recipe to a complete one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard.console import Console, silent
from pegboard.errors import ArtifactError, UsageError
from pegboard.files import DISK_FAILURES, atomic_write, cannot_write, end_at_a_line, remove, remove_leftovers
from pegboard.recipe import Recipe
from pegboard.toml import parse_toml, read_toml
from pegboard.untrusted import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    import datasets

    from pegboard.classifier import Classifier
    from pegboard.plugins.registry import Registry

__all__ = ["Run", "run_recipe"]

_RECIPE, _METRICS, _MODEL, _LOCK = "recipe.toml", "metrics.json", "model", ".lock"
_FILES = ("predictions", "checkpoints", "log.jsonl")
_DATA = "resolved.data"
_OR_AFRESH = "choose another folder with --out, or start afresh with --overwrite"


@dataclass(frozen=True)
class Run:
    """A complete run folder.

    Attributes:
        folder: where it is.
        metrics: the content of `metrics.json`.
        was_complete: it was there already, so nothing was done.
        registry: the components it was trained with, where it was trained in this process.
    """

    folder: Path
    metrics: Mapping[str, Any]
    was_complete: bool = False
    registry: Registry | None = field(default=None, repr=False, compare=False)

    @classmethod
    def open(cls, folder: Path) -> Run:
        """A run that is complete.

        Raises:
            ArtifactError: the folder is not a run, or an unfinished or damaged one.
        """
        if not folder.is_dir():
            raise ArtifactError("no such run folder", where=str(folder))
        if not (folder / _RECIPE).is_file():
            raise ArtifactError("is not a run folder: it has no recipe.toml", where=str(folder))
        if not (folder / _METRICS).is_file():
            raise ArtifactError(
                "the run is unfinished",
                where=str(folder),
                hint="give the same train command again to continue it",
            )
        metrics = read_json(folder / _METRICS)
        if not isinstance(metrics, dict):
            raise ArtifactError("is not a JSON object", where=str(folder / _METRICS))
        return cls(folder, metrics)

    @property
    def model_folder(self) -> Path:
        """The saved model.

        Raises:
            ArtifactError: it is a link, which could lead to anything that was not meant to be read.
        """
        folder = self.folder / _MODEL
        if folder.is_symlink():
            raise ArtifactError(
                "is a link; what it leads to does not lie in the run folder",
                where=str(folder),
                hint=f"name the model itself: {folder.resolve()}",
            )
        return folder

    def recipe_document(self) -> dict[str, Any]:
        """The resolved recipe as a document.

        Raises:
            ArtifactError: it lacks what every run's recipe has.
        """
        document = read_toml(self.folder / _RECIPE)
        wanted = {"seed": int, "dataset": dict, "resolved": dict}
        if not all(isinstance(document.get(key), kind) for key, kind in wanted.items()):
            raise ArtifactError("is not the recipe of a run", where=str(self.folder / _RECIPE))
        return document

    def predictions(self, split: str = "test") -> datasets.Dataset:
        """What the model made of each row of a split: `text`, `label`, `prediction`, `probability_<label>`.

        Args:
            split: `test` or `validation`.

        Raises:
            ArtifactError: there are none.

        Example:
            >>> frame = run.predictions().with_format("pandas")[:]
            >>> frame[frame["label"] != frame["prediction"]]
        """
        import datasets
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = self.folder / "predictions" / f"{split}.parquet"
        if not file.is_file():
            raise ArtifactError("no such file", where=str(file), hint="splits with predictions: test, validation")
        try:
            return datasets.Dataset(pq.read_table(file))
        except pa.ArrowException as error:
            raise ArtifactError(f"can't be read: {error}", where=str(file)) from None

    def classifier(self, registry: Registry | None = None, *, precision: str = "f32") -> Classifier:
        """The trained classifier; see `pegboard.load`."""
        from pegboard.classifier import Classifier
        from pegboard.plugins.registry import Registry

        return Classifier.from_folder(self.model_folder, registry or self.registry or Registry(), precision=precision)


def run_recipe(
    recipe: Recipe,
    registry: Registry,
    out: Path,
    *,
    overwrite: bool = False,
    console: Console = silent,
    track: Mapping[str, str] | None = None,
) -> Run:
    """Do all that a recipe says; continues an unfinished run of the same recipe.

    A run that fails before it has anything to keep leaves no folder behind.

    Args:
        recipe: resolved.
        registry: the installed components.
        out: the run folder.
        overwrite: remove what an earlier run left there, once nothing of the request is found wrong.
        console: where a person reads along.
        track: the trackers to tell, each with where it is to write. They are no part of the recipe, and an unfinished
            run can be continued with others.

    Raises:
        UsageError: the folder holds another recipe's run, or something else, or is in use.
        PegboardError: whatever went wrong in a step.
    """
    from pegboard.pipeline.context import is_main_process
    from pegboard.tracking import check_trackers

    track = track or {}
    check_trackers(track, registry)
    if not is_main_process():
        return _run_steps(recipe, registry, out, overwrite, silent, track)
    with _locked(out):
        return _run_steps(recipe, registry, out, overwrite, console, track)


def _run_steps(
    recipe: Recipe, registry: Registry, out: Path, overwrite: bool, console: Console, track: Mapping[str, str]
) -> Run:
    from pegboard.pipeline.context import RunContext
    from pegboard.pipeline.data import load_data
    from pegboard.pipeline.evaluate import evaluate_and_finish
    from pegboard.pipeline.fit import assemble, fit

    there = _recipe_in(out)
    before = None if overwrite else there
    if before is not None:
        _check_same_recipe(before, recipe, out)
    complete = before is not None and _is_complete(out, console)
    if not complete:
        for choice in recipe.choices.values():
            registry.factory_of(choice.component)  # a broken component is found before hours of reading data
    data = load_data(recipe["dataset"], registry, console=console)
    recipe = recipe.with_data(data.fingerprint)
    if before is not None:
        _check_same_data(before, recipe, out)
    run = RunContext(out, recipe, registry, console, track=track)
    if complete:
        if run.is_main:
            remove(run.checkpoints)  # a kill right after metrics.json leaves them
        return Run(out, Run.open(out).metrics, was_complete=True, registry=registry)
    if before is not None:
        console.note(f"{out} holds an unfinished run of this recipe; it is continued")
    parts = assemble(recipe, registry, data, console)
    if run.is_main:
        if overwrite:
            _clear(out)
        remove_leftovers(out)
        end_at_a_line(out / "log.jsonl")
        atomic_write(out / _RECIPE, recipe.to_toml().encode())
        registry.lifecycle("pegboard_run_started", run=run)
    figures = fit(parts, run)
    if not run.is_main:
        return Run(out, {"train": figures}, registry=registry)
    metrics = evaluate_and_finish(run, data, figures)
    registry.lifecycle("pegboard_run_finished", run=run)
    return Run(out, metrics, registry=registry)


def _is_complete(out: Path, console: Console) -> bool:
    """Whether nothing is left to do: a run whose model was removed or damaged is trained again."""
    if not (out / _METRICS).is_file() or not (out / _MODEL / "manifest.json").is_file():
        return False
    from pegboard.artifact import check_files

    try:
        check_files(out / _MODEL)
    except ArtifactError as error:
        console.warn(f"the model of this run must be trained again: {error.where}: {error.what}")
        return False
    return True


def _recipe_in(out: Path) -> dict[str, Any] | None:
    """The recipe of the run that the folder holds; `None` for a new or empty folder.

    Raises:
        UsageError: the folder holds something else, for example the user's project with a recipe of that name.
    """
    if not out.is_dir():
        return None
    if (out / _RECIPE).is_file():
        document = read_toml(out / _RECIPE)
        if isinstance(document.get("resolved"), dict):
            return document
    foreign = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
    if foreign:
        raise UsageError(
            f"the folder holds other things ({', '.join(foreign[:3])}) and no run",
            where=str(out),
            hint="choose another with --out",
        )
    return None


def _check_same_recipe(before: Mapping[str, Any], recipe: Recipe, out: Path) -> None:
    """Raise where the folder's recipe differs, whatever the data are."""
    there, now = _flat(before), _flat(parse_toml(recipe.to_toml()))
    may_differ = {_DATA, *recipe.changes_no_result}
    changed = sorted(key for key in (there.keys() | now.keys()) - may_differ if there.get(key) != now.get(key))
    if changed:
        shown = "; ".join(f"{key}: {_shown(there, key)} there, {_shown(now, key)} now" for key in changed[:5])
        more = f"; and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise UsageError(f"the folder holds a run of another recipe ({shown}{more})", where=str(out), hint=_OR_AFRESH)


def _check_same_data(before: Mapping[str, Any], recipe: Recipe, out: Path) -> None:
    """Raise where the recipe is the folder's, but not the data."""
    there, now = _flat(before).get(_DATA), recipe.data_fingerprint
    if there != now:
        raise UsageError(
            f"the data have changed since this run was started ({there} then, {now} now)",
            where=str(out),
            hint=_OR_AFRESH,
        )


def _shown(flat: Mapping[str, Any], key: str) -> str:
    return repr(flat[key]) if key in flat else "nothing"


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def _clear(out: Path) -> None:
    """Remove an earlier run; the recipe goes last, so that a kill leaves something that still counts as a run.

    What else lies in the folder is not ours to remove.
    """
    for name in (_METRICS, *_FILES, _MODEL, _RECIPE):
        remove(out / name)


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Only one process trains into a folder; the operating system frees the lock of one that was killed."""
    from filelock import FileLock, Timeout

    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / _LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            "another process is training into this folder",
            where=str(out),
            hint="wait for it or choose another --out",
        ) from None
    except OSError as error:
        _remove_empty(made)
        if error.errno in DISK_FAILURES:
            raise cannot_write(out, error) from None
        raise UsageError(
            f"can't be a run folder: {error.strerror or error}", where=str(out), hint="choose another with --out"
        ) from None
    try:
        yield
    except BaseException:
        with suppress(OSError):
            if {path.name for path in out.iterdir()} <= {_RECIPE, _LOCK}:
                (out / _RECIPE).unlink(missing_ok=True)
        raise
    finally:
        with suppress(OSError):  # removed while it is held: who waits for it finds that out and makes a new one
            (out / _LOCK).unlink(missing_ok=True)
        lock.release()
        _remove_empty(made)


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
