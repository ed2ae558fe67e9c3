"""What the tests of the core share: the command line in this process, and one small trained run."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pegboard
import pytest
from pegboard.console import silent
from pegboard.testing.pytest_plugin import CommandResult

HERE = Path(__file__).parent
TOY = str(HERE / "toy_plugin.py")
ODD = str(HERE / "odd_plugin.py")


@pytest.fixture(scope="session", autouse=True)
def _a_home_of_its_own(tmp_path_factory):
    """What the developer has switched off, or cached, decides no test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PEGBOARD_CONFIG", str(tmp_path_factory.mktemp("config") / "plugins.json"))
        patch.delenv("PEGBOARD_STRICT", raising=False)
        patch.delenv("PEGBOARD_DISABLE", raising=False)
        yield


@pytest.fixture(autouse=True)
def _modules_of_one_test(request):
    """Plugins that a test wrote are forgotten with it: the next one's may have the same name."""
    before = set(sys.modules)
    folder = str(request.getfixturevalue("tmp_path")) if "tmp_path" in request.fixturenames else None
    yield
    for name in set(sys.modules) - before:
        if folder and (getattr(sys.modules[name], "__file__", None) or "").startswith(folder):
            del sys.modules[name]


@pytest.fixture(scope="session")
def toy():
    """The file of the plugin with a toy component of each kind."""
    return TOY


@pytest.fixture(scope="session")
def odd():
    """The file of the plugin whose components go wrong, and of the data set `table`."""
    return ODD


@pytest.fixture
def cli(pegboard_cli, toy):
    """`cli("predict", run, "text")`: the command line in this process; what reads a model also gets the toy plugin."""

    def run(*arguments, **more):
        reads_a_model = arguments and arguments[0] in ("predict", "evaluate") and "--plugin" not in arguments
        return pegboard_cli(*arguments, *(("--plugin", toy) if reads_a_model else ()), **more)

    return run


@pytest.fixture(scope="session")
def process():
    """`process("train", ...)`: the command line in a process of its own."""

    def run(*arguments, stdin=b"", env=None, start=False):
        command = [sys.executable, "-m", "pegboard", *map(str, arguments)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **(env or {})}
        if start:
            return subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
        done = subprocess.run(command, input=stdin, env=environment, capture_output=True, timeout=120, check=False)
        return CommandResult(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture(scope="session")
def environment_in():
    """`run = environment_in(folder)` makes a virtual environment that sees this one's packages.

    `run("pip", ...)` and `run("pegboard", ...)` are its programs; pip asks no index.
    """
    if not all(map(importlib.util.find_spec, ("pip", "setuptools"))):
        pytest.skip("pip and setuptools are needed")

    def make(folder):
        made = [sys.executable, "-m", "venv", "--without-pip", folder]
        done = subprocess.run(made, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no environment can be made: {done.stderr[-200:]}")
        [site] = folder.rglob("site-packages")
        others = [place for place in sys.path if place.endswith("site-packages")]
        (site / "others.pth").write_text("".join(f"import site; site.addsitedir({place!r})\n" for place in others))
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        variables = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PEGBOARD_CONFIG": str(folder / "plugins.json"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # which is how pip spells that there is none
            "PIP_NO_INDEX": "1",
            "PYTHONSAFEPATH": "1",
        }

        def run(program, *arguments, cwd=folder):
            command = [python, "-m", program, *map(str, arguments)]
            return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=variables, check=False)

        return run

    return make


class Site:
    """A folder with distributions as an installer leaves them, of which none is installed."""

    def __init__(self, folder):
        self.folder = folder

    def __str__(self):
        return str(self.folder)

    def add(self, name, code="", *, version="1.0", group="pegboard.plugins.v1", **files):
        """A distribution with one module and one entry point of its name; gives the module's name."""
        module = re.sub(r"\W", "_", name).replace("pegboard_", "made_up_")  # the real one may be imported already
        self.metadata(name, f"[{group}]\n{name} = {module}\n", version=version)
        (self.folder / f"{module}.py").write_text(code, encoding="utf-8")
        for other, text in files.items():
            (self.folder / f"{other}.py").write_text(text, encoding="utf-8")
        return module

    def metadata(self, name, entry_points, *, version="1.0", folder=None):
        """The metadata of a distribution; `entry_points` is the text or the bytes of its entry_points.txt."""
        info = self.folder / (folder or f"{re.sub(r'[-.]', '_', name)}-{version}.dist-info")
        info.mkdir()
        (info / "PKG-INFO" if info.suffix == ".egg-info" else info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8"
        )
        content = entry_points if isinstance(entry_points, bytes) else entry_points.encode()
        (info / "entry_points.txt").write_bytes(content)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on `sys.path` to put distributions in."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return Site(folder)


def plugin_code(kind, name, more="", **fields):
    """The source of a plugin with one component, whose class and options are `object` and `pegboard.Options`."""
    fields = {"factory": "builtins:object", "options": "pegboard:Options", "summary": "made up", **fields}
    given = ", ".join(f"{key}={value!r}" for key, value in fields.items())
    return (
        f"import pegboard\nfrom pegboard import ComponentSpec, SameAs, hookimpl\n{more}\n"
        f"@hookimpl\ndef pegboard_{kind}s():\n    yield ComponentSpec(name={name!r}, {given})\n"
    )


@pytest.fixture(scope="session")
def component():
    """`component("tokenizer", "dash")`: the source of a plugin with one component."""
    return plugin_code


@pytest.fixture(scope="session")
def toy_training():
    """The arguments of a training on toys that takes a fraction of a second, but for `--out`."""
    names = ("--dataset", "toy", "--tokenizer", "space", "--encoder", "mean", "--trainer", "loop")
    return ("train", "--quiet", "--plugin", TOY, *names, "--set", "trainer.epochs=2")


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A complete run, for reading only."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    pegboard.train(
        dataset="toy",
        tokenizer="space",
        encoder="mean",
        trainer="loop",
        trainer_epochs=2,
        out=folder,
        plugins=[TOY],
        console=silent,
    )
    return folder


@pytest.fixture
def run_copy(trained, tmp_path):
    """A complete run that a test may damage."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture(scope="session")
def classifier(trained, toy):
    """The classifier of `trained`."""
    return pegboard.load(trained, plugins=[toy])
