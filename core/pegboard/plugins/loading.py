"""Import plugins one by one, so that a broken one breaks only itself."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pluggy

from pegboard import hookspecs
from pegboard.errors import UsageError, one_of
from pegboard.plugins.discovery import PluginEntry
from pegboard.specs import KINDS, ComponentSpec

__all__ = ["Component", "Plugin", "Plugins", "State"]

State = Literal["ok", "disabled", "broken", "incompatible"]

REGISTERING_HOOKS = {kind: f"pegboard_{kind}s" for kind in KINDS}


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
        self.manager = pluggy.PluginManager("pegboard")
        self.manager.add_hookspecs(hookspecs)

    def load(self, entry: PluginEntry) -> Plugin:
        """Import and register one plugin; whatever goes wrong is in the answer, nothing is raised."""
        if entry.problem or entry.module is None:
            state: State = "incompatible" if entry.incompatible else "broken"
            return Plugin(entry, state, reason=entry.problem or "no module")
        registered = None
        try:
            with contextlib.redirect_stdout(sys.stderr):
                namespace = _imported(entry)
                # One object can't be registered twice, so each entry point gets its own name for it.
                self.manager.register(namespace, name=f"{entry.distribution}:{entry.name}")
                registered = namespace
                self.manager.check_pending()
                hooks = self._hooks_of(namespace)
                components = tuple(self._components_of(namespace, entry))
            return Plugin(entry, "ok", components=components, hooks=hooks)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may even call sys.exit() while it is imported
            if registered is not None:
                self.manager.unregister(registered)
            return Plugin(entry, "broken", reason=_in_one_line(error), traceback=traceback.format_exc())

    def call(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Exception]]:
        """Call a life-cycle hook in every plugin; yields the plugins that raised, with what they raised."""
        for implementation in reversed(getattr(self.manager.hook, hook).get_hookimpls()):
            wanted = {name: arguments[name] for name in implementation.argnames}
            try:
                implementation.function(**wanted)
            except Exception as error:
                yield implementation.plugin_name, error

    def _hooks_of(self, namespace: object) -> tuple[str, ...]:
        callers = self.manager.get_hookcallers(namespace) or []
        if not callers:
            names = sorted(name for name in vars(hookspecs) if name.startswith("pegboard_"))
            looks_meant = [name for name in dir(namespace) if name.startswith("pegboard_")]
            hint = one_of(looks_meant[0], names) if looks_meant else f"hooks are {', '.join(names)}"
            raise TypeError(f"it implements no hook (is @pegboard.hookimpl missing?); {hint}")
        return tuple(sorted(caller.name for caller in callers))

    def _components_of(self, namespace: object, entry: PluginEntry) -> Iterator[Component]:
        for kind, hook in REGISTERING_HOOKS.items():
            for implementation in getattr(self.manager.hook, hook).get_hookimpls():
                if implementation.plugin is not namespace:
                    continue
                returned = implementation.function()
                if isinstance(returned, (str, bytes)) or not hasattr(returned, "__iter__"):
                    raise TypeError(f"{hook} must return ComponentSpecs, it returned {type(returned).__name__}")
                for spec in returned:
                    if not isinstance(spec, ComponentSpec):
                        raise TypeError(f"{hook} must return ComponentSpecs, not {type(spec).__name__}")
                    yield Component(kind, spec, entry.distribution, entry.version, entry.source)


def entry_of_file(path: str) -> PluginEntry:
    """The entry of a one-file plugin; its version is the hash of its source."""
    file = Path(path).expanduser()
    try:
        source = file.read_bytes()
    except OSError as error:
        raise UsageError(f"the plugin file can't be read: {error.strerror}", where=path) from None
    if file.suffix != ".py" or not file.stem.isidentifier():
        raise UsageError("a one-file plugin is a Python file whose name is an identifier", where=path)
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
    # pluggy would take every attribute of an instance for a hook; classes are instantiated once.
    return namespace() if inspect.isclass(namespace) else namespace


def _module_of_file(entry: PluginEntry) -> ModuleType:
    assert entry.module is not None
    assert entry.source is not None
    present = sys.modules.get(entry.module)
    if present is not None:
        if getattr(present, "__pegboard_version__", None) == entry.version:
            return present
        if getattr(present, "__file__", None) != entry.source:
            raise ImportError(f"a module named {entry.module!r} is already imported; rename {entry.source}")
    specification = importlib.util.spec_from_file_location(entry.module, entry.source)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    module.__pegboard_version__ = entry.version  # type: ignore[attr-defined]
    sys.modules[entry.module] = module
    try:
        specification.loader.exec_module(module)
    except BaseException:
        del sys.modules[entry.module]
        raise
    return module


def _in_one_line(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"SyntaxError in {error.filename}, line {error.lineno}: {error.msg}"
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r}) while it was imported"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
