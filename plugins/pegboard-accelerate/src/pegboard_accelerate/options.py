"""Options of the trainer `accelerate`."""

from __future__ import annotations

from typing import Annotated, Literal

from pegboard import Options
from pydantic import Field

__all__ = ["AccelerateOptions"]


class AccelerateOptions(Options):
    """How the model is trained."""

    epochs: int = Field(6, ge=1)
    """the most passes over the training rows"""
    max_steps: int | None = Field(None, ge=1)
    """stop after this many optimizer steps, also within an epoch; the learning rate schedule ends there too"""
    batch_size: int = Field(32, ge=1)
    """rows of a batch over all processes; each process takes its share"""
    accumulate: int = Field(1, ge=1)
    """batches that make up one optimizer step; the result is that of one batch as large as all of them"""
    learning_rate: float = Field(1e-3, gt=0)
    """the highest learning rate of the schedule"""
    weight_decay: float = Field(0.01, ge=0)
    """AdamW's weight decay; biases and normalization weights are exempt"""
    schedule: Literal["linear", "cosine", "constant", "one_cycle"] = "linear"
    """how the learning rate goes on after warming up: falls in a line or a half cosine to 0, stays, or follows the
    one-cycle policy (up and down in half cosines; 0.3 is then a usual warmup_share)"""
    warmup_share: float = Field(0.06, ge=0, lt=1)
    """the share of the steps in which the learning rate rises"""
    max_grad_norm: float = Field(1.0, ge=0)
    """gradients of a larger norm are scaled down to it; 0 = off"""
    precision: Literal["auto", "no", "bf16", "fp16"] = "auto"
    """what matrix products are computed in: no = float32; bf16; fp16 (GPU only); auto = bf16 if the
    device has instructions for it and the model a million parameters besides embeddings, else no"""
    monitor: str = Field("macro_f1", min_length=1)
    """the validation figure that decides which epoch was best; of loss, lower is better, of others higher"""
    patience: int | None = Field(None, ge=1)
    """stop when this many epochs in a row were no better than the best"""
    restore_best: bool = True
    """end with the weights of the best epoch instead of the last one's"""
    length_buckets: int = Field(50, ge=1)
    """batches in a stretch of shuffled rows that is sorted by length, so that little is padded; 1 = off"""
    log_every: int = Field(50, ge=1)
    """optimizer steps between two lines in log.jsonl"""
    threads: int | None = Field(None, ge=1)
    """processor threads of each process; without a value torch decides"""
    checkpoint_every: Literal["epoch"] | Annotated[int, Field(ge=0)] = "epoch"
    """how often the state is saved: each epoch, or a number of optimizer steps; 0 = only when interrupted"""
    deterministic: bool = True
    """have torch choose kernels that give the same bits each time; on a GPU some are slower"""
