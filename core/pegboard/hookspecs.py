"""Every hook that a plugin can implement.

Registering hooks return an iterable of `ComponentSpec` (of trackers: of names); life-cycle hooks return nothing. A
plugin implements a hook with a function of the same name marked `@pegboard.hookimpl`, in the module that its entry
point names:

    [project.entry-points."pegboard.plugins.v1"]
    my-plugin = "my_plugin"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

from pegboard.specs import ComponentSpec

if TYPE_CHECKING:
    from pegboard.pipeline.context import RunContext

__all__ = ["ENTRY_POINT_GROUP", "HOOK_API", "hookimpl"]

HOOK_API = 1
"""Major version of the hooks below; part of the entry-point group's name."""

ENTRY_POINT_GROUP = f"pegboard.plugins.v{HOOK_API}"

hookspec = pluggy.HookspecMarker("pegboard")
hookimpl = pluggy.HookimplMarker("pegboard")


@hookspec
def pegboard_tokenizers() -> Iterable[ComponentSpec]:
    """Tokenizers that this plugin provides.

    Called once, when components are first listed or chosen. The factory is a subclass of
    `pegboard.Tokenizer`, most simply of `pegboard.PieceTokenizer`.

    Example:
        >>> @hookimpl
        ... def pegboard_tokenizers():
        ...     yield ComponentSpec(name="dash", factory="my_plugin:DashTokenizer", summary="splits at dashes")
    """
    return ()


@hookspec
def pegboard_encoders() -> Iterable[ComponentSpec]:
    """Encoders that this plugin provides.

    Called once, when components are first listed or chosen. The factory is a `torch.nn.Module` that keeps the
    contract of `pegboard.Encoder`.

    Example:
        >>> @hookimpl
        ... def pegboard_encoders():
        ...     yield ComponentSpec(name="cnn", factory="my_plugin.cnn:CnnEncoder", summary="convolutions over time")
    """
    return ()


@hookspec
def pegboard_datasets() -> Iterable[ComponentSpec]:
    """Data sets, and readers of data, that this plugin provides.

    Called once, when components are first listed or chosen. The factory keeps the contract of
    `pegboard.DatasetSource`.

    Example:
        >>> @hookimpl
        ... def pegboard_datasets():
        ...     yield ComponentSpec(name="reviews", factory="my_plugin.reviews:Reviews", summary="film reviews")
    """
    return ()


@hookspec
def pegboard_trainers() -> Iterable[ComponentSpec]:
    """Trainers that this plugin provides.

    Called once, when components are first listed or chosen. The factory is a subclass of `pegboard.Trainer`.

    Example:
        >>> @hookimpl
        ... def pegboard_trainers():
        ...     yield ComponentSpec(name="sgd", factory="my_plugin.sgd:SgdTrainer", summary="plain SGD")
    """
    return ()


@hookspec
def pegboard_tracker_names() -> Iterable[str]:
    """Names of the trackers that this plugin provides.

    Called once, when plugins are loaded. Being installed is no wish to have runs tracked, so a tracker is switched on
    by its name: `pegboard train --track tensorboard`. The plugin's life-cycle hooks find the wish in `run.track`; a
    name that no plugin gives here is an error before any work is done.

    Example:
        >>> @hookimpl
        ... def pegboard_tracker_names():
        ...     return ["tensorboard"]
    """
    return ()


@hookspec
def pegboard_run_started(run: RunContext) -> None:
    """A run is about to train: its folder exists and its recipe is written.

    Called in the main process only, also when an unfinished run is continued. An exception is reported and
    ignored: a tracker can't stop a run.

    Args:
        run: the run's context: `run.folder`, `run.recipe`, `run.seed`, `run.track`.

    Example:
        >>> @hookimpl
        ... def pegboard_run_started(run):
        ...     print("training in", run.folder)
    """


@hookspec
def pegboard_logged(run: RunContext, record: Mapping[str, Any]) -> None:
    """A line was added to the run's `log.jsonl`: a training was started or resumed, some steps or an epoch are done.

    Called in the main process only, after the line is written. A training that is killed and resumed logs the steps
    since its last checkpoint once more: those after the `step` of a record with the event `resumed` are void. An
    exception is reported and ignored.

    Args:
        run: the run's context.
        record: the line: `event` is `started`, `resumed`, `step`, `epoch` or what else a trainer logs, `time` the
            seconds since 1970; a step has, for example, `step`, `loss`, `learning_rate`.

    Example:
        >>> @hookimpl
        ... def pegboard_logged(run, record):
        ...     if record["event"] == "step":
        ...         print(record["step"], record["loss"])
    """


@hookspec
def pegboard_epoch_finished(run: RunContext, metrics: Mapping[str, float]) -> None:
    """An epoch and its validation are over.

    Called in the main process only. An exception is reported and ignored.

    Args:
        run: the run's context.
        metrics: the epoch's figures, for example `epoch`, `train_loss`, `validation_accuracy`.

    Example:
        >>> @hookimpl
        ... def pegboard_epoch_finished(run, metrics):
        ...     print(metrics["epoch"], metrics["train_loss"])
    """


@hookspec
def pegboard_run_finished(run: RunContext) -> None:
    """A run is complete: model, metrics and predictions are in its folder.

    Called in the main process only, not for a run that failed or was interrupted. An exception is reported
    and ignored.

    Args:
        run: the run's context.

    Example:
        >>> @hookimpl
        ... def pegboard_run_finished(run):
        ...     print((run.folder / "metrics.json").read_text())
    """
