"""Which parameters learn, and when: the layers of a model, what is frozen, and thawing from the top down."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pegboard import RecipeError, one_of
from torch import nn

__all__ = ["Layer", "Thawing", "check_several", "frozen_parts", "layers_of"]

Layer = list[nn.Parameter]


def layers_of(model: nn.Module) -> list[Layer]:
    """The learning parameters of each layer, from the input to the output.

    The parts of the model are its layers, in the order in which they are defined. A part that holds a list of modules
    (`nn.ModuleList`, `nn.Sequential`) falls into its own parts, and the list into its elements. A module that knows
    better has a method `layers()` that gives its modules from the input to the output. What two layers share belongs
    to the first of them, and what is in none of a module's parts to its first.

    Example:
        >>> model = nn.Sequential(nn.Embedding(9, 4), nn.Dropout(), nn.Linear(4, 2))
        >>> [len(layer) for layer in layers_of(model)]
        [1, 2]
    """
    seen: set[int] = set()
    layers = []
    for parameters in _parts(model, top=True):
        own = list({id(p): p for p in parameters if p.requires_grad and id(p) not in seen}.values())
        seen |= {id(p) for p in own}
        if own:
            layers.append(own)
    return layers


def _parts(module: nn.Module, *, top: bool = False) -> list[Layer]:
    offered = getattr(module, "layers", None)
    if inspect.ismethod(offered):  # and not a list of modules that happens to have this name
        parts = [list(part.parameters()) for part in offered()]
    elif isinstance(module, nn.ModuleList | nn.Sequential):
        parts = [list(part.parameters()) for part in module]
    elif top or any(isinstance(part, nn.ModuleList | nn.Sequential) for part in module.modules()):
        parts = [layer for part in module.children() for layer in _parts(part)]
    else:
        return [list(module.parameters())]
    found = {id(parameter) for part in parts for parameter in part}
    rest = [parameter for parameter in module.parameters() if id(parameter) not in found]
    return [rest + parts[0], *parts[1:]] if parts else [rest]


def check_several(layers: Sequence[Layer], option: str) -> None:
    """Raise a RecipeError if there is but one layer, where an option treats layers unlike."""
    if len(layers) == 1:
        raise RecipeError(
            "the model has a single layer that learns",
            where=f"trainer.{option}",
            hint="leave it out, or give the encoder a method layers() that returns its modules from input to output",
        )


@contextmanager
def frozen_parts(model: nn.Module, names: Sequence[str]) -> Iterator[None]:
    """Freeze the named parts, and put back afterwards what needed gradients, also what was thawed meanwhile.

    Args:
        model: the model.
        names: names of modules or parameters: `encoder`, `encoder.embedding`.

    Raises:
        RecipeError: the model has no such part.
    """
    before = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    modules, parameters = dict(model.named_modules()), dict(model.named_parameters())
    for name in names:
        if not name or name not in modules | parameters:
            known = [known for known in [*modules, *parameters] if known]
            short = [part for part in known if part.count(".") <= 1]
            hint = one_of(name, known)
            raise RecipeError(
                f"the model has no part {name!r}",
                where="trainer.freeze",
                hint=hint if hint.startswith("did") else one_of(name, short),
            )
        for parameter in modules[name].parameters() if name in modules else [parameters[name]]:
            parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, needed in before:
            parameter.requires_grad_(needed)


class Thawing:
    """Gradual unfreezing: first the last layer learns, then one more at a time.

    Source: Howard and Ruder (2018), arXiv:1801.06146.

    Args:
        layers: as `layers_of` gives them.
        every: epochs after which one more layer learns; `None` = all learn from the start.
        gradients_of_all: keep computing the gradients of what does not learn yet, and throw them away: several
            processes that share their gradients can't change which ones there are.

    Raises:
        RecipeError: there is but one layer.
    """

    def __init__(self, layers: Sequence[Layer], every: int | None, *, gradients_of_all: bool = False) -> None:
        if every is not None:
            check_several(layers, "unfreeze_every")
        self._layers, self._every, self._gradients_of_all = layers, every, gradients_of_all
        self._waiting: Layer = []

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self._layers)

    def start_epoch(self, epoch: int) -> int:
        """Set which layers learn in an epoch, counted from 1; gives their number."""
        if self._every is None:
            return len(self._layers)
        learning = min(len(self._layers), 1 + (epoch - 1) // self._every)
        split = len(self._layers) - learning
        self._waiting = [parameter for layer in self._layers[:split] for parameter in layer]
        if not self._gradients_of_all:
            for number, layer in enumerate(self._layers):
                for parameter in layer:
                    parameter.requires_grad_(number >= split)
        return learning

    def drop_gradients(self) -> None:
        """Before the optimizer's step: what does not learn yet has no gradient."""
        for parameter in self._waiting:
            parameter.grad = None
