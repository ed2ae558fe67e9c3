"""Every kind of broken plugin, against every command that does not need it, and against one that does."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from pegboard.cli import install

HEAD = "import pegboard\nfrom pegboard import ComponentSpec, hookimpl\n"
SPEC = "ComponentSpec(name='odd', factory='odd_inner:Odd', summary='made up', options='pegboard:TokenizerOptions')"
GOOD = f"{HEAD}@hookimpl\ndef pegboard_tokenizers():\n    yield {SPEC}\n"
INNER = "import pegboard\nclass Odd(pegboard.PieceTokenizer):\n    def split(self, text): return text.split()\n"


def hook(body, name="pegboard_tokenizers", arguments=""):
    return f"{HEAD}@hookimpl\ndef {name}({arguments}):\n    {body}\n"


def kind(code="", *, inner=INNER, cause="", state="broken", needed=3, written="", more=None, **metadata):
    """A kind of plugin.

    Args:
        code: of the module that its entry point names.
        inner: the code of the module of its tokenizer.
        cause: what a command says that needs it.
        state: what `plugins list` says of it.
        needed: the status of a command that needs it.
        written: what its import writes, which must end up on stderr.
        more: puts more on the path.
        metadata: of the distribution.
    """
    return SimpleNamespace(
        code=code, inner=inner, cause=cause, state=state, needed=needed, written=written, more=more, metadata=metadata
    )


def another_of_its_name(site, tmp_path, monkeypatch):
    site.add("twin", GOOD.replace("odd_inner", "twin_inner"), twin_inner=INNER)


def an_older_one(site, tmp_path, monkeypatch):
    folder = tmp_path / "older"
    folder.mkdir()
    type(site)(folder).add("odd-one", "raise AssertionError('the older one was imported')", version="0.9")
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])


KINDS = {
    "import error": kind("from pegboard import no_such_name", cause="ImportError: cannot import name 'no_such_name'"),
    "syntax error": kind("def f(:\n", cause="SyntaxError in "),
    "raises on import": kind("raise ValueError('no luck')", cause="ValueError: no luck"),
    "exits on import": kind("import sys; sys.exit(0)", cause="it called sys.exit(0)"),
    "prints on import": kind(f"print('hello')\n{GOOD}", state="ok", needed=0, written="hello\n"),
    "hook raises": kind(hook("raise ValueError('no luck')"), cause="ValueError: no luck"),
    "hook exits": kind(hook("raise SystemExit(0)"), cause="it called sys.exit(0)"),
    "wrong type": kind(hook("return 'odd'"), cause="must return an iterable of ComponentSpec, not str"),
    "wrong signature": kind(hook("return []", arguments="registry"), cause="{'registry'} are declared"),
    "misspelled hook": kind(hook("return []", "pegboard_tokenizer"), cause="there is no hook 'pegboard_tokenizer'"),
    "missing factory": kind(GOOD, inner="", state="ok", cause="module 'odd_inner' has no attribute 'Odd'"),
    "missing factory module": kind(
        GOOD.replace("odd_inner", "no_such_inner"), state="ok", cause="No module named 'no_such_inner'"
    ),
    "factory raises": kind(GOOD, inner="def Odd(options): raise ValueError('no luck')", state="ok", cause="no luck"),
    "factory exits": kind(GOOD, inner="def Odd(options): raise SystemExit(0)", state="ok", cause="sys.exit(0)"),
    "missing heavy dependency": kind(
        GOOD, inner=f"import heavy_and_absent\n{INNER}", state="ok", cause="it needs the module 'heavy_and_absent'"
    ),
    "missing requirement": kind(
        GOOD.replace("summary", "requires=('heavy-and-absent>=2',), summary"),
        state="ok",
        cause="requires heavy-and-absent>=2, but it is not installed",
    ),
    "too new": kind(GOOD, group="pegboard.plugins.v2", state="incompatible", cause="newer hook API 2"),
    "too old": kind(GOOD, group="pegboard.plugins.v0", state="incompatible", cause="older hook API 0"),
    "malformed value": kind(entry_points="[pegboard.plugins.v1]\nodd = no module\n", cause="malformed entry point"),
    "malformed file": kind(entry_points="pegboard nonsense\n", cause="its entry_points.txt can't be read"),
    "a name that is taken": kind(
        GOOD, state="ok", cause="2 plugins provide the tokenizer 'odd'", more=another_of_its_name
    ),
    "twice on the path": kind(GOOD, state="ok", needed=0, more=an_older_one),
}


@pytest.fixture(params=KINDS, ids=lambda name: name.replace(" ", "-"))
def odd_one(request, site, tmp_path, monkeypatch):
    """A plugin of one kind, installed as the distribution odd-one 1.0."""
    made = KINDS[request.param]
    if "entry_points" in made.metadata:
        site.metadata("odd-one", **made.metadata)
    else:
        site.add("odd-one", made.code, odd_inner=made.inner, **made.metadata)
    if made.more:
        made.more(site, tmp_path, monkeypatch)
    return made


def imported():
    return {"odd_one", "odd_inner", "made_up_odd_one"} & sys.modules.keys()


def test_help(odd_one, cli):
    done = cli("--help")
    assert (done.code, done.err) == (0, "")
    assert not imported()


def test_plugins_list(odd_one, cli, toy):
    done = cli("plugins", "list", "--json", "--plugin", toy)
    assert (done.code, done.err) == (0, odd_one.written)
    rows = json.loads(done.out)
    [row] = [row for row in rows if row["distribution"] == "odd-one"]
    assert (row["version"], row["state"]) == ("1.0", odd_one.state)
    assert row["component"] == ("odd" if odd_one.state == "ok" else "-")
    assert odd_one.state == "ok" or odd_one.cause in row["why"]
    assert {"space", "mean", "loop"} <= {row["component"] for row in rows if row["state"] == "ok"}
    assert "odd_inner" not in sys.modules
    assert "odd-one" in cli("plugins", "list").out


def test_plugins_disable(odd_one, cli, toy):
    done = cli("plugins", "disable", "odd-one")
    assert (done.code, done.err) == (0, "")
    assert not imported()
    done = cli("plugins", "list", "--json", "--plugin", toy)
    assert [row["state"] for row in json.loads(done.out) if row["distribution"] == "odd-one"] == ["disabled"]
    assert done.err == ""
    assert not imported()
    assert cli("plugins", "enable", "odd-one").code == 0


def test_disabled_for_one_call(odd_one, cli, toy_training, tmp_path, monkeypatch):
    monkeypatch.setenv("PEGBOARD_DISABLE", "something-else,odd-one")
    done = cli(*toy_training, "--out", tmp_path / "run")
    assert (done.code, done.err) == (
        0,
        "warning: PEGBOARD_DISABLE names 'something-else', which is no installed plugin\n",
    )
    assert not imported()


def test_plugins_uninstall(odd_one, cli, monkeypatch):
    def take_away_the_first(command, **_):
        assert command == [sys.executable, "-m", "pip", "uninstall", "--yes", "odd-one"]
        info = next(place for folder in sys.path for place in Path(folder).glob("odd_one-*.dist-info"))
        for file in info.iterdir():
            file.unlink()
        info.rmdir()
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(install, "subprocess", SimpleNamespace(run=take_away_the_first))
    monkeypatch.setattr(install, "_find_pip", lambda: True)
    done = cli("plugins", "uninstall", "odd-one", "--yes")
    assert (done.code, done.out) == (0, "removed odd-one\n")
    assert not imported()
    assert "odd-one" not in {row["distribution"] for row in json.loads(cli("plugins", "list", "--json").out)}


def test_training_with_others(odd_one, cli, toy_training, tmp_path):
    done = cli(*toy_training, "--out", tmp_path / "run")
    assert done.code == 0
    assert (tmp_path / "run" / "metrics.json").is_file()
    told = [line for line in done.err.splitlines() if "odd-one" in line]
    assert done.err.splitlines() == odd_one.written.splitlines() + told
    if odd_one.state == "ok":
        assert told == []
    else:
        [line] = told
        assert line.startswith(f"warning: the plugin odd-one 1.0 is {odd_one.state} and was left out: ")
        assert odd_one.cause in line
        assert line.endswith("(`pegboard plugins disable odd-one` to silence this)")
    assert "odd_inner" not in sys.modules


def test_a_command_that_needs_it(odd_one, cli, toy_training, tmp_path):
    done = cli(*toy_training, "--tokenizer", "odd", "--out", tmp_path / "run")
    assert done.code == odd_one.needed
    if odd_one.needed:
        error = done.err[done.err.index("error: ") :]
        assert "odd-one 1.0" in error
        assert odd_one.cause in error
        assert "\n  -> " in error
        mended = (
            "pegboard plugins disable odd-one",
            "choose odd-one:odd or twin:odd",
            "pip install 'heavy-and-absent>=2'",
        )
        assert any(mend in error for mend in mended)
        assert "Traceback" not in error
        assert not (tmp_path / "run").exists()


def test_the_doctor(odd_one, cli):
    done = cli("doctor", "--json")
    assert done.code == (0 if odd_one.state == "ok" else 3)
    [facts] = [plugin for plugin in json.loads(done.out)["plugins"] if plugin["distribution"] == "odd-one"]
    assert (facts["state"], facts["version"]) == (odd_one.state, "1.0")
    raised = ("Error: ", "SyntaxError in", "sys.exit", "are declared")
    shown = odd_one.state == "broken" and any(part in odd_one.cause for part in raised)
    assert facts["traceback"].startswith("Traceback" if shown else "")
    assert bool(facts["traceback"]) == shown


def test_strictly(odd_one, cli, toy_training, tmp_path, monkeypatch):
    monkeypatch.setenv("PEGBOARD_STRICT", "1")
    done = cli(*toy_training, "--out", tmp_path / "run")
    assert done.code == (0 if odd_one.state == "ok" else 3)
    if odd_one.state != "ok":
        assert done.err.startswith(f"error: the plugin odd-one 1.0 is {odd_one.state}: ")
    assert cli("--help").code == cli("plugins", "disable", "odd-one").code == 0


REALLY_INSTALLED = {
    "import-error": ("import no_such_module_at_all", "No module named 'no_such_module_at_all'"),
    "exits": ("import sys\nsys.exit(0)", "it called sys.exit(0)"),
    "signature": (hook("return []", arguments="registry"), "{'registry'} are declared"),
    "misspelled": (hook("return []", "pegboard_tokenizer"), "there is no hook 'pegboard_tokenizer'"),
    "too-new": ("raise AssertionError", "made for the newer hook API 2"),
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory, environment_in):
    """An environment with the broken plugins, installed by pip."""
    folder = tmp_path_factory.mktemp("really")
    for name, (code, _) in REALLY_INSTALLED.items():
        package, module = folder / name, f"really_{name.replace('-', '_')}"
        group = "pegboard.plugins.v2" if name == "too-new" else "pegboard.plugins.v1"
        package.mkdir()
        (package / f"{module}.py").write_text(code)
        (package / "pyproject.toml").write_text(
            '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'
            f'[project]\nname = "really-{name}"\nversion = "1.2"\ndependencies = ["pegboard>=0.1"]\n'
            f'[project.entry-points."{group}"]\n{name} = "{module}"\n'
            f'[tool.setuptools]\npy-modules = ["{module}"]\n'
        )
    run = environment_in(folder / "environment")
    offline = ("--no-build-isolation", "--no-deps", "--no-index", "--no-compile", "--quiet")
    done = run("pip", "install", *offline, *(folder / name for name in REALLY_INSTALLED))
    assert done.returncode == 0, done.stderr
    return run


@pytest.mark.slow
def test_plugins_that_pip_installed(environment, toy_training, tmp_path):
    """One after the other, since each test of its own would install them all once more."""
    done = environment("pegboard", "--help")
    assert (done.returncode, done.stderr) == (0, "")

    done = environment("pegboard", *toy_training, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    for name, (_, cause) in REALLY_INSTALLED.items():
        [line] = [line for line in done.stderr.splitlines() if f"the plugin really-{name} 1.2 is " in line]
        assert cause in line
        assert line.endswith(f"(`pegboard plugins disable really-{name}` to silence this)")
    assert len(done.stderr.splitlines()) == len(REALLY_INSTALLED)

    def states():
        done = environment("pegboard", "plugins", "list", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        return {row["distribution"]: row["state"] for row in json.loads(done.stdout)}

    broken = {f"really-{name}": "broken" for name in REALLY_INSTALLED} | {"really-too-new": "incompatible"}
    assert states().items() >= broken.items()
    for name in broken:
        done = environment("pegboard", "plugins", "disable", name)
        assert (done.returncode, done.stderr) == (0, "")
    assert states().items() >= dict.fromkeys(broken, "disabled").items()
    for name in broken:
        assert environment("pegboard", "plugins", "enable", name).returncode == 0
    for name in broken:
        done = environment("pegboard", "plugins", "uninstall", name, "--yes")
        assert (done.returncode, done.stdout) == (0, f"removed {name}\n"), done.stderr
    assert not states().keys() & broken.keys()
