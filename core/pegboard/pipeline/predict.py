"""Outputs of a network for encoded rows: the one way that evaluation and prediction share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pegboard.batching import sorted_batches

if TYPE_CHECKING:
    from torch import nn

    from pegboard.tasks.classify import EncodedSplit

__all__ = ["best_device", "predict_outputs"]


def best_device() -> Any:
    """The device to predict on: a GPU if there is one, else the CPU."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def predict_outputs(network: nn.Module, split: EncodedSplit) -> npt.NDArray[np.float32]:
    """The network's outputs float32 [rows, ...] in row order, in evaluation mode, without gradients.

    The batches depend on the rows' lengths only, so the same rows give the same bytes.
    """
    import torch

    device = next(network.parameters()).device
    training = network.training
    network.eval()
    results: npt.NDArray[np.float32] | None = None
    with torch.inference_mode():
        for rows in sorted_batches(split.lengths):
            batch = {name: tensor.to(device) for name, tensor in split.collate(rows).items()}
            outputs = network(**batch).outputs.float().cpu().numpy()
            if results is None:
                results = np.empty((len(split), *outputs.shape[1:]), np.float32)
            results[rows] = outputs
    network.train(training)
    return results if results is not None else np.empty((0, 0), np.float32)
