"""Recipes: the whole of what is to be run, read, checked, completed and written.

A recipe is a TOML document with a table for each kind of component:

    seed = 42

    [dataset]
    name = "moods"

    [tokenizer]
    name = "word"
    vocab_size = 8000

What it leaves out is filled from the option schemas and from what the chosen components suggest for each other,
so the resolved recipe holds everything that changes a result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard.errors import PegboardWarning, RecipeError, one_of
from pegboard.options import Options, check_options
from pegboard.plugins.loading import Component
from pegboard.specs import KINDS, SameAs
from pegboard.tasks.options import ClassifyOptions
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
    """A chosen component with its complete options, and where each option's value came from."""

    component: Component
    options: Options
    origins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """A resolved recipe: every option of every component has its value."""

    seed: int
    choices: Mapping[str, Choice]
    task: ClassifyOptions
    plugins: tuple[str, ...] = ()
    data_fingerprint: str | None = None
    origins: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, kind: str) -> Choice:
        """The choice for a kind of component."""
        return self.choices[kind]

    def with_data(self, fingerprint: str) -> Recipe:
        """The recipe with the fingerprint of the data it ran on."""
        return replace(self, data_fingerprint=fingerprint)

    def document(self) -> dict[str, Any]:
        """The recipe as the document that stands in the run folder's `recipe.toml`."""
        tables = {
            kind: {"name": choice.component.name, **choice.options.model_dump()}
            for kind, choice in self.choices.items()
        }
        installed = {kind: f"{c.component.distribution}=={c.component.version}" for kind, c in self.choices.items()}
        resolved = {"pegboard": __version__, "data": self.data_fingerprint, **installed}
        top: dict[str, Any] = {"seed": self.seed}
        if self.plugins:
            top["plugins"] = list(self.plugins)
        return {**top, **tables, "task": {"name": "classify", **self.task.model_dump()}, "resolved": resolved}

    def to_toml(self) -> str:
        """The document as TOML text."""
        return write_toml(self.document())

    def to_annotated_toml(self) -> str:
        """The document as TOML text, each option with a comment that says where its value came from."""
        lines, table = [], ""
        for line in self.to_toml().splitlines():
            key, equals, _ = line.partition(" = ")
            if line.startswith("["):
                table = line.strip("[]") + "."
            origin = self.origins.get(table + key) if equals else None
            lines.append(f"{line}  # {origin}" if origin else line)
        return "\n".join(lines) + "\n"

    def identity(self) -> str:
        """A hash of all that changes the result: same identity, same bytes."""
        text = json.dumps(self.document(), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


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
    document = read_toml(file) if file else {}
    if file:
        base = file.parent
        document["plugins"] = [str((base / name).absolute()) for name in document.get("plugins", [])]
        table = document.get("dataset")
        if isinstance(table, dict) and isinstance(table.get("path"), str) and table.get("name") != "hub":
            table["path"] = str((base / Path(table["path"]).expanduser()).absolute())
    for kind, name in choices.items():
        if name is not None:
            table = document.get(kind)
            same = isinstance(table, dict) and table.get("name") == name
            document[kind] = table if same else {"name": name}
    for setting in settings:
        set_value(document, setting)
    if seed is not None:
        document["seed"] = seed
    given = [str(Path(name).expanduser().absolute()) for name in plugins]
    document["plugins"] = list(dict.fromkeys([*document.get("plugins", []), *given]))
    return document


def set_value(document: dict[str, Any], setting: str) -> None:
    """Put a `key.path=value` into a document; the value is read as TOML, else taken as text.

    Example:
        >>> document = {}
        >>> set_value(document, "tokenizer.vocab_size=8000")
        >>> document
        {'tokenizer': {'vocab_size': 8000}}
    """
    dotted, equals, value = setting.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise RecipeError("must read key.path=value", where=f"--set {setting}")
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
    tables = {name: _table(document, name) for name in TABLES}
    components, given = _choose(tables, registry)
    schemas = {kind: registry.options_of(component) for kind, component in components.items()}
    suggested = _suggestions(components, schemas)
    options, origins = _complete(components, schemas, given, suggested)
    task_name = tables["task"].pop("name", "classify")
    if task_name != "classify":
        raise RecipeError(f"there is no task {task_name!r}", where="task.name", hint="known: classify")
    task = check_options(ClassifyOptions, tables["task"], table="task", elsewhere=_dotted(schemas))
    choices = {kind: Choice(components[kind], options[kind]) for kind in KINDS}
    recipe = Recipe(seed, choices, task, tuple(registry.files), origins=origins)
    _check_versions(document.get("resolved"), recipe)
    return recipe


def _table(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = document.get(name, {})
    if isinstance(table, str):
        return {"name": table}
    if not isinstance(table, dict):
        raise RecipeError(f"must be a table or a name, not {type(table).__name__}", where=name)
    return dict(table)


def _choose(
    tables: Mapping[str, dict[str, Any]], registry: Registry
) -> tuple[dict[str, Component], dict[str, dict[str, Any]]]:
    """For each kind the component that its table names, and the options that stand beside the name."""
    components: dict[str, Component] = {}
    given: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        values = dict(tables[kind])
        name = values.pop("name", None)
        if name is not None and not isinstance(name, str):
            raise RecipeError(f"must be text, not {name!r}", where=f"{kind}.name")
        if name is None:
            components[kind] = registry.default(kind)
        elif kind == "dataset":
            components[kind], path = dataset_component(name, registry)
            values = {**values, "path": path} if path is not None else values
        else:
            components[kind] = registry.find(kind, name)
        given[kind] = values
    return components, given


def dataset_component(reference: str, registry: Registry) -> tuple[Component, str | None]:
    """The data set that a reference means: a name, a path, or `scheme:rest`; with the path or rest.

    Raises:
        ComponentError: nothing installed takes it.
    """
    scheme, colon, rest = reference.partition(":")
    if colon and (component := registry.with_scheme(scheme)):
        return component, rest
    looks_like_path = (
        "/" in reference
        or reference.startswith((".", "~"))
        or reference.lower().endswith(_DATA_SUFFIXES)
        or (Path(reference).exists() and not any(c.name == reference for c in registry.of_kind("dataset")))
    )
    if looks_like_path and (component := registry.with_scheme("path")):
        return component, str(Path(reference).expanduser().absolute())
    if looks_like_path:
        return registry.find("dataset", "files"), reference
    if scheme == "hub" and colon:
        return registry.find("dataset", "hub"), rest
    return registry.find("dataset", reference), None


def resolve_dataset(document: Mapping[str, Any], registry: Registry) -> Choice:
    """The data set of a document alone, with its complete options.

    Raises:
        RecipeError: an option is unknown or wrong.
        ComponentError: the data set is not installed or broken.
    """
    values = _table(document, "dataset")
    component, path = dataset_component(values.pop("name"), registry)
    if path is not None:
        values["path"] = path
    return Choice(component, check_options(registry.options_of(component), values, table="dataset"))


def _suggestions(
    components: Mapping[str, Component], schemas: Mapping[str, type[Options]]
) -> dict[str, tuple[Any, str]]:
    """What the chosen components suggest for each other's options: dotted key to (value, who)."""
    suggested: dict[str, tuple[Any, str]] = {}
    for kind, component in components.items():
        for dotted, value in component.spec.suggests.items():
            table, _, key = dotted.partition(".")
            if table != kind and table in schemas and key in schemas[table].model_fields:
                suggested[dotted] = (value, f"{kind} {component.name}")
    return suggested


def _complete(
    components: Mapping[str, Component],
    schemas: Mapping[str, type[Options]],
    given: Mapping[str, dict[str, Any]],
    suggested: Mapping[str, tuple[Any, str]],
) -> tuple[dict[str, Options], dict[str, str]]:
    """The options of each component: what is given, else suggested, else the default."""
    elsewhere = [*_dotted(schemas), *(f"task.{key}" for key in ClassifyOptions.model_fields)]
    options: dict[str, Options] = {}
    origins: dict[str, str] = {}
    for kind in sorted(components, key=lambda kind: any(_refers(kind, s) for s in suggested.items())):
        values = dict(given[kind])
        for dotted, (value, who) in suggested.items():
            table, _, key = dotted.partition(".")
            if table == kind and key not in values:
                actual = _looked_up(value, options, given) if isinstance(value, SameAs) else value
                if actual is not None:
                    values[key] = actual
                    origins[dotted] = f"suggested by the {who}"
        options[kind] = check_options(schemas[kind], values, table=kind, elsewhere=elsewhere)
        for key in schemas[kind].model_fields:
            if f"{kind}.{key}" not in origins and key not in given[kind]:
                origins[f"{kind}.{key}"] = "default"
    return {kind: options[kind] for kind in KINDS}, origins


def _refers(kind: str, suggestion: tuple[str, tuple[Any, str]]) -> bool:
    dotted, (value, _) = suggestion
    return dotted.startswith(f"{kind}.") and isinstance(value, SameAs)


def _looked_up(value: SameAs, options: Mapping[str, Options], given: Mapping[str, dict[str, Any]]) -> Any:
    table, _, key = value.key.partition(".")
    return getattr(options[table], key) if table in options else given[table].get(key)


def _dotted(schemas: Mapping[str, type[Options]]) -> list[str]:
    return [f"{kind}.{key}" for kind, schema in schemas.items() for key in schema.model_fields]


def _check_versions(resolved: Any, recipe: Recipe) -> None:
    """Say when a resolved recipe was made with other versions than those installed."""
    import warnings

    if not isinstance(resolved, dict):
        return
    for kind, choice in recipe.choices.items():
        wanted, here = resolved.get(kind), f"{choice.component.distribution}=={choice.component.version}"
        if wanted and wanted != here:
            warnings.warn(f"the recipe was resolved with {wanted}; {here} is installed", PegboardWarning, stacklevel=3)
