"""Outputs of a network for encoded rows: the one way that evaluation and prediction share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pegboard.batching import sorted_batches

if TYPE_CHECKING:
    from torch import nn

    from pegboard.tasks.classify import EncodedSplit

__all__ = ["BLOCK", "best_device", "in_blocks", "predict_outputs"]

BLOCK = 16_384
"""Texts that are sorted by length together: enough for hardly any padding."""
_BLOCK_CHARACTERS = 2**24
"""Characters after which a block ends early, so that memory stays flat for long texts, too."""
_CPU_TOKENS = 1_024
"""Padded tokens of a batch on a processor: its intermediate results should stay near the cache."""
_GPU_TOKENS = 32_768


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
    max_tokens = _CPU_TOKENS if device.type == "cpu" else _GPU_TOKENS
    training = network.training
    network.eval()
    results: npt.NDArray[np.float32] | None = None
    with torch.inference_mode():
        for rows in sorted_batches(split.lengths, max_rows=512, max_tokens=max_tokens):
            batch = {name: tensor.to(device) for name, tensor in split.collate(rows).items()}
            outputs = network(batch["input_ids"], batch["attention_mask"]).outputs.float().cpu().numpy()
            if results is None:
                results = np.empty((len(split), *outputs.shape[1:]), np.float32)
            results[rows] = outputs
    network.train(training)
    return results if results is not None else np.empty((0, 0), np.float32)


def in_blocks(texts: Iterable[str] | pa.Array | pa.ChunkedArray) -> Iterator[list[str]]:
    """Texts in lists of `BLOCK`, or fewer where they are long; no more is taken from an iterator than is given on."""
    if isinstance(texts, (pa.Array, pa.ChunkedArray)):
        for start in range(0, len(texts), BLOCK):
            yield texts[start : start + BLOCK].to_pylist()
        return
    block, characters = [], 0
    for text in texts:
        block.append(text)
        characters += len(text) if isinstance(text, str) else 0
        if len(block) == BLOCK or characters >= _BLOCK_CHARACTERS:
            yield block
            block, characters = [], 0
    if block:
        yield block
