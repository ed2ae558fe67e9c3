"""Nothing heavy is imported before it is used, and the public names are what they claim to be."""

import ast
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pegboard
import pytest
from pegboard.plugins.catalogue import _catalogue
from pegboard.plugins.discovery import discover
from pegboard.plugins.registry import Registry

CORE = Path(pegboard.__file__).parent
HEAVY = {"torch", "transformers", "datasets", "pandas", "sklearn", "accelerate", "scipy", "huggingface_hub"}
NOT_FOR_HELP = HEAVY | {"numpy", "pyarrow", "pydantic", "tokenizers", "safetensors", "rich", "importlib.metadata"}
MODULES = sorted(
    ".".join(("pegboard", *path.relative_to(CORE).with_suffix("").parts)).removesuffix(".__init__")
    for path in CORE.rglob("*.py")
    if path.name != "__main__.py" and "templates" not in path.parts
)
# Each holds a torch.nn.Module, and is imported when one is built.
MAY_BE_HEAVY = {
    "pegboard.dropout",
    "pegboard.pipeline.lowered",
    "pegboard.tasks.network",
    "pegboard.testing.tiny_encoder",
}


def imported_by(code):
    """The top-level modules that a fresh interpreter has imported after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def command(*arguments):
    return f"from pegboard.cli.main import _run\n_run({list(arguments)!r}, debug=False)"


COMMANDS = [
    ["--help"],
    ["--version"],
    ["no-such-command"],
    ["plugins", "list"],
    ["plugins", "list", "--json"],
    ["plugins", "--help"],
    ["plugins", "enable", "no-such-plugin"],
    ["recipe", "--help"],
    ["recipe", "show", "--help"],
    ["recipe", "schema", "--help"],
    ["train", "--help"],
    ["train", "--no-such-option"],
    ["evaluate", "--help"],
    ["predict", "--help"],
    ["tokenize", "--help"],
    ["compare-tokenizers", "--help"],
    ["inspect", "--help"],
    ["doctor", "--help"],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_that_computes_nothing_imports_nothing_heavy(arguments):
    assert not imported_by(command(*arguments)) & NOT_FOR_HELP


@pytest.mark.parametrize("action", ["show", "check", "schema"])
def test_looking_at_a_recipe_imports_nothing_heavy(action, site, component):
    choices = []
    for kind, schema in (("dataset", "Dataset"), ("tokenizer", "Tokenizer"), ("encoder", ""), ("trainer", "")):
        site.add(f"light-{kind}", component(kind, "light", options=f"pegboard:{schema}Options"))
        choices += [f"--{kind}", f"light-{kind}:light"]
    arguments = ["recipe", action, *(choices if action != "schema" else [])]
    done = imported_by(f"import sys; sys.path.insert(0, {str(site)!r})\n{command(*arguments)}")
    assert not done & (HEAVY | {"numpy", "pyarrow", "tokenizers", "safetensors"})
    assert "light_encoder" in done


def test_help_does_not_import_the_commands():
    modules = imported_by(command("--help"))
    ours = {name.removeprefix("pegboard.cli.") for name in modules if name.startswith("pegboard.cli.")}
    assert ours == {"lazy", "main", "signals"}
    assert "pluggy" not in modules


def test_importing_pegboard_imports_next_to_nothing():
    modules = imported_by("import pegboard")
    assert not modules & (NOT_FOR_HELP | {"pluggy", "click", "dataclasses", "pathlib", "inspect"})
    assert {name for name in modules if name.startswith("pegboard")} == {"pegboard", "pegboard.version"}


def test_importing_the_whole_core_imports_nothing_heavy():
    light = [name for name in MODULES if name not in MAY_BE_HEAVY]
    assert len(light) > 40
    assert not imported_by("\n".join(f"import {name}" for name in light)) & HEAVY


@pytest.mark.parametrize("entry", [e for e in discover() if e.module], ids=lambda e: e.distribution)
def test_the_entry_point_of_an_installed_plugin_is_light(entry):
    assert not imported_by(f"import {entry.module}") & NOT_FOR_HELP


def test_listing_more_plugins_imports_no_more_than_those(site, component):
    def modules_with(plugins):
        for name in plugins:
            site.add(name, component("encoder", name))
        return imported_by(f"import sys; sys.path.insert(0, {str(site)!r})\n{command('plugins', 'list')}")

    few = modules_with(["made-up-0"])
    many = modules_with([f"made-up-{number}" for number in range(1, 30)])
    assert many - few == {f"made_up_{number}" for number in range(1, 30)}


def test_the_work_for_a_plugin_does_not_grow_with_the_others(site, component):
    """Calls are counted, since time would depend on what else the machine does."""

    def calls_with(number):
        folder = site.folder / str(number)
        folder.mkdir()
        for i in range(number):
            type(site)(folder).add(f"grown-{number}-{i}", component("encoder", f"grown-{i}"))
        counted = 0

        def count(frame, event, argument):
            nonlocal counted
            counted += event == "call"

        registry = Registry(path=[str(folder)])
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(folder)
            sys.setprofile(count)
            try:
                plugins = registry.plugins
            finally:
                sys.setprofile(None)
        assert [plugin.state for plugin in plugins] == ["ok"] * number
        return counted

    calls_with(1)
    few, many = calls_with(10), calls_with(110)
    assert many < 11 * few


class TestPublicNames:
    def test_every_one_can_be_had(self):
        for name in pegboard.__all__:
            assert getattr(pegboard, name) is not None
        assert set(pegboard.__all__) <= set(dir(pegboard))
        assert len(set(pegboard.__all__)) == len(pegboard.__all__)

    def test_there_are_no_others(self):
        assert set(pegboard._HOME_OF) | {"__version__"} == set(pegboard.__all__)

    def test_an_unknown_one_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="module 'pegboard' has no attribute 'no_such'"):
            pegboard.no_such  # noqa: B018
        with pytest.raises(ImportError):
            importlib.import_module("pegboard.no_such")

    def test_type_checkers_are_told_the_same(self):
        tree = ast.parse((CORE / "__init__.py").read_text(encoding="utf-8"))
        [block] = [node for node in tree.body if isinstance(node, ast.If)]
        told = {(name.name, node.module) for node in block.body for name in node.names}
        assert told == set(pegboard._HOME_OF.items())

    @pytest.mark.parametrize("module", sorted(set(pegboard._HOMES)))
    def test_each_is_public_where_it_lives(self, module):
        home = importlib.import_module(module)
        assert set(pegboard._HOMES[module]) <= set(home.__all__)

    def test_each_class_and_function_is_documented(self):
        for name in pegboard.__all__:
            thing = getattr(pegboard, name)
            if callable(thing):
                assert thing.__doc__, name


def test_the_core_names_no_plugin_package():
    """Only the catalogue does, which is data."""
    names = re.compile(rf"\b({'|'.join(name.replace('-', '[-_]') for name in _catalogue())})\b")
    for file in CORE.rglob("*.py"):
        assert not names.search(file.read_text(encoding="utf-8")), file


def test_no_module_reads_code_from_data():
    """No pickle, no evaluation, no remote code."""
    forbidden = ("import pickle", "import dill", "import joblib", "import marshal", "trust_remote_code=True", "eval(")
    for file in set(CORE.rglob("*.py")) - set((CORE / "testing").rglob("*.py")):
        text = file.read_text(encoding="utf-8").replace(".eval()", "")
        assert not [word for word in forbidden if word in text], file
