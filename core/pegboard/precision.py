"""In which numbers to predict: what this machine can do, and how well the labels agree with those of float32."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pegboard.errors import UsageError, one_of

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["CHOICES", "PRECISIONS", "Comparison", "PreciseNetwork", "available_precisions"]

PRECISIONS = ("f32", "bf16", "int8")
"""float32; bfloat16; linear layers of the encoder in 8-bit integers and the rest in float32"""
CHOICES = (*PRECISIONS, "auto")

SAMPLE = 1024
"""Texts whose labels are compared with those of float32."""
_FASTER = 1.25
"""How many times as fast as float32 `auto` wants a precision to be: less is not worth other probabilities, nor is it
safely told from the noise of a busy machine."""
_AGREEING = 0.99
"""Share of the compared texts that must keep their label for `auto` to choose a precision."""

Labels = npt.NDArray[Any]


@dataclass(frozen=True)
class Comparison:
    """How a precision did on a sample of the texts, compared with float32.

    Attributes:
        texts: how many texts were compared.
        same: how many of them got the same label, or the same labels.
        speedup: how many times as fast as float32 they were predicted.
    """

    texts: int = 0
    same: int = 0
    speedup: float = 1.0

    @property
    def agreement(self) -> float:
        """Share of the texts with the same labels; 1 where none were compared."""
        return self.same / self.texts if self.texts else 1.0

    def __str__(self) -> str:
        """Words for a person.

        Example:
            >>> str(Comparison(texts=1024, same=1023))
            'labels agree with f32 on 1,023 of 1,024 texts'
        """
        return f"labels agree with f32 on {self.same:,} of {self.texts:,} texts"


def available_precisions(device: torch.device) -> tuple[str, ...]:
    """Those of `PRECISIONS` that a device has instructions for.

    bf16 needs AVX512-BF16 or AMX, or CUDA from compute capability 8; int8 needs VNNI or AMX.
    """
    found = ["f32"]
    if device.type == "cuda":
        import torch

        return ("f32", "bf16") if torch.cuda.get_device_capability(device) >= (8, 0) else ("f32",)
    if device.type == "cpu":
        features = processor_features()
        if {"avx512_bf16", "amx_bf16"} & features:
            found.append("bf16")
        if {"avx512_vnni", "avx_vnni", "amx_int8"} & features and _multiplies_int8():
            found.append("int8")
    return tuple(found)


def processor_features() -> set[str]:
    """Names of the processor's instruction sets, as Linux spells them; empty where they can't be told."""
    import torch

    capabilities = getattr(torch.cpu, "get_capabilities", None)  # older versions of torch lack it
    if capabilities is not None:
        return {name for name, present in capabilities().items() if present is True}
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


def _multiplies_int8() -> bool:
    import torch

    return bool(torch._C._has_mkldnn) and hasattr(torch.ops.onednn, "qlinear_pointwise")


class PreciseNetwork:
    """A network in the precision asked for, beside the float32 one that it is compared with.

    Args:
        network: in float32, in evaluation mode, on its device.
        precision: one of `CHOICES`. `auto` is float32 until `SAMPLE` texts came at once; then the fastest precision is
            chosen whose labels agree with those of float32 on 99 of 100 of them.

    Attributes:
        network: what to predict with.
        precision: which precision that is.
        compared: what is known of the precision; `None` for float32, and until texts were compared.
        tried: what `auto` found out about each precision: a `Comparison`, or why it can't be used.

    Raises:
        UsageError: there is no such precision, or the machine or the network can't compute in it.
    """

    def __init__(self, network: nn.Module, precision: str = "f32") -> None:
        if precision not in CHOICES:
            raise UsageError(
                f"there is no precision {precision!r}", where="precision", hint=one_of(str(precision), CHOICES)
            )
        self._exact = network
        self._undecided = precision == "auto"
        self.network, self.precision = network, "f32"
        self.compared: Comparison | None = None
        self.tried: dict[str, Comparison | str] = {}
        if precision in ("bf16", "int8"):
            self.network, self.precision = in_precision(network, precision), precision

    def sample(self, count: int) -> npt.NDArray[np.int64]:
        """Which of `count` texts to compare, spread evenly over them; none where enough is known."""
        if self._undecided:
            most = SAMPLE if count >= SAMPLE else 0
        else:
            most = 0 if self.precision == "f32" else max(0, SAMPLE - (self.compared.texts if self.compared else 0))
        return np.linspace(0, count, min(count, most), endpoint=False).astype(np.int64)

    def compare(self, labels_by: Callable[[nn.Module], Labels]) -> None:
        """Compare the labels that networks give a sample; with `auto`, choose a precision by that.

        Args:
            labels_by: the labels of the sample by a network: int64 [texts], or bool [texts, labels].
        """
        if self._undecided:
            self._choose(labels_by)
            return
        known = self.compared or Comparison()
        found = _compared(labels_by(self._exact), labels_by(self.network))
        self.compared = Comparison(known.texts + found.texts, known.same + found.same)

    def _choose(self, labels_by: Callable[[nn.Module], Labels]) -> None:
        self._undecided = False
        labels_by(self._exact)  # the first time is slower
        expected, exact_seconds = _timed(labels_by, self._exact)
        fastest = _FASTER
        for precision in PRECISIONS[1:]:
            try:
                network = in_precision(self._exact, precision)
            except UsageError as error:
                self.tried[precision] = error.what
                continue
            labels_by(network)
            labels, seconds = _timed(labels_by, network)
            found = _compared(expected, labels, exact_seconds / seconds)
            self.tried[precision] = found
            if found.agreement >= _AGREEING and found.speedup >= fastest:
                self.network, self.precision, self.compared = network, precision, found
                fastest = found.speedup


def in_precision(network: nn.Module, precision: str) -> nn.Module:
    """A copy of a float32 network that computes in `bf16` or `int8`; it shares what need not be converted.

    Raises:
        UsageError: the machine or the network can't.
    """
    import torch

    from pegboard.pipeline.lowered import lowered

    device = next(network.parameters()).device
    able = available_precisions(device)
    if precision not in able:
        where = "this processor" if device.type == "cpu" else f"the device {device.type!r}"
        raise UsageError(
            f"{where} has no fast instructions for {precision}",
            where="precision",
            hint=f"it can predict in {' and '.join(able)}; auto chooses the fastest",
        )
    converted = lowered(network, precision)
    ids = torch.zeros((1, 2), dtype=torch.long, device=device)
    try:
        with torch.inference_mode():
            outputs = converted(ids, torch.ones_like(ids)).outputs
        if not torch.isfinite(outputs).all():
            raise ValueError("its outputs are no numbers")
    except Exception as error:
        raise UsageError(
            f"the encoder can't be computed in {precision}: {str(error).splitlines()[0]}",
            where="precision",
            hint="f32 works with every encoder",
        ) from error
    return converted


def _timed(labels_by: Callable[[nn.Module], Labels], network: nn.Module) -> tuple[Labels, float]:
    start = time.perf_counter()
    labels = labels_by(network)
    return labels, time.perf_counter() - start


def _compared(expected: Labels, labels: Labels, speedup: float = 1.0) -> Comparison:
    same = expected == labels
    return Comparison(len(same), int(same.reshape(len(same), -1).all(axis=1).sum()), speedup)
