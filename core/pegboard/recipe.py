"""Recipes: the whole of what is to be run, read, checked, completed and written.

A recipe is a TOML document with a table for each kind of component:

    seed = 42

    [dataset]
    name = "moods"

    [tokenizer]
    name = "word"
    vocab_size = 8000

What it leaves out is filled from the option schemas and from what the chosen components suggest for each other,
so the resolved recipe holds everything that changes a result. Paths in a recipe file are relative to that file.
"""

from __future__ import annotations

import copy
import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard.errors import PegboardWarning, RecipeError, one_of
from pegboard.options import Options, as_document
from pegboard.plugins.loading import Component
from pegboard.specs import KINDS
from pegboard.suggestions import check_component_options, complete
from pegboard.tasks.options import ClassifyOptions, TaskOptions, task_options
from pegboard.toml import parse_value, read_toml, write_toml
from pegboard.version import __version__

if TYPE_CHECKING:
    from pegboard.plugins.registry import Registry

__all__ = ["Choice", "Recipe", "document_of", "resolve", "resolve_dataset", "set_value"]

DEFAULT_SEED = 42
TABLES = (*KINDS, "task")
_TOP = ("seed", "plugins", "resolved", *TABLES)
_DATA_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".txt", ".json", ".gz", ".arrow")


@dataclass(frozen=True)
class Choice:
    """A chosen component with its complete options."""

    component: Component
    options: Options


@dataclass(frozen=True)
class Recipe:
    """A resolved recipe: every option of every component has its value.

    Attributes:
        seed: seed of everything random.
        choices: the chosen component of each kind.
        task: options of the task.
        plugins: one-file plugins.
        data_fingerprint: of the data it ran on, or was resolved with; `None` before it has run.
        origins: by dotted key, where a value that nobody gave comes from.
    """

    seed: int
    choices: Mapping[str, Choice]
    task: TaskOptions
    plugins: tuple[str, ...] = ()
    data_fingerprint: str | None = None
    origins: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, kind: str) -> Choice:
        """The choice for a kind of component."""
        return self.choices[kind]

    def with_data(self, fingerprint: str) -> Recipe:
        """The recipe with the fingerprint of the data it runs on; warns when it was resolved with other data."""
        if self.data_fingerprint not in (None, fingerprint):
            warnings.warn(
                f"the data are not those of the resolved recipe ({self.data_fingerprint} there, {fingerprint} now)",
                PegboardWarning,
                stacklevel=2,
            )
        return replace(self, data_fingerprint=fingerprint)

    def document(self) -> dict[str, Any]:
        """The recipe as the document that stands in the run folder's `recipe.toml`."""
        tables = {
            kind: {"name": choice.component.name, **as_document(choice.options)}
            for kind, choice in self.choices.items()
        }
        installed = {kind: f"{c.component.distribution}=={c.component.version}" for kind, c in self.choices.items()}
        resolved = {"pegboard": __version__, "data": self.data_fingerprint, **installed}
        top: dict[str, Any] = {"seed": self.seed}
        if self.plugins:
            top["plugins"] = list(self.plugins)
        return {**top, **tables, "task": {"name": self.task.task, **as_document(self.task)}, "resolved": resolved}

    def to_toml(self) -> str:
        """The document as TOML text."""
        return write_toml(self.document())

    def to_annotated_toml(self) -> str:
        """The document as TOML text, each option with a comment that says where its value came from."""
        parts = []
        for key, value in self.document().items():
            table, lines = "", []
            for line in write_toml({key: value}).splitlines():
                if line.startswith("["):
                    table = line.strip("[]") + "."
                option, equals, _ = line.partition(" = ")
                origin = self.origins.get(table + option) if equals else None
                lines.append(f"{line}  # {origin}" if origin else line)
            if key in TABLES:
                lines += [f"# {option} is not set" for option, setting in value.items() if setting is None]
            parts.append("\n".join(lines))
        return "\n\n".join(parts) + "\n"

    def identity(self) -> str:
        """A hash of all that changes the result: same identity, same bytes."""
        document = self.document()
        for key in self.changes_no_result:
            table, _, option = key.partition(".")
            del document[table][option]
        text = json.dumps(document, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def changes_no_result(self) -> frozenset[str]:
        """Dotted keys of the options that may differ where a run is continued."""
        return frozenset(
            f"{kind}.{option}" for kind, choice in self.choices.items() for option in choice.options.changes_no_result
        )


def document_of(
    file: Path | None,
    *,
    choices: Mapping[str, str | None],
    settings: Iterable[str] = (),
    seed: int | None = None,
    plugins: Iterable[str] = (),
) -> dict[str, Any]:
    """The recipe document that a file and the options of a command line make together.

    Args:
        file: a recipe file, or `None`.
        choices: for each kind, the name given on the command line; it takes the place of the file's whole table
            when it names another component.
        settings: `key.path=value` pairs.
        seed: takes the place of the file's seed.
        plugins: one-file plugins, added to the file's.

    Raises:
        RecipeError: the file is no TOML, or a setting does not read `key.path=value`.
    """
    document = _read(file) if file else {}
    before = copy.deepcopy(document)
    for kind, name in choices.items():
        if name is not None:
            table = document.get(kind)
            options = table if isinstance(table, dict) and table.get("name") == name else {}
            document[kind] = {**options, "name": name}
    for setting in settings:
        set_value(document, setting)
    if seed is not None:
        document["seed"] = seed
    given = [str(Path(name).expanduser().absolute()) for name in plugins]
    document["plugins"] = list(dict.fromkeys([*_plugins(document), *given]))
    _forget_outdated(document, before)
    return document


class _Written(str):
    """Text of a recipe file that may be a path; such a path is relative to the file's folder."""

    folder = Path()


def _read(file: Path) -> dict[str, Any]:
    """The document in a recipe file."""
    document = read_toml(file)
    document["plugins"] = [str((file.parent / Path(name).expanduser()).absolute()) for name in _plugins(document)]
    for name in TABLES:
        if isinstance(document.get(name), str):
            document[name] = {"name": document[name]}
    table = document.get("dataset")
    if isinstance(table, dict):
        for key in ("name", "path"):
            if isinstance(table.get(key), str):
                table[key] = _Written(table[key])
                table[key].folder = file.parent
    return document


def _plugins(document: Mapping[str, Any]) -> list[str]:
    names = document.get("plugins", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RecipeError(f"must be a list of files, not {names!r}", where="plugins")
    return names


def _forget_outdated(document: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Drop what the file says of versions and data where the command line has chosen others."""
    resolved = document.get("resolved")
    if not isinstance(resolved, dict):
        return
    outdated = {kind for kind in KINDS if _name_in(document.get(kind)) != _name_in(before.get(kind))}
    if document.get("dataset") != before.get("dataset") or document.get("seed") != before.get("seed"):
        outdated.add("data")
    document["resolved"] = {key: value for key, value in resolved.items() if key not in outdated}


def _name_in(table: Any) -> Any:
    return table.get("name") if isinstance(table, dict) else table


def set_value(document: dict[str, Any], setting: str) -> None:
    """Put a `key.path=value` into a document; the value is read as TOML, else taken as text.

    Example:
        >>> document = {}
        >>> set_value(document, "tokenizer.vocab_size=8000")
        >>> document
        {'tokenizer': {'vocab_size': 8000}}
    """
    dotted, equals, value = setting.partition("=")
    keys = [key.strip() for key in dotted.split(".")]
    if not equals or not all(keys):
        raise RecipeError("must read key.path=value", where=f"--set {setting}")
    if keys[0] in TABLES and len(keys) > 1 and isinstance(document.get(keys[0]), str):
        document[keys[0]] = {"name": document[keys[0]]}
    table = document
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise RecipeError(f"{key!r} is a value, not a table", where=f"--set {setting}")
    table[keys[-1]] = parse_value(value.strip())


def resolve(document: Mapping[str, Any], registry: Registry) -> Recipe:
    """Check a document and complete it.

    Raises:
        RecipeError: an unknown table or option, a wrong type or a value out of range; the message has the nearest
            names.
        ComponentError: a component is not installed, ambiguous or broken.
    """
    for key in document:
        if key not in _TOP:
            raise RecipeError(f"there is no table or key {key!r} in a recipe", where=key, hint=one_of(key, _TOP))
    seed = document.get("seed", DEFAULT_SEED)
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise RecipeError(f"must be a whole number from 0 to 4294967295, not {seed!r}", where="seed")
    recorded = document.get("resolved", {})
    if not isinstance(recorded, dict):
        raise RecipeError(f"must be a table, not {recorded!r}", where="resolved")
    given = {name: _table(document, name) for name in TABLES}
    origins = {f"{kind}.name": "default" for kind in KINDS if "name" not in given[kind]}
    components = {kind: _choose(kind, given[kind], registry, recorded.get(kind)) for kind in KINDS}
    task_schema = task_options(given["task"].pop("name", ClassifyOptions.task))
    schemas: dict[str, type[Options]] = {kind: registry.options_of(components[kind]) for kind in KINDS}
    schemas["task"] = task_schema
    options, more_origins = complete(components, schemas, given)
    task = options.pop("task")
    assert isinstance(task, TaskOptions)
    data = recorded.get("data")
    recipe = Recipe(
        seed,
        {kind: Choice(components[kind], options[kind]) for kind in KINDS},
        task,
        tuple(registry.files),
        data_fingerprint=data if isinstance(data, str) else None,
        origins={**origins, **more_origins},
    )
    _warn_of_versions(recorded, recipe)
    return recipe


def _table(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = document.get(name, {})
    if isinstance(table, str):
        return {"name": table}
    if not isinstance(table, dict):
        raise RecipeError(f"must be a table or a name, not {type(table).__name__}", where=name)
    return dict(table)


def _choose(kind: str, table: dict[str, Any], registry: Registry, recorded: Any = None) -> Component:
    """The component that a table names; takes the name out of the table and puts a data set's path in."""
    name = table.pop("name", None)
    if name is not None and not isinstance(name, str):
        raise RecipeError(f"must be text, not {name!r}", where=f"{kind}.name")
    if name is None:
        component = registry.default(kind)
    elif kind == "dataset":
        component, path = dataset_component(_recorded_name(kind, name, registry, recorded), registry)
        if path is not None:
            table["path"] = path
    else:
        component = registry.find(kind, _recorded_name(kind, name, registry, recorded))
    if kind == "dataset" and isinstance(table.get("path"), str):
        table["path"] = _absolute(table["path"]) if "path" in component.spec.schemes else str(table["path"])
    return component


def _recorded_name(kind: str, name: str, registry: Registry, recorded: Any) -> str:
    """The name, qualified where two plugins claim it and the recipe was resolved with one of them."""
    claiming = [component for component in registry.of_kind(kind) if component.name == name]
    meant = [c.qualified_name for c in claiming if str(recorded).startswith(f"{c.distribution}==")]
    return meant[0] if len(claiming) > 1 and meant else name


def dataset_component(reference: str, registry: Registry) -> tuple[Component, str | None]:
    """The data set that a reference means: a name, a path, or `scheme:rest`; with the path or rest.

    A plain word is a name first, and a file or folder of that name if there is no such data set.

    Raises:
        ComponentError: nothing installed takes it.
    """
    scheme, colon, rest = reference.partition(":")
    if colon and scheme != "path" and (component := registry.reader_of(scheme)):
        return component, rest
    registered = any(component.name == reference for component in registry.of_kind("dataset"))
    is_path = (
        "/" in reference
        or reference.startswith((".", "~"))
        or reference.lower().endswith(_DATA_SUFFIXES)
        or (not registered and Path(_absolute(reference)).exists())
    )
    if is_path and (component := registry.reader_of("path")):
        return component, _absolute(reference)
    return registry.find("dataset", reference), None


def _absolute(path: str) -> str:
    """A path as it holds from everywhere; one from a recipe file is relative to that file."""
    return str((getattr(path, "folder", Path()) / Path(path).expanduser()).absolute())


def resolve_dataset(document: Mapping[str, Any], registry: Registry) -> Choice:
    """The data set of a document alone, with its complete options.

    Raises:
        RecipeError: an option is unknown or wrong.
        ComponentError: the data set is not installed or broken.
    """
    values = _table(document, "dataset")
    component = _choose("dataset", values, registry)
    return Choice(component, check_component_options(component, registry.options_of(component), values, "dataset"))


def _warn_of_versions(recorded: Mapping[str, Any], recipe: Recipe) -> None:
    """Say when a resolved recipe was made with other versions than those installed."""
    here = recipe.document()["resolved"]
    for key in ("pegboard", *KINDS):
        wanted = recorded.get(key)
        if wanted and wanted != here[key]:
            now = f"{'pegboard ' if key == 'pegboard' else ''}{here[key]}"
            message = f"the recipe was resolved with {key} {wanted}; {now} is installed"
            warnings.warn(message, PegboardWarning, stacklevel=3)
