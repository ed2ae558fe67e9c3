"""One-file plugins that a project's pyproject.toml lists."""

import shutil

import pytest
from pegboard.errors import RecipeError
from pegboard.plugins import project
from pegboard.plugins.project import project_plugins
from pegboard.toml import read_toml

LISTED = '[tool.pegboard]\nplugins = ["own.py"]\n'


@pytest.fixture
def folder(tmp_path, component):
    """A project with one plugin."""
    (tmp_path / "pyproject.toml").write_text(LISTED)
    (tmp_path / "own.py").write_text(component("tokenizer", "own"))
    return tmp_path


def test_the_file_is_found_from_here_and_from_below(folder):
    below = folder / "a" / "b"
    below.mkdir(parents=True)
    assert project_plugins(folder) == project_plugins(below) == [str(folder / "own.py")]


def test_the_nearest_table_counts(folder):
    below = folder / "member"
    below.mkdir()
    (below / "pyproject.toml").write_text('[project]\nname = "pegboard-member"\n')
    assert project_plugins(below) == [str(folder / "own.py")]
    (below / "pyproject.toml").write_text("[tool.pegboard]\n")
    assert project_plugins(below) == []


@pytest.mark.parametrize("what", [".git", "home"])
def test_the_search_ends(folder, what, monkeypatch):
    end = folder / "end"
    below = end / "below"
    below.mkdir(parents=True)
    if what == "home":
        monkeypatch.setenv("HOME", str(end))
        monkeypatch.setenv("USERPROFILE", str(end))
    else:
        (end / ".git").mkdir()
    assert project_plugins(below) == []
    shutil.copy(folder / "pyproject.toml", end)
    shutil.copy(folder / "own.py", end)
    assert project_plugins(below) == [str(end / "own.py")]


def test_a_folder_that_anybody_may_write_to_is_no_project_above(folder):
    below = folder / "below"
    below.mkdir()
    folder.chmod(0o777)
    assert project_plugins(below) == []
    assert project_plugins(folder) == [str(folder / "own.py")]


def test_nobody_has_a_home(folder, monkeypatch):
    def homeless():
        raise RuntimeError

    monkeypatch.setattr(project.Path, "home", homeless)
    assert project_plugins(folder) == [str(folder / "own.py")]


@pytest.mark.parametrize(
    "text", ["", "tool = 3\n# pegboard\n", "[tool.ruff]\n", "[tool.pegboard]\n", "this is no toml"]
)
def test_nothing_is_listed(folder, text):
    (folder / "pyproject.toml").write_text(text)
    assert project_plugins(folder) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.pegboard]\nplugins = 'own.py'", "must be a list of files, not 'own.py'"),
        ("[tool.pegboard]\nplugins = [1]", "must be a list of files"),
        ("[tool.pegboard]\nplugin = ['own.py']", "no key 'plugin'\n  -> did you mean plugins"),
        ("[tool]\npegboard = 1", "must be a table, not 1"),
        ("[tool.pegboard", "is not valid TOML"),
        ("[tool.pegboard]\nplugins = ['gone.py']", "there is no file 'gone.py'"),
        ("[tool.pegboard]\nplugins = ['../own.py']", "'../own.py' lies outside the project"),
        ("[tool.pegboard]\nplugins = ['/etc/own.py']", "'/etc/own.py' lies outside the project"),
        ("[tool.pegboard]\nplugins = ['linked.py']", "'linked.py' lies outside the project"),
        ("[tool.pegboard]\nplugins = ['.']", "there is no file '.'"),
    ],
)
def test_mistakes_name_the_file(folder, text, message, cli, monkeypatch):
    inner = folder / "inner"
    inner.mkdir()
    (inner / "linked.py").symlink_to(folder / "own.py")
    (inner / "pyproject.toml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        project_plugins(inner)
    assert message in str(caught.value)
    assert str(inner / "pyproject.toml") in str(caught.value)
    monkeypatch.chdir(inner)
    for command in (["plugins", "list"], ["doctor"], ["recipe", "show"], ["predict", "run", "text"]):
        done = cli(*command)
        assert (done.code, done.out) == (2, "")
        assert message in done.err
    for command in (["--help"], ["plugins", "--help"], ["train", "--help"]):
        assert cli(*command).code == 0


def test_they_are_loaded_wherever_plugin_is_honoured(folder, cli, monkeypatch):
    monkeypatch.chdir(folder)
    assert "own.py" in cli("plugins", "list").out
    assert "own (tokenizer)" in cli("plugins", "show", "own").out
    assert "own.py" in cli("doctor", "--json").out
    assert '"own"' in cli("recipe", "schema").out
    assert f"--plugin {folder / 'own.py'}" in cli("plugins", "list", "--requirements").out


def test_a_given_file_is_not_loaded_twice(folder, cli, monkeypatch):
    monkeypatch.chdir(folder)
    done = cli("plugins", "list", "--plugin", "own.py")
    assert (done.code, done.out.count("own.py"), done.err) == (0, 1, "")


def test_a_run_records_them(folder, cli, toy, monkeypatch):
    shutil.copy(toy, folder / "own_toys.py")
    (folder / "pyproject.toml").write_text('[tool.pegboard]\nplugins = ["own_toys.py"]\n')
    monkeypatch.chdir(folder)
    names = ("--dataset", "toy", "--tokenizer", "space", "--encoder", "mean", "--trainer", "loop")
    assert cli("train", "--quiet", *names, "--set", "trainer.epochs=1", "--out", "run").code == 0
    assert read_toml(folder / "run" / "recipe.toml")["plugins"] == [str(folder / "own_toys.py")]
    assert cli("predict", "run", "a sunny day").code == 0
    assert cli("evaluate", "run").code == 0


@pytest.mark.parametrize("files", [["manifest.json", "config.json"], ["recipe.toml", "model/manifest.json"]])
def test_code_beside_a_model_is_not_loaded_by_itself(folder, files):
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    for place in (folder, folder / "model"):
        with pytest.raises(RecipeError, match="may have come with it"):
            project_plugins(place)
    (folder / "pyproject.toml").write_text("[tool.pegboard]\n")
    assert project_plugins(folder) == []
