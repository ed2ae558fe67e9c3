"""The recipe's `[task]` table: what is learned, by name, and its options."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from pegboard.errors import RecipeError, one_of
from pegboard.options import Options

__all__ = ["TASKS", "ClassifyOptions", "MultiLabelOptions", "TaskOptions", "task_options"]


class TaskOptions(Options):
    """Options that every task has."""

    task: ClassVar[str]
    """the name of the task"""

    dropout: float = Field(0.1, ge=0, lt=1)
    """the share of the pooled vector that is zeroed in training, before the linear layer"""
    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0)]] = "none"
    sampling: Literal["all", "balanced"] = "all"
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    focal_gamma: float = Field(0.0, ge=0)
    window_pooling: Literal["mean", "max"] = "mean"
    """what the predictions for the windows of a long text become, where tokenizer.long_texts=windows: the mean of their
    probabilities, or for each label the largest"""

    @field_validator("class_weights", mode="before")
    @classmethod
    def _weights_are_positive(cls, value: Any) -> Any:
        for label, weight in value.items() if isinstance(value, dict) else ():
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < math.inf:
                raise RecipeError(
                    f"should be a number greater than 0, not {weight!r}", where=f"task.class_weights.{label}"
                )
        return value


class ClassifyOptions(TaskOptions):
    """Options of the task `classify`: each text has one label."""

    task: ClassVar[str] = "classify"

    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0)]] = "none"
    """how much rows count in the loss, by their label: a table of labels and weights, in which labels that it does not
    name have 1; or balanced, the inverse frequency of the label in train"""
    sampling: Literal["all", "balanced"] = "all"
    """which rows an epoch trains on: all of them, once; balanced: as many, but each label equally often, so that rows
    of rare labels come several times and of frequent ones only some"""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """how much of the target is spread evenly over all labels"""
    focal_gamma: float = Field(0.0, ge=0)
    """focal loss: rows whose label is probable already count less, the more so the larger it is; often 2; 0 = off"""

    @model_validator(mode="after")
    def _balanced_once(self) -> ClassifyOptions:
        if self.class_weights == self.sampling == "balanced":
            raise RecipeError(
                "both class_weights and sampling are balanced: rare labels would count twice over",
                where="task.sampling",
                hint="--set task.class_weights=none, or --set task.sampling=all",
            )
        return self


class MultiLabelOptions(TaskOptions):
    """Options of the task `multi-label`: each text has any number of labels, each decided by itself."""

    task: ClassVar[str] = "multi-label"

    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0)]] = "none"
    """how much the rows that have a label count in its loss, those without it counting 1: a table of labels and
    weights, in which labels that it does not name have 1; or balanced, as many rows of train lack the label for each
    that has it"""
    sampling: Literal["all"] = "all"
    """which rows an epoch trains on: all of them, once; rows with several labels can't be drawn so that each label
    comes equally often, class_weights=balanced takes the place of that"""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """how far the targets 1 and 0 of each label move to a half"""
    focal_gamma: float = Field(0.0, ge=0)
    """focal loss: decisions that are right and sure already count less, the more so the larger it is; often 2; 0 =
    off"""
    threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["tuned"] = 0.5
    """the probability from which on a text has a label; tuned: after training, the one threshold for all labels at
    which the micro F1 of validation is best"""

    @field_validator("sampling", mode="before")
    @classmethod
    def _not_balanced(cls, value: Any) -> Any:
        if value == "balanced":
            raise RecipeError(
                "rows with several labels can't be drawn so that each label comes equally often",
                where="task.sampling",
                hint="--set task.class_weights=balanced takes the place of that",
            )
        return value


TASKS: dict[str, type[TaskOptions]] = {schema.task: schema for schema in (ClassifyOptions, MultiLabelOptions)}
"""The option schema of each task."""


def task_options(name: Any) -> type[TaskOptions]:
    """The option schema of a task.

    Raises:
        RecipeError: there is no such task.
    """
    if not isinstance(name, str) or name not in TASKS:
        raise RecipeError(f"there is no task {name!r}", where="task.name", hint=one_of(str(name), TASKS))
    return TASKS[name]
