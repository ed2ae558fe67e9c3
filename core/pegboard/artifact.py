"""The saved model: a folder of JSON, safetensors and tokenizer files, written whole, loaded without executing anything.

    model/
      config.json          labels, and which components with which options make the network
      model.safetensors    the weights
      tokenizer files      whatever the tokenizer saves, usually tokenizer.json
      manifest.json        SHA-256 of every other file

A model names components by name; the installed plugins decide what the names mean.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard.contracts.encoder import SavesForTransformers
from pegboard.contracts.tokenizer import Tokenizer, VocabInfo
from pegboard.errors import ArtifactError, ComponentError, PegboardError, RecipeError
from pegboard.files import atomic_folder, atomic_write
from pegboard.options import check_options
from pegboard.plugins.loading import Component
from pegboard.recipe import Choice, Recipe
from pegboard.tasks.options import ClassifyOptions
from pegboard.version import __version__

if TYPE_CHECKING:
    from pegboard.plugins.registry import Registry
    from pegboard.tasks.network import ClassifierNetwork

__all__ = ["SavedModel", "load_model", "save_model"]

FORMAT = 1
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class SavedModel:
    """What a model folder holds, rebuilt."""

    tokenizer: Tokenizer
    network: ClassifierNetwork
    label_names: tuple[str, ...]
    config: Mapping[str, Any]


def save_model(
    folder: Path,
    *,
    recipe: Recipe,
    tokenizer: Tokenizer,
    network: ClassifierNetwork,
    label_names: Sequence[str],
) -> None:
    """Write a model folder, whole or not at all.

    Raises:
        RunError: it can't be written.
    """
    from safetensors.torch import save as to_safetensors

    with atomic_folder(folder) as new:
        tokenizer.save(new)
        weights = {
            _saved_name(network.encoder, name): tensor.detach().cpu().contiguous().clone()
            for name, tensor in network.state_dict().items()
        }
        atomic_write(new / "model.safetensors", to_safetensors(weights, metadata={"format": "pt"}))
        config = _config(recipe, tokenizer, network.encoder, label_names)
        atomic_write(new / "config.json", (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode())
        sums = {file.name: _sha256(file) for file in sorted(new.iterdir())}
        atomic_write(new / _MANIFEST, (json.dumps({"sha256": sums}, indent=2) + "\n").encode())


def load_model(folder: Path, registry: Registry) -> SavedModel:
    """Rebuild a saved model on the CPU, in evaluation mode.

    Raises:
        ArtifactError: the folder is not a saved model, or a file of it is missing or damaged.
        ComponentError: a component it names is not installed.
    """
    _verify(folder)
    config = _read_json(folder / "config.json")
    saved = config.get("pegboard")
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        raise ArtifactError(f"is not a Pegboard model of format {FORMAT}", where=f"{folder}/config.json")
    labels = _labels(config, folder)
    tokenizer_choice = _choice("tokenizer", saved, registry, folder)
    encoder_choice = _choice("encoder", saved, registry, folder)
    task = check_options(ClassifyOptions, saved.get("task", {}), table="task")
    tokenizer = _load_tokenizer(tokenizer_choice, registry, folder)
    vocab = VocabInfo(**saved["vocab"])
    if tokenizer.vocab_size > vocab.size:
        raise ArtifactError("the tokenizer has more tokens than the model knows", where=str(folder))
    from pegboard.pipeline.model import build_network

    network = build_network(encoder_choice, registry, vocab, label_count=len(labels), task=task, saved=folder)
    _load_weights(network, folder)
    return SavedModel(tokenizer, network.eval(), labels, config)


def _config(recipe: Recipe, tokenizer: Tokenizer, encoder: Any, label_names: Sequence[str]) -> dict[str, Any]:
    names = dict(enumerate(label_names))
    shared = encoder.transformers_config() if isinstance(encoder, SavesForTransformers) else {"model_type": "pegboard"}
    vocab = tokenizer.vocab_info
    return {
        **shared,
        "id2label": {str(i): name for i, name in names.items()},
        "label2id": {name: i for i, name in names.items()},
        "pegboard": {
            "format": FORMAT,
            "version": __version__,
            "vocab": {"size": vocab.size, "pad_id": vocab.pad_id, "max_length": vocab.max_length},
            **{kind: _recorded(recipe[kind]) for kind in ("tokenizer", "encoder")},
            "task": recipe.task.model_dump(),
        },
    }


def _recorded(choice: Choice) -> dict[str, Any]:
    component = choice.component
    return {
        "name": component.name,
        "distribution": component.distribution,
        "version": component.version,
        "options": choice.options.model_dump(),
    }


def _choice(kind: str, saved: Mapping[str, Any], registry: Registry, folder: Path) -> Choice:
    record = saved.get(kind)
    if not isinstance(record, dict) or not isinstance(record.get("name"), str):
        raise ArtifactError(f"names no {kind}", where=f"{folder}/config.json")
    component = _find(kind, record, registry)
    schema = registry.options_of(component)
    try:
        options = check_options(schema, record.get("options", {}), table=kind)
    except RecipeError as error:
        raise ArtifactError(
            f"{component.distribution} {component.version} does not know the saved options: {error.what}",
            where=f"{folder}/config.json, {error.where}",
            hint=f"pip install {record.get('distribution')}=={record.get('version')}",
        ) from None
    return Choice(component, options)


def _find(kind: str, record: Mapping[str, Any], registry: Registry) -> Component:
    name, distribution, version = (record.get(key) for key in ("name", "distribution", "version"))
    try:
        component = registry.find(kind, f"{distribution}:{name}")
    except ComponentError as error:
        state_known = any(p.distribution == distribution and p.state != "ok" for p in registry.plugins)
        if state_known:
            raise
        mend = (
            f"--plugin {distribution}"
            if str(distribution).endswith(".py")
            else f"pip install {distribution}=={version}"
        )
        raise ComponentError(
            f"the model needs the {kind} {name!r} of {distribution} {version}, which is not installed",
            hint=mend,
        ) from error
    if component.version != version:
        import warnings

        warnings.warn(
            f"the model was saved with {distribution} {version}; {component.version} is installed",
            stacklevel=4,
        )
    return component


def _load_tokenizer(choice: Choice, registry: Registry, folder: Path) -> Tokenizer:
    factory: Any = registry.factory_of(choice.component)
    try:
        tokenizer = factory.load(folder, choice.options)
    except PegboardError:
        raise
    except Exception as error:
        raise ArtifactError(f"the tokenizer can't be loaded: {error}", where=str(folder)) from error
    assert isinstance(tokenizer, Tokenizer)
    return tokenizer


def _load_weights(network: ClassifierNetwork, folder: Path) -> None:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = folder / "model.safetensors"
    try:
        weights = load_file(file)
    except (SafetensorError, OSError) as error:
        raise ArtifactError(f"can't be read: {error}", where=str(file)) from None
    wanted = {_saved_name(network.encoder, name): (name, tensor) for name, tensor in network.state_dict().items()}
    for problem, names in (
        ("lacks", wanted.keys() - weights.keys()),
        ("has besides", weights.keys() - wanted.keys()),
    ):
        if names:
            raise ArtifactError(f"{problem} the tensors {', '.join(sorted(names)[:5])}", where=str(file))
    for saved_name, (_, tensor) in wanted.items():
        found = weights[saved_name]
        if found.shape != tensor.shape:
            raise ArtifactError(
                f"{saved_name} has the shape {tuple(found.shape)}, not {tuple(tensor.shape)}", where=str(file)
            )
        if found.is_floating_point() and not torch.isfinite(found).all():
            raise ArtifactError(f"{saved_name} holds values that are not numbers", where=str(file))
    network.load_state_dict({name: weights[saved_name] for saved_name, (name, _) in wanted.items()})


def _saved_name(encoder: Any, name: str) -> str:
    if isinstance(encoder, SavesForTransformers):
        for prefix, saved in encoder.weight_names.items():
            if name.startswith(prefix):
                return saved + name[len(prefix) :]
    return name


def _labels(config: Mapping[str, Any], folder: Path) -> tuple[str, ...]:
    names = config.get("id2label")
    if not isinstance(names, dict) or sorted(names) != sorted(map(str, range(len(names)))) or len(names) < 2:
        raise ArtifactError("has no usable id2label", where=f"{folder}/config.json")
    return tuple(str(names[str(i)]) for i in range(len(names)))


def _verify(folder: Path) -> None:
    """Compare every file with the manifest before any of them is parsed."""
    if not folder.is_dir():
        raise ArtifactError("is not a saved model: no such folder", where=str(folder))
    sums = _read_json(folder / _MANIFEST).get("sha256")
    if not isinstance(sums, dict) or not sums:
        raise ArtifactError("lists no files", where=f"{folder}/{_MANIFEST}")
    for name, expected in sums.items():
        file = folder / name
        if not re.fullmatch(r"[\w.-]+", name) or name in (".", "..") or file.is_symlink():
            raise ArtifactError(f"{name!r} does not lie in the folder", where=f"{folder}/{_MANIFEST}")
        if not file.is_file():
            raise ArtifactError("is missing", where=str(file), hint="the model is incomplete; train or copy it again")
        if _sha256(file) != expected:
            raise ArtifactError(
                "is damaged: its checksum differs from manifest.json",
                where=str(file),
                hint="copy the model again, or train it again",
            )
    for name in ("config.json", "model.safetensors"):
        if name not in sums:
            raise ArtifactError(f"does not list {name}", where=f"{folder}/{_MANIFEST}")


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError("is missing: this is not a saved model, or an incomplete one", where=str(file)) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"can't be read: {error}", where=str(file)) from None
    if not isinstance(content, dict):
        raise ArtifactError("is not a JSON object", where=str(file))
    return content


def _sha256(file: Path) -> str:
    with file.open("rb") as handle:
        digest = hashlib.sha256()
        while block := handle.read(2**20):
            digest.update(block)
    return digest.hexdigest()
