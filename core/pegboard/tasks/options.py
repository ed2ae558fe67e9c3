"""The recipe's `[task]` table for classification."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pegboard.errors import RecipeError
from pegboard.options import Options

__all__ = ["ClassifyOptions"]


class ClassifyOptions(Options):
    """Options of the classification task."""

    dropout: float = Field(0.1, ge=0, lt=1)
    """the share of the pooled vector that is zeroed in training, before the linear layer"""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced weighs each row by the inverse frequency of its label in train"""
    sampling: Literal["all", "balanced"] = "all"
    """which rows an epoch trains on: all of them, once; balanced: as many, but each label equally often, so that rows
    of rare labels come several times and of frequent ones only some"""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """how much of the target is spread evenly over all labels"""
    focal_gamma: float = Field(0.0, ge=0)
    """focal loss: rows whose label is probable already count less, the more so the larger it is; often 2; 0 = off"""
    window_pooling: Literal["mean", "max"] = "mean"
    """what the predictions for the windows of a long text become, where tokenizer.long_texts=windows: the mean of their
    probabilities, or for each label the largest"""

    @model_validator(mode="after")
    def _balanced_once(self) -> ClassifyOptions:
        if self.class_weights == self.sampling == "balanced":
            raise RecipeError(
                "both class_weights and sampling are balanced: rare labels would count twice over",
                where="task.sampling",
                hint="--set task.class_weights=none, or --set task.sampling=all",
            )
        return self
