"""The training loop."""

from __future__ import annotations

import copy
import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from pegboard import RecipeError, RunContext, RunError, Trainer, TrainingData, one_of
from torch import Tensor, nn

from pegboard_accelerate.ahead import Ahead, Workers
from pegboard_accelerate.allocation import memory_kept
from pegboard_accelerate.batches import count_steps, epoch_steps, share_of
from pegboard_accelerate.checkpoint import Checkpoints, Generators, generators, load_weights, weights_of
from pegboard_accelerate.environment import (
    chance_is_told,
    prepared_accelerator,
    torch_settings,
    unwrapped_afterwards,
    uses_all_parameters,
)
from pegboard_accelerate.forecast import Forecast
from pegboard_accelerate.interrupts import Interrupts
from pegboard_accelerate.layers import frozen_parts
from pegboard_accelerate.memory import cut, is_out_of_memory, recomputing
from pegboard_accelerate.options import AccelerateOptions
from pegboard_accelerate.processes import summed
from pegboard_accelerate.resuming import resume, save
from pegboard_accelerate.splitting import Tensors, check_can_be_split, is_split, own_part, whole
from pegboard_accelerate.state import State
from pegboard_accelerate.step import Stepper
from pegboard_accelerate.validation import validation_outputs
from pegboard_accelerate.zero import check_zero_can, gathered, is_zero

__all__ = ["AccelerateTrainer", "Training"]

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
    samples = True

    def fit(self, model: nn.Module, data: TrainingData, run: RunContext) -> dict[str, Any]:
        """Train `model` in place; see `pegboard.Trainer.fit`.

        Returns:
            `seconds` (training, validation and checkpoints), `examples_per_second` and `tokens_per_second`
            (training only), `epochs`, `steps`, `best_epoch`, `micro_batch_size` (rows computed at once at the end),
            `out_of_time`, `precision`, `processes`, `device`, and `history`, the figures of each epoch.

        Raises:
            RunError: the loss is not a number, memory runs out, or a checkpoint can't be written.
            RecipeError: an option does not fit the device, the model or the task.
            ArtifactError: the checkpoints belong to another run.
            KeyboardInterrupt: on SIGINT, after the state was saved.
            SystemExit: 143 on SIGTERM, after the state was saved.
        """
        options: AccelerateOptions = self.options.fitting(len(data.train.lengths))
        with ExitStack() as stack:
            accelerator = stack.enter_context(prepared_accelerator(options.precision, model))
            stack.enter_context(torch_settings(options.threads, options.deterministic))
            stack.enter_context(chance_is_told(run.console.warn if run.is_main else lambda _: None))
            stack.enter_context(memory_kept(accelerator.device))
            stack.enter_context(frozen_parts(model, options.freeze))
            stack.enter_context(recomputing(model, options.gradient_checkpointing))
            stack.enter_context(unwrapped_afterwards(model))
            interrupts = stack.enter_context(Interrupts(accelerator.num_processes))
            workers = stack.enter_context(Workers(options.data_workers))
            return Training(options, accelerator, model, data, run, interrupts, workers).run_to_the_end()


class Training:
    """One training: what `fit` was given, the state, and the parts of the loop, from the outside in."""

    def __init__(
        self,
        options: AccelerateOptions,
        accelerator: Accelerator,
        network: nn.Module,
        data: TrainingData,
        run: RunContext,
        interrupts: Interrupts,
        workers: Workers,
    ) -> None:
        self.options, self.accelerator, self.data, self.run = options, accelerator, data, run
        self.interrupts, self.workers = interrupts, workers
        self.train, self.validation = Ahead(data.train, workers), Ahead(data.validation, workers)
        self.processes, self.device = accelerator.num_processes, accelerator.device
        self.is_split = is_split(accelerator)
        self.given, self.network = network, self.to_be_trained(network)
        self.try_out()
        # Before Accelerate wraps it; a model that is split has to be called itself, and is not wrapped.
        self.forward_in_float32: Callable[..., Any] = self.network if self.is_split else network.forward
        steps = count_steps(len(data.train.lengths), batch_size=options.batch_size, accumulate=options.accumulate)
        self.stepper = Stepper(options, accelerator, self.network, self.train, steps_of_epoch=steps, tell=self.tell)
        self.checkpoints = Checkpoints(run.checkpoints, identity=run.identity, processes=self.processes)
        self.state = State(micro_batch_size=options.batch_size)
        self.forecast = Forecast(
            total_steps=self.stepper.total_steps,
            steps_of_epoch=self.stepper.steps_of_epoch,
            validation_share=len(data.validation) / len(data.train),
            max_minutes=options.max_minutes,
        )
        self.best: Tensors = {}
        # Sums of losses and of their weights.
        precise = torch.float32 if self.device.type == "mps" else torch.float64
        self.epoch_loss = torch.zeros(2, dtype=precise, device=self.device)
        self.logged_loss = torch.zeros_like(self.epoch_loss)
        self.lap_start = time.perf_counter()
        self.random_at_rest: Generators | None = None
        interrupts.rescue = self.rescue

    def run_to_the_end(self) -> dict[str, Any]:
        """Train until the options say stop; gives the figures."""
        state = resume(self)
        self.lap_start = time.perf_counter()
        while not state.finished:
            self.train_epoch()
            self.finish_epoch(self.validate())
        if self.best or self.is_split or self.stepper.average is not None:
            load_weights(self.given, self.best or self.current_weights())
        self.accelerator.wait_for_everyone()
        return {
            "seconds": state.seconds,
            "examples_per_second": state.examples / max(1e-9, state.train_seconds),
            "tokens_per_second": state.tokens / max(1e-9, state.train_seconds),
            "epochs": state.epoch - 1,
            "steps": state.step,
            "best_epoch": state.best_epoch,
            "micro_batch_size": state.micro_batch_size,
            "out_of_time": state.out_of_time,
            "precision": self.accelerator.mixed_precision,
            "processes": self.processes,
            "device": str(self.device),
            "history": state.history,
        }

    def train_epoch(self) -> None:
        """Train to the end of the epoch under way, or until steps or time are used up."""
        state, options, lengths = self.state, self.options, self.data.train.lengths
        if state.out_of_time:
            return  # interrupted in the validation after it
        if state.step_in_epoch == 0:
            self.seed_epoch(state.epoch)
        steps = self.epoch_steps(state.epoch)[: state.step_in_epoch + self.stepper.total_steps - state.step]
        sizes = [sum(map(len, step)) for step in steps]
        self.stepper.start_epoch(state.epoch)
        self.train.plan(self.own_batches(steps[state.step_in_epoch :]))
        self.lap()
        self.forecast.training_goes_on(state)
        done = sum(sizes[: state.step_in_epoch])
        with self.run.progress(f"epoch {state.epoch}/{options.epochs}", sum(sizes), done) as bar:
            for step, size in zip(steps[state.step_in_epoch :], sizes[state.step_in_epoch :], strict=True):
                totals = self.stepper.step(step, state, self.at_rest)
                self.epoch_loss += totals
                self.logged_loss += totals
                state.step += 1
                state.step_in_epoch += 1
                state.examples += size
                state.tokens += sum(int(lengths[rows].sum()) for rows in step)
                # Reading the loss costs nothing on a processor; elsewhere it would hold up the device.
                shown = self.finite(float(totals[0] / totals[1])) if self.device.type == "cpu" else None
                if state.step % options.log_every == 0:
                    shown = self.log_step()
                bar.advance(size, loss=shown, left=self.forecast.left(state), at_most=options.patience is not None)
                if self.stop_requested():
                    state.train_seconds += self.lap()
                    self.leave()
                if state.out_of_time:
                    break
                if self.checkpoint_is_due() and state.step_in_epoch < len(steps):
                    state.train_seconds += self.lap()
                    save(self)
                    self.lap()
        self.forecast.epoch_ends()
        state.train_seconds += self.lap()

    def validate(self) -> dict[str, float]:
        """The task's figures on the validation rows, computed in float32 as the saved model will be."""
        average = self.stepper.average
        self.network.eval()
        with nullcontext() if average is None else average.in_the_model(), self.at_rest():
            outputs = self.outputs_that_fit()
        if outputs is None:
            self.leave()
        return self.data.metrics(outputs.cpu().numpy())

    def outputs_that_fit(self) -> Tensor | None:
        """The outputs for the validation rows; while memory runs out, with half as many tokens at once."""
        state, alone = self.state, self.processes == 1
        while True:
            try:
                return validation_outputs(
                    self.accelerator,
                    self.forward_in_float32,
                    self.validation,
                    max_tokens=state.validation_tokens,
                    stop=lambda: alone and self.interrupts.requested,
                )
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if not (alone and self.options.auto_batch_size) or state.validation_tokens == 1:
                    raise RunError(
                        f"memory ran out in validation, with {state.validation_tokens} tokens at once",
                        where=f"epoch {state.epoch}",
                        hint="a smaller tokenizer.max_length, or a smaller encoder",
                    ) from None
            state.validation_tokens //= 2
            self.tell(f"memory ran out in validation: now {state.validation_tokens:,} tokens at once")

    def finish_epoch(self, metrics: dict[str, float]) -> None:
        """Judge the epoch, decide whether to go on, report, and save."""
        state, options = self.state, self.options
        self.check_weights()
        train_loss = self.finite(float(self.epoch_loss[0] / self.epoch_loss[1]))
        if state.judge(self.finite(metrics[options.monitor]), options) and options.restore_best:
            self.keep_best()
        self.lap()
        figures = {"epoch": state.epoch, "train_loss": train_loss}
        figures |= {f"validation_{name}": value for name, value in metrics.items()}
        figures["seconds"] = state.epoch_seconds
        state.history.append(figures)
        state.epoch, state.step_in_epoch, state.epoch_seconds = state.epoch + 1, 0, 0.0
        self.epoch_loss.zero_()
        self.run.epoch_finished(figures)
        stop, total = self.stop_requested(at_once=True), self.stepper.total_steps
        state.finished = state.step >= total or state.out_of_time or state.is_out_of_patience(options)
        if state.out_of_time:
            self.tell(f"the {options.max_minutes} minutes are over, after step {state.step} of {total}")
        if stop:
            self.leave()
        if self.checkpoint_is_due() or options.checkpoint_every == "epoch":
            save(self)

    def keep_best(self) -> None:
        """Copy the weights, into memory that is there already where it is: to get more takes longer than the copy."""
        for name, tensor in self.current_weights().items():
            if name in self.best:
                self.best[name].copy_(tensor)
            else:
                self.best[name] = tensor.cpu().clone()

    def current_weights(self) -> Tensors:
        """The weights that would be kept now, whole: the average, where there is one."""
        if is_zero(self.accelerator):
            return gathered(self.network)
        average = self.stepper.average
        return whole(weights_of(self.network) if average is None else average.weights)

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
            weights=getattr(self.data.train, "sampling_weights", None),
        )

    def own_batches(self, steps: list[list[Rows]]) -> Iterator[Rows]:
        """This process's share of each batch that is computed at once."""
        process = self.accelerator.process_index
        for step in steps:
            for rows in cut(step, self.state.micro_batch_size):
                yield share_of(rows, process, self.processes)[0]

    def seed_epoch(self, epoch: int) -> None:
        """Make dropout and the like depend on seed, epoch and process only."""
        numbers = np.random.SeedSequence([self.run.seed, epoch, self.accelerator.process_index]).generate_state(3)
        random.seed(int(numbers[0]))
        np.random.seed(numbers[1])
        torch.manual_seed(int(numbers[2]))

    def to_be_trained(self, network: nn.Module) -> nn.Module:
        """The network on its device, or a copy to be split, since `given` is to hold the whole at the end."""
        if not self.is_split:
            return network.to(self.device)
        check = check_zero_can if is_zero(self.accelerator) else check_can_be_split
        check(self.accelerator, network, self.options)
        return copy.deepcopy(network)

    def try_out(self) -> None:
        """Compute one row, to find out what the task measures and which parameters the model uses."""
        split, monitor = self.data.validation, self.options.monitor
        self.network.eval()
        device = next(self.network.parameters()).device  # a model that is too large for a GPU is not there yet
        output = self.network(**send_to_device(split.collate(np.zeros(1, np.int64)), device))
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
        parts = [own_part(parameter.detach()) for parameter in self.network.parameters()]
        wrong = not all(bool(torch.stack(part.aminmax()).isfinite().all()) for part in parts if part.numel())
        if self.is_split:
            wrong = bool(summed(self.accelerator, torch.tensor(float(wrong), device=self.device)))
        if wrong:
            self.finite(math.nan)

    def log_step(self) -> float:
        """Log the mean loss since the last time and give it."""
        loss = self.finite(float(self.logged_loss[0] / self.logged_loss[1]))
        self.logged_loss.zero_()
        rate = self.stepper.learning_rate
        self.run.log(event="step", step=self.state.step, loss=loss, learning_rate=rate)
        return loss

    def lap(self) -> float:
        """Seconds since the last call, which the training has now taken longer."""
        now = time.perf_counter()
        seconds, self.lap_start = now - self.lap_start, now
        self.state.seconds += seconds
        self.state.epoch_seconds += seconds
        return seconds

    def stop_requested(self, *, at_once: bool = False) -> bool:
        """Whether any process got a signal; all get the same answer, and the same view of the time."""
        state, limit = self.state, self.options.max_minutes
        late = limit is not None and state.seconds + time.perf_counter() - self.lap_start >= 60 * limit
        if self.processes == 1:
            state.out_of_time |= late
            return self.interrupts.requested
        if self.device.type != "cpu" and self.state.step % _GPU_STEPS_BETWEEN_LOOKS and not at_once:
            return False
        wishes = torch.tensor([float(self.interrupts.requested), float(late)], device=self.device)
        stop, late = (summed(self.accelerator, wishes) > 0).tolist()
        state.out_of_time |= late
        return bool(stop)

    def leave(self) -> NoReturn:
        """Save and raise what the signal asked for."""
        save(self)
        goes_on = (
            "starts afresh, since DeepSpeed's state is not saved"
            if is_zero(self.accelerator)
            else "continues from here"
        )
        self.tell(f"interrupted after step {self.state.step}: the same command {goes_on}")
        with self.at_rest():  # where a worker is slow, the process is left
            self.workers.end()
        self.interrupts.stop()

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """While it is entered, weights and state are those of the last whole step, and may be saved at any time."""
        self.random_at_rest = generators(self.device)
        with self.interrupts.at_rest():
            yield

    def rescue(self) -> None:
        """Save the last whole step, from another thread, since the one under way takes long."""
        save(self, self.random_at_rest)
        self.tell(f"interrupted within the step or validation after step {self.state.step}: the same command continues")

    def tell(self, line: str) -> None:
        """Write a line for a person to read."""
        if self.run.is_main:
            self.run.console.note(line)

    def checkpoint_is_due(self) -> bool:
        """Whether this step is one of those after which the state is saved."""
        every = self.options.checkpoint_every
        return every != "epoch" and every > 0 and self.state.step % every == 0
