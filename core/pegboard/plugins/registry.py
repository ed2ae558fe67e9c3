"""Which component a name means, where it comes from, and how to get it when it is missing."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard.errors import ComponentError, one_of
from pegboard.plugins import settings
from pegboard.plugins.discovery import discover, normalized
from pegboard.plugins.loading import Component, Plugin, Plugins, disabled, entry_of_file
from pegboard.specs import DEFAULT_OPTIONS, KINDS

if TYPE_CHECKING:
    from pegboard.options import Options

__all__ = ["Registry", "starter_packages"]


class Registry:
    """The board: all installed components, looked up by kind and name.

    Args:
        files: one-file plugins to load beside the installed ones.
        path: where to look for distributions (default `sys.path`); for tests.

    Example:
        >>> registry = Registry()
        >>> registry.find("tokenizer", "char").distribution
        'pegboard-char'
    """

    def __init__(self, files: Iterable[str] = (), path: Sequence[str] | None = None) -> None:
        self.files = tuple(files)
        self._path = path
        self._plugins = Plugins()

    @cached_property
    def plugins(self) -> list[Plugin]:
        """Every plugin in whatever state; loading happens at the first use."""
        off = settings.disabled_plugins()
        found = []
        for entry in discover(self._path):
            switched_off = entry.distribution in off or entry.name in off
            found.append(disabled(entry) if switched_off else self._plugins.load(entry))
        found += [self._plugins.load(entry_of_file(file)) for file in self.files]
        broken = [plugin for plugin in found if plugin.state == "broken"]
        if broken and os.environ.get("PEGBOARD_STRICT") == "1":
            raise _cannot_load(broken[0])
        return found

    @property
    def components(self) -> list[Component]:
        """All components of all working plugins, by kind and name."""
        found = [component for plugin in self.plugins for component in plugin.components]
        return sorted(found, key=lambda c: (KINDS.index(c.kind), c.name, c.distribution))

    def of_kind(self, kind: str) -> list[Component]:
        """The components of one kind."""
        return [component for component in self.components if component.kind == kind]

    def find(self, kind: str, reference: str) -> Component:
        """The component that `name` or `distribution:name` means.

        Raises:
            ComponentError: there is none, or two distributions claim the name.
        """
        distribution, _, name = reference.rpartition(":")
        matching = [c for c in self.of_kind(kind) if c.name == name]
        if distribution:
            matching = [c for c in matching if c.distribution in (distribution, normalized(distribution))]
        if len(matching) == 1:
            return matching[0]
        if not matching:
            raise self._missing(kind, name, distribution)
        raise ComponentError(
            f"{len(matching)} plugins provide the {kind} {name!r}",
            hint=f"choose {' or '.join(c.qualified_name for c in matching)}",
        )

    def default(self, kind: str) -> Component:
        """The component of a kind to use when a recipe names none.

        Raises:
            ComponentError: none is installed, or it is not clear which one.
        """
        candidates = self.of_kind(kind)
        marked = [c for c in candidates if c.spec.default]
        if len(marked or candidates) == 1:
            return (marked or candidates)[0]
        if candidates:
            names = ", ".join(c.qualified_name for c in marked or candidates)
            raise ComponentError(f"the recipe names no {kind}", hint=f"choose one of {names}")
        packages = _catalogue_defaults(kind)
        raise ComponentError(f"no {kind} is installed", hint=_install_hint(packages))

    def with_scheme(self, scheme: str) -> Component | None:
        """The data set component that takes references of this scheme, if one is installed.

        Raises:
            ComponentError: two take it.
        """
        matching = [c for c in self.of_kind("dataset") if scheme in c.spec.schemes]
        if len(matching) > 1:
            names = " or ".join(c.qualified_name for c in matching)
            raise ComponentError(f"{len(matching)} data sets read {scheme!r}", hint=f"name one: {names}")
        return matching[0] if matching else None

    def options_of(self, component: Component) -> type[Options]:
        """The option schema of a component.

        Raises:
            ComponentError: its module can't be imported.
        """
        from pegboard.options import Options

        reference = component.spec.options or DEFAULT_OPTIONS[component.kind]
        schema = self._imported(component, reference)
        if not (isinstance(schema, type) and issubclass(schema, Options)):
            raise _broken(component, f"{reference} is not a subclass of pegboard.Options")
        return schema

    def factory_of(self, component: Component) -> Callable[..., Any]:
        """The class or function that builds a component; imports its module.

        Raises:
            ComponentError: something it requires is missing, or its module can't be imported.
        """
        for requirement in component.spec.requires:
            _check_requirement(component, requirement)
        factory = self._imported(component, component.spec.factory)
        if not callable(factory):
            raise _broken(component, f"{component.spec.factory} can't be called")
        return factory  # type: ignore[no-any-return]

    def lifecycle(self, hook: str, **arguments: Any) -> None:
        """Call a life-cycle hook in all plugins; one that raises is reported, not obeyed."""
        assert self.plugins is not None
        for name, error in self._plugins.call(hook, **arguments):
            print(f"pegboard: {name} failed in {hook}: {type(error).__name__}: {error}", file=sys.stderr)
            if os.environ.get("PEGBOARD_STRICT") == "1":
                raise error

    def _imported(self, component: Component, reference: str) -> Any:
        module, _, attribute = reference.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if isinstance(error, ModuleNotFoundError) and error.name and not module.startswith(error.name):
                cause = f"it needs the module {error.name!r}, which is not installed"
            else:
                cause = f"{type(error).__name__}: {error}"
            raise _broken(component, f"{reference} can't be imported: {cause}") from error

    def _missing(self, kind: str, name: str, distribution: str) -> ComponentError:
        for plugin in self.plugins:
            mine = distribution in ("", plugin.distribution) or normalized(distribution) == plugin.distribution
            meant = mine and (name in _catalogue(kind, plugin.distribution) or bool(distribution))
            if meant and plugin.state != "ok":
                return _cannot_load(plugin)
        packages = [package for package in _catalogue_packages() if name in _catalogue(kind, package)]
        if packages:
            return ComponentError(f"the {kind} {name!r} is not installed", hint=_install_hint(packages))
        elsewhere = [c.kind for c in self.components if c.name == name and c.kind != kind]
        if elsewhere:
            return ComponentError(f"{name!r} is a component, but of the kind {elsewhere[0]}, not {kind}")
        wanted = f"{distribution}:{name}" if distribution else name
        return ComponentError(
            f"no installed plugin provides the {kind} {wanted!r}",
            hint=one_of(name, [c.name for c in self.of_kind(kind)]) + "; see `pegboard plugins list`",
        )


def _catalogue_file() -> dict[str, Any]:
    """The packages that the project publishes, so that an error can say which one to install."""
    from pegboard.toml import read_toml

    return read_toml(Path(__file__).with_name("catalogue.toml"))


def _catalogue_packages() -> list[str]:
    return sorted(_catalogue_file())


def _catalogue(kind: str, distribution: str) -> list[str]:
    return list(_catalogue_file().get(distribution, {}).get(f"{kind}s", ()))


def _catalogue_defaults(kind: str) -> list[str]:
    file = _catalogue_file()
    return [package for package in sorted(file) if kind in file[package].get("default", ())]


def starter_packages() -> list[str]:
    """The published packages that provide the default components."""
    return sorted({package for kind in KINDS for package in _catalogue_defaults(kind)})


def _install_hint(packages: Sequence[str]) -> str:
    return f"pip install {' '.join(packages[:1]) or 'a plugin that provides one'}"


def _check_requirement(component: Component, requirement: str) -> None:
    from packaging.requirements import Requirement

    wanted = Requirement(requirement)
    if wanted.marker and not wanted.marker.evaluate():
        return
    try:
        present = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        present = None
    if present is None or not wanted.specifier.contains(present, prereleases=True):
        found = f"{wanted.name} {present} is installed" if present else "it is not installed"
        raise ComponentError(
            f"the {component.kind} {component.name!r} of {component.distribution} {component.version} "
            f"requires {requirement}, but {found}",
            hint=f"pip install '{requirement}'",
        )


def _broken(component: Component, cause: str) -> ComponentError:
    return ComponentError(
        f"the {component.kind} {component.name!r} of {component.distribution} {component.version} is broken: {cause}",
        hint=f"upgrade or reinstall {component.distribution}, or `pegboard plugins disable {component.distribution}`",
    )


def _cannot_load(plugin: Plugin) -> ComponentError:
    name = plugin.distribution
    return ComponentError(
        f"the plugin {name} {plugin.version} is {plugin.state}: {plugin.reason}",
        hint=f"pegboard plugins enable {name}"
        if plugin.state == "disabled"
        else f"upgrade or reinstall {name}, or `pegboard plugins disable {name}`; `pegboard doctor` has details",
    )
