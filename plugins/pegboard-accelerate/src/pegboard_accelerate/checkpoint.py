"""Checkpoints: folders that are whole or absent, of safetensors and JSON.

step-00000500/
model.safetensors       the weights
optimizer.safetensors   moments and step counts
average.safetensors     the moving average of the weights, where one is kept
best.safetensors        the weights of the best epoch so far
random.safetensors      the state of each random number generator of each process
state.json              where the training stands, whose it is, and the names of the files above
manifest.json           the SHA-256 of each of the files above; written last
"""

from __future__ import annotations

import contextlib
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
from pegboard import ArtifactError, RunError, UsageError, atomic_folder
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from pegboard_accelerate.splitting import Tensors, copy_into, put_away, split_like

__all__ = [
    "Checkpoint",
    "Checkpoints",
    "Generators",
    "generators",
    "load_weights",
    "optimizer_tensors",
    "random_state",
    "restore_optimizer",
    "restore_random_state",
    "weights_of",
]

FORMAT = 3
_KEPT = 2
_STATE, _MANIFEST = "state.json", "manifest.json"


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
        """The tensors of `<name>.safetensors`, on the CPU; empty where the checkpoint was saved without."""
        file = f"{name}.safetensors"
        return load_file(self.folder / file) if file in self.state["files"] else {}


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

        What was written is read back before anything else is removed. A whole one of the same step is left as it is,
        since both lead to the same end: to take its place it would have to be absent for a moment.

        Raises:
            RunError: it can't be written; those that were there are untouched.
        """
        path = self._path(step)
        if _problem(path) is None and self._is_own(path):
            return
        present = {name: content for name, content in tensors.items() if content}
        whose = {"format": FORMAT, "identity": self.identity, "processes": self.processes}
        whole_state = {**whose, **state, "files": [f"{name}.safetensors" for name in present]}
        with atomic_folder(path) as folder:
            # Of what was meant to be written, not of what can be read there.
            sums = {f"{name}.safetensors": _write(folder, f"{name}.safetensors", present[name]) for name in present}
            sums[_STATE] = _write(folder, _STATE, whole_state)
            _write(folder, _MANIFEST, sums)
        if problem := _problem(path):
            raise RunError(
                f"the checkpoint is not what was written ({problem}); those before it are untouched",
                where=str(path),
                hint="the disk may be failing: choose another folder with --out",
            )
        self._remove_all_but(path)

    def newest(self, warn: Callable[[str], None]) -> Checkpoint | None:
        """The newest whole checkpoint of this run, or `None`; each one passed over on the way to it is warned of.

        Raises:
            ArtifactError: there are whole ones, but all belong to other runs.
            UsageError: it was made by another number of processes.
        """
        foreign = None
        for folder in reversed(self._paths()):
            if problem := _problem(folder):
                warn(f"the checkpoint {folder} is damaged ({problem}), trying the one before")
                continue
            checkpoint = Checkpoint(folder, _state(folder))
            if not self._is_own(folder):
                warn(f"the checkpoint {folder} belongs to another run, trying the one before")
                foreign = foreign or checkpoint
                continue
            self._check_processes(checkpoint)
            return checkpoint
        if foreign is not None:
            raise ArtifactError(
                "the checkpoint belongs to a run of another recipe, other data or another version",
                where=str(foreign.folder),
                hint="choose another folder with --out, or start afresh with --overwrite",
            )
        return None

    def _is_own(self, folder: Path) -> bool:
        return bool(_state(folder)["identity"] == self.identity)

    def _check_processes(self, checkpoint: Checkpoint) -> None:
        before = checkpoint.state["processes"]
        if before != self.processes:
            raise UsageError(
                f"the checkpoint was made by {before} processes and can't be continued by {self.processes}",
                where=str(checkpoint.folder),
                hint="launch as many as before, or start afresh with --overwrite",
            )

    def _path(self, step: int) -> Path:
        return self.folder / _name(step)

    def _paths(self) -> list[Path]:
        """Oldest first."""
        return sorted(self.folder.glob("step-*"))

    def _remove_all_but(self, newest: Path) -> None:
        """Keep `newest` and the one before; what seems newer is a damaged one that training has gone back behind."""
        paths = self._paths()
        kept = [path for path in paths if path <= newest][-_KEPT:]
        for path in [*(set(paths) - set(kept)), *self.folder.glob(".*.partial-*")]:
            _remove(path)


def _problem(folder: Path) -> str | None:
    """What is wrong with a checkpoint, `None` if nothing is."""
    if folder.is_symlink() or not folder.is_dir():
        return "it is no folder"
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        if not isinstance(manifest, dict) or not {"model.safetensors", _STATE} <= manifest.keys():
            return f"{_MANIFEST} is not a manifest"
        for name, digest in manifest.items():
            if Path(name).name != name:
                return f"{_MANIFEST} names {name!r}, which is elsewhere"
            if _sha256(folder / name) != digest:
                return f"{name} has changed"
        return _inconsistency(folder, set(manifest))
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        return f"{type(error).__name__}: {error}"


def _inconsistency(folder: Path, listed: set[str]) -> str | None:
    """Why a folder whose files are as its manifest says is still no checkpoint of that name."""
    state = _state(folder)
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        return f"it is not of format {FORMAT}"
    if listed != {*state["files"], _STATE}:
        return f"{_MANIFEST} does not list the files that were saved"
    extra = sorted({path.name for path in folder.iterdir()} - listed - {_MANIFEST})
    if extra:
        return f"{extra[0]} does not belong there"
    if folder.name != _name(state["step"]):
        return f"it is the state after step {state['step']}"
    return None


def _state(folder: Path) -> Any:
    return json.loads((folder / _STATE).read_text(encoding="utf-8"))


def _name(step: int) -> str:
    return f"step-{step:08d}"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _sha256(file: Path) -> str:
    with file.open("rb") as handle:
        digest = hashlib.sha256()
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _write(folder: Path, name: str, content: Mapping[str, Any]) -> str:
    """Write tensors or a JSON document; gives the SHA-256 of what was to be written."""
    if name.endswith(".json"):
        data = (json.dumps(content, indent=1) + "\n").encode()
    else:
        data = to_safetensors({key: tensor.detach().cpu().contiguous() for key, tensor in content.items()})
    (folder / name).write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def weights_of(model: nn.Module) -> Tensors:
    """Parameters and buffers by name, those that are shared once; views, not copies."""
    put_away(model)
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
        copy_into(tensor, weights[name])


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """The optimizer's state as `<parameter number>.<name>`."""
    state: dict[int, dict[str, Any]] = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": torch.as_tensor(value) for number, values in state.items() for name, value in values.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Put back what `optimizer_tensors` gave."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        parameter = parameters[int(number)]
        values = split_like(tensor, parameter) if tensor.shape == parameter.shape else tensor
        state.setdefault(int(number), {})[name] = values
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


Generators = tuple[Any, Any, Tensor, Tensor | None]


def generators(device: torch.device) -> Generators:
    """The state of every generator of this process: Python's, NumPy's, torch's and the device's."""
    of_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return random.getstate(), np.random.get_state(legacy=True), torch.get_rng_state(), of_device


def random_state(states: Generators) -> Tensors:
    """What `generators` gave, as tensors."""
    (_, words, gaussian), (_, keys, position, has_gauss, cached), of_torch, of_device = states
    state = {
        "python": torch.tensor(words, dtype=torch.int64),
        "python_gaussian": torch.tensor([np.nan if gaussian is None else gaussian], dtype=torch.float64),
        "numpy": torch.from_numpy(keys.astype(np.int64)),
        "numpy_rest": torch.tensor([position, has_gauss, cached], dtype=torch.float64),
        "torch": of_torch,
    }
    if of_device is not None:
        state["cuda"] = of_device
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
