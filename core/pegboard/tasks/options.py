"""The recipe's `[task]` table for classification."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pegboard.options import Options

__all__ = ["ClassifyOptions"]


class ClassifyOptions(Options):
    """Options of the classification task."""

    dropout: float = Field(0.1, ge=0, lt=1)
    """the share of the pooled vector that is zeroed in training, before the linear layer"""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced weighs each row by the inverse frequency of its label in train"""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """how much of the target is spread evenly over all labels"""
