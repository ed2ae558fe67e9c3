"""`model.safetensors` as input: what its header claims is checked before a network is built or a tensor is read."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pegboard.errors import ArtifactError
from pegboard.untrusted import open_file, parse_json, shortened

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Claim", "all_finite", "load_weights", "no_larger_than", "read_claims", "read_tensors"]

_HEADER_BYTES = 16 * 2**20
_DIMENSIONS = 16
_FLOATS = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8}
_ITEM_BYTES = {**_FLOATS, "I8": 1, "U8": 1, "BOOL": 1, "I16": 2, "U16": 2, "I32": 4, "U32": 4, "I64": 8, "U64": 8}
_TORCH_NAMES = {
    "bool": "BOOL",
    **{f"{sign}int{bits}": f"{sign or 'I'}{bits}".upper() for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
_SLACK = 2**16
_HINT = "copy the model again, or train it again"


class Claim(NamedTuple):
    """What a header says of a tensor.

    Attributes:
        dtype: its type, by the name that safetensors gives it: `F32`.
        shape: its shape.
    """

    dtype: str
    shape: tuple[int, ...]


def read_claims(file: Path) -> dict[str, Claim]:
    """The tensors of a safetensors file by name; none of them is read.

    The tensors lie one after the other from the header to the end of the file, as in all that safetensors writes.

    Raises:
        ArtifactError: the header is damaged or too large, tensors overlap, leave gaps or end beyond the file, or one
            has a type that is not known.
    """
    where = str(file)
    with open_file(file) as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > size - 8:
            raise ArtifactError("can't be read: its header is longer than the file", where=where, hint=_HINT)
        if length > _HEADER_BYTES:
            raise ArtifactError(f"can't be read: its header has {length:,} bytes", where=where)
        header = parse_json(stream.read(length), where)
    if not isinstance(header, dict):
        raise ArtifactError("can't be read: its header is not a JSON object", where=where)
    header.pop("__metadata__", None)
    places = sorted(_place(entry, name, where) for name, entry in header.items())
    end = 0
    for first, last, name in places:
        if first != end:
            raise ArtifactError(
                f"can't be read: {shortened(name)} does not begin where the tensor before it ends", where=where
            )
        end = last
    if end != size - 8 - length:
        raise ArtifactError(
            f"can't be read: its tensors take {end:,} bytes, and {size - 8 - length:,} are there",
            where=where,
            hint=_HINT,
        )
    return {name: Claim(header[name]["dtype"], tuple(header[name]["shape"])) for _, _, name in places}


def _place(entry: Any, name: str, where: str) -> tuple[int, int, str]:
    """Where a tensor begins and ends, and its name."""
    named = shortened(name)
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ArtifactError(f"can't be read: {named} is not described as a tensor", where=where)
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _ITEM_BYTES:
        raise ArtifactError(f"can't be read: {named} is of the unknown type {shortened(dtype)}", where=where)
    if not _are_sizes(shape) or len(shape) > _DIMENSIONS or not _are_sizes(offsets) or len(offsets) != 2:
        raise ArtifactError(f"can't be read: {named} has no usable shape or place", where=where)
    first, last = offsets
    if last - first != math.prod(shape) * _ITEM_BYTES[dtype]:
        raise ArtifactError(
            f"can't be read: {named} has the shape {shortened(tuple(shape))} and {shortened(last - first)} bytes",
            where=where,
        )
    return first, last, name


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(size) is int and 0 <= size < 2**63 for size in value)


def read_tensors(file: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file by name, on the CPU; the file need not be trusted.

    Raises:
        ArtifactError: the file is damaged, is a link, or claims what it does not hold; see `read_claims`.

    Example:
        >>> weights = pegboard.read_tensors(folder / "model.safetensors")
        >>> weights["head.bias"].shape
        torch.Size([3])
    """
    read_claims(file)
    return _all_tensors(file)


def _all_tensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(file)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"can't be read: {error}", where=str(file)) from None
    return tensors


@contextmanager
def no_larger_than(claims: Mapping[str, Claim], where: str) -> Iterator[None]:
    """Stop the building of a network, in this thread, that grows far beyond the tensors that are there for it.

    Options of a few bytes can describe a network that no machine has the memory for. A parameter is counted when its
    module registers it, which is before anything is written to its memory.

    Raises:
        ArtifactError: the network has several times as many parameters as `claims`.
    """
    from torch.nn.modules import module

    there = sum(math.prod(claim.shape) for claim in claims.values())
    thread, counted = threading.get_ident(), 0

    def count(_: Any, name: str, parameter: Tensor | None) -> None:
        nonlocal counted
        if parameter is None or threading.get_ident() != thread:
            return
        counted += parameter.numel()
        if counted > 4 * there + _SLACK:
            raise ArtifactError(
                f"describes a network of more than {counted:,} parameters, and model.safetensors has {there:,}",
                where=where,
                hint="config.json and model.safetensors are not of the same model",
            )

    hook = module.register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def all_finite(tensor: Tensor) -> bool:
    """Whether no value is infinite or not a number. Both show in the extremes, for which no memory is needed."""
    import torch

    return not tensor.is_floating_point() or not tensor.numel() or bool(torch.stack(tensor.aminmax()).isfinite().all())


def load_weights(
    network: nn.Module, file: Path, claims: Mapping[str, Claim], saved_names: Mapping[str, str], labels: int
) -> None:
    """Copy the tensors of a file into a network; all of them must be there, and no other.

    Args:
        network: whose weights are replaced.
        file: the safetensors file.
        claims: what its header says.
        saved_names: for each name in the network's state, the name in the file.
        labels: number of labels, for messages.

    Raises:
        ArtifactError: a tensor is missing, is one too many, has another shape or type, or holds values that are not
            numbers.
    """
    where = str(file)
    state = network.state_dict()
    _compare({saved_names[name]: tensor for name, tensor in state.items()}, claims, where, saved_names, labels)
    found = _all_tensors(file)
    weights = {name: found[saved_names[name]].to(tensor.dtype) for name, tensor in state.items()}
    for name, tensor in weights.items():
        if not all_finite(tensor):
            raise ArtifactError(f"{saved_names[name]} holds values that are not numbers", where=where, hint=_HINT)
    network.load_state_dict(weights)


def _compare(
    wanted: Mapping[str, Tensor], claims: Mapping[str, Claim], where: str, saved_names: Mapping[str, str], labels: int
) -> None:
    """Compare what is in the file with what the network has, name by name."""
    head = {saved for name, saved in saved_names.items() if name.startswith("head.")}
    missing, more = sorted(wanted.keys() - claims.keys()), sorted(claims.keys() - wanted.keys())
    if missing:
        hint = "without its last layer the network has no labels: this is no trained classifier"
        raise ArtifactError(
            f"lacks the tensors {_listed(missing)}", where=where, hint=hint if head & {*missing} else _HINT
        )
    if more:
        raise ArtifactError(f"has besides the tensors {_listed(more)}", where=where, hint=_HINT)
    for name, tensor in wanted.items():
        dtype, shape = claims[name]
        own = str(tensor.dtype).removeprefix("torch.")
        if shape != tuple(tensor.shape):
            said = f"{name} has the shape {shortened(shape)}, not {tuple(tensor.shape)}"
            counts = (
                f"config.json names {labels} labels, the weights have {shape[0]}" if name in head and shape else None
            )
            raise ArtifactError(said, where=where, hint=counts)
        allowed = {*_FLOATS} if tensor.is_floating_point() else {_TORCH_NAMES.get(own)}
        if dtype not in allowed:
            raise ArtifactError(f"{name} is of type {dtype}, not {own}", where=where)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(shortened(name, most=80) for name in names[:5]) + more
