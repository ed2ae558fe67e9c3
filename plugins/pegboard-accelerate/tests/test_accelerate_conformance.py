"""The trainer keeps the contract of its kind, whatever its options."""

from __future__ import annotations

from typing import Any, ClassVar

from pegboard.testing import TrainerConformance


class TestDefaults(TrainerConformance):
    component = "accelerate"


class TestCheckpointsByTheStep(TrainerConformance):
    component = "accelerate"
    options: ClassVar[dict[str, Any]] = {"checkpoint_every": 4, "schedule": "one_cycle", "restore_best": False}


class TestAccumulating(TrainerConformance):
    component = "accelerate"
    options: ClassVar[dict[str, Any]] = {"accumulate": 2, "batch_size": 8}


class TestBatchesMadeAhead(TrainerConformance):
    component = "accelerate"
    options: ClassVar[dict[str, Any]] = {"data_workers": 1}
