"""Every hook is documented with an example that works, and is called as its page says."""

import doctest
import inspect
import json
import sys
from pathlib import Path

import pegboard
import pluggy
import pytest
from pegboard import hookspecs
from pegboard.plugins.loading import REGISTERING_HOOKS, TRACKERS_HOOK
from pegboard.specs import KINDS

HOOKS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("pegboard_")}
LIFE_CYCLE = set(HOOKS) - set(REGISTERING_HOOKS.values()) - {TRACKERS_HOOK}
PAGES = Path(__file__).parent.parent / "docs" / "reference" / "hooks"


def implementation(name):
    """The function that the example in a hook's docstring defines."""
    [example] = doctest.DocTestParser().get_examples(HOOKS[name].__doc__)
    namespace = {"hookimpl": pegboard.hookimpl, "ComponentSpec": pegboard.ComponentSpec}
    exec(example.source, namespace)
    return namespace[name]


def test_there_is_a_hook_for_every_kind():
    assert set(REGISTERING_HOOKS) == set(KINDS)
    assert set(REGISTERING_HOOKS.values()) <= set(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_it_is_typed_and_documented(name):
    signature = inspect.signature(HOOKS[name])
    assert signature.return_annotation is not inspect.Signature.empty
    documentation = inspect.getdoc(HOOKS[name])
    assert "Called " in documentation
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty
        assert f"    {parameter.name}: " in documentation
        assert parameter.default is inspect.Parameter.empty  # pluggy would never pass it


@pytest.mark.parametrize("name", HOOKS)
def test_its_example_is_an_implementation(name):
    manager = pluggy.PluginManager("pegboard")
    manager.add_hookspecs(hookspecs)
    plugin = type("Plugin", (), {name: staticmethod(implementation(name))})
    manager.register(plugin)
    manager.check_pending()
    assert [caller.name for caller in manager.get_hookcallers(plugin)] == [name]


@pytest.mark.parametrize("hook", REGISTERING_HOOKS.values())
def test_the_example_of_a_registering_hook_gives_components(hook):
    [spec] = implementation(hook)()
    assert isinstance(spec, pegboard.ComponentSpec)
    assert list(HOOKS[hook]()) == []


@pytest.mark.parametrize("name", HOOKS)
def test_it_has_a_page_of_its_own(name):
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert f"# {name}\n" in page
    assert f"{name}{inspect.signature(HOOKS[name])}".replace("'", "") in page
    assert f"```python\n@hookimpl\ndef {name}(" in page
    assert f"[`{name}`]({name}.md)" in (PAGES / "README.md").read_text(encoding="utf-8")


def test_there_is_no_page_of_a_hook_that_is_none():
    assert {page.stem for page in PAGES.glob("*.md")} == {"README", *HOOKS}


@pytest.fixture(scope="module")
def called(tmp_path_factory, toy_training):
    """The hooks that a training calls in a plugin that implements all there are."""
    folder = tmp_path_factory.mktemp("all_hooks")
    code = "import pegboard\nCALLED = []\n"
    for name, hook in HOOKS.items():
        arguments = ", ".join(inspect.signature(hook).parameters)
        code += f"@pegboard.hookimpl\ndef {name}({arguments}):\n    CALLED.append({name!r})\n    return []\n"
    (folder / "every_hook.py").write_text(code)
    from pegboard.cli.main import _run

    arguments = [*toy_training, "--plugin", str(folder / "every_hook.py"), "--out", str(folder / "run")]
    assert _run(arguments, debug=False) == 0
    return sys.modules.pop("every_hook").CALLED


@pytest.mark.parametrize("name", HOOKS)
def test_a_run_calls_it(name, called):
    """A hook that no test sees called is no hook; one that a run has no use for needs a test of its own here."""
    assert name in called


def test_the_group_of_entry_points_carries_the_version_of_the_hooks():
    assert f"pegboard.plugins.v{hookspecs.HOOK_API}" == hookspecs.ENTRY_POINT_GROUP


RECORDER = """
import json
from pegboard import hookimpl

def note(*what):
    with open({file!r}, "a") as file:
        file.write(json.dumps(what) + "\\n")

@hookimpl
def pegboard_run_started(run):
    note("started", (run.folder / "recipe.toml").is_file(), (run.folder / "model").exists(), run.seed)

@hookimpl
def pegboard_logged(record, run):
    assert isinstance(record.pop("time"), float)
    note("logged", (run.folder / "log.jsonl").read_text().count("\\n"), record)

@hookimpl
def pegboard_epoch_finished(metrics, run):
    note("epoch", run.recipe["encoder"].component.name, dict(metrics))

@hookimpl
def pegboard_run_finished(run):
    note("finished", (run.folder / "metrics.json").is_file(), (run.folder / "model").is_dir())
"""


def test_the_life_cycle_hooks_are_called_as_documented(site, toy_training, tmp_path, cli):
    noted = {"pegboard_run_started", "pegboard_logged", "pegboard_epoch_finished", "pegboard_run_finished"}
    assert noted == LIFE_CYCLE
    notes = tmp_path / "notes"
    site.add("recorder", RECORDER.format(file=str(notes)))
    for _ in range(2):  # a run that is complete is not run again
        assert cli(*toy_training, "--out", tmp_path / "run").code == 0
        assert [json.loads(line) for line in notes.read_text().splitlines()] == [
            ["started", True, False, 42],
            ["logged", 1, {"event": "epoch", "epoch": 1}],
            ["epoch", "mean", {"epoch": 1}],
            ["logged", 2, {"event": "epoch", "epoch": 2}],
            ["epoch", "mean", {"epoch": 2}],
            ["finished", True, True],
        ]


def test_a_run_that_fails_is_not_finished(site, component, toy_training, tmp_path, cli):
    notes = tmp_path / "notes"
    site.add("recorder", RECORDER.format(file=str(notes)))
    failing = "import pegboard\nclass Failing(pegboard.Trainer):\n    def fit(self, *_): raise ValueError"
    site.add("failing", component("trainer", "fails", factory="failing_trainer:Failing"), failing_trainer=failing)
    assert cli(*toy_training[:-2], "--trainer", "fails", "--out", tmp_path / "run").code == 3
    assert [json.loads(line)[0] for line in notes.read_text().splitlines()] == ["started"]
