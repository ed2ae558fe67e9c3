"""What a trainer knows of the run it works for."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard.console import Console, Progress, silent
from pegboard.files import cannot_write

if TYPE_CHECKING:
    from pegboard.plugins.registry import Registry
    from pegboard.recipe import Recipe

__all__ = ["RunContext", "is_main_process"]


def is_main_process() -> bool:
    """Whether this process writes the run; with several, launched by Accelerate or torchrun, only rank 0 does."""
    return int(os.environ.get("RANK", "0")) == 0


@dataclass(frozen=True)
class RunContext:
    """The run folder, the seed, and the ways to report.

    Attributes:
        folder: the run folder.
        recipe: the resolved recipe.
        registry: the installed components.
        console: where a person reads along.
        is_main: only the main process writes.
        track: the trackers that the user has switched on, each with where it is to write; an empty place leaves that to
            the tracker.
    """

    folder: Path
    recipe: Recipe
    registry: Registry
    console: Console = silent
    is_main: bool = field(default_factory=is_main_process)
    track: Mapping[str, str] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """The recipe's seed."""
        return self.recipe.seed

    @property
    def identity(self) -> str:
        """The hash of the recipe and its data: state of another run must not be continued."""
        return self.recipe.identity()

    @property
    def checkpoints(self) -> Path:
        """The folder where a trainer keeps its state; removed when the run is complete."""
        return self.folder / "checkpoints"

    def log(self, **record: Any) -> None:
        """Append one line to `log.jsonl`, with the time, and tell the plugins that listen.

        Raises:
            RunError: it can't be written.
        """
        if self.is_main:
            file = self.folder / "log.jsonl"
            record = {**record, "time": round(time.time(), 3)}
            try:
                with file.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(record) + "\n")
            except OSError as error:
                raise cannot_write(file, error) from error
            self.registry.lifecycle("pegboard_logged", run=self, record=record)

    def progress(self, description: str, total: int, done: int = 0) -> AbstractContextManager[Progress]:
        """A progress bar over `total` examples."""
        return (self.console if self.is_main else silent).progress(description, total, done)

    def epoch_finished(self, metrics: Mapping[str, float]) -> None:
        """Log an epoch's figures, show them, and tell the plugins that listen."""
        if not self.is_main:
            return
        self.log(event="epoch", **metrics)
        shown = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items() if name != "epoch")
        self.console.note(f"epoch {metrics['epoch']}: {shown}".rstrip(": "))
        self.registry.lifecycle("pegboard_epoch_finished", run=self, metrics=metrics)
