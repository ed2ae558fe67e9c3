"""What an encoder must do.

The contract is a protocol, not a base class: an encoder is an ordinary `torch.nn.Module` and needs to inherit
nothing from Pegboard, and this module needs no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Encoder", "EncoderOutput", "SavesForTransformers"]


class EncoderOutput(NamedTuple):
    """What an encoder returns.

    Attributes:
        states: float [batch, time, hidden], one vector a position. With downsampling, time may be shorter than
            the input's.
        pooled: float [batch, hidden], one vector a text.
    """

    states: Tensor
    pooled: Tensor


@runtime_checkable
class Encoder(Protocol):
    """A `torch.nn.Module` that turns ids into vectors.

    It is built as `factory(options, vocab)` with its option schema and a `pegboard.VocabInfo`. Padding, on the right,
    never changes a result: the states and the pooled vector of a text are the same whatever else is in its batch.

    Optional methods: `layers()` returns its modules from the input to the output, for trainers that treat layers
    unlike; without it they go by the order of definition. `gradient_checkpointing_enable` and
    `gradient_checkpointing_disable`, as models of transformers have them, may be those of a module inside.
    `pool(input_ids, attention_mask)` gives the pooled vector alone, where that is cheaper than the states as well.

    Attributes:
        hidden_size: the size of the vectors.
        max_length: the most positions it can take, or `None` if there is no limit.
    """

    hidden_size: int
    max_length: int | None

    def __call__(self, input_ids: Tensor, attention_mask: Tensor) -> EncoderOutput:
        """Encode a batch.

        Args:
            input_ids: int64 [batch, time].
            attention_mask: int64 or bool [batch, time]; 1 for tokens, 0 for padding.
        """
        ...


@runtime_checkable
class SavesForTransformers(Protocol):
    """An encoder whose saved model `transformers` opens as well.

    Attributes:
        weight_names: prefixes of parameter names here, and what stands for them in `model.safetensors`,
            for example `{"encoder.bert.": "bert.", "head.": "classifier."}`.
    """

    weight_names: dict[str, str]

    def transformers_config(self) -> dict[str, Any]:
        """The entries of `config.json` from which transformers builds the same architecture."""
        ...

    @classmethod
    def from_saved(cls, options: Any, vocab: Any, folder: Path) -> Any:
        """The architecture of a saved model, read from its `config.json`; its weights are loaded afterwards."""
        ...
