"""One optimizer step: learning rates, gradients, clipping, AdamW, and the average of the weights."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from pegboard import RecipeError, RunError, Split
from torch import Tensor, nn

from pegboard_accelerate.averaging import Average
from pegboard_accelerate.layers import Thawing, layers_of
from pegboard_accelerate.memory import cut, is_out_of_memory
from pegboard_accelerate.optimizer import make_optimizer
from pegboard_accelerate.options import AccelerateOptions
from pegboard_accelerate.processes import forward, summed
from pegboard_accelerate.schedule import learning_rate_factor
from pegboard_accelerate.splitting import is_split
from pegboard_accelerate.state import State
from pegboard_accelerate.tables import tables_of
from pegboard_accelerate.zero import is_zero

__all__ = ["Stepper"]

Rows = npt.NDArray[np.int64]


class Stepper:
    """The model on its device, with what changes its weights.

    Args:
        options: `AccelerateOptions`.
        accelerator: knows devices and processes.
        network: the model, on its device.
        split: the rows to learn from.
        steps_of_epoch: optimizer steps of an epoch.
        tell: is given a line that a person should read.

    Attributes:
        model: the network as Accelerate has wrapped it.
        optimizer: AdamW.
        average: the average of the weights, `None` without `ema_decay`.
        steps_of_epoch: optimizer steps of an epoch.
        total_steps: optimizer steps of the whole training.
        learning_rate: that of the last step, before layers get their shares.
        thawing: which layers learn.

    Raises:
        RecipeError: an option does not fit the model or the number of steps.
    """

    def __init__(
        self,
        options: AccelerateOptions,
        accelerator: Accelerator,
        network: nn.Module,
        split: Split,
        *,
        steps_of_epoch: int,
        tell: Callable[[str], None],
    ) -> None:
        self.options, self.accelerator, self.network = options, accelerator, network
        self.split, self.tell = split, tell
        self.steps_of_epoch = steps_of_epoch
        self.total_steps = min(options.epochs * steps_of_epoch, options.max_steps or sys.maxsize)
        self.warmup = self._warmup_steps()
        self.learning_rate = 0.0
        layers = layers_of(network)
        optimizer = make_optimizer(
            layers,
            options.learning_rate,
            options.weight_decay,
            options.layer_decay,
            tables=tables_of(network),
            table_learning_rate=options.table_learning_rate,
        )
        if options.torch_compile:
            network.compile(dynamic=True)
        self.model, prepared = accelerator.prepare(network, optimizer)
        # Of what is trained now: where the model is split, its parameters are new ones.
        layers = layers_of(network)
        self.thawing = Thawing(layers, options.unfreeze_every, gradients_of_all=accelerator.num_processes > 1)
        # Accelerate's own step looks for a package on the disk each time; only scaling for fp16 needs it.
        own = accelerator.scaler is None and not is_zero(accelerator)
        self.optimizer = optimizer if own else prepared
        self.autocasts = is_split(accelerator)  # else Accelerate has wrapped the model
        self.average = Average(network, options.ema_decay) if options.ema_decay else None

    def _warmup_steps(self) -> int:
        options, total = self.options, self.total_steps
        if options.warmup_steps is None:
            return round(options.warmup_share * total)
        if options.warmup_steps >= total:
            raise RecipeError(
                f"the learning rate can't rise for {options.warmup_steps} steps: the training has {total}",
                where="trainer.warmup_steps",
                hint="fewer of them, or more trainer.epochs",
            )
        return options.warmup_steps

    def start_epoch(self, epoch: int) -> None:
        """Training mode, and the layers that learn in this epoch."""
        self.model.train()
        learning = self.thawing.start_epoch(epoch)
        if self.options.unfreeze_every is not None:
            self.tell(f"epoch {epoch}: {learning} of {self.thawing.layers} layers learn")

    def step(self, batches: list[Rows], state: State, at_rest: Callable[[], AbstractContextManager[None]]) -> Tensor:
        """One step of AdamW on the mean loss of all rows of `batches`.

        Args:
            batches: the rows.
            state: where the training stands.
            at_rest: entered while gradients are computed and nothing is changed.

        Returns:
            The sums of losses and of their weights, [2], on the device: reading them would wait for it.
        """
        options = self.options
        factor = learning_rate_factor(options.schedule, state.step, self.total_steps, self.warmup)
        self.learning_rate = options.learning_rate * factor
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * group["share"]
        with at_rest():
            totals = self.gradients_that_fit(batches, state)
        for group in self.optimizer.param_groups:
            group["texts"] = totals[1]
        self.thawing.drop_gradients()
        if options.max_grad_norm:
            dense = [p for p in self.model.parameters() if p.grad is None or not p.grad.is_sparse]
            self.accelerator.clip_grad_norm_(dense, options.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average is not None:
            self.average.update(state.step + 1)
        return totals

    def gradients_that_fit(self, batches: list[Rows], state: State) -> Tensor:
        """As `gradients`; while memory runs out, with half as many rows at once."""
        device = self.accelerator.device
        random = torch.get_rng_state()
        random_of_gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        while True:
            try:
                return self.gradients(cut(batches, state.micro_batch_size))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self.check_can_halve(state)
            # Only here, where the exception no longer holds what the failed attempt has computed.
            state.micro_batch_size = (state.micro_batch_size + 1) // 2
            self.optimizer.zero_grad()
            torch.set_rng_state(random)
            if random_of_gpu is not None:
                torch.cuda.set_rng_state(random_of_gpu, device)
                torch.cuda.empty_cache()
            size = state.micro_batch_size
            self.tell(f"memory ran out at step {state.step + 1}: now {size} rows at once, as many in a step as before")

    def check_can_halve(self, state: State) -> None:
        """Raise if fewer rows at once are no way out."""
        several = self.accelerator.num_processes > 1  # the others wait for gradients that never come
        if self.options.auto_batch_size and state.micro_batch_size > 1 and not several:
            return
        raise RunError(
            f"memory ran out with {state.micro_batch_size} rows at once",
            where=f"step {state.step + 1}",
            hint="half the trainer.batch_size and twice the trainer.accumulate give the same steps; a smaller "
            "tokenizer.max_length, trainer.gradient_checkpointing or a smaller encoder help, too",
        )

    def gradients(self, batches: list[Rows]) -> Tensor:
        """Compute the gradient of the mean loss of all rows of `batches`; gives the sums of losses and weights."""
        accelerator = self.accelerator
        count = sum(map(len, batches))
        # Sums of many small numbers: float64 where the device has it.
        precise = torch.float32 if accelerator.device.type == "mps" else torch.float64
        totals = torch.zeros(2, dtype=precise, device=accelerator.device)
        for number, rows in enumerate(batches, start=1):
            with nullcontext() if number == len(batches) else accelerator.no_sync(self.model):
                with accelerator.autocast() if self.autocasts else nullcontext():
                    output, counts = forward(accelerator, self.model, self.split, rows)
                loss = output.loss_sum * counts
                own = torch.stack([loss.detach(), output.loss_weight.detach() * counts])
                pair = summed(accelerator, own.to(totals))
                totals += pair
                # A lone batch is divided by its weight right away. With several the whole weight is known only after
                # the last of them, so the gradients are put right then.
                divisor = pair[1].to(loss.dtype) if len(batches) == 1 else count
                # Between processes gradients are averaged, hence the factor.
                accelerator.backward(loss * accelerator.num_processes / divisor)
        if len(batches) > 1:
            correction = count / totals[1]
            for parameter in self.network.parameters():
                if parameter.grad is not None:
                    parameter.grad.mul_(correction)
        return totals
