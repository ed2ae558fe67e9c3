"""A one-file plugin for the tests: a handful of rows, and a trainer that takes two steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from pegboard import ComponentSpec, DatasetOptions, Trainer, hookimpl

ROWS = {
    "train": [("i am so happy today", 0), ("this is sad and bad", 1), ("happy happy day", 0), ("a bad sad day", 1)],
    "validation": [("happy", 0), ("so sad", 1)],
    "test": [("what a happy day [SEP] today", 0), ("bad, bad DAY!", 1), ("unseen wörds", 1)],
}


@hookimpl
def pegboard_datasets():
    yield ComponentSpec(
        name="few", factory="bert_toys:Few", options="pegboard:DatasetOptions", summary="a handful of rows"
    )


@hookimpl
def pegboard_trainers():
    yield ComponentSpec(name="twosteps", factory="bert_toys:TwoSteps", summary="two steps of SGD")


class Few:
    def __init__(self, options: DatasetOptions) -> None:
        pass

    def load(self) -> Any:
        import datasets

        label = datasets.ClassLabel(names=["joy", "sadness"])
        features = datasets.Features({"text": datasets.Value("string"), "label": label})
        return datasets.DatasetDict(
            {
                split: datasets.Dataset.from_dict(
                    {"text": [text for text, _ in rows], "label": [number for _, number in rows]}, features=features
                )
                for split, rows in ROWS.items()
            }
        )


class TwoSteps(Trainer):
    def fit(self, model: Any, data: Any, run: Any) -> dict[str, Any]:
        optimizer = torch.optim.SGD(model.parameters(), 0.5)
        for _ in range(2):
            step = model(**data.train.collate(np.arange(len(data.train))))
            (step.loss_sum / step.loss_weight).backward()
            optimizer.step()
            optimizer.zero_grad()
        return {"seconds": 0.0, "epochs": 2}
