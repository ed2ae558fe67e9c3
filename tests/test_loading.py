"""A broken plugin breaks only itself, is reported once, and says what to do."""

import json
import sys
from pathlib import Path

import pytest
from pegboard.errors import ComponentError, PegboardWarning, UsageError
from pegboard.plugins.discovery import PluginEntry
from pegboard.plugins.loading import Plugins
from pegboard.plugins.registry import Registry

HEAD = "from pegboard import ComponentSpec, hookimpl\n"
SPEC = "ComponentSpec(name='x', factory='builtins:object', summary='made up')"


def hook(body, name="pegboard_tokenizers", arguments="", decorator="@hookimpl"):
    return f"{HEAD}{decorator}\ndef {name}({arguments}):\n    {body}\n"


# What is wrong with a plugin, and what the one line about it must say.
BROKEN = {
    "missing-dependency": ("import sentencepiece_that_is_missing", "ModuleNotFoundError: No module named 'sentence"),
    "bad-import": ("from pegboard import no_such_name", "ImportError: cannot import name 'no_such_name'"),
    "syntax-error": ("x = 1\ndef f(:\n", "SyntaxError in "),
    "raises": ("raise ValueError('two\\nlines')", "ValueError: two lines"),
    "long-message": ("raise ValueError('long ' * 1000)", "long…"),
    "exits": ("import sys; sys.exit(0)", "it called sys.exit(0)"),
    "base-exception": ("class Panic(BaseException): pass\nraise Panic('rust')", "Panic: rust"),
    "recursion": ("def f(): f()\nf()", "RecursionError: "),
    "hook-raises": (hook("raise ValueError('boom')"), "ValueError: boom"),
    "hook-exits": (hook("raise SystemExit(3)"), "it called sys.exit(3)"),
    "generator-raises": (hook(f"yield {SPEC}; 1 / 0"), "ZeroDivisionError"),
    "returns-none": (hook("pass"), "pegboard_tokenizers must return an iterable of ComponentSpec, not NoneType"),
    "returns-text": (hook("return 'dash'"), "must return an iterable of ComponentSpec, not str"),
    "returns-spec": (hook(f"return {SPEC}"), "must return an iterable of ComponentSpec, not ComponentSpec"),
    "returns-tuples": (hook("return [('dash', 'm:c')]"), "must return ComponentSpecs, not a tuple"),
    "wrong-signature": (hook("return []", arguments="registry"), "Argument(s) {'registry'} are declared"),
    "default-argument": (hook("pass", "pegboard_run_started", "run=None"), "declares 'run' with a default value"),
    "wrapper": (hook("yield", decorator="@hookimpl(wrapper=True)"), "can't be wrapped"),
    "misspelled-hook": (hook("return []", "pegboard_tokenizer"), "there is no hook 'pegboard_tokenizer'; did you mean"),
    "unmarked-hook": (hook("return []", decorator=""), "@pegboard.hookimpl missing?); did you mean pegboard_token"),
    "no-hook": ("x = 1", "it implements no hook (is @pegboard.hookimpl missing?); hooks are pegboard_datasets, "),
    "bad-name": (hook("yield ComponentSpec(name='Bad Name', factory='m:c', summary='s')"), "'Bad Name'"),
    "bad-factory": (hook("yield ComponentSpec(name='x', factory='m.c', summary='s')"), "must read 'module:attribute'"),
    "no-summary": (hook("yield ComponentSpec(name='x', factory='m:c', summary='')"), "needs a summary of one line"),
    "text-as-requires": (
        hook("yield ComponentSpec(name='x', factory='m:c', summary='s', requires='torch')"),
        "requires of 'x' must be a tuple of strings, not 'torch'",
    ),
    "bad-suggestion": (
        hook("yield ComponentSpec(name='x', factory='m:c', summary='s', suggests={'epochs': 3})"),
        "suggests of 'x' has the key 'epochs'; keys read like 'trainer.epochs'",
    ),
    "own-suggestion": (
        hook("yield ComponentSpec(name='x', factory='m:c', summary='s', suggests={'tokenizer.lowercase': True})"),
        "suggests 'tokenizer.lowercase': give the option that default instead",
    ),
    "twice": (hook(f"return [{SPEC}, {SPEC}]"), "twice provides the tokenizer 'x' twice"),
}
GOOD = hook("yield ComponentSpec(name='fine', factory='builtins:object', summary='fine')")


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_breaks_only_itself(site, name, capfd):
    code, reason = BROKEN[name]
    site.add(name, code, version="3.4")
    site.add("a-good", GOOD)
    site.add("z-good", GOOD)
    registry = Registry(path=[str(site)])
    first, bad, last = registry.plugins
    assert [c.qualified_name for c in registry.components] == ["a-good:fine", "z-good:fine"]
    assert (first.state, bad.state, last.state) == ("ok", "broken", "ok")
    assert reason in bad.reason
    assert "\n" not in bad.reason
    [line] = registry.problems()
    assert line.startswith(f"the plugin {name} 3.4 is broken and was left out: ")
    assert line.endswith(f"(`pegboard plugins disable {name}` to silence this)")
    assert len(line) < 600
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def all_broken(site, toy_training, tmp_path):
    """An environment with every broken plugin, and one more with another hook API."""
    for name, (code, _) in BROKEN.items():
        site.add(name, code)
    site.add("from-the-future", group="pegboard.plugins.v7")
    site.add("good", GOOD)
    return {"PYTHONPATH": str(site), "PEGBOARD_CONFIG": str(tmp_path / "config.json")}


def test_everything_else_works_beside_all_of_them(all_broken, process, toy_training, tmp_path):
    assert process("--help", env=all_broken).err == ""

    listed = process("plugins", "list", "--json", env=all_broken)
    states = {row["distribution"]: row["state"] for row in json.loads(listed.out)}
    assert (listed.code, listed.err) == (0, "")
    assert {name for name, state in states.items() if state == "broken"} == set(BROKEN)
    assert states["from-the-future"] == "incompatible"

    trained = process(*toy_training, "--out", tmp_path / "run", env=all_broken)
    assert trained.code == 0
    lines = trained.err.splitlines()
    for name in (*BROKEN, "from-the-future"):
        assert sum(f"the plugin {name} 1.0 is " in line for line in lines) == 1
    assert len(lines) == len(BROKEN) + 1

    for name in ("syntax-error", "exits", "from-the-future"):
        assert process("plugins", "disable", name, env=all_broken).code == 0
    warnings = process("plugins", "list", "--kind", "encoder", env=all_broken).err.splitlines()
    assert len(warnings) == len(lines) - 3


def test_the_doctor_has_the_tracebacks_and_says_so_with_its_status(all_broken, process):
    done = process("doctor", "--json", env=all_broken)
    assert done.code == 3
    plugins = {plugin["distribution"]: plugin for plugin in json.loads(done.out)["plugins"]}
    assert 'raises.py", line 1' in plugins["raises"]["traceback"]
    assert plugins["good"]["traceback"] == ""
    for_a_person = process("doctor", env=all_broken)
    assert for_a_person.code == 3
    assert "good 1.0 [ok] tokenizer fine" in for_a_person.out
    assert "ValueError: two\n" in for_a_person.out


def test_strictly_a_broken_plugin_is_an_error(site, monkeypatch, cli):
    site.add("raises", BROKEN["raises"][0])
    registry = Registry(path=[str(site)])
    monkeypatch.setenv("PEGBOARD_STRICT", "1")
    for _ in range(2):
        with pytest.raises(ComponentError, match=r"the plugin raises 1\.0 is broken: ValueError: two lines"):
            registry.components  # noqa: B018
    for command in (["plugins", "list"], ["recipe", "show"], ["plugins", "show", "word"]):
        done = cli(*command)
        assert done.code == 3
        assert done.err.startswith("error: the plugin raises 1.0 is broken: ValueError: two lines\n  -> upgrade or re")
    assert "[broken]" in cli("doctor").out
    assert cli("plugins", "disable", "raises").code == 0
    assert cli("plugins", "list").code == 0
    assert cli("plugins", "enable", "raises").code == 0


def test_output_of_a_plugin_never_mixes_with_results(site, toy_training, tmp_path, process):
    noisy = (
        f"print('imported')\n{hook('''print('called'); return []''')}"
        "@hookimpl\ndef pegboard_run_started(run):\n    print('run')\n"
    )
    site.add("noisy", noisy)
    env = {"PYTHONPATH": str(site)}
    listed = process("plugins", "list", "--json", env=env)
    assert json.loads(listed.out)
    assert listed.err == "imported\ncalled\n"
    trained = process(*toy_training, "--json", "--out", tmp_path / "run", env=env)
    assert json.loads(trained.out)
    assert trained.err == "imported\ncalled\nrun\n"


def test_output_of_a_factorys_module_never_mixes_with_results(site, component, cli):
    code = component("tokenizer", "loud", factory="loud_inner:Loud", options="loud_inner:Loud")
    site.add("loud", code, loud_inner="import pegboard\nprint('hello')\nclass Loud(pegboard.Options): pass")
    done = cli("plugins", "show", "loud", "--json")
    assert json.loads(done.out)["options"] == {}
    assert done.err == "hello\n"


NEEDED = {
    "no-module": ({"factory": "no_such_module:X"}, "ModuleNotFoundError: No module named 'no_such_module'"),
    "no-attribute": ({"factory": "collections:NoSuch"}, "has no attribute 'NoSuch'"),
    "no-callable": ({"factory": "string:digits"}, "string:digits can't be called"),
    "heavy-missing": ({"factory": "inner:X"}, "it needs the module 'heavy_one', which is not installed"),
    "import-exits": ({"factory": "exiting:X"}, "exiting:X can't be imported: it called sys.exit(0)"),
    "no-options": ({"options": "no_such_module:X"}, "No module named 'no_such_module'"),
    "no-schema": ({"options": "builtins:dict"}, "builtins:dict is not a subclass of pegboard.Options"),
    "name-as-option": ({"options": "named:Named"}, "has an option 'name', which is the component's own key"),
    "bad-requirement": ({"requires": ["torch >== 2"]}, "its requirement 'torch >== 2' is malformed"),
    "factory-raises": ({"factory": "inner_raises:X"}, "ValueError: no luck"),
}
INNER = {
    "inner": "import heavy_one.part",
    "exiting": "raise SystemExit(0)",
    "named": "import pegboard\nclass Named(pegboard.Options):\n    name: str = ''",
    "inner_raises": "class X:\n    def __init__(self, *_): raise ValueError('no luck')",
}


@pytest.mark.parametrize("kind", ["dataset", "tokenizer", "encoder", "trainer"])
@pytest.mark.parametrize("name", NEEDED)
def test_a_command_that_needs_a_broken_component_names_it(site, component, toy_training, tmp_path, cli, name, kind):
    fields, cause = NEEDED[name]
    site.add("faulty", component(kind, "x", **fields), version="0.3", **INNER)
    assert cli("plugins", "list").code == 0
    done = cli(*toy_training[:-2], f"--{kind}", "x", "--out", tmp_path / "run")
    assert done.code == 3
    assert done.err.startswith(f"error: the {kind} 'x' of faulty 0.3 ")
    assert cause in done.err
    assert "\n  -> " in done.err
    assert not (tmp_path / "run").exists()
    assert "`pegboard plugins disable faulty`" in done.err


def test_a_command_that_does_not_need_a_broken_component_works(site, component, toy_training, tmp_path, cli):
    for number, (fields, _) in enumerate(NEEDED.values()):
        site.add(f"faulty-{number}", component("encoder", "x", **fields), **(INNER if not number else {}))
    done = cli(*toy_training, "--out", tmp_path / "run")
    assert (done.code, done.err) == (0, "")


def test_a_component_that_exits_is_no_success(site, component, toy_training, tmp_path, cli):
    quitter = "import sys\nclass X:\n    def __init__(self, *_): sys.exit(0)"
    site.add("quits", component("encoder", "x", factory="quitter:X"), quitter=quitter)
    done = cli(*toy_training, "--encoder", "x", "--out", tmp_path / "run")
    assert done.code == 3
    assert "error: the encoder 'x' of quits 1.0 failed: it called sys.exit(0)\n" in done.err
    assert "upgrade quits, or choose another encoder; `pegboard plugins disable quits`" in done.err


def test_two_distributions_may_not_register_one_module(site):
    site.add("plug", GOOD)
    site.metadata("renamed", "[pegboard.plugins.v1]\nplug = plug\n")
    first, second = Registry(path=[str(site)]).plugins
    assert first.state == "ok"
    assert second.reason == "the module plug is registered already, by plug:plug"


def test_two_entry_points_of_a_distribution_may_not_provide_one_name(site):
    site.metadata("plug", "[pegboard.plugins.v1]\na = part_a\nb = part_b\n")
    for module in ("part_a", "part_b"):
        (site.folder / f"{module}.py").write_text(GOOD)
    first, second = Registry(path=[str(site)]).plugins
    assert [c.name for c in first.components] == ["fine"]
    assert second.reason == "plug provides the tokenizer 'fine' twice"


def test_a_class_is_instantiated_and_its_methods_are_hooks(site):
    code = (
        f"{HEAD}class Plugin:\n    word = 'dash'\n    @hookimpl\n    def pegboard_tokenizers(self):\n"
        "        yield ComponentSpec(name=self.word, factory='m:c', summary='s')\n"
    )
    site.metadata("plug", "[pegboard.plugins.v1]\nplug = plug:Plugin\n")
    (site.folder / "plug.py").write_text(code)
    [plugin] = Registry(path=[str(site)]).plugins
    assert [c.name for c in plugin.components] == ["dash"]
    assert plugin.hooks == ("pegboard_tokenizers",)


def test_a_misspelled_hook_of_one_plugin_is_not_blamed_on_the_next(site):
    site.add("a-bad", BROKEN["misspelled-hook"][0])
    site.add("b-good", GOOD)
    site.add("c-bad", BROKEN["misspelled-hook"][0])
    assert [p.state for p in Registry(path=[str(site)]).plugins] == ["broken", "ok", "broken"]


def test_a_hook_that_later_versions_may_have_is_welcome(site):
    site.add("plug", GOOD + "@hookimpl(optionalhook=True)\ndef pegboard_tasks():\n    return []\n")
    [plugin] = Registry(path=[str(site)]).plugins
    assert plugin.state == "ok"


def test_an_interrupt_is_no_broken_plugin(site):
    site.add("slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Registry(path=[str(site)]).plugins  # noqa: B018


LISTENER = f"""{HEAD}
@hookimpl
def pegboard_run_started(run):
    {{}}
@hookimpl
def pegboard_epoch_finished(run, metrics):
    {{}}
@hookimpl
def pegboard_run_finished():
    {{}}
"""


@pytest.mark.parametrize("body", ["raise ValueError('no\\nserver')", "raise SystemExit(0)"])
def test_a_life_cycle_hook_that_raises_is_reported_once_and_ignored(site, toy_training, tmp_path, cli, body):
    site.add("tracker", LISTENER.replace("{}", body))
    notes = tmp_path / "notes"
    site.add("writer", LISTENER.replace("{}", f"open({str(notes)!r}, 'a').write('x')"))
    done = cli(*toy_training, "--out", tmp_path / "run")
    assert done.code == 0
    lines = done.err.splitlines()
    assert len(lines) == 3  # of two epochs, the first
    for line, name in zip(lines, ("run_started", "epoch_finished", "run_finished"), strict=True):
        assert line.startswith(f"warning: the plugin tracker 1.0 failed in pegboard_{name}: ")
        assert line.endswith(" (`pegboard plugins disable tracker` to silence this)")
    assert notes.read_text() == "xxxx"


def test_strictly_a_life_cycle_hook_that_raises_ends_the_run(site, toy_training, tmp_path, cli, monkeypatch):
    site.add("tracker", LISTENER.replace("{}", "raise ValueError('no server')"))
    monkeypatch.setenv("PEGBOARD_STRICT", "1")
    done = cli(*toy_training, "--out", tmp_path / "run")
    assert done.code == 1
    assert "no server" in done.err


def test_from_python_a_broken_plugin_is_a_warning(site):
    import pegboard

    site.add("raises", BROKEN["raises"][0])
    with pytest.warns(PegboardWarning, match=r"the plugin raises 1\.0 is broken and was left out"):
        pegboard.components()


class TestOneFile:
    """`--plugin FILE.py`."""

    def write(self, path, code=GOOD):
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
        return str(path)

    def test_its_components_refer_to_its_own_module(self, tmp_path, monkeypatch):
        name = "a_file_of_its_own"
        code = f"{HEAD}class X: pass\n" + hook("yield ComponentSpec(name='x', factory=f'{__name__}:X', summary='s')")
        registry = Registry([self.write(tmp_path / f"{name}.py", code)], path=[])
        found = registry.find("tokenizer", f"{name}.py:x")
        assert registry.find("tokenizer", "x") is found or registry.find("tokenizer", "x") == found
        assert registry.factory_of(found) is sys.modules[name].X
        assert found.source == str(tmp_path / f"{name}.py")
        assert len(found.version) == 12
        assert not list(tmp_path.glob("__pycache__"))

    def test_a_changed_file_is_another_version_even_within_a_second(self, tmp_path):
        seen = []
        for name in ("one", "two"):  # of one size
            file = self.write(tmp_path / "changing_file.py", GOOD.replace("fine", name))
            [found] = Registry([file], path=[]).components
            seen.append((found.name, found.version))
        assert [name for name, _ in seen] == ["one", "two"]
        assert seen[0][1] != seen[1][1]

    def test_an_unchanged_file_is_imported_once(self, tmp_path):
        file = self.write(tmp_path / "counting_file.py", GOOD)
        Registry([file], path=[]).components  # noqa: B018
        module = sys.modules["counting_file"]
        assert [c.name for c in Registry([file], path=[]).components] == ["fine"]
        assert sys.modules["counting_file"] is module

    def test_the_same_file_given_twice_counts_once(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        self.write(tmp_path / "given_twice.py")
        registry = Registry(["given_twice.py", "./given_twice.py", str(tmp_path / "given_twice.py")], path=[])
        assert [p.state for p in registry.plugins] == ["ok"]

    def test_two_files_work_together(self, tmp_path, cli):
        for name in ("file_one", "file_two"):
            self.write(tmp_path / f"{name}.py", GOOD.replace("'fine'", f"'{name}'"))
        options = [part for name in ("file_one", "file_two") for part in ("--plugin", tmp_path / f"{name}.py")]
        rows = json.loads(cli("plugins", "list", "--json", *options).out)
        assert {row["component"] for row in rows} >= {"file_one", "file_two"}

    def test_two_files_of_one_name_clash(self, tmp_path):
        files = [self.write(tmp_path / folder / "same_name.py", GOOD + f"# {folder}") for folder in "ab"]
        first, second = Registry(files, path=[]).plugins
        assert first.state == "ok"
        assert "there is another module named 'same_name'" in second.reason
        assert f"rename {files[1]}" in second.reason

    @pytest.mark.parametrize("name", ["json", "pegboard", "entrypoints", "sys", "torch", "tabnanny"])
    def test_a_file_never_takes_the_place_of_another_module(self, tmp_path, name):
        present = sys.modules.get(name)
        [plugin] = Registry([self.write(tmp_path / f"{name}.py")], path=[]).plugins
        assert plugin.state == "broken"
        assert f"there is another module named {name!r}" in plugin.reason
        assert sys.modules.get(name) is present

    @pytest.mark.parametrize(
        ("name", "what"),
        [
            ("missing.py", "can't be read: No such file or directory"),
            ("my-plugin.py", "whose name is an identifier"),
            ("2nd.py", "whose name is an identifier"),
            ("plugin.txt", "whose name is an identifier"),
            ("folder.py", "can't be read: Is a directory"),
        ],
    )
    def test_a_file_that_is_no_plugin_file(self, tmp_path, cli, name, what):
        path = tmp_path / name
        if name == "folder.py":
            path.mkdir()
        elif name != "missing.py":
            path.write_text(GOOD)
        with pytest.raises(UsageError, match=what):
            Registry([str(path)]).plugins  # noqa: B018
        for command in (["plugins", "list"], ["recipe", "show"], ["doctor"]):
            done = cli(*command, "--plugin", path)
            assert done.code == 2
            assert what in done.out + done.err

    def test_a_broken_file_breaks_only_itself_and_is_named_when_needed(self, tmp_path, cli, toy_training):
        file = self.write(tmp_path / "broken_file.py", "import no_such_module\n")
        listed = json.loads(cli("plugins", "list", "--json", "--plugin", file).out)
        assert [row["state"] for row in listed if row["distribution"] == "broken_file.py"] == ["broken"]
        done = cli(*toy_training, "--plugin", file, "--out", tmp_path / "run")
        assert done.code == 0
        [line] = done.err.splitlines()
        assert "the plugin broken_file.py" in line
        assert "No module named 'no_such_module'" in line
        done = cli(*toy_training, "--plugin", file, "--tokenizer", "mine", "--out", tmp_path / "other")
        assert done.code == 3
        assert "no installed plugin provides the tokenizer 'mine'" in done.err
        assert "or is it in one that is not loaded? the plugin broken_file.py" in done.err
        assert f"mend {file}; `pegboard doctor --plugin {file}`" in done.err
        assert "Traceback" in cli("doctor", "--plugin", file).out

    def test_the_module_of_a_broken_file_does_not_stay(self, tmp_path):
        file = Path(self.write(tmp_path / "mended_file.py", "raise ValueError"))
        assert Registry([str(file)], path=[]).plugins[0].state == "broken"
        assert "mended_file" not in sys.modules
        file.write_text(GOOD)
        assert Registry([str(file)], path=[]).plugins[0].state == "ok"


def test_an_entry_without_a_module_is_broken_not_fatal():
    plugin = Plugins().load(PluginEntry("x", "x", "1", None))
    assert (plugin.state, plugin.reason) == ("broken", "no module")
