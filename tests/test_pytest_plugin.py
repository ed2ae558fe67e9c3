"""The fixtures for authors of plugins, each as they use it: in a pytest of its own."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

HEAVY = ("torch", "numpy", "pyarrow", "datasets", "pydantic", "click", "entrypoints", "pegboard.plugins.registry")


def run_pytest(folder, code, *, expect="passed", **environment):
    (folder / "test_it.py").write_text(code, encoding="utf-8")
    script = (
        "import sys, pytest\n"
        "status = pytest.main(['-q', '-p', 'no:cacheprovider', '-p', 'no:hypothesispytest', '.'])\n"
        f"print('heavy:', *sorted(set(sys.modules) & set({HEAVY!r})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert expect in done.stdout, done.stdout + done.stderr
    assert "failed" not in done.stdout, done.stdout
    return done.stdout


def test_the_entry_point_is_declared():
    found = {entry.value for entry in metadata.entry_points(group="pytest11") if entry.name == "pegboard"}
    assert found == {"pegboard.testing.pytest_plugin"}


def test_it_weighs_nothing_where_it_is_not_used(tmp_path):
    out = run_pytest(tmp_path, "", expect="no tests ran")
    assert out.splitlines()[-1].split() == ["heavy:"]


def test_fixtures_are_shown_with_what_they_do(tmp_path):
    command = [sys.executable, "-m", "pytest", "--fixtures", "-q", "-p", "no:cacheprovider", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    for name in ("pegboard_registry", "temporary_plugin", "tiny_dataset", "pegboard_cli"):
        _, _, text = done.stdout.partition(f"\n{name} ")
        assert text, name
        assert "no docstring" not in text.split("\n\n")[0]


def test_as_an_author_uses_them(tmp_path, toy):
    code = f'''
import sys
import pytest
from pegboard.errors import ComponentError

SOURCE = """
    import pegboard

    class Dashes(pegboard.PieceTokenizer):
        def split(self, text):
            return text.split("-")

    @pegboard.hookimpl
    def pegboard_tokenizers():
        yield pegboard.ComponentSpec(name="dash", factory=f"{{__name__}}:Dashes", summary="splits at dashes")
"""


def test_registry(pegboard_registry):
    assert all(plugin.state != "disabled" for plugin in pegboard_registry.plugins)


def test_plugin(temporary_plugin):
    made = temporary_plugin(SOURCE)
    assert made.plugin.state == "ok"
    component = made.registry.find("tokenizer", "dash")
    assert made.registry.factory_of(component).__module__ == "temporary_plugin"
    assert temporary_plugin(SOURCE.replace('"-"', '"+"'), "plus").file.endswith("plus.py")


def test_it_is_gone():
    assert not {{"temporary_plugin", "plus"}} & set(sys.modules)


def test_written_twice(temporary_plugin):
    temporary_plugin(SOURCE)
    made = temporary_plugin(SOURCE.replace("dash", "hash"))
    assert [component.name for component in made.plugin.components] == ["hash"]


def test_broken(temporary_plugin):
    with pytest.raises(ComponentError, match="no_such_module"):
        temporary_plugin("import no_such_module")
    with pytest.raises(ComponentError, match="implements no hook"):
        temporary_plugin("def f():\\n    return 1\\n")


def test_the_command_line(temporary_plugin, pegboard_cli, tmp_path):
    made = temporary_plugin(SOURCE)
    done = pegboard_cli("plugins", "show", "dash", "--plugin", made.file)
    assert (done.code, done.err) == (0, "")
    assert "splits at dashes" in done.out
    code, out, err = pegboard_cli("plugins", "show", "dush", "--plugin", made.file)
    assert (code, out) == (3, "")
    assert "did you mean dash?" in err
    assert pegboard_cli("--nonsense").code == 2
    assert pegboard_cli("--help").code == 0


def test_training_and_stdin(pegboard_cli, tmp_path):
    toys = ["--plugin", {toy!r}, "--tokenizer", "space", "--encoder", "mean", "--trainer", "loop"]
    done = pegboard_cli("train", "--dataset", "toy", *toys, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    done = pegboard_cli("predict", tmp_path / "run", "--input", "-", "--plugin", toys[1], stdin="glad\\ngräy\\n")
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 2
    assert "gräy" in done.out


def test_data(tiny_dataset):
    lines = tiny_dataset.read_text().splitlines()
    assert lines[0] == "text,label"
    assert {{line.split(",")[1] for line in lines[1:]}} == {{"sea", "city", "forest"}}
    assert len(set(lines)) == 61


def test_settings_of_the_environment(pegboard_cli, monkeypatch):
    monkeypatch.setenv("PEGBOARD_DISABLE", "no-such-plugin")
    assert "PEGBOARD_DISABLE names 'no-such-plugin'" in pegboard_cli("plugins", "list").err
'''
    settings = tmp_path / "settings.json"
    settings.write_text('{"disabled": ["*"]}')
    (tmp_path / "tests").mkdir()
    spoiled = {"PEGBOARD_CONFIG": str(settings), "PEGBOARD_DISABLE": "*", "PEGBOARD_STRICT": "1"}
    run_pytest(tmp_path / "tests", code, expect="9 passed", **spoiled)


def test_the_tiny_data_set_can_be_read(tiny_dataset):
    pytest.importorskip("pegboard_data")
    import pegboard

    loaded = pegboard.load_dataset(str(tiny_dataset))
    assert loaded["train"].num_rows == 60
    assert Path(tiny_dataset).suffix == ".csv"


@pytest.mark.slow
def test_the_page_on_testing_shows_what_works(tmp_path):
    for needed in ("pegboard_data", "pegboard_rnn", "pegboard_accelerate"):
        pytest.importorskip(needed)
    page = Path(__file__).parent.parent / "docs" / "how-to" / "test-a-plugin.md"
    _, _, rest = page.read_text(encoding="utf-8").partition('```python title="test_dashes.py"\n')
    run_pytest(tmp_path, rest.partition("```")[0], expect="3 passed")
