"""Fixtures for tests of plugins; pytest finds them wherever Pegboard is installed.

    def test_it_trains(temporary_plugin, tiny_dataset, pegboard_cli):
        ...

Every pytest of an environment imports this module, so it imports nothing that is not needed to define the fixtures.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from pegboard.compiled import CompiledLoops
    from pegboard.plugins.loading import Plugin
    from pegboard.plugins.registry import Registry

__all__ = [
    "CommandResult",
    "TemporaryPlugin",
    "both_loops",
    "compiled_loops",
    "pegboard_cli",
    "pegboard_registry",
    "temporary_plugin",
    "tiny_dataset",
]

_TEXTS = {
    "sea": ("the tide comes in", "waves on the shore", "a boat at anchor", "salt and foam", "gulls over the pier"),
    "city": ("the tram is late", "lights of the shops", "a crowded square", "noise and traffic", "pigeons on a roof"),
    "forest": ("a path under firs", "moss on the stones", "an owl at dusk", "mushrooms and fern", "deer at the brook"),
}
_TIMES = ("at dawn", "at noon", "in the evening", "tonight")


@pytest.fixture(scope="session", autouse=True)
def _cache_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither fill the user's cache nor find something in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PEGBOARD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


class TemporaryPlugin(NamedTuple):
    """A one-file plugin that is gone after the test.

    Attributes:
        file: the file, for `--plugin` and `plugins=`.
        plugin: its state, its components, its hooks.
        registry: the installed components and its own.
    """

    file: str
    plugin: Plugin
    registry: Registry


class CommandResult(NamedTuple):
    """What a command line left.

    Attributes:
        code: the exit status.
        out: what it wrote to stdout.
        err: what it wrote to stderr.
    """

    code: int
    out: str
    err: str


@pytest.fixture
def pegboard_registry(_no_settings: None) -> Registry:
    """The installed components, as on a machine where no plugin is switched off."""
    from pegboard.plugins.registry import Registry

    return Registry()


@pytest.fixture
def temporary_plugin(tmp_path: Path, _no_settings: None) -> Iterator[Callable[..., TemporaryPlugin]]:
    """`temporary_plugin(source)` writes a one-file plugin and loads it.

    The source may be indented. `name` is the module's name, by which factories refer to it; they may as well read
    `f"{__name__}:Class"`.

    Raises:
        ComponentError: it can't be loaded.
    """
    from pegboard.plugins.registry import Registry, cannot_load

    made: list[str] = []

    def make(source: str, name: str = "temporary_plugin") -> TemporaryPlugin:
        file = tmp_path / f"{name}.py"
        file.write_text(textwrap.dedent(source), encoding="utf-8")
        made.append(name)
        sys.modules.pop(name, None)
        registry = Registry([str(file)])
        plugin = next(p for p in registry.plugins if p.entry.source == str(file.resolve()))
        if plugin.state != "ok":
            raise cannot_load(plugin)
        return TemporaryPlugin(str(file), plugin, registry)

    yield make
    for name in made:
        if _lies_in(tmp_path, name):
            del sys.modules[name]


@pytest.fixture
def tiny_dataset(tmp_path: Path) -> Path:
    """A CSV file with 60 texts and three labels, in the columns `text` and `label`; for `--dataset`.

    The data set `files` reads it.
    """
    rows = [(f"{text} {time}", label) for time in _TIMES for label, texts in _TEXTS.items() for text in texts]
    file = tmp_path / "tiny.csv"
    file.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8")
    return file


@pytest.fixture
def pegboard_cli(monkeypatch: pytest.MonkeyPatch, _no_settings: None) -> Callable[..., CommandResult]:
    """`pegboard_cli("plugins", "list")` runs a command line in this process; `stdin` is what it reads.

    Arguments that are no strings, such as paths, become strings. What subprocesses write is not caught.
    """
    import warnings

    from pegboard.cli.main import main

    def run(*arguments: object, stdin: str | bytes = b"") -> CommandResult:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        out, err = _Stream(), _Stream()
        with (
            monkeypatch.context() as patch,
            warnings.catch_warnings(),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
            # The command line sets it, which is not to outlive the test.
            patch.setenv("OMP_WAIT_POLICY", os.environ.get("OMP_WAIT_POLICY", "PASSIVE"))
            try:
                main([str(argument) for argument in arguments])
            except SystemExit as left:
                status = left.code if isinstance(left.code, int) else int(left.code is not None)
        return CommandResult(status, out.text(), err.text())

    return run


@pytest.fixture(scope="session")
def compiled_loops(tmp_path_factory: pytest.TempPathFactory) -> Callable[[type[CompiledLoops]], CompiledLoops]:
    """A function that gives compiled loops by their class, compiled once for all processes that test.

    Where Numba is missing the test is skipped.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def loaded(kind: type[CompiledLoops]) -> CompiledLoops:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PEGBOARD_CACHE", str(shared / "compiled-loops"))
            found = kind.load()
        if found is None:
            pytest.skip(str(kind.why_not()))
        return found

    return loaded


@pytest.fixture(scope="module", params=["numpy", "compiled"])
def both_loops(request: pytest.FixtureRequest) -> Iterator[None]:
    """Runs a test twice: tokenizers that stand on a base encode with NumPy, and with the loops that Numba compiles.

    Otherwise compiled loops encode large data only. Where Numba is missing the second test is skipped.
    """
    from pegboard.text import choosing
    from pegboard.text.compiled import Kernels

    found = request.getfixturevalue("compiled_loops")(Kernels) if request.param == "compiled" else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choosing, "_FROM_BYTES", 0)
        patch.setattr(choosing.Loops, "_right_ones", lambda *_: found)
        yield


@pytest.fixture
def _no_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer has switched off decides no test."""
    monkeypatch.setenv("PEGBOARD_CONFIG", str(tmp_path_factory.mktemp("pegboard") / "plugins.json"))
    for name in ("PEGBOARD_DISABLE", "PEGBOARD_STRICT"):
        monkeypatch.delenv(name, raising=False)


class _Stream(io.TextIOWrapper):
    """A stream as Python makes them for a pipe, of which one can read what was written."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        super().__init__(self._bytes, encoding="utf-8", newline="", write_through=True)

    def text(self) -> str:
        self.flush()
        return self._bytes.getvalue().decode("utf-8")


def _lies_in(folder: Path, module: str) -> bool:
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is not None and Path(file).is_relative_to(folder)
