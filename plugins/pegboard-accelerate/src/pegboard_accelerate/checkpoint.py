"""Checkpoints: folders that are whole or absent, of safetensors and JSON.

step-00000500/
model.safetensors       the weights
optimizer.safetensors   moments and step counts
average.safetensors     the moving average of the weights, where one is kept
best.safetensors        the weights of the best epoch so far
random.safetensors      the state of each random number generator of each process
state.json              where the training stands, and whose it is
manifest.json           the SHA-256 of each of the files above; written last
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pegboard import ArtifactError, UsageError, atomic_folder
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

__all__ = [
    "Checkpoint",
    "Checkpoints",
    "load_weights",
    "optimizer_tensors",
    "random_state",
    "restore_optimizer",
    "restore_random_state",
    "weights_of",
]

FORMAT = 2
_KEPT = 2

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files are what its manifest says.

    Attributes:
        folder: where it is.
        state: the content of `state.json`.
    """

    folder: Path
    state: Mapping[str, Any]

    def tensors(self, name: str) -> Tensors:
        """The tensors of `<name>.safetensors`, on the CPU; empty where there is no such file."""
        file = self.folder / f"{name}.safetensors"
        return load_file(file) if file.is_file() else {}


class Checkpoints:
    """The checkpoints of one run; the newest two are kept.

    Args:
        folder: where they are.
        identity: the run's identity; a checkpoint of another is refused.
        processes: number of processes that train.
    """

    def __init__(self, folder: Path, *, identity: str, processes: int) -> None:
        self.folder = folder
        self.identity = identity
        self.processes = processes

    def save(self, step: int, tensors: Mapping[str, Tensors], state: Mapping[str, Any]) -> None:
        """Write a checkpoint, and when it is whole, remove all but the newest two.

        A whole one of the same step is left as it is, since both lead to the same end: to take its place it would have
        to be absent for a moment.

        Raises:
            RunError: it can't be written; those that were there are untouched.
        """
        path = self._path(step)
        if path.is_dir() and _problem(path) is None:
            return
        whose = {"format": FORMAT, "identity": self.identity, "processes": self.processes}
        with atomic_folder(path) as folder:
            for name, content in tensors.items():
                if content:
                    _write_tensors(folder / f"{name}.safetensors", content)
            _write_json(folder / "state.json", {**whose, **state})
            _write_json(folder / "manifest.json", {file.name: _sha256(file) for file in sorted(folder.iterdir())})
        self._remove_all_but(path)

    def newest(self, warn: Callable[[str], None]) -> Checkpoint | None:
        """The newest whole checkpoint, or `None`; each damaged one on the way to it is warned of.

        Raises:
            ArtifactError: it belongs to another run.
            UsageError: it was made by another number of processes.
        """
        for folder in reversed(self._folders()):
            problem = _problem(folder)
            if problem:
                warn(f"the checkpoint {folder} is damaged ({problem}), trying the one before")
                continue
            checkpoint = Checkpoint(folder, json.loads((folder / "state.json").read_text(encoding="utf-8")))
            self._check_whose(checkpoint)
            return checkpoint
        return None

    def _check_whose(self, checkpoint: Checkpoint) -> None:
        state, where = checkpoint.state, str(checkpoint.folder)
        if state["format"] != FORMAT or state["identity"] != self.identity:
            raise ArtifactError(
                "the checkpoint belongs to a run of another recipe, other data or another version",
                where=where,
                hint="choose another folder with --out, or start afresh with --overwrite",
            )
        if state["processes"] != self.processes:
            raise UsageError(
                f"the checkpoint was made by {state['processes']} processes and can't be continued by {self.processes}",
                where=where,
                hint="launch as many as before, or start afresh with --overwrite",
            )

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"

    def _folders(self) -> list[Path]:
        """Oldest first."""
        return sorted(path for path in self.folder.glob("step-*") if path.is_dir())

    def _remove_all_but(self, newest: Path) -> None:
        """Keep `newest` and the one before; what seems newer is a damaged one that training has gone back behind."""
        folders = self._folders()
        kept = [folder for folder in folders if folder <= newest][-_KEPT:]
        for folder in [*(set(folders) - set(kept)), *self.folder.glob(".*.partial-*")]:
            shutil.rmtree(folder, ignore_errors=True)


def _problem(folder: Path) -> str | None:
    """What is wrong with a checkpoint, `None` if nothing is."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if not isinstance(manifest, dict) or not {"model.safetensors", "state.json"} <= manifest.keys():
            return "manifest.json is not a manifest"
        for name, digest in manifest.items():
            if Path(name).name != name:
                return f"manifest.json names {name!r}, which is elsewhere"
            if _sha256(folder / name) != digest:
                return f"{name} has changed"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (OSError, ValueError, RecursionError) as error:
        return str(error)
    return None


def _sha256(file: Path) -> str:
    with file.open("rb") as handle:
        digest = hashlib.sha256()
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _write_tensors(file: Path, tensors: Tensors) -> None:
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, file)
    except SafetensorError as error:
        raise OSError(str(error)) from error


def weights_of(model: nn.Module) -> Tensors:
    """Parameters and buffers by name, those that are shared once; views, not copies."""
    return {name: tensor.detach() for name, tensor in [*model.named_parameters(), *model.named_buffers()]}


def load_weights(model: nn.Module, weights: Tensors) -> None:
    """Copy `weights` into the model in place.

    Raises:
        ArtifactError: they are not the weights of this architecture.
    """
    own = weights_of(model)
    unlike = [
        name
        for name in sorted(own.keys() | weights.keys())
        if name not in own or name not in weights or own[name].shape != weights[name].shape
    ]
    if unlike:
        raise ArtifactError(f"the weights in the checkpoint are of another model (first difference: {unlike[0]})")
    for name, tensor in own.items():
        tensor.copy_(weights[name])


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """The optimizer's state as `<parameter number>.<name>`."""
    state: dict[int, dict[str, Any]] = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": torch.as_tensor(value) for number, values in state.items() for name, value in values.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Put back what `optimizer_tensors` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def random_state(device: torch.device) -> Tensors:
    """The state of every generator of this process: Python's, NumPy's, torch's and the device's."""
    _, words, gaussian = random.getstate()
    numpy_state: Any = np.random.get_state(legacy=True)
    _, keys, position, has_gauss, cached = numpy_state
    state = {
        "python": torch.tensor(words, dtype=torch.int64),
        "python_gaussian": torch.tensor([np.nan if gaussian is None else gaussian], dtype=torch.float64),
        "numpy": torch.from_numpy(keys.astype(np.int64)),
        "numpy_rest": torch.tensor([position, has_gauss, cached], dtype=torch.float64),
        "torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: Tensors, device: torch.device) -> None:
    """Put back what `random_state` gave."""
    gaussian = float(state["python_gaussian"])
    random.setstate((3, tuple(state["python"].tolist()), None if np.isnan(gaussian) else gaussian))
    position, has_gauss, cached = state["numpy_rest"].tolist()
    keys = state["numpy"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, int(position), int(has_gauss), cached))
    torch.set_rng_state(state["torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
