"""AdamW and its parameter groups."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from pegboard import RecipeError

from pegboard_accelerate.layers import Layer, check_several
from pegboard_accelerate.tables import AdamWAndTables

__all__ = ["make_optimizer"]


def make_optimizer(
    layers: Sequence[Layer],
    learning_rate: float,
    weight_decay: float,
    layer_decay: float = 1.0,
    *,
    tables: Collection[int] = (),
    table_learning_rate: float = 1.0,
) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter, 2019, arXiv:1711.05101) in its fused form where the device has one.

    Parameters of one dimension, biases and the weights of normalizations, do not decay.

    Args:
        layers: the learning parameters of each layer, from the input to the output.
        learning_rate: the highest; each group's entry `share` says which part of it the group gets.
        weight_decay: AdamW's.
        layer_decay: the last layer gets the whole rate and each one below it this part of the one above
            (Howard and Ruder, 2018, arXiv:1801.06146, call it discriminative fine-tuning).
        tables: the `id` of each parameter whose gradients are sparse; these are no part of AdamW.
        table_learning_rate: their highest learning rate, see `AdamWAndTables`.

    Raises:
        RecipeError: all parameters are frozen, or there is but one layer to set rates apart in.
    """
    if not layers:
        raise RecipeError(
            "the model has nothing to learn: all its parameters are frozen",
            where="encoder",
            hint="trainer.freeze must leave something, at least head",
        )
    if layer_decay == 1.0:
        layers = [[parameter for layer in layers for parameter in layer]]
    else:
        check_several(layers, "layer_decay")
    groups = []
    for depth, layer in enumerate(reversed(layers)):
        share = layer_decay**depth
        dense = [p for p in layer if id(p) not in tables]
        decaying = [p for p in dense if p.ndim > 1 and weight_decay]
        rest = [p for p in dense if p.ndim <= 1 or not weight_decay]
        groups.append({"params": decaying, "weight_decay": weight_decay, "share": share})
        groups.append({"params": rest, "weight_decay": 0.0, "share": share})
        groups.append(
            {
                "params": [p for p in layer if id(p) in tables],
                "table": True,
                "weight_decay": 0.0,
                "share": share * table_learning_rate / learning_rate,
            }
        )
    learned = [parameter for layer in layers for parameter in layer]
    fused = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in learned)
    optimizer = AdamWAndTables if tables else torch.optim.AdamW
    return optimizer([group for group in groups if group["params"]], lr=learning_rate, fused=fused)
