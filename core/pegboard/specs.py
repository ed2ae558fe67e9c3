"""The frozen records that plugins return from their hooks.

A record holds names only: `"module:attribute"` is imported when the component is built, so listing
a hundred plugins imports none of their heavy modules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

__all__ = ["DEFAULT_OPTIONS", "KINDS", "ComponentSpec", "SameAs"]

KINDS = ("dataset", "tokenizer", "encoder", "trainer")
"""The kinds of component, in the order in which a recipe uses them."""

DEFAULT_OPTIONS = {
    "dataset": "pegboard:DatasetOptions",
    "tokenizer": "pegboard:TokenizerOptions",
    "encoder": "pegboard:Options",
    "trainer": "pegboard:Options",
}
"""The option schema of a component that names none of its own."""

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_OPTION = re.compile(rf"({'|'.join((*KINDS, 'task'))})\.[A-Za-z_]\w*")


@dataclass(frozen=True)
class SameAs:
    """A suggested value that repeats another option of the recipe, for example `SameAs("encoder.pretrained")`."""

    key: str

    def __post_init__(self) -> None:
        """Refuse a key that can't be an option's."""
        if not isinstance(self.key, str) or not _OPTION.fullmatch(self.key):
            raise ValueError(f"SameAs takes a key like 'encoder.pretrained', not {self.key!r}")

    def __str__(self) -> str:
        """As a person reads it."""
        return f"the same as {self.key}"


@dataclass(frozen=True, kw_only=True)
class ComponentSpec:
    """What a plugin says of one component it provides.

    Attributes:
        name: the name by which a recipe selects it; lower case letters, digits, `-` and `_`.
        factory: `"module:attribute"` of the class (or function) that builds it; imported on use.
        summary: one line for `pegboard plugins list`.
        options: `"module:Class"` of its option schema, a subclass of `pegboard.Options`; by default the schema that
            every component of the kind has, see `DEFAULT_OPTIONS`.
        requires: requirements (PEP 508) that must be installed before it is built, checked without importing.
        suggests: values for options of *other* components, or of the task, that suit this one, by dotted key. They
            take effect where the user gives none and that component has such an option; where two components
            suggest a value, the one of the later kind counts. The resolved recipe records them.
        schemes: data sets only: the kinds of reference it takes, `"path"` for files and folders, or the
            prefix of `prefix:rest`.
        default: used when a recipe names no component of this kind.
        reads: tokenizers and encoders: which versions of its distribution saved the models that it can load, as a
            version specifier (PEP 440), for example `">=2"`; empty for all. A model of its own version it always can.

    Raises:
        ValueError: when a name or a reference is malformed.

    Example:
        >>> ComponentSpec(name="dash", factory="my_plugin.tokenizer:DashTokenizer", summary="splits at dashes")
        ComponentSpec(name='dash', ...)
    """

    name: str
    factory: str
    summary: str
    options: str | None = None
    requires: tuple[str, ...] = ()
    suggests: Mapping[str, Any] = field(default_factory=dict, hash=False)
    schemes: tuple[str, ...] = ()
    default: bool = False
    reads: str = ""

    def __post_init__(self) -> None:
        """Refuse malformed records where they are made, so that the plugin's author sees it first."""
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ValueError(f"a component's name is lower case letters, digits, '-' and '_': {self.name!r}")
        for what in ("factory", "options"):
            reference = getattr(self, what)
            if what == "options" and reference is None:
                continue
            if not isinstance(reference, str) or not _REFERENCE.fullmatch(reference):
                raise ValueError(f"{what} of {self.name!r} must read 'module:attribute': {reference!r}")
        if not isinstance(self.summary, str) or not self.summary.strip() or "\n" in self.summary:
            raise ValueError(f"{self.name!r} needs a summary of one line")
        for what in ("requires", "schemes"):
            given = getattr(self, what)
            texts = (given,) if isinstance(given, str) else tuple(given)
            if isinstance(given, str) or not all(isinstance(text, str) for text in texts):
                raise ValueError(f"{what} of {self.name!r} must be a tuple of strings, not {given!r}")
            object.__setattr__(self, what, texts)
        for key in self.suggests:
            if not isinstance(key, str) or not _OPTION.fullmatch(key):
                raise ValueError(f"suggests of {self.name!r} has the key {key!r}; keys read like 'trainer.epochs'")
        object.__setattr__(self, "suggests", MappingProxyType(dict(self.suggests)))
        if self.reads != "":
            _check_specifier(self.name, self.reads)


def _check_specifier(name: str, reads: str) -> None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # most plugins need it not

    try:
        SpecifierSet(reads if isinstance(reads, str) else "not a text")
    except InvalidSpecifier:
        raise ValueError(f"reads of {name!r} must be a version specifier such as '>=2', not {reads!r}") from None
