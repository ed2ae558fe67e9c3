"""What is saved of a training, and how it goes on from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from pegboard import UsageError

from pegboard_accelerate.checkpoint import (
    Checkpoint,
    Generators,
    generators,
    load_weights,
    optimizer_tensors,
    random_state,
    restore_optimizer,
    restore_random_state,
    weights_of,
)
from pegboard_accelerate.environment import surroundings
from pegboard_accelerate.splitting import Tensors, whole
from pegboard_accelerate.state import State
from pegboard_accelerate.zero import is_zero

if TYPE_CHECKING:
    from pegboard_accelerate.trainer import Training

__all__ = ["resume", "save"]


def save(training: Training, random: Generators | None = None) -> None:
    """Write a checkpoint of all that decides how the training goes on.

    Args:
        training: between two steps.
        random: the state of the generators then, if they have drawn since.
    """
    if is_zero(training.accelerator):
        return
    training.check_weights()
    accelerator, stepper, device = training.accelerator, training.stepper, training.accelerator.device
    scaler, average = accelerator.scaler, stepper.average
    state = {
        **asdict(training.state),
        "epoch_loss": training.epoch_loss.tolist(),
        "logged_loss": training.logged_loss.tolist(),
        "scaler": scaler.state_dict() if scaler is not None else None,
        "computed_with": surroundings(accelerator),
    }
    own = {name: values.unsqueeze(0).to(device) for name, values in random_state(random or generators(device)).items()}
    tensors: dict[str, Tensors] = {
        "model": (average.set_aside if average else {}) or weights_of(training.network),
        "optimizer": optimizer_tensors(stepper.optimizer),
        "average": average.weights if average else {},
        "best": training.best,
        "random": accelerator.gather(own) if accelerator.num_processes > 1 else own,
    }
    tensors = {name: whole(content) for name, content in tensors.items()}
    if training.run.is_main:
        training.checkpoints.save(training.state.step, tensors, state)
    accelerator.wait_for_everyone()  # a process that leaves early would have the launcher stop the others


def resume(training: Training) -> State:
    """Go on from the newest whole checkpoint if there is one; gives the state to go on from."""
    run, accelerator = training.run, training.accelerator
    where = {
        "precision": accelerator.mixed_precision,
        "device": str(accelerator.device),
        "processes": accelerator.num_processes,
    }
    checkpoint = training.checkpoints.newest(run.console.warn if run.is_main else lambda _: None)
    if checkpoint is not None and is_zero(accelerator):
        raise UsageError(
            "DeepSpeed can't continue it, since its own checkpoints are pickles and so none are written or read",
            where=str(checkpoint.folder),
            hint="launch as before, or with FSDP, or start afresh with --overwrite",
        )
    if is_zero(accelerator) and run.is_main:
        run.console.warn("with DeepSpeed no checkpoints are written: a training that is interrupted starts afresh")
    if checkpoint is None:
        run.log(event="started", steps=training.stepper.total_steps, **where)
    else:
        _restore(training, checkpoint)
        state = training.state
        run.log(event="resumed", step=state.step, epoch=state.epoch, **where)
        if run.is_main:
            run.console.note(f"continuing after step {state.step}, in epoch {state.epoch}")
            _warn_of_other_surroundings(training, checkpoint.state["computed_with"])
    accelerator.wait_for_everyone()  # nobody writes while another still reads
    return training.state


def _restore(training: Training, checkpoint: Checkpoint) -> None:
    state: dict[str, Any] = dict(checkpoint.state)
    accelerator, stepper = training.accelerator, training.stepper
    load_weights(training.network, checkpoint.tensors("model"))
    restore_optimizer(stepper.optimizer, checkpoint.tensors("optimizer"))
    if stepper.average is not None:
        stepper.average.restore(checkpoint.tensors("average"))
    training.best = checkpoint.tensors("best")
    # Copied, since torch can't take a random state that is a view into a larger tensor.
    random = {name: values[accelerator.process_index].clone() for name, values in checkpoint.tensors("random").items()}
    restore_random_state(random, accelerator.device)
    if accelerator.scaler is not None and state["scaler"] is not None:
        accelerator.scaler.load_state_dict(state["scaler"])
    training.epoch_loss.copy_(torch.tensor(state["epoch_loss"], dtype=torch.float64))
    training.logged_loss.copy_(torch.tensor(state["logged_loss"], dtype=torch.float64))
    training.state = State(**{name: state[name] for name in asdict(training.state)})


def _warn_of_other_surroundings(training: Training, before: Mapping[str, Any]) -> None:
    now = surroundings(training.accelerator)
    changed = [f"{name} {before.get(name)} then, {now[name]} now" for name in now if before.get(name) != now[name]]
    if changed:
        training.run.console.warn(
            f"the checkpoint was computed elsewhere or otherwise ({'; '.join(changed)}): "
            "the result will differ a little from that of an uninterrupted training"
        )
