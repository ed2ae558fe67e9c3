"""`pegboard plugins new`: the package it writes installs, passes its own tests and trains at once."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pegboard.errors import RunError, UsageError
from pegboard.scaffold import LICENSES, new_plugin
from pegboard.specs import KINDS
from pegboard.toml import read_toml

TOY = Path(__file__).with_name("toy_plugin.py")
COMMON = {
    ".github/workflows/test.yml",
    ".gitignore",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "src/pegboard_my_own/__init__.py",
    "src/pegboard_my_own/py.typed",
    "tests/test_my_own.py",
}
BESIDES = {
    "tokenizer": set(),
    "encoder": {"encoder.py", "options.py"},
    "dataset": {"train.csv"},
    "trainer": {"trainer.py", "options.py"},
}
TOYS = {"dataset": "toy", "tokenizer": "space", "encoder": "mean", "trainer": "loop"}


def files(folder):
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def run(*command, cwd, site):
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_the_files(kind, tmp_path):
    target = new_plugin("my-own", kind, tmp_path)
    assert target == tmp_path / "pegboard-my-own"
    assert files(target) == COMMON | {f"src/pegboard_my_own/{name}" for name in BESIDES[kind]}
    assert list(tmp_path.iterdir()) == [target]
    for file in files(target):
        text = (target / file).read_text(encoding="utf-8")
        assert file == ".github/workflows/test.yml" or "$" not in text, file
        assert not text.startswith("\n") or file == "LICENSE"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_it_installs_passes_its_tests_and_trains(kind, tmp_path):
    if importlib.util.find_spec("setuptools") is None:  # importing it here would clash with a distutils already there
        pytest.skip("setuptools is not installed")
    pytest.importorskip("pip")
    package, site = new_plugin("my-own", kind, tmp_path), tmp_path / "site"
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--no-compile", "--quiet")
    run("pip", "install", *offline, "--target", site, package, cwd=tmp_path, site="")
    assert run("pytest", "-q", "-p", "no:cacheprovider", cwd=package, site=site).count("passed") == 1
    verdicts = json.loads(run("pegboard", "plugins", "check", "my-own", "--json", cwd=tmp_path, site=site))
    assert len(verdicts) > 10
    assert not [verdict for verdict in verdicts if verdict["outcome"] == "fail"]
    chosen = [f"--{part}={name}" for part, name in {**TOYS, kind: "my-own"}.items()]
    run("pegboard", "train", "--plugin", TOY, *chosen, "--out", "run", cwd=tmp_path, site=site)
    assert (tmp_path / "run" / "metrics.json").is_file()
    answer = run("pegboard", "predict", "run", "a happy day", "--json", "--plugin", TOY, cwd=tmp_path, site=site)
    assert json.loads(answer)["text"] == "a happy day"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["x", "my-own", "a-longer_name-of-several-words"])
def test_ruff_finds_nothing(kind, name, tmp_path):
    pytest.importorskip("ruff")
    package = new_plugin(name, kind, tmp_path)
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check", "--isolated", "--no-cache"], ["format", "--isolated", "--no-cache", "--diff"]):
        done = subprocess.run([*ruff, *command, package], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "name", ["", "Vowels", "1st", "my own", "-x", "x-", "a--b", "ä", "../x", "a/b", "a.b", "x\n", "pegboard-", "a" * 61]
)
def test_a_name_that_is_none_is_refused(name, tmp_path):
    with pytest.raises(UsageError, match="a name is lower case letters"):
        new_plugin(name, "tokenizer", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["class", "import", "none", "match", "test", "pegboard"])
def test_words_of_python_are_names(name, tmp_path):
    package = new_plugin(name, "encoder", tmp_path)
    for file in package.rglob("*.py"):
        compile(file.read_text(encoding="utf-8"), file.name, "exec")


@pytest.mark.parametrize(
    ("name", "distribution", "module"),
    [
        ("a-b", "pegboard-a-b", "pegboard_a_b"),
        ("a_b", "pegboard-a-b", "pegboard_a_b"),
        ("pegboard-c", "pegboard-c", "pegboard_c"),
    ],
)
def test_dashes_and_underscores(name, distribution, module, tmp_path):
    package = new_plugin(name, "tokenizer", tmp_path)
    project = read_toml(package / "pyproject.toml")["project"]
    assert package.name == project["name"] == distribution
    assert project["entry-points"]["pegboard.plugins.v1"] == {name.removeprefix("pegboard-"): module}
    assert (package / "src" / module / "__init__.py").is_file()


@pytest.mark.parametrize(("kind", "name"), [("tokenizer", "char"), ("encoder", "char"), ("dataset", "data")])
def test_a_published_package_is_not_shadowed(kind, name, tmp_path):
    with pytest.raises(UsageError, match=f"taken by the published package pegboard-{name}"):
        new_plugin(name, kind, tmp_path)


@pytest.mark.parametrize("what", ["folder", "file", "broken link"])
def test_what_is_there_stays(what, tmp_path):
    target = tmp_path / "pegboard-own"
    if what == "folder":
        target.mkdir()
        (target / "mine.txt").write_text("mine")
    elif what == "file":
        target.write_text("mine")
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is there already"):
        new_plugin("own", "tokenizer", tmp_path)
    assert what != "folder" or files(target) == {"mine.txt"}


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="can't be written"):
        new_plugin("own", "tokenizer", tmp_path / "file")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="can't be written"):
        new_plugin("own", "tokenizer", tmp_path)
    tmp_path.chmod(0o700)


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(RunError, match="No space left"):
        new_plugin("own", "tokenizer", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("license_name", LICENSES)
def test_licences(license_name, tmp_path):
    package = new_plugin("own", "tokenizer", tmp_path, license_name=license_name, author='Ada "A" $x Łoś')
    project = read_toml(package / "pyproject.toml")["project"]
    assert project["authors"] == [{"name": 'Ada "A" $x Łoś'}]
    if license_name == "none":
        assert not (package / "LICENSE").exists()
        assert "license" not in project
        assert project["classifiers"] == ["Private :: Do Not Upload"]
        return
    assert project["license"] == LICENSES[license_name]
    text = (package / "LICENSE").read_text(encoding="utf-8")
    assert license_name == "apache-2.0" or 'Ada "A" $x Łoś' in text


def test_an_author_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="one line"):
        new_plugin("own", "tokenizer", tmp_path, author="a\nb")


def test_the_command(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = cli("plugins", "new", "own", "--kind", "tokenizer", "--license", "mit", "--author", "Ada")
    assert done.code == 0
    for expected in ("./pegboard-own", "pip install -e ./pegboard-own", "plugins check own", "train --tokenizer own"):
        assert expected in done.out
    assert "edit `split` in ./pegboard-own/src/pegboard_own/__init__.py" in done.out
    assert "Ada" in (tmp_path / "pegboard-own" / "LICENSE").read_text()
    again = cli("plugins", "new", "own", "--kind", "tokenizer")
    assert (again.code, again.out) == (2, "")
    assert "is there already" in again.err


def test_the_command_gives_json(cli, tmp_path):
    done = cli("plugins", "new", "own", "--kind", "trainer", "--dir", tmp_path / "new", "--json")
    written = json.loads(done.out)
    assert set(written["files"]) == files(Path(written["folder"])) == files(tmp_path / "new" / "pegboard-own")
    assert Path(written["edit"]).name == "trainer.py"
    assert written["next"][-1] == "pegboard train --trainer own"


@pytest.mark.parametrize("arguments", [["own"], ["own", "--kind", "tokeniser"], ["Own", "--kind", "tokenizer"]])
def test_the_command_refuses(cli, arguments, tmp_path):
    done = cli("plugins", "new", *arguments, "--dir", tmp_path)
    assert done.code == 2
    assert done.err
    assert not list(tmp_path.iterdir())
