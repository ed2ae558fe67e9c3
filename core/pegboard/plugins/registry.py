"""Which component a name means, where it comes from, and how to get it when it is missing."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pegboard.errors import ComponentError, PegboardWarning, nearest, one_of
from pegboard.plugins import catalogue, settings
from pegboard.plugins.catalogue import starter_packages
from pegboard.plugins.discovery import PluginEntry, discover, normalized
from pegboard.plugins.loading import Component, Plugin, Plugins, disabled, entry_of_file, in_one_line
from pegboard.specs import DEFAULT_OPTIONS, KINDS

if TYPE_CHECKING:
    from pegboard.options import Options

__all__ = ["Registry", "broken", "cannot_load", "starter_packages"]


class Registry:
    """The board: all installed components, looked up by kind and name.

    With `PEGBOARD_STRICT=1` in the environment a plugin that can't be loaded is an error, not a warning.

    Args:
        files: one-file plugins to load beside the installed ones.
        path: where to look for distributions (default `sys.path`); for tests.

    Example:
        >>> registry = Registry(["my_plugin.py"])
        >>> registry.find("tokenizer", "dash").qualified_name
        'my_plugin.py:dash'
    """

    def __init__(self, files: Iterable[str] = (), path: Sequence[str] | None = None) -> None:
        self.files = tuple(files)
        self._path = path
        self._plugins = Plugins()
        self._reported: set[tuple[str, str]] = set()

    @property
    def is_usual(self) -> bool:
        """Whether another process finds the same plugins, if it is given the same files."""
        return self._path is None

    @cached_property
    def plugins(self) -> list[Plugin]:
        """Every plugin in whatever state; loading happens at the first use.

        Raises:
            UsageError: a one-file plugin or the settings file can't be read.
        """
        off = settings.disabled_plugins()
        files = {entry.source: entry for entry in map(entry_of_file, self.files)}
        entries = [*discover(self._path), *files.values()]
        return [disabled(entry) if _is_off(entry, off) else self._plugins.load(entry) for entry in entries]

    @property
    def components(self) -> list[Component]:
        """All components of all working plugins, by kind and name.

        Raises:
            ComponentError: a plugin is broken, and `PEGBOARD_STRICT=1` is set.
        """
        self.check_strictly()
        found = [component for plugin in self.plugins for component in plugin.components]
        return sorted(found, key=lambda c: (KINDS.index(c.kind), c.name, c.distribution))

    def check_strictly(self) -> None:
        """With `PEGBOARD_STRICT=1`, raise a ComponentError for the first plugin that can't be loaded."""
        if _strict():
            for plugin in self.plugins:
                if plugin.state in ("broken", "incompatible"):
                    raise cannot_load(plugin)

    def problems(self) -> list[str]:
        """One line for each plugin that can't be loaded, and for each name in `PEGBOARD_DISABLE` that is none."""
        left_out = [
            f"the plugin {plugin.distribution} {plugin.version} is {plugin.state} and was left out: {plugin.reason}"
            + _to_silence(plugin)
            for plugin in self.plugins
            if plugin.state in ("broken", "incompatible")
        ]
        return [*left_out, *self.outdated(), *self.misnamed()]

    def outdated(self) -> list[str]:
        """One line for each deprecated hook or argument that a plugin uses."""
        return [
            f"the plugin {plugin.distribution} {plugin.version} must be upgraded: {text}"
            for plugin in self.plugins
            for text in plugin.deprecations
        ]

    def misnamed(self) -> list[str]:
        """One line for each name in `PEGBOARD_DISABLE` that is no installed plugin."""
        off = settings.disabled_for_this_call()
        if not off:
            return []
        installed = {normalized(name) for p in self.plugins for name in (p.distribution, p.entry.name)} | {"*"}
        unknown = sorted(off - installed)
        return [f"PEGBOARD_DISABLE names {name!r}, which is no installed plugin" for name in unknown]

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
        who = ", ".join(f"{c.distribution} {c.version}" for c in matching)
        raise ComponentError(
            f"{len(matching)} plugins provide the {kind} {name!r}: {who}",
            hint=f"choose {' or '.join(c.qualified_name for c in matching)}, or `pegboard plugins disable` one of them",
        )

    def default(self, kind: str) -> Component:
        """The component of a kind to use when a recipe names none.

        Raises:
            ComponentError: none is installed, the usual one is broken, or it is not clear which one.
        """
        marked = [c for c in self.of_kind(kind) if c.spec.default]
        packages = catalogue.packages_with_default(kind)
        if not marked:
            # Another component must not take the place of the usual one just because that is broken today.
            for plugin in self.plugins:
                if plugin.distribution in packages and plugin.state in ("broken", "incompatible"):
                    raise cannot_load(plugin)
        candidates = marked or self.of_kind(kind)
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            names = ", ".join(c.qualified_name for c in candidates)
            raise ComponentError(f"the recipe names no {kind}", hint=f"choose one of {names}")
        for plugin in self.plugins:
            if plugin.distribution in packages and plugin.state == "disabled":
                raise cannot_load(plugin)
        raise ComponentError(f"no {kind} is installed", hint=_install_hint(packages))

    def with_scheme(self, scheme: str) -> Component | None:
        """The data set component that takes references of this scheme, if one is installed.

        Raises:
            ComponentError: two take it.
        """
        matching = [c for c in self.of_kind("dataset") if scheme in c.spec.schemes]
        if len(matching) > 1:
            raise ComponentError(
                f"{len(matching)} data sets read a {scheme!r} reference",
                hint=f"choose {' or '.join(c.qualified_name for c in matching)} by name and set its options",
            )
        return matching[0] if matching else None

    def reader_of(self, scheme: str) -> Component | None:
        """As `with_scheme`, for a scheme that a published package takes: then it must be there.

        Raises:
            ComponentError: two take it, or the package that does is not installed, or broken.
        """
        component = self.with_scheme(scheme)
        packages = catalogue.packages_with_scheme(scheme)
        if component or not packages:
            return component
        for plugin in self.plugins:
            if plugin.distribution in packages and plugin.state != "ok":
                raise cannot_load(plugin)
        raise ComponentError(f"nothing that is installed reads a {scheme!r} reference", hint=_install_hint(packages))

    def options_of(self, component: Component) -> type[Options]:
        """The option schema of a component.

        Raises:
            ComponentError: its module can't be imported.
        """
        from pegboard.options import Options

        reference = component.spec.options or DEFAULT_OPTIONS[component.kind]
        schema = self._imported(component, reference)
        if not (isinstance(schema, type) and issubclass(schema, Options)):
            raise broken(component, f"{reference} is not a subclass of pegboard.Options")
        if "name" in schema.model_fields:
            raise broken(component, f"{reference} has an option 'name', which is the component's own key in a recipe")
        return schema

    def factory_of(self, component: Component) -> Callable[..., Any]:
        """The class or function that builds a component; imports its module.

        Raises:
            ComponentError: something it requires is missing, or its module can't be imported.
        """
        self.check_requirements(component)
        factory = self._imported(component, component.spec.factory)
        if not callable(factory):
            raise broken(component, f"{component.spec.factory} can't be called")
        return factory  # type: ignore[no-any-return]

    def check_requirements(self, component: Component) -> None:
        """Look for what a component requires, without importing anything.

        Raises:
            ComponentError: something is missing, or has another version.
        """
        for requirement in component.spec.requires:
            _check_requirement(component, requirement)

    @property
    def trackers(self) -> set[str]:
        """The names of the trackers that plugins provide."""
        return {name for plugin in self.plugins for name in plugin.trackers}

    def lifecycle(self, hook: str, **arguments: Any) -> None:
        """Call a life-cycle hook in all plugins; one that raises is reported once, not obeyed."""
        assert self.plugins is not None
        for name, error in self._plugins.call(hook, **arguments):
            if _strict():
                raise error
            if (name, hook) not in self._reported:
                self._reported.add((name, hook))
                plugin = next(p for p in self.plugins if p.name == name)
                text = f"the plugin {plugin.distribution} {plugin.version} failed in {hook}: {in_one_line(error)}"
                warnings.warn(text + _to_silence(plugin), PegboardWarning, stacklevel=2)

    def _imported(self, component: Component, reference: str) -> Any:
        module, _, attribute = reference.partition(":")
        try:
            with contextlib.redirect_stdout(sys.stderr):
                return getattr(importlib.import_module(module), attribute)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            cause = in_one_line(error)
            if isinstance(error, ModuleNotFoundError) and error.name and not f"{module}.".startswith(f"{error.name}."):
                cause = f"it needs the module {error.name!r}, which is not installed"
            raise broken(component, f"{reference} can't be imported: {cause}") from error

    def _missing(self, kind: str, name: str, distribution: str) -> ComponentError:
        """Why nothing provides a component: the most certain cause, and what to do about it."""
        wanted = normalized(distribution) if distribution else ""
        packages = [p for p in catalogue.packages_with(kind, name) if wanted in ("", p)]
        loaded = {}
        for plugin in self.plugins:
            if plugin.distribution in (distribution, wanted) or plugin.distribution in packages:
                if plugin.state != "ok":
                    return cannot_load(plugin)
                loaded[plugin.distribution] = plugin
        if packages and not loaded:
            return ComponentError(f"the {kind} {name!r} is not installed", hint=_install_hint(packages))
        for plugin in loaded.values():
            names = [c.name for c in plugin.components if c.kind == kind]
            return ComponentError(
                f"{plugin.distribution} {plugin.version} provides no {kind} {name!r}",
                hint=f"pip install --upgrade {plugin.distribution}" if packages else one_of(name, names),
            )
        if distribution:
            return ComponentError(
                f"no plugin {distribution!r} is installed, which should provide the {kind} {name!r}",
                hint=one_of(distribution, [plugin.distribution for plugin in self.plugins]),
            )
        elsewhere = [c.kind for c in self.components if c.name == name]
        if elsewhere:
            return ComponentError(f"{name!r} is a component, but of the kind {elsewhere[0]}, not {kind}")
        return ComponentError(
            f"no installed plugin provides the {kind} {name!r}", hint="; ".join(self._guesses(kind, name))
        )

    def _guesses(self, kind: str, name: str) -> list[str]:
        """What an unknown name may have meant: one that is spelt nearly so, or a component of a sleeping plugin."""
        installed = {component.name for component in self.of_kind(kind)}
        close = nearest(name, installed | catalogue.known_names(kind))
        shown = [n if n in installed else f"{n} ({_install_hint(catalogue.packages_with(kind, n))})" for n in close]
        guesses = [f"did you mean {' or '.join(shown)}?" if shown else one_of(name, installed)]
        for plugin in self.plugins:
            if plugin.state != "ok":
                error = cannot_load(plugin)
                guesses.append(f"or is it in one that is not loaded? {error.what} ({error.hint})")
        return [*guesses, "see `pegboard plugins list`"]


def broken(component: Component, cause: str) -> ComponentError:
    """The error for a component that can't be used as it is installed."""
    return ComponentError(
        f"the {component.kind} {component.name!r} of {component.distribution} {component.version} is broken: {cause}",
        hint=_mend(component.distribution, component.source),
    )


def cannot_load(plugin: Plugin) -> ComponentError:
    """The error for a plugin that is disabled, broken or made for another version."""
    name, hint = plugin.distribution, _mend(plugin.distribution, plugin.entry.source)
    if plugin.state == "incompatible":
        hint = f"do that, or `pegboard plugins disable {name}`"
    if plugin.state == "disabled":
        for_this_call = settings.disabled_for_this_call()
        hint = "change PEGBOARD_DISABLE" if _is_off(plugin.entry, for_this_call) else f"pegboard plugins enable {name}"
    return ComponentError(f"the plugin {name} {plugin.version} is {plugin.state}: {plugin.reason}", hint=hint)


def _to_silence(plugin: Plugin) -> str:
    # A one-file plugin is given with every call, and left out of it as easily.
    return "" if plugin.entry.source else f" (`pegboard plugins disable {plugin.distribution}` to silence this)"


def _mend(distribution: str, source: str | None) -> str:
    if source:
        return f"mend {source}; `pegboard doctor --plugin {source}` has details"
    return (
        f"upgrade or reinstall {distribution}, or `pegboard plugins disable {distribution}`; "
        "`pegboard doctor` has details"
    )


def _install_hint(packages: Sequence[str]) -> str:
    return f"pip install {' '.join(packages[:1]) or 'a plugin that provides one'}"


def _is_off(entry: PluginEntry, off: set[str]) -> bool:
    return bool(off) and not off.isdisjoint({"*", normalized(entry.distribution), normalized(entry.name)})


def _strict() -> bool:
    return os.environ.get("PEGBOARD_STRICT") == "1"


def _check_requirement(component: Component, requirement: str) -> None:
    from importlib import metadata

    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(requirement)
    except InvalidRequirement as error:
        raise broken(component, f"its requirement {requirement!r} is malformed: {in_one_line(error)}") from None
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
