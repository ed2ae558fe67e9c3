"""Options of the trainer `accelerate`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pegboard import Options
from pydantic import Field, field_validator

__all__ = ["AccelerateOptions"]


class AccelerateOptions(Options):
    """How the model is trained."""

    changes_no_result: ClassVar[frozenset[str]] = frozenset({"data_workers"})

    epochs: int = Field(6, ge=1)
    """the most passes over the training rows"""
    max_steps: int | None = Field(None, ge=1)
    """stop after this many optimizer steps, also within an epoch; the learning rate schedule ends there too"""
    max_minutes: float | None = Field(None, gt=0)
    """stop after this many minutes of training and validation, also within an epoch, and over all resumptions; the
    learning rate schedule is that of epochs and max_steps, and what is reached in the time depends on the machine"""
    batch_size: int = Field(32, ge=1)
    """rows of a batch over all processes; each process takes its share"""
    accumulate: int = Field(1, ge=1)
    """batches that make up one optimizer step; the result is that of one batch as large as all of them"""
    min_epoch_steps: int = Field(1, ge=1)
    """the least optimizer steps of an epoch: where rows are few, batches are smaller than batch_size"""
    auto_batch_size: bool = True
    """when memory runs out, compute half as many rows at once and accumulate, so that steps have as many rows as
    before; with several processes, or if false, the training stops"""
    learning_rate: float = Field(1e-3, gt=0)
    """the highest learning rate of the schedule"""
    table_learning_rate: float = Field(1.0, gt=0)
    """the same for embedding tables with sparse gradients, as the encoder bow has them: the rate of a single text's
    gradient, whatever the batch size, which for each row falls as its gradients add up"""
    layer_decay: float = Field(1.0, gt=0, le=1)
    """the last layer learns at the learning rate, each one below at this part of the rate above it; 1 = all alike"""
    weight_decay: float = Field(0.01, ge=0)
    """AdamW's weight decay; biases and normalization weights are exempt"""
    schedule: Literal["linear", "cosine", "constant", "one_cycle"] = "linear"
    """how the learning rate goes on after warming up: falls in a line or a half cosine to 0, stays, or follows the
    one-cycle policy (up and down in half cosines; 0.3 is then a usual warmup_share)"""
    warmup_share: float = Field(0.06, ge=0, lt=1)
    """the share of the steps in which the learning rate rises"""
    warmup_steps: int | None = Field(None, ge=0)
    """the same as a number of steps; takes the place of warmup_share"""
    max_grad_norm: float = Field(1.0, ge=0)
    """gradients of a larger norm are scaled down to it; 0 = off; sparse ones don't count"""
    ema_decay: float = Field(0.0, ge=0, lt=1)
    """validate and keep an exponential moving average of the weights, of which each step keeps this part, for example
    0.999; 0 = off"""
    freeze: tuple[str, ...] = ()
    """parts of the model that do not learn, by names of modules or parameters: encoder, or ["encoder.embedding", …]"""
    unfreeze_every: int | None = Field(None, ge=1)
    """gradual unfreezing: only the last layer learns in the first epochs, so many epochs later one more, and so on"""
    precision: Literal["auto", "no", "bf16", "fp16"] = "auto"
    """what matrix products are computed in: no = float32; bf16; fp16 (GPU only); auto = bf16 if the
    device has instructions for it and the model a million parameters besides embeddings, else no"""
    monitor: str = Field("macro_f1", min_length=1)
    """the validation figure that decides which epoch was best"""
    greater_is_better: bool | None = None
    """whether more of it is better; without a value it is, unless its name ends in loss, perplexity or error"""
    patience: int | None = Field(None, ge=1)
    """stop when the figure has not become better for this many epochs in a row"""
    min_delta: float = Field(0.0, ge=0)
    """by how much it must become better for patience to start anew"""
    restore_best: bool = True
    """end with the weights of the best epoch instead of the last one's"""
    length_buckets: int = Field(50, ge=1)
    """batches in a stretch of shuffled rows that is sorted by length, so that little is padded; 1 = off"""
    log_every: int = Field(50, ge=1)
    """optimizer steps between two lines in log.jsonl"""
    threads: int | None = Field(None, ge=1)
    """processor threads of each process; without a value torch decides"""
    data_workers: int = Field(0, ge=0, le=64)
    """threads of each process that put batches together ahead of their use, for data whose rows are slow to read; the
    result is the same with any number, also of a training that is continued with another"""
    checkpoint_every: Literal["epoch"] | Annotated[int, Field(ge=0)] = "epoch"
    """how often the state is saved: each epoch, or a number of optimizer steps; 0 = only when interrupted"""
    gradient_checkpointing: bool = False
    """compute again in the backward pass what would fill the memory: slower, same result; for encoders that can"""
    torch_compile: bool = False
    """train with torch.compile: a minute or more to start, then maybe faster; a resumed training may differ in the last
    bits, since kernels depend on the batches that come first"""
    deterministic: bool = True
    """have torch choose kernels that give the same bits each time; on a GPU some are slower"""

    def fitting(self, rows: int) -> AccelerateOptions:
        """The same options with batches that are small enough for `min_epoch_steps`, as far as there are enough rows.

        Example:
            >>> AccelerateOptions(batch_size=512, min_epoch_steps=50).fitting(1000).batch_size
            20
        """
        if self.min_epoch_steps == 1:
            return self
        most = (rows - 1) // (self.accumulate * (self.min_epoch_steps - 1))
        return self.model_copy(update={"batch_size": max(1, min(self.batch_size, most))})

    @field_validator("freeze", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
