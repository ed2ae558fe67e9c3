"""Import plugins one by one, so that a broken one breaks only itself."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any, Literal

import pluggy

from pegboard import hookspecs
from pegboard.errors import UsageError, one_of
from pegboard.plugins.discovery import PluginEntry
from pegboard.specs import KINDS, ComponentSpec

__all__ = ["Component", "Plugin", "Plugins", "State"]

State = Literal["ok", "disabled", "broken", "incompatible"]

LONGEST_REASON = 300
"""Characters of an error that stand in one line; `pegboard doctor` prints the rest."""

REGISTERING_HOOKS = {kind: f"pegboard_{kind}s" for kind in KINDS}
TRACKERS_HOOK = "pegboard_tracker_names"


@dataclass(frozen=True)
class Component:
    """A component with its provenance."""

    kind: str
    spec: ComponentSpec
    distribution: str
    version: str
    source: str | None = None

    @property
    def name(self) -> str:
        """The name under which the plugin registered it."""
        return self.spec.name

    @property
    def qualified_name(self) -> str:
        """`distribution:name`, which is unambiguous."""
        return f"{self.distribution}:{self.spec.name}"


@dataclass(frozen=True)
class Plugin:
    """An installed plugin, its state, and what it provides."""

    entry: PluginEntry
    state: State
    reason: str = ""
    traceback: str = ""
    components: tuple[Component, ...] = ()
    hooks: tuple[str, ...] = field(default=())
    deprecations: tuple[str, ...] = ()
    trackers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`distribution:entry point`, under which pluggy knows it."""
        return _name_of(self.entry)

    @property
    def distribution(self) -> str:
        """The distribution that carries it."""
        return self.entry.distribution

    @property
    def version(self) -> str:
        """The distribution's version."""
        return self.entry.version


class Plugins:
    """Loads plugins into a pluggy manager of its own.

    pluggy validates and registers; finding and importing are done here, because its own loader stops at the
    first broken plugin and skips the second of two equal names.
    """

    def __init__(self) -> None:
        self.manager = _Manager("pegboard")
        self.manager.add_hookspecs(hookspecs)
        self._names: dict[int, str] = {}
        self._claimed: set[tuple[str, str, str]] = set()

    def load(self, entry: PluginEntry) -> Plugin:
        """Import and register one plugin; whatever goes wrong is in the answer, nothing is raised."""
        if entry.problem or entry.module is None:
            state: State = "incompatible" if entry.incompatible else "broken"
            return Plugin(entry, state, reason=entry.problem or "no module")
        registered = None
        try:
            with contextlib.redirect_stdout(sys.stderr):
                namespace = _imported(entry)
                deprecations = self._register(namespace, entry)
                registered = namespace
                hooks = self._hooks_of(namespace)
                components = tuple(self._components_of(entry, hooks))
                trackers = tuple(_trackers_of(hooks))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may even call sys.exit() while it is imported
            if registered is not None:
                self.manager.unregister(registered)
            trace = "" if isinstance(error, InvalidPluginError) else traceback.format_exc()
            return Plugin(entry, "broken", reason=in_one_line(error), traceback=trace)
        self._names[id(namespace)] = _name_of(entry)
        self._claimed |= {_claim(component) for component in components}
        names = tuple(sorted(hooks))
        return Plugin(entry, "ok", components=components, hooks=names, deprecations=deprecations, trackers=trackers)

    def call(self, hook: str, **arguments: Any) -> Iterator[tuple[str, BaseException]]:
        """Call a life-cycle hook in every plugin; yields the plugins that raised, with what they raised."""
        for implementation in reversed(getattr(self.manager.hook, hook).get_hookimpls()):
            wanted = {name: arguments[name] for name in implementation.argnames}
            try:
                with contextlib.redirect_stdout(sys.stderr):
                    implementation.function(**wanted)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                yield implementation.plugin_name, error

    def _register(self, namespace: object, entry: PluginEntry) -> tuple[str, ...]:
        """Register a plugin; gives what pluggy has to say of deprecated hooks that it implements."""
        other = self._names.get(id(namespace))  # the manager keeps what is registered, so no id is used again
        if other:
            raise InvalidPluginError(f"the module {entry.module} is registered already, by {other}")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.manager.register(namespace, name=_name_of(entry))
        return tuple(dict.fromkeys(str(warning.message) for warning in caught))

    def _hooks_of(self, namespace: object) -> dict[str, list[pluggy.HookImpl]]:
        """What a registered plugin implements, by hook; these must be hooks and be callable as such."""
        hooks = self.manager.implementations(namespace)
        if not hooks:
            meant = [name for name in dir(namespace) if name.startswith("pegboard_")]
            hint = one_of(meant[0], _known_hooks()) if meant else f"hooks are {', '.join(_known_hooks())}"
            raise InvalidPluginError(f"it implements no hook (is @pegboard.hookimpl missing?); {hint}")
        try:
            self.manager.check_pending()
        except pluggy.PluginValidationError:
            required = {name for name, found in hooks.items() if not all(i.optionalhook for i in found)}
            unknown = min(required.difference(_known_hooks()))
            raise InvalidPluginError(f"there is no hook {unknown!r}; {one_of(unknown, _known_hooks())}") from None
        for name, implementations in hooks.items():
            for implementation in implementations:
                if implementation.kwargnames:
                    raise InvalidPluginError(
                        f"{name} declares {implementation.kwargnames[0]!r} with a default value, "
                        "so it would never be passed; declare it without"
                    )
                if implementation.wrapper or implementation.hookwrapper:
                    raise InvalidPluginError(f"{name} is a wrapper; hooks of pegboard can't be wrapped")
        return hooks

    def _components_of(self, entry: PluginEntry, hooks: dict[str, list[pluggy.HookImpl]]) -> Iterator[Component]:
        claimed = set()
        for kind, hook in REGISTERING_HOOKS.items():
            for implementation in hooks.get(hook, ()):
                for spec in _specs_of(hook, implementation.function()):
                    component = Component(kind, spec, entry.distribution, entry.version, entry.source)
                    claim = _claim(component)
                    if claim in self._claimed or claim in claimed:
                        raise InvalidPluginError(f"{entry.distribution} provides the {kind} {spec.name!r} twice")
                    own = [key for key in spec.suggests if key.startswith(f"{kind}.")]
                    if own:
                        raise InvalidPluginError(
                            f"the {kind} {spec.name!r} suggests {own[0]!r}: give the option that default instead"
                        )
                    claimed.add(claim)
                    yield component


class _Manager(pluggy.PluginManager):
    """pluggy's manager, made for hundreds of plugins."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        """The mark of a hook; a module's functions are looked at directly, which takes a tenth of pluggy's time."""
        if type(plugin) is ModuleType:
            value = vars(plugin).get(name)
            if type(value) is FunctionType:
                return vars(value).get(f"{self.project_name}_impl")
            if not isinstance(value, (MethodType, staticmethod, classmethod)):
                return None
        return super().parse_hookimpl_opts(plugin, name)

    def implementations(self, plugin: object) -> dict[str, list[pluggy.HookImpl]]:
        """What a registered plugin implements, by hook."""
        found = {
            name: [implementation for implementation in caller.get_hookimpls() if implementation.plugin is plugin]
            for name, caller in vars(self.hook).items()
        }
        return {name: implementations for name, implementations in found.items() if implementations}


def _known_hooks() -> list[str]:
    return sorted(name for name in vars(hookspecs) if name.startswith("pegboard_"))


class InvalidPluginError(Exception):
    """A plugin that could be imported is none; the message is meant for its author."""


def _trackers_of(hooks: Mapping[str, list[pluggy.HookImpl]]) -> Iterator[str]:
    for implementation in hooks.get(TRACKERS_HOOK, ()):
        told = implementation.function()
        if isinstance(told, (str, bytes)) or not hasattr(told, "__iter__"):
            raise InvalidPluginError(f"{TRACKERS_HOOK} must return an iterable of names, not {type(told).__name__}")
        for name in told:
            if not isinstance(name, str) or not name or set(name) & set("=, "):
                raise InvalidPluginError(f"{TRACKERS_HOOK} gives {name!r}, which is no name for a tracker")
            yield name


def _specs_of(hook: str, returned: Any) -> Iterator[ComponentSpec]:
    if isinstance(returned, (str, bytes)) or not hasattr(returned, "__iter__"):
        raise InvalidPluginError(f"{hook} must return an iterable of ComponentSpec, not {type(returned).__name__}")
    for spec in returned:
        if not isinstance(spec, ComponentSpec):
            raise InvalidPluginError(f"{hook} must return ComponentSpecs, not a {type(spec).__name__}")
        yield spec


def _name_of(entry: PluginEntry) -> str:
    return f"{entry.distribution}:{entry.name}"


def _claim(component: Component) -> tuple[str, str, str]:
    return component.distribution, component.kind, component.name


def entry_of_file(path: str) -> PluginEntry:
    """The entry of a one-file plugin; its version is the hash of its source.

    Raises:
        UsageError: it can't be read, or can't be a module.
    """
    import hashlib

    file = Path(path).expanduser()
    try:
        source = file.read_bytes()
    except OSError as error:
        raise UsageError(f"the plugin file can't be read: {error.strerror}", where=path) from None
    if file.suffix != ".py" or not file.stem.isidentifier():
        raise UsageError(
            "a one-file plugin is a Python file whose name is an identifier",
            where=path,
            hint="rename it, letters, digits and _ only, for example to my_plugin.py",
        )
    version = hashlib.sha256(source).hexdigest()[:12]
    return PluginEntry(file.stem, file.name, version, file.stem, source=str(file.resolve()))


def disabled(entry: PluginEntry) -> Plugin:
    """The plugin as it is listed when the user has switched it off: nothing of it is imported."""
    return Plugin(replace(entry, problem=None), "disabled", reason="switched off by the user")


def _imported(entry: PluginEntry) -> object:
    assert entry.module is not None
    namespace: Any = _module_of_file(entry) if entry.source else importlib.import_module(entry.module)
    for part in entry.attribute.split(".") if entry.attribute else ():
        namespace = getattr(namespace, part)
    # pluggy would take the functions of a class for hooks and call them without an instance.
    return namespace() if inspect.isclass(namespace) else namespace


def _module_of_file(entry: PluginEntry) -> ModuleType:
    """The module of a one-file plugin, which other modules then import by the file's name."""
    name, source = entry.module, entry.source
    assert name is not None
    assert source is not None
    present = sys.modules.get(name)
    if present is not None and getattr(present, "__pegboard_version__", None) == entry.version:
        return present
    taken = getattr(present, "__file__", None) if present is not None else _installed_file(name)
    if taken != source and (present is not None or taken):
        raise InvalidPluginError(f"there is another module named {name!r} ({taken or 'built in'}); rename {source}")
    specification = importlib.util.spec_from_file_location(name, source, loader=_SourceLoader(name, source))
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    module.__pegboard_version__ = entry.version  # type: ignore[attr-defined]
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


class _SourceLoader(SourceFileLoader):
    """Always compiles: cached bytecode is stale when a file of the same size is rewritten within a second."""

    def path_stats(self, path: Any) -> Any:
        """No figures, so no bytecode is looked for or left behind."""
        raise OSError


def _installed_file(module: str) -> str | None:
    """Where a module that is not imported yet would come from; `None` if there is none, or only a folder."""
    specification = importlib.util.find_spec(module)
    if specification is None or specification.origin is None:
        return None
    return str(Path(specification.origin).resolve()) if specification.has_location else specification.origin


def in_one_line(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"SyntaxError in {error.filename}, line {error.lineno}: {error.msg}"
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    text = " ".join(str(error).split())
    text = text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON].rstrip()}…"
    if isinstance(error, InvalidPluginError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
