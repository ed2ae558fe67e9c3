"""The saved model: a folder of JSON, safetensors and tokenizer files, written whole, loaded without executing anything.

    model/
      config.json          labels, and which components with which options make the network
      model.safetensors    the weights
      tokenizer files      whatever the tokenizer saves, usually tokenizer.json
      manifest.json        SHA-256 of every other file

A model names components by name; the installed plugins decide what the names mean. A folder may come from anybody: what
loading it can do is told in docs/reference/model-folder.md, and tests/test_hostile_models.py tries it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pegboard.contracts.encoder import SavesForTransformers
from pegboard.contracts.tokenizer import Tokenizer, VocabInfo
from pegboard.errors import ArtifactError, ComponentError, PegboardError, PegboardWarning, RecipeError, RunError
from pegboard.files import atomic_folder, atomic_write
from pegboard.options import Options, as_document, check_options
from pegboard.pipeline.blame import blaming
from pegboard.plugins.loading import Component
from pegboard.recipe import Choice, Recipe
from pegboard.tasks.options import ClassifyOptions, MultiLabelOptions, task_options
from pegboard.tasks.task import Task, task_of
from pegboard.untrusted import check_kind, convert_hint, open_file, read_json, shortened
from pegboard.version import __version__

if TYPE_CHECKING:
    from pegboard.plugins.registry import Registry
    from pegboard.tasks.network import ClassifierNetwork

__all__ = ["SavedModel", "check_files", "load_model", "save_model"]

FORMAT = 1
_MANIFEST, _CONFIG, _WEIGHTS = "manifest.json", "config.json", "model.safetensors"
_MANIFEST_BYTES, _CONFIG_BYTES, _JSON_BYTES = 2**20, 2**24, 2**27
_DISTRIBUTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VERSION = re.compile(r"[A-Za-z0-9.+!_-]{0,100}")
_FILE_NAME = re.compile(r"\w[\w.-]{0,199}")
_STEERS_TERMINALS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x90\x9b-\x9f]")
_PICKLED = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth")
_AGAIN = "copy the model again, or train it again"

Schema = TypeVar("Schema", bound=Options)


@dataclass(frozen=True)
class SavedModel:
    """What a model folder holds, rebuilt."""

    tokenizer: Tokenizer
    network: ClassifierNetwork
    label_names: tuple[str, ...]
    task: Task
    config: Mapping[str, Any]


def save_model(
    folder: Path,
    *,
    recipe: Recipe,
    tokenizer: Tokenizer,
    network: ClassifierNetwork,
    label_names: Sequence[str],
    learned: Mapping[str, Any] | None = None,
) -> None:
    """Write a model folder, whole or not at all.

    Args:
        folder: where to.
        recipe: what was run.
        tokenizer: trained.
        network: trained.
        label_names: the labels, by number.
        learned: what the task learned besides the weights.

    Raises:
        RunError: it can't be written.
        ComponentError: the tokenizer can't be saved.
    """
    from safetensors.torch import save as to_safetensors

    with atomic_folder(folder) as new:
        with blaming(recipe["tokenizer"].component, doing="to save"):
            tokenizer.save(new)
            for path in new.iterdir():
                if not path.is_file() or path.is_symlink() or path.name in (_CONFIG, _WEIGHTS, _MANIFEST):
                    raise ValueError(f"it wrote {path.name}, which must be a file of a name not taken")
        weights = {
            _saved_name(network.encoder, name): tensor.detach().cpu().contiguous().clone()
            for name, tensor in network.state_dict().items()
        }
        atomic_write(new / _WEIGHTS, to_safetensors(weights, metadata={"format": "pt"}))
        config = _config(recipe, tokenizer, network.encoder, label_names, learned)
        atomic_write(new / _CONFIG, (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode())
        sums = {file.name: _sha256(file) for file in sorted(new.iterdir())}
        atomic_write(new / _MANIFEST, (json.dumps({"sha256": sums}, indent=2) + "\n").encode())


def load_model(folder: Path, registry: Registry) -> SavedModel:
    """Rebuild a saved model on the CPU, in evaluation mode.

    Warns (`PegboardWarning`) when a component is of another version than the model was saved with.

    Raises:
        ArtifactError: the folder is not a saved model, or a file of it is missing or damaged.
        ComponentError: a component it names is not installed, or does not read what its version of then saved.
    """
    check_files(folder)
    config = _object(folder / _CONFIG, _CONFIG_BYTES)
    saved = _own_part(config, folder)
    labels = _labels(config, folder)
    tokenizer_choice = _choice("tokenizer", saved, registry, folder)
    encoder_choice = _choice("encoder", saved, registry, folder)
    task = _task(saved, folder)
    tokenizer = _load_tokenizer(tokenizer_choice, registry, folder)
    vocab = tokenizer.vocab_info
    if _vocab_record(vocab) != saved.get("vocab"):
        raise ArtifactError(
            f"the tokenizer has the vocabulary {_vocab_record(vocab)}, the model was made for "
            f"{shortened(saved.get('vocab'))}",
            where=str(folder),
            hint=_mend(saved["tokenizer"]),
        )
    network = _load_network(encoder_choice, registry, vocab, labels, task, folder)
    return SavedModel(tokenizer, network, labels, task, config)


def _config(
    recipe: Recipe, tokenizer: Tokenizer, encoder: Any, label_names: Sequence[str], learned: Mapping[str, Any] | None
) -> dict[str, Any]:
    several = recipe.task.task == MultiLabelOptions.task
    names = dict(enumerate(label_names))
    shared = encoder.transformers_config() if isinstance(encoder, SavesForTransformers) else {"model_type": "pegboard"}
    return {
        **shared,
        "id2label": {str(i): name for i, name in names.items()},
        "label2id": {name: i for i, name in names.items()},
        **({"problem_type": "multi_label_classification"} if several else {}),
        "pegboard": {
            "format": FORMAT,
            "version": __version__,
            "vocab": _vocab_record(tokenizer.vocab_info),
            **{kind: _recorded(recipe[kind]) for kind in ("tokenizer", "encoder")},
            "task": {**({"name": recipe.task.task} if several else {}), **as_document(recipe.task)},
            **({"learned": dict(learned)} if learned else {}),
        },
    }


def _recorded(choice: Choice) -> dict[str, Any]:
    component = choice.component
    return {
        "name": component.name,
        "distribution": component.distribution,
        "version": component.version,
        "options": as_document(choice.options),
    }


def _vocab_record(vocab: VocabInfo) -> dict[str, int]:
    return {"size": vocab.size, "pad_id": vocab.pad_id, "max_length": vocab.max_length}


def _own_part(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What Pegboard wrote for itself into a `config.json` that other libraries read, too."""
    own = config.get("pegboard")
    found = own.get("format") if isinstance(own, dict) else None
    if isinstance(own, dict) and found == FORMAT:
        return own
    newer = isinstance(found, int) and found > FORMAT
    raise ArtifactError(
        f"is not a Pegboard model of format {FORMAT}" + (f", but of format {found}" if newer else ""),
        where=f"{folder}/{_CONFIG}",
        hint="upgrade pegboard" if newer else None,
    )


def _choice(kind: str, saved: Mapping[str, Any], registry: Registry, folder: Path) -> Choice:
    record = saved.get(kind)
    patterns = {"name": _DISTRIBUTION, "distribution": _DISTRIBUTION, "version": _VERSION}
    if not isinstance(record, dict) or not all(
        isinstance(record.get(key), str) and pattern.fullmatch(record[key]) for key, pattern in patterns.items()
    ):
        raise ArtifactError(f"names no {kind}", where=f"{folder}/{_CONFIG}")
    component = _find(kind, record, registry)
    who = f"{component.distribution} {component.version}"
    schema = registry.options_of(component)
    options = _saved_options(schema, record.get("options"), kind, folder, who=who, hint=_mend(record))
    return Choice(component, options)


def _saved_options(
    schema: type[Schema], values: Any, table: str, folder: Path, *, who: str, hint: str | None = None
) -> Schema:
    if not isinstance(values, dict):
        raise ArtifactError(f"has no options of the {table}", where=f"{folder}/{_CONFIG}")
    try:
        return check_options(schema, values, table=table)
    except RecipeError as error:
        raise ArtifactError(
            f"{who} does not know the saved options: {shortened(error.what)}",
            where=f"{folder}/{_CONFIG}, {shortened(str(error.where))}",
            hint=hint,
        ) from None


def _task(saved: Mapping[str, Any], folder: Path) -> Task:
    """The task that the model was trained for; a table without a name is that of `classify`."""
    where, table = f"{folder}/{_CONFIG}", saved.get("task")
    name = table.get("name", ClassifyOptions.task) if isinstance(table, dict) else ClassifyOptions.task
    values = {key: value for key, value in table.items() if key != "name"} if isinstance(table, dict) else table
    try:
        schema = task_options(name)
    except RecipeError as error:
        raise ArtifactError(shortened(error.what), where=where, hint="upgrade pegboard") from None
    options = _saved_options(schema, values, "task", folder, who=f"pegboard {__version__}")
    learned = saved.get("learned", {})
    try:
        return task_of(options, learned if isinstance(learned, dict) else {})
    except ValueError as error:
        raise ArtifactError(shortened(str(error)), where=where, hint=_AGAIN) from None


def _mend(record: Mapping[str, Any]) -> str:
    """How to get the component that a model was saved with."""
    distribution, version = record["distribution"], record["version"]
    if distribution.endswith(".py"):
        return f"--plugin {distribution}, the file as it was then (its SHA-256 starts with {version})"
    return f"pip install {distribution}=={version}"


def _find(kind: str, record: Mapping[str, Any], registry: Registry) -> Component:
    name, distribution, version = (record[key] for key in ("name", "distribution", "version"))
    try:
        component = registry.find(kind, f"{distribution}:{name}")
    except ComponentError as error:
        if any(plugin.distribution == distribution and plugin.state != "ok" for plugin in registry.plugins):
            raise
        raise ComponentError(
            f"the model needs the {kind} {name!r} of {distribution} {version}, which is not installed",
            hint=_mend(record),
        ) from error
    if component.version != version:
        if not _reads(component.spec.reads, version):
            raise ComponentError(
                f"the model was saved with {distribution} {version}; {component.version} is installed, whose {kind} "
                f"{name!r} reads models of {component.spec.reads} only",
                hint=_mend(record),
            )
        warnings.warn(
            f"the model was saved with {distribution} {version}; {component.version} is installed",
            PegboardWarning,
            stacklevel=4,
        )
    return component


def _reads(specifier: str, version: str) -> bool:
    """Whether a component that reads the versions of a specifier reads what this version saved."""
    if not specifier:
        return True
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except InvalidVersion:  # a hash, as one-file plugins have: nothing tells that it is one of them
        return False


def _load_tokenizer(choice: Choice, registry: Registry, folder: Path) -> Tokenizer:
    factory: Any = registry.factory_of(choice.component)
    try:
        tokenizer = factory.load(folder, choice.options)
        if not isinstance(tokenizer, Tokenizer):
            raise TypeError(f"it is a {type(tokenizer).__name__}, not a pegboard.Tokenizer")
    except (PegboardError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # extensions written in Rust panic with one that is no Exception
        raise ArtifactError(f"the tokenizer can't be loaded: {shortened(str(error))}", where=str(folder)) from error
    return tokenizer


def _load_network(
    choice: Choice, registry: Registry, vocab: VocabInfo, labels: Sequence[str], task: Task, folder: Path
) -> ClassifierNetwork:
    """The network that `config.json` describes with the saved weights, in evaluation mode, tried once."""
    from pegboard.pipeline.model import build_network
    from pegboard.weights import load_weights, no_larger_than, read_claims

    where = f"{folder}/{_CONFIG}"
    claims = read_claims(folder / _WEIGHTS)
    try:
        with no_larger_than(claims, where):
            network = build_network(choice, registry, vocab, label_names=labels, task=task, saved=folder)
    except (RecipeError, RunError) as error:
        raise ArtifactError(shortened(error.what, most=500), where=where, hint=_AGAIN) from error
    except ComponentError as error:  # the plugin's fault, or that of options that it should not be given
        raise ComponentError(shortened(error.what, most=500), where=where, hint=error.hint) from error
    saved_names = {name: _saved_name(network.encoder, name) for name in network.state_dict()}
    load_weights(network, folder / _WEIGHTS, claims, saved_names, len(labels))
    _try_out(network.eval(), vocab, len(labels), folder)
    return network


def _try_out(network: ClassifierNetwork, vocab: VocabInfo, labels: int, folder: Path) -> None:
    """Predict for the highest id: a network whose embeddings are too few would fail on some text, some day."""
    import torch

    ids = torch.tensor([[vocab.size - 1, vocab.pad_id]])
    try:
        with torch.inference_mode():
            logits = network(ids, torch.tensor([[1, 0]])).outputs
        if logits.shape != (1, labels) or not torch.isfinite(logits).all():
            raise ValueError(f"it gives {shortened(logits.tolist())} for {labels} labels")
    except Exception as error:
        raise ArtifactError(
            f"the network can't work with the ids of its tokenizer, which go up to {vocab.size - 1}: {error}",
            where=str(folder),
            hint="the weights, config.json and the tokenizer are not of the same model",
        ) from error


def _saved_name(encoder: Any, name: str) -> str:
    if isinstance(encoder, SavesForTransformers):
        for prefix, saved in encoder.weight_names.items():
            if name.startswith(prefix):
                return saved + name[len(prefix) :]
    return name


def _labels(config: Mapping[str, Any], folder: Path) -> tuple[str, ...]:
    """The names of `id2label`: at least two, distinct, numbered from 0 without a gap."""
    named = config.get("id2label")
    names: list[Any] = [named.get(str(i)) for i in range(len(named))] if isinstance(named, dict) else []
    if len(names) < 2 or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ArtifactError("has no usable id2label", where=f"{folder}/{_CONFIG}")
    if any(_STEERS_TERMINALS.search(name) for name in names):
        raise ArtifactError("has a label with control characters", where=f"{folder}/{_CONFIG}")
    return tuple(names)


def check_files(folder: Path) -> None:
    """Check what lies in a model folder, and compare every file with the manifest before any of them is parsed.

    Raises:
        ArtifactError: it is not a saved model, or a file is missing, damaged or does not belong there.
    """
    if not folder.is_dir():
        raise ArtifactError("is not a saved model: no such folder", where=str(folder))
    present = _entries(folder)
    sums = _object(folder / _MANIFEST, _MANIFEST_BYTES).get("sha256")
    if not isinstance(sums, dict) or not sums:
        raise ArtifactError("lists no files", where=f"{folder}/{_MANIFEST}")
    for name in (_CONFIG, _WEIGHTS):
        if name not in sums:
            raise ArtifactError(f"does not list {name}", where=f"{folder}/{_MANIFEST}")
    for name, expected in sums.items():
        if not _FILE_NAME.fullmatch(name):
            raise ArtifactError(f"{shortened(repr(name))} does not lie in the folder", where=f"{folder}/{_MANIFEST}")
        if name not in present:
            hint = "the model is incomplete; train or copy it again"
            raise ArtifactError("is missing", where=str(folder / name), hint=hint)
        if _sha256(folder / name, _most_bytes(name)) != expected:
            raise ArtifactError(
                "is damaged: its checksum differs from manifest.json", where=str(folder / name), hint=_AGAIN
            )
    for name in present - sums.keys() - {_MANIFEST}:
        if name.endswith((".json", ".safetensors")):
            raise ArtifactError(
                f"is not listed in {_MANIFEST}, so nothing tells what it should hold",
                where=shortened(str(folder / name)),
                hint="remove it, or copy the model again",
            )


def _entries(folder: Path) -> set[str]:
    """The names in the folder, of which none may be a link, a device or a pipe; no one reads folders in it."""
    try:
        with os.scandir(folder) as entries:
            listed = list(entries)
    except OSError as error:
        raise ArtifactError(f"can't be read: {error.strerror or error}", where=str(folder)) from None
    for entry in listed:
        if not entry.is_dir(follow_symlinks=False):
            check_kind(Path(entry.path), entry.stat(follow_symlinks=False).st_mode)
    present = {entry.name for entry in listed}
    pickled = sorted(name for name in present if name.endswith(_PICKLED))
    if pickled and _WEIGHTS not in present:
        raise ArtifactError(
            f"has no {_WEIGHTS} but {shortened(pickled[0])}; pickled weights can run code when they are read and are "
            "never opened",
            where=str(folder),
            hint=convert_hint(folder / pickled[0]),
        )
    return present


def _most_bytes(name: str) -> int:
    """The size beyond which a file is not even compared with its checksum."""
    if name == _CONFIG:
        return _CONFIG_BYTES
    if name.endswith(".json"):
        return _JSON_BYTES
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")  # more could not be loaded
    except (AttributeError, ValueError, OSError):
        return 2**40


def _object(file: Path, most_bytes: int) -> dict[str, Any]:
    content = read_json(file, most_bytes=most_bytes)
    if not isinstance(content, dict):
        raise ArtifactError("is not a JSON object", where=str(file))
    return content


def _sha256(file: Path, most_bytes: int | None = None) -> str:
    digest = hashlib.sha256()
    with open_file(file, most_bytes=most_bytes) as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()
