"""The training loop."""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from pegboard import RecipeError, RunContext, RunError, Split, StepOutput, Trainer, TrainingData, one_of, sorted_batches
from torch import Tensor, nn

from pegboard_accelerate.batches import epoch_steps, share_of
from pegboard_accelerate.checkpoint import (
    Checkpoints,
    Tensors,
    load_weights,
    optimizer_tensors,
    random_state,
    restore_optimizer,
    restore_random_state,
    weights_of,
)
from pegboard_accelerate.environment import (
    prepared_accelerator,
    torch_settings,
    unwrapped_afterwards,
    uses_all_parameters,
)
from pegboard_accelerate.interrupts import Interrupts
from pegboard_accelerate.options import AccelerateOptions
from pegboard_accelerate.schedule import learning_rate_factor, make_optimizer

__all__ = ["AccelerateTrainer"]

Rows = npt.NDArray[np.int64]

_GPU_STEPS_BETWEEN_LOOKS = 10


class AccelerateTrainer(Trainer):
    """Trains with AdamW on whatever Accelerate finds: the processor, a GPU, or several processes of either.

    The state is saved as the options say and when the training is interrupted; started again on the same run folder,
    it goes on from there and ends with the same bits as a training that was never interrupted.

    Args:
        options: `AccelerateOptions`.

    Example:
        >>> figures = AccelerateTrainer(AccelerateOptions(epochs=3)).fit(model, data, run)
        >>> figures["best_epoch"]
        2
    """

    resumes = True

    def fit(self, model: nn.Module, data: TrainingData, run: RunContext) -> dict[str, Any]:
        """Train `model` in place; see `pegboard.Trainer.fit`.

        Returns:
            `seconds` (training, validation and checkpoints), `examples_per_second` and `tokens_per_second`
            (training only), `epochs`, `steps`, `best_epoch`, `precision`, `processes`, `device`, and `history`, the
            figures of each epoch.

        Raises:
            RunError: the loss is not a number, or a checkpoint can't be written.
            RecipeError: an option does not fit the device or the task.
            ArtifactError: the checkpoints belong to another run.
            KeyboardInterrupt: on SIGINT, after the state was saved.
            SystemExit: 143 on SIGTERM, after the state was saved.
        """
        options: AccelerateOptions = self.options
        with ExitStack() as stack:
            accelerator = stack.enter_context(prepared_accelerator(options.precision, model))
            stack.enter_context(torch_settings(options.threads, options.deterministic))
            stack.enter_context(unwrapped_afterwards(model))
            interrupts = stack.enter_context(Interrupts(accelerator.num_processes))
            return _Training(options, accelerator, model, data, run, interrupts).run_to_the_end()


@dataclass
class _State:
    """Where a training stands; with weights, optimizer and random numbers it is all that is needed to go on."""

    step: int = 0
    epoch: int = 1
    step_in_epoch: int = 0
    finished: bool = False
    best_epoch: int = 0
    best_value: float | None = None
    epochs_without_improvement: int = 0
    seconds: float = 0.0
    train_seconds: float = 0.0
    epoch_seconds: float = 0.0
    examples: int = 0
    tokens: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


class _Training:
    """One training: what `fit` was given, the state, and the parts of the loop, from the outside in."""

    def __init__(
        self,
        options: AccelerateOptions,
        accelerator: Accelerator,
        network: nn.Module,
        data: TrainingData,
        run: RunContext,
        interrupts: Interrupts,
    ) -> None:
        self.options, self.accelerator, self.data, self.run = options, accelerator, data, run
        self.interrupts = interrupts
        self.process, self.processes = accelerator.process_index, accelerator.num_processes
        self.device = accelerator.device
        self.network = network.to(self.device)
        self.forward_in_float32 = network.forward  # before Accelerate wraps it
        self.try_out()
        optimizer = make_optimizer(network, options.learning_rate, options.weight_decay)
        self.model, prepared = accelerator.prepare(network, optimizer)
        # Accelerate's own step looks for a package on the disk each time; only scaling for fp16 needs it.
        self.optimizer = optimizer if accelerator.scaler is None else prepared
        self.checkpoints = Checkpoints(run.checkpoints, identity=run.identity, processes=self.processes)
        self.state = _State()
        self.best: Tensors = {}
        self.total_steps = min(options.epochs * len(self.epoch_steps(1)), options.max_steps or sys.maxsize)
        # Sums of losses and of their weights; they stay on the device, since reading them would wait for it.
        precise = torch.float32 if self.device.type == "mps" else torch.float64
        self.epoch_loss = torch.zeros(2, dtype=precise, device=self.device)
        self.logged_loss = torch.zeros_like(self.epoch_loss)
        self.lap_start = time.perf_counter()

    def run_to_the_end(self) -> dict[str, Any]:
        """Train until the options say stop; gives the figures."""
        state = self.resume()
        while not state.finished:
            self.train_epoch()
            self.finish_epoch(self.validate())
        if self.best and state.best_epoch != state.epoch - 1:
            load_weights(self.network, self.best)
        self.accelerator.wait_for_everyone()
        return {
            "seconds": state.seconds,
            "examples_per_second": state.examples / max(1e-9, state.train_seconds),
            "tokens_per_second": state.tokens / max(1e-9, state.train_seconds),
            "epochs": state.epoch - 1,
            "steps": state.step,
            "best_epoch": state.best_epoch,
            "precision": self.accelerator.mixed_precision,
            "processes": self.processes,
            "device": str(self.device),
            "history": state.history,
        }

    def train_epoch(self) -> None:
        """Train to the end of the epoch under way, or to `max_steps`."""
        state, options, lengths = self.state, self.options, self.data.train.lengths
        if state.step_in_epoch == 0:
            self.seed_epoch(state.epoch)
        steps = self.epoch_steps(state.epoch)[: state.step_in_epoch + self.total_steps - state.step]
        sizes = [sum(map(len, step)) for step in steps]
        self.model.train()
        self.lap()
        done = sum(sizes[: state.step_in_epoch])
        with self.run.progress(f"epoch {state.epoch}/{options.epochs}", sum(sizes), done) as bar:
            for step, size in zip(steps[state.step_in_epoch :], sizes[state.step_in_epoch :], strict=True):
                loss = self.optimizer_step(step)
                state.step += 1
                state.step_in_epoch += 1
                state.examples += size
                state.tokens += sum(int(lengths[rows].sum()) for rows in step)
                # Reading the loss costs nothing on a processor; elsewhere it would hold up the device.
                shown = self.finite(float(loss)) if self.device.type == "cpu" else None
                if state.step % options.log_every == 0:
                    shown = self.log_step()
                bar.advance(size, loss=shown)
                if self.stop_requested():
                    state.train_seconds += self.lap()
                    self.leave()
                if self.checkpoint_is_due() and state.step_in_epoch < len(steps):
                    state.train_seconds += self.lap()
                    self.save()
                    self.lap()
        state.train_seconds += self.lap()

    def optimizer_step(self, batches: list[Rows]) -> Tensor:
        """One step of AdamW on the mean loss of all rows of `batches`; gives that loss, a scalar on the device."""
        options = self.options
        factor = learning_rate_factor(options.schedule, self.state.step, self.total_steps, options.warmup_share)
        for group in self.optimizer.param_groups:
            group["lr"] = options.learning_rate * factor
        count = sum(map(len, batches))
        totals = torch.zeros_like(self.epoch_loss)
        for number, rows in enumerate(batches, start=1):
            with nullcontext() if number == len(batches) else self.accelerator.no_sync(self.model):
                output, counts = self.forward(self.model, self.data.train, rows)
                loss = output.loss_sum * counts
                pair = self.summed(torch.stack([loss.detach(), output.loss_weight.detach() * counts]).to(totals))
                totals += pair
                # A lone batch is divided by its weight right away. With several the whole weight is known only after
                # the last of them, so the gradients are put right then.
                divisor = pair[1].to(loss.dtype) if len(batches) == 1 else count
                # Between processes gradients are averaged, hence the factor.
                self.accelerator.backward(loss * self.processes / divisor)
        if len(batches) > 1:
            correction = count / totals[1]
            for parameter in self.network.parameters():
                if parameter.grad is not None:
                    parameter.grad.mul_(correction)
        if options.max_grad_norm:
            self.accelerator.clip_grad_norm_(self.model.parameters(), options.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.epoch_loss += totals
        self.logged_loss += totals
        return totals[0] / totals[1]

    def forward(self, model: Callable[..., Any], split: Split, rows: Rows) -> tuple[StepOutput, float]:
        """The output for this process's share of a batch, and 1.0, or 0.0 where the share does not count."""
        share, counts = share_of(rows, self.process, self.processes)
        output: StepOutput = model(**send_to_device(split.collate(share), self.device))
        return output, float(counts)

    @torch.inference_mode()
    def validate(self) -> dict[str, float]:
        """The task's figures on the validation rows, computed in float32 as the saved model will be."""
        split = self.data.validation
        self.model.eval()
        outputs: Tensor | None = None
        for rows in sorted_batches(split.lengths):
            output, counts = self.forward(self.forward_in_float32, split, rows)
            if outputs is None:
                outputs = torch.zeros((len(split), *output.outputs.shape[1:]), device=self.device)
            if counts:
                outputs[torch.from_numpy(rows[self.process :: self.processes])] = output.outputs.float()
            if self.processes == 1 and self.interrupts.requested:
                self.leave()
        assert outputs is not None
        return self.data.metrics(self.summed(outputs).cpu().numpy())

    def finish_epoch(self, metrics: dict[str, float]) -> None:
        """Judge the epoch, decide whether to go on, report, and save."""
        state, options = self.state, self.options
        self.check_weights()
        train_loss = self.finite(float(self.epoch_loss[0] / self.epoch_loss[1]))
        if self.improves(self.finite(metrics[options.monitor])):
            state.best_value, state.best_epoch = metrics[options.monitor], state.epoch
            state.epochs_without_improvement = 0
            if options.restore_best:
                self.best = {name: tensor.cpu().clone() for name, tensor in weights_of(self.network).items()}
        else:
            state.epochs_without_improvement += 1
        self.lap()
        figures = {"epoch": state.epoch, "train_loss": train_loss}
        figures |= {f"validation_{name}": value for name, value in metrics.items()}
        figures["seconds"] = state.epoch_seconds
        state.history.append(figures)
        out_of_patience = options.patience is not None and state.epochs_without_improvement >= options.patience
        state.finished = state.step >= self.total_steps or out_of_patience
        state.epoch, state.step_in_epoch, state.epoch_seconds = state.epoch + 1, 0, 0.0
        self.epoch_loss.zero_()
        self.run.epoch_finished(figures)
        if self.stop_requested():
            self.leave()
        if self.checkpoint_is_due() or options.checkpoint_every == "epoch":
            self.save()

    def improves(self, value: float) -> bool:
        """Whether the monitored figure is better than any before."""
        best, monitor = self.state.best_value, self.options.monitor
        if best is None:
            return True
        return value < best if monitor.endswith(("loss", "perplexity")) else value > best

    def epoch_steps(self, epoch: int) -> list[list[Rows]]:
        """The batches of each optimizer step of an epoch."""
        options = self.options
        return epoch_steps(
            self.data.train.lengths,
            batch_size=options.batch_size,
            accumulate=options.accumulate,
            seed=self.run.seed,
            epoch=epoch,
            length_buckets=options.length_buckets,
        )

    def seed_epoch(self, epoch: int) -> None:
        """Make dropout and the like depend on seed, epoch and process only."""
        numbers = np.random.SeedSequence([self.run.seed, epoch, self.process]).generate_state(3)
        random.seed(int(numbers[0]))
        np.random.seed(numbers[1])
        torch.manual_seed(int(numbers[2]))

    def try_out(self) -> None:
        """Compute one row, to find out what the task measures and which parameters the model uses."""
        split, monitor = self.data.validation, self.options.monitor
        self.network.eval()
        output, _ = self.forward(self.network, split, np.zeros(1, np.int64))
        if self.processes > 1:
            handler = self.accelerator.ddp_handler
            handler.find_unused_parameters = not uses_all_parameters(self.network, output.loss_sum)
        names = self.data.metrics(np.zeros((len(split), *output.outputs.shape[1:]), np.float32))
        if monitor not in names:
            raise RecipeError(
                f"validation gives no figure {monitor!r}", where="trainer.monitor", hint=one_of(monitor, names)
            )

    def finite(self, value: float) -> float:
        """`value`, unless it is none."""
        if math.isfinite(value):
            return value
        raise RunError(
            "the loss is not a number",
            where=f"step {self.state.step}",
            hint="a lower trainer.learning_rate, trainer.precision=no or a smaller trainer.max_grad_norm may help",
        )

    def check_weights(self) -> None:
        """Raise if a weight is no longer a number: such a state is neither saved nor judged."""
        if not all(bool(torch.isfinite(parameter).all()) for parameter in self.network.parameters()):
            self.finite(math.nan)

    def log_step(self) -> float:
        """Log the mean loss since the last time and give it."""
        loss = self.finite(float(self.logged_loss[0] / self.logged_loss[1]))
        self.logged_loss.zero_()
        rate = self.optimizer.param_groups[0]["lr"]
        self.run.log(event="step", step=self.state.step, loss=loss, learning_rate=rate)
        return loss

    def lap(self) -> float:
        """Seconds since the last call, which the training has now taken longer."""
        now = time.perf_counter()
        seconds, self.lap_start = now - self.lap_start, now
        self.state.seconds += seconds
        self.state.epoch_seconds += seconds
        return seconds

    def summed(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        total: Tensor = self.accelerator.reduce(values, "sum") if self.processes > 1 else values
        return total

    def stop_requested(self) -> bool:
        """Whether any process got a signal; all get the same answer."""
        if self.processes == 1:
            return self.interrupts.requested
        if self.device.type != "cpu" and self.state.step % _GPU_STEPS_BETWEEN_LOOKS:
            return False
        return bool(self.summed(torch.tensor(float(self.interrupts.requested), device=self.device)) > 0)

    def leave(self) -> NoReturn:
        """Save and raise what the signal asked for."""
        self.save()
        self.run.console.note(f"interrupted after step {self.state.step}: the same command continues from here")
        self.interrupts.stop()

    def checkpoint_is_due(self) -> bool:
        """Whether this step is one of those after which the state is saved."""
        every = self.options.checkpoint_every
        return every != "epoch" and every > 0 and self.state.step % every == 0

    def save(self) -> None:
        """Write a checkpoint."""
        self.check_weights()
        scaler = self.accelerator.scaler
        state = {
            **asdict(self.state),
            "epoch_loss": self.epoch_loss.tolist(),
            "logged_loss": self.logged_loss.tolist(),
            "scaler": scaler.state_dict() if scaler is not None else None,
            "precision": self.accelerator.mixed_precision,
        }
        own = {name: values.unsqueeze(0).to(self.device) for name, values in random_state(self.device).items()}
        tensors = {
            "model": weights_of(self.network),
            "optimizer": optimizer_tensors(self.optimizer),
            "best": self.best,
            "random": self.accelerator.gather(own) if self.processes > 1 else own,
        }
        if self.run.is_main:
            self.checkpoints.save(self.state.step, tensors, state)
        self.accelerator.wait_for_everyone()  # a process that leaves early would have the launcher stop the others

    def resume(self) -> _State:
        """Go on from the newest whole checkpoint if there is one; gives the state to go on from."""
        console, scaler = self.run.console, self.accelerator.scaler
        precision = self.accelerator.mixed_precision
        where = {"precision": precision, "device": str(self.device), "processes": self.processes}
        checkpoint = self.checkpoints.newest(console.warn if self.run.is_main else lambda _: None)
        if checkpoint is None:
            self.run.log(event="started", steps=self.total_steps, **where)
        else:
            state = dict(checkpoint.state)
            load_weights(self.network, checkpoint.tensors("model"))
            restore_optimizer(self.optimizer, checkpoint.tensors("optimizer"))
            self.best = checkpoint.tensors("best")
            # Copied, since torch can't take a random state that is a view into a larger tensor.
            own = {name: values[self.process].clone() for name, values in checkpoint.tensors("random").items()}
            restore_random_state(own, self.device)
            if scaler is not None and state["scaler"] is not None:
                scaler.load_state_dict(state["scaler"])
            self.epoch_loss.copy_(torch.tensor(state["epoch_loss"], dtype=torch.float64))
            self.logged_loss.copy_(torch.tensor(state["logged_loss"], dtype=torch.float64))
            self.state = _State(**{name: state[name] for name in asdict(self.state)})
            self.run.log(event="resumed", step=self.state.step, **where)
            if self.run.is_main:
                console.note(f"continuing after step {self.state.step}, in epoch {self.state.epoch}")
                if state["precision"] != precision:
                    console.warn(
                        f"the checkpoint was computed with precision {state['precision']}, this machine goes on with "
                        f"{precision}: the result will differ a little from that of an uninterrupted training"
                    )
        self.accelerator.wait_for_everyone()  # nobody writes while another still reads
        self.lap_start = time.perf_counter()
        return self.state
