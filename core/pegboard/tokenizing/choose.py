"""Which tokenizers, with which options, on which data set: what the command line and Python share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pegboard.errors import PegboardError, RecipeError, UsageError
from pegboard.options import as_document
from pegboard.recipe import Choice, document_of, resolve_dataset
from pegboard.suggestions import check_component_options
from pegboard.toml import parse_value

if TYPE_CHECKING:
    from pegboard.plugins.registry import Registry

__all__ = [
    "NamedTokenizer",
    "Request",
    "choose_tokenizers",
    "choose_tokenizers_or_all",
    "each_that_works",
    "parse_tokenizer",
    "request_of",
]

Result = TypeVar("Result")

_TABLES = ("dataset", "tokenizer")
_OPTIONS = re.compile(r":(?=[A-Za-z_]\w*=)")
_NEXT_OPTION = re.compile(r",(?=[A-Za-z_]\w*=)")


@dataclass(frozen=True)
class NamedTokenizer:
    """A tokenizer with its options, and the name under which it is reported.

    Attributes:
        name: as it was asked for: `wordpiece`, or `wordpiece:vocab_size=4000`.
        choice: the component and its complete options.
    """

    name: str
    choice: Choice

    def facts(self) -> dict[str, Any]:
        """Name, provenance and options, as a document holds them."""
        component = self.choice.component
        return {
            "name": self.name,
            "component": component.qualified_name,
            "version": component.version,
            "options": as_document(self.choice.options),
        }


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes:
        dataset: the data set.
        options: options for every tokenizer, by name.
    """

    dataset: Choice
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What to call the data set: its path, or its name."""
        return str(getattr(self.dataset.options, "path", None) or self.dataset.component.name)


def request_of(
    registry: Registry, dataset: str | None, settings: Iterable[str] = (), options: Mapping[str, Any] | None = None
) -> Request:
    """The data set and the common options of the tokenizers.

    Args:
        registry: the installed components.
        dataset: a name, a path, or `hub:owner/name`; by default the one that recipes have by default.
        settings: `dataset.KEY=VALUE` and `tokenizer.KEY=VALUE`.
        options: the same as Python has it: `tokenizer_vocab_size=8000`.

    Raises:
        RecipeError: an option is unknown or wrong, or belongs to something that does not take part.
        ComponentError: the data set is not installed, or broken.
        TypeError: a key of `options` is none.
    """
    document = document_of(None, choices={"dataset": dataset}, settings=settings)
    document.pop("plugins")
    for key, value in (options or {}).items():
        table, _, name = key.partition("_")
        if table not in _TABLES or not name:
            raise TypeError(f"unexpected keyword argument {key!r}; options read tokenizer_vocab_size=…")
        document.setdefault(table, {})[name] = value
    for key, value in document.items():
        if key not in _TABLES or not isinstance(value, dict):
            raise RecipeError("takes no part in this", where=key, hint="known: dataset.KEY=… and tokenizer.KEY=…")
    common = dict(document.get("tokenizer", {}))
    if "name" in common:
        raise RecipeError("does not choose one here", where="tokenizer.name", hint="name it with --tokenizer")
    return Request(resolve_dataset(document, registry), common)


def parse_tokenizer(text: str) -> tuple[str, dict[str, Any]]:
    """A tokenizer's name, and options of its own behind a colon, with commas between them.

    Raises:
        UsageError: there is no name.

    Example:
        >>> parse_tokenizer("wordpiece:vocab_size=4000,lowercase=false")
        ('wordpiece', {'vocab_size': 4000, 'lowercase': False})
        >>> parse_tokenizer("some-package:word")
        ('some-package:word', {})
    """
    name, *given = _OPTIONS.split(text.strip(), maxsplit=1)
    if not name or "=" in name:
        raise UsageError(
            f"{text!r} names no tokenizer", hint="it reads NAME, or NAME:option=value,option=value with options"
        )
    pairs = _NEXT_OPTION.split(given[0]) if given else []
    return name, {key: parse_value(value.strip()) for key, _, value in (pair.partition("=") for pair in pairs)}


def choose_tokenizers(references: Sequence[str], common: Mapping[str, Any], registry: Registry) -> list[NamedTokenizer]:
    """The tokenizers that `references` name, or the default one; each has the common options and those of its own.

    Raises:
        UsageError: the same tokenizer stands there twice with the same options.
        RecipeError: an option is unknown or wrong.
        ComponentError: a tokenizer is not installed, ambiguous or broken.
    """
    if not references:
        component = registry.default("tokenizer")
        return [_named(component.name, component.name, {}, common, registry)]
    chosen: list[NamedTokenizer] = []
    for reference in references:
        name, own = parse_tokenizer(reference)
        tokenizer = _named(reference.strip(), name, own, common, registry)
        twin = next((other for other in chosen if other.choice == tokenizer.choice), None)
        if twin:
            raise UsageError(
                f"{tokenizer.name!r} and {twin.name!r} are the same tokenizer with the same options",
                hint=f"give one of them others: {name}:option=value",
            )
        chosen.append(tokenizer)
    return chosen


def choose_tokenizers_or_all(
    references: Sequence[str],
    request: Request,
    registry: Registry,
    note: Callable[[str], None],
    usual: Mapping[str, Any] | None = None,
) -> list[NamedTokenizer]:
    """As `choose_tokenizers`; without references every installed tokenizer that the options at hand suffice for.

    Args:
        references: which ones.
        request: has the common options.
        registry: the installed components.
        note: is told of each that is left out, and why.
        usual: options for those that have them, where nothing else is said and all are taken.

    Raises:
        PegboardError: none can be had; the reason is that of the first.
    """
    if references:
        return choose_tokenizers(references, request.options, registry)
    chosen, problems = [], []
    components = registry.of_kind("tokenizer")
    names = [component.name for component in components]
    for component in components:
        name = component.name if names.count(component.name) == 1 else component.qualified_name
        try:
            registry.factory_of(component)
            known = registry.options_of(component).model_fields
            own = {key: value for key, value in (usual or {}).items() if key in known and key not in request.options}
            chosen.append(_named(name, component.qualified_name, own, request.options, registry))
        except PegboardError as error:
            problems.append(error)
            note(f"note: without the tokenizer {name}: {error.what}")
    if problems and not chosen:
        raise problems[0]
    return chosen or choose_tokenizers([], request.options, registry)


def each_that_works(
    tokenizers: Sequence[NamedTokenizer],
    work: Callable[[NamedTokenizer], Result],
    warn: Callable[[str], None],
    *,
    asked_for: bool,
) -> list[Result]:
    """What `work` gives for each tokenizer.

    One that was not asked for by name must not spoil the rest: if it fails, it is left out, and `warn` is told.

    Raises:
        PegboardError: one that was asked for failed, or all did.
    """
    results, problems = [], []
    for named in tokenizers:
        try:
            results.append(work(named))
        except PegboardError as error:
            if asked_for:
                raise
            problems.append(error)
            warn(f"without the tokenizer {named.name}: {error.what}")
    if problems and not results:
        raise problems[0]
    return results


def _named(
    name: str, reference: str, own: Mapping[str, Any], common: Mapping[str, Any], registry: Registry
) -> NamedTokenizer:
    component = registry.find("tokenizer", reference)
    schema = registry.options_of(component)
    try:
        options = check_component_options(component, schema, {**common, **own}, "tokenizer")
    except RecipeError as error:
        key = (error.where or "").partition(".")[2].partition(".")[0]
        hint = error.hint
        if key in common and key not in own and key not in schema.model_fields:
            hint = f"{hint}; to give it to others alone: NAME:{key}={common[key]}"
        raise RecipeError(error.what, where=f"{error.where} of {name}", hint=hint) from None
    return NamedTokenizer(name, Choice(component, options))
