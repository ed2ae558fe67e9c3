"""Step 5: measure the saved model, on the run's own data or on others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pegboard.cache import Cache
from pegboard.classifier import Classifier
from pegboard.console import Console, silent
from pegboard.errors import DataError, UsageError, one_of
from pegboard.files import atomic_write, cannot_write
from pegboard.pipeline.data import SPLITS, LabelledData, LabelledSplit, load_data
from pegboard.pipeline.labels import as_arrow, indicators, occurring, rows_with
from pegboard.pipeline.tokens import encode_splits
from pegboard.recipe import resolve_dataset, set_value

if TYPE_CHECKING:
    from pegboard.pipeline.context import RunContext
    from pegboard.plugins.registry import Registry
    from pegboard.run import Run

__all__ = ["evaluate_and_finish", "evaluate_run", "write_predictions"]


def evaluate_and_finish(run: RunContext, data: LabelledData, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Load what was saved, measure that, and write predictions and `metrics.json`, which marks the run complete."""
    classifier = Classifier.from_folder(run.folder / "model", run.registry)
    cache, choice = Cache.open(run.console), run.recipe["tokenizer"]
    measured = {split: data.splits[split] for split in ("validation", "test")}
    encoded = encode_splits(
        choice,
        run.registry,
        classifier.tokenizer,
        measured.values(),
        cache,
        run.console,
        windows=classifier.windows,
    )
    metrics: dict[str, Any] = {}
    for (split, rows), ids in zip(measured.items(), encoded, strict=True):
        metrics[split], probability = classifier.evaluate(rows, ids)
        file = run.folder / "predictions" / f"{split}.parquet"
        prediction = classifier.task.decide(probability)
        write_predictions(file, rows, prediction, probability, data.label_names)
    metrics["train"] = dict(figures)
    atomic_write(run.folder / "metrics.json", (json.dumps(metrics, indent=2) + "\n").encode())
    shutil.rmtree(run.checkpoints, ignore_errors=True)
    return metrics


def evaluate_run(
    run: Run,
    registry: Registry,
    dataset: str | None = None,
    *,
    split: str = "test",
    settings: Sequence[str] = (),
    precision: str = "f32",
    console: Console = silent,
) -> tuple[str, dict[str, Any]]:
    """Measure a run's model.

    Args:
        run: a complete run.
        registry: the installed components.
        dataset: a name, path or `hub:` reference; by default the data the run was trained with.
        split: which split; data of a single split are measured whole.
        settings: options of the data set, as `dataset.text_column=…`.
        precision: in which numbers to predict; see `pegboard.load`.
        console: is told which rows were taken.

    Returns:
        The name of the split that was measured, and its figures; with another precision than `f32` also that, as
        `precision` and, where its labels were compared with those of `f32`, `agreement`.

    Raises:
        DataError: the data are unusable, or have a label that the model does not know.
        UsageError: there is no such split, a setting is none of the data set's, the run's own data have changed, or the
            machine or the model can't compute in that precision.
    """
    if split not in SPLITS:
        raise UsageError(f"there is no split {split!r}", where="--split", hint=one_of(split, SPLITS))
    recipe = run.recipe_document()
    document = {"dataset": {"name": dataset} if dataset else _own_dataset(recipe)}
    for setting in settings:
        set_value(document, setting)
    if document.keys() != {"dataset"}:
        raise UsageError("only options of the data set can be set here", hint="--set dataset.text_column=…")
    choice = resolve_dataset(document, registry)
    data = load_data(choice, registry, console=console, cut=dataset is None)
    if dataset is None and data.fingerprint != recipe["resolved"]["data"]:
        raise UsageError(
            "the data have changed since the run was trained",
            where=str(run.folder),
            hint=f"name them to measure on them anyway: pegboard evaluate {run.folder} DATASET",
        )
    name = split if split in data.splits or len(data.splits) > 1 else next(iter(data.splits))
    if name not in data.splits:
        raise UsageError(f"the data have no split {split!r}", hint=f"known: {', '.join(data.splits)}")
    if name != split:
        console.note(f"note: the data have one split only; all {len(data.splits[name]):,} rows are measured")
    classifier = run.classifier(registry, precision=precision)
    rows = _with_labels_of(classifier, data, name)
    figures = classifier.evaluate(rows)[0]
    return name, figures if precision == "f32" else {**figures, **classifier.described()}


def write_predictions(
    file: Path,
    split: LabelledSplit,
    prediction: npt.NDArray[Any],
    probability: npt.NDArray[np.float32],
    names: Sequence[str],
) -> None:
    """A Parquet file with `text`, `label`, `prediction` and one column `probability_<label>` for each label.

    Where a text has any number of labels, label and prediction are lists of names in the order of the labels.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "text": split.texts.array(),
            "label": as_arrow(split.labels, names),
            "prediction": as_arrow(prediction, names),
            **{f"probability_{name}": pa.array(probability[:, i]) for i, name in enumerate(names)},
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    try:
        file.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(file.parent, error) from error
    atomic_write(file, sink.getvalue().to_pybytes())


def _own_dataset(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The run's data set, by its qualified name: another plugin may have come to claim the bare one."""
    table = recipe["dataset"]
    distribution = recipe["resolved"]["dataset"].partition("==")[0]
    return {**table, "name": f"{distribution}:{table['name']}"}


def _with_labels_of(classifier: Classifier, data: LabelledData, name: str) -> LabelledSplit:
    """The split with label numbers as the model has them; data may know fewer labels, or in another order."""
    if data.multi_label != classifier.task.multi_label:
        ours, theirs = ("one label", "lists of labels") if data.multi_label else ("lists of labels", "one label a text")
        hint = "choose another column with --set dataset.label_column=NAME"
        if classifier.task.multi_label:
            hint = f"--set dataset.label_separator='|' reads a|b as a list; or {hint}"
        raise DataError(f"the model gives each text {ours}, the data have {theirs}", where=name, hint=hint)
    known = {label: i for i, label in enumerate(classifier.label_names)}
    split = data.splits[name]
    for label in occurring(split.labels):
        if data.label_names[label] not in known:
            row = int(rows_with(split.labels, label)[0])
            raise DataError(
                f"the model does not know the label {data.label_names[label]!r}",
                where=f"{name}, row {row}",
                hint=one_of(data.label_names[label], known),
            )
    numbers = np.array([known.get(label, -1) for label in data.label_names], np.int64)
    if not data.multi_label:
        return LabelledSplit(split.texts, numbers[split.labels])
    rows, labels = np.nonzero(split.labels)
    return LabelledSplit(split.texts, indicators(rows, numbers[labels], len(split), len(known)))
