"""What all kinds have in common: properties are methods, verdicts are their outcome.

A property is a method `test_…` whose docstring states it in its first line and says after that why it matters. pytest
finds the methods in subclasses; `check_component` calls them itself, so that users need no pytest.
"""

from __future__ import annotations

import inspect
import json
import os
import pickletools
import subprocess
import sys
import tempfile
import traceback
import warnings
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from unittest import SkipTest

from pegboard.errors import PegboardError, RecipeError, UsageError, one_of
from pegboard.options import Options, check_options
from pegboard.plugins.loading import Component
from pegboard.plugins.registry import Registry

__all__ = ["HEAVY", "Conformance", "NotApplicable", "Verdict", "check_component", "conformance_of"]

HEAVY = ("torch", "transformers", "datasets", "pandas", "accelerate", "sklearn")
_DATA_SUFFIXES = {".json", ".txt", ".toml", ".safetensors", ".arrow", ".parquet", ".model", ".vocab", ".jsonl", ".md"}
_ODD_VALUES: tuple[Any, ...] = (
    "8000",
    "0.5",
    "true",
    "",
    True,
    False,
    0,
    1,
    3,
    0.5,
    [],
    [3, "x"],
    {"no such": [{"thing": 1}]},
)
"""Values of every type a recipe can hold; each option is right to refuse most of them."""

Result = TypeVar("Result")


class NotApplicable(SkipTest):
    """The property says nothing about this component; pytest counts it as skipped."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of one property.

    Attributes:
        property: the name, such as `padding_changes_nothing`.
        statement: what must hold.
        why: why it matters.
        outcome: `pass`, `fail` or `not applicable`.
        problem: what went wrong.
    """

    property: str
    statement: str
    why: str
    outcome: str
    problem: str = ""


class Conformance:
    """Base of the conformance classes.

    Attributes:
        component: the name of the component to check, or `distribution:name`.
        options: options for it, where its defaults won't do.
        plugins: one-file plugins to load.
    """

    kind: ClassVar[str]
    component: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}
    plugins: ClassVar[Sequence[str]] = ()
    settings: ClassVar[tuple[str, ...]] = ("component", "options", "plugins")
    """the attributes that a fresh process must know to do the same"""

    @abstractmethod
    def digest(self) -> str:
        """A hash of everything the component computes with a fixed seed; the same in every process."""

    @property
    def registry(self) -> Registry:
        """The installed components and those of `plugins`."""
        return _registry(tuple(self.plugins))

    @property
    def found(self) -> Component:
        """The component under test with its provenance."""
        return self.registry.find(self.kind, self.component)

    @property
    def schema(self) -> type[Options]:
        """Its option schema."""
        return self.registry.options_of(self.found)

    @property
    def factory(self) -> Callable[..., Any]:
        """What builds it."""
        return self.registry.factory_of(self.found)

    def checked_options(self, **more: Any) -> Options:
        """Its options: defaults, those of the class, and `more`."""
        return check_options(self.schema, {**self.options, **more}, table=self.kind)

    def has_option(self, *names: str) -> bool:
        """Whether the schema has all these options."""
        return set(names) <= set(self.schema.model_fields)

    def accepts(self, **values: Any) -> bool:
        """Whether the schema has these options and takes these values; a component may narrow common ones."""
        try:
            return self.has_option(*values) and bool(self.checked_options(**values))
        except RecipeError:
            return False

    def test_it_is_found_by_name(self) -> None:
        """The component is found by its name, and its plugin loads.

        A recipe holds names only; a name that does not resolve is a component that does not exist.
        """
        assert self.found.kind == self.kind, f"it is a {self.found.kind}"

    def test_the_record_is_complete(self) -> None:
        """Its record has a summary, a factory that can be imported and called, and an option schema.

        A reference that leads nowhere is found by the author here, and else by the user, in the middle of a run.
        """
        assert self.found.spec.summary.strip(), "it has no summary"
        assert callable(self.factory), f"its factory is a {type(self.factory).__name__} that can't be called"
        assert issubclass(self.schema, Options), f"its option schema {self.schema.__name__} is no pegboard.Options"

    def test_names_and_version_are_recorded(self) -> None:
        """Its distribution and version are known.

        A saved model names them; without a version nobody can install the right one again.
        """
        assert self.found.distribution, "the distribution has no name"
        assert self.found.version, f"the version of {self.found.distribution} is not known"

    def test_import_is_light(self) -> None:
        """Importing the plugin's entry-point module imports no heavy library.

        Listing plugins imports that module of every plugin; one that imports torch slows each command by seconds.
        """
        if self.found.source:
            raise NotApplicable("a one-file plugin may import what it needs")
        modules = [e.entry.module for e in self.registry.plugins if self.found in e.components]
        code = f"import sys, {modules[0]}; print(' '.join(sorted(set(sys.modules) & set({HEAVY!r}))))"
        done = _python("-c", code)
        assert done.returncode == 0, done.stderr[-800:]
        assert not done.stdout.strip(), f"importing {modules[0]} imports {done.stdout.strip()}"

    def test_unknown_options_are_refused(self) -> None:
        """An option that the schema does not have is refused.

        A misspelled option that is ignored gives a result that is not what the recipe says.
        """
        with refused("an unknown option was accepted", RecipeError):
            self.checked_options(no_such_option_at_all=1)

    def test_options_of_a_wrong_type_are_refused(self) -> None:
        """Every option takes a value as it is or refuses it.

        `"8000"` taken for 8000, or true for 1, hides mistakes in recipes.
        """
        for name in self.schema.model_fields:
            for value in _ODD_VALUES:
                try:
                    taken = getattr(self.checked_options(**{name: value}), name)
                except RecipeError:
                    continue
                assert _is_as_given(taken, value), f"the option {name!r} makes {taken!r} of {value!r}"

    def test_defaults_are_valid(self) -> None:
        """The defaults pass the schema's own checks.

        A schema does not check its defaults, so one out of range fails only when somebody writes it down.
        """
        defaults = self.schema.model_construct().model_dump()
        optional = {name: value for name, value in defaults.items() if value is not None}
        needed = {name: value for name, value in self.options.items() if name not in optional}
        check_options(self.schema, {**optional, **needed}, table=self.kind)

    def test_same_seed_gives_the_same_bytes(self) -> None:
        """Doing the same twice gives the same bytes.

        Without that nobody can tell a better component from a lucky one.
        """
        assert self.digest() == self.digest(), "two runs with the same seed differ"

    def test_works_in_a_fresh_process(self) -> None:
        """Fresh processes, with other hash seeds, give the same bytes as this one.

        Python orders sets differently in each process; labels or vocabularies that depend on it change from run to run.
        """
        here = self.digest()
        for hash_seed in ("1", "2"):
            arguments = json.dumps([self.kind, {name: getattr(self, name) for name in self.settings}])
            done = _python("-m", "pegboard.testing.digest", arguments, PYTHONHASHSEED=hash_seed)
            assert done.returncode == 0, f"it fails in a fresh process:\n{done.stderr[-800:]}"
            assert done.stdout.split()[-1] == here, "a fresh process gives other bytes"


def check_component(
    kind: str,
    component: str,
    *,
    options: Mapping[str, Any] | None = None,
    plugins: Sequence[str] = (),
    properties: Collection[str] = (),
    **settings: Any,
) -> Iterator[Verdict]:
    """Check a component against the properties of its kind.

    Args:
        kind: `tokenizer`, `encoder`, `dataset` or `trainer`.
        component: its name, or `distribution:name`.
        options: options for it, where its defaults won't do.
        plugins: one-file plugins to load.
        properties: names of the properties to check (default: all).
        settings: other attributes of the kind's class, such as `vocabulary` of `EncoderConformance`.

    Yields:
        One verdict a property, as they are reached.

    Raises:
        ComponentError: it is not installed, or its plugin is broken.
        UsageError: there is no such property, or no such setting.

    Example:
        >>> all(verdict.outcome != "fail" for verdict in check_component("tokenizer", "char"))
        True
    """
    chosen = {"component": component, "options": dict(options or {}), "plugins": tuple(plugins)}
    checked = conformance_of(kind, **settings, **chosen)
    for name in settings:
        if name not in checked.settings:
            raise UsageError(f"a {kind} has no setting {name!r}", hint=one_of(name, checked.settings))
    known = properties_of(checked)
    for name in properties:
        if name not in known:
            raise UsageError(f"a {kind} has no property {name!r}", hint=one_of(name, known))
    for name, method in known.items():
        if name in properties or not properties:
            statement, why = _docs(method)
            outcome, problem = _outcome(getattr(checked(), method.__name__))
            yield Verdict(name, statement, why, outcome, problem)


def properties_of(checked: type[Conformance]) -> dict[str, Callable[..., None]]:
    """The properties of a conformance class by name."""
    methods = inspect.getmembers(checked, inspect.isfunction)
    return {name.removeprefix("test_"): method for name, method in methods if name.startswith("test_")}


def conformance_of(kind: str, **settings: Any) -> type[Conformance]:
    """The conformance class of a kind, with its attributes set."""
    from pegboard import testing

    base: Any = getattr(testing, f"{kind.capitalize()}Conformance")
    return type(base.__name__, (base,), settings)


@contextmanager
def refused(message: str, *expected: type[Exception]) -> Iterator[list[Exception]]:
    """The block must raise one of `expected`, which is then in the list."""
    caught: list[Exception] = []
    try:
        yield caught
    except expected as error:
        caught.append(error)
        return
    except Exception as error:
        names = " or ".join(kind.__name__ for kind in expected)
        raise AssertionError(f"it raised {type(error).__name__} instead of {names}: {error}") from error
    raise AssertionError(message)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="pegboard-") as name:
        yield Path(name)


def assert_only_data(folder: Path) -> None:
    """Every file in a folder is data: of a known suffix, and no pickle in disguise."""
    for file in folder.rglob("*"):
        if file.is_file():
            assert file.suffix in _DATA_SUFFIXES, f"{file.name} is no data format that executes nothing"
            content = file.read_bytes()
            assert not _is_pickle(content), f"{file.name} is a pickle"
            assert not content.startswith(b"PK\x03\x04"), f"{file.name} is a zip archive, as torch.save writes"


def _is_pickle(content: bytes) -> bool:
    """Whether pickle would read it: of whatever protocol, from the first byte to the last."""
    last = -1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for _, _, position in pickletools.genops(content):
                last = position or 0
        except Exception:
            return False
    return 1 < last + 1 == len(content)


def _is_as_given(taken: Any, given: Any) -> bool:
    """Whether an option's value is what the recipe said; text may stand for a path, 1 for 1.0, a list for a tuple."""
    if isinstance(given, dict):
        return isinstance(taken, dict)
    if isinstance(given, list):
        return isinstance(taken, Collection) and not isinstance(taken, str) and list(taken) == given
    if isinstance(given, str):
        return not isinstance(taken, (bool, int, float))
    return isinstance(taken, bool) == isinstance(given, bool) and bool(taken == given)


@cache
def _registry(plugins: tuple[str, ...]) -> Registry:
    return Registry(plugins)


def _docs(method: Callable[..., Any]) -> tuple[str, str]:
    statement, _, why = (inspect.getdoc(method) or "").partition("\n\n")
    return " ".join(statement.split()), " ".join(why.split())


def _outcome(method: Callable[[], Result]) -> tuple[str, str]:
    try:
        method()
    except NotApplicable as reason:
        return "not applicable", str(reason)
    except AssertionError as error:
        message = str(error).partition("\nassert ")[0]  # pytest, where it runs, adds the values that it saw
        return "fail", message or traceback.format_exc().splitlines()[-2].strip()
    except PegboardError as error:
        return "fail", str(error)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}, line {last.lineno}"
        return "fail", f"{type(error).__name__}: {error} ({place})"
    return "pass", ""


def _python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=300,
        check=False,
    )
