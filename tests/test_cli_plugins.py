"""`pegboard plugins list|show|enable|disable`."""

import json

import pytest
from pegboard.plugins.registry import Registry

COLUMNS = {"component", "kind", "summary", "distribution", "version", "state", "why"}


@pytest.fixture(autouse=True)
def settings(monkeypatch, tmp_path, _no_settings):
    file = tmp_path / "config" / "plugins.json"
    monkeypatch.setenv("PEGBOARD_CONFIG", str(file))
    return file


@pytest.fixture
def listed(cli):
    """`listed(*options)`: the rows of `plugins list`, by distribution."""

    def rows(*options):
        done = cli("plugins", "list", "--json", *options)
        assert done.code == 0
        return {row["distribution"]: row for row in json.loads(done.out)}

    return rows


class TestList:
    def test_a_table_for_people(self, site, component, cli, toy):
        site.add("my-plug", component("encoder", "zig", summary="zigs and zags"), version="0.7")
        done = cli("plugins", "list", "--plugin", toy)
        assert (done.code, done.err) == (0, "")
        header, *lines = done.out.splitlines()
        assert header.split() == ["component", "kind", "distribution", "version", "state", "summary"]
        [line] = [line for line in lines if line.startswith("zig ")]
        assert line.split() == ["zig", "encoder", "my-plug", "0.7", "ok", "zigs", "and", "zags"]
        kinds = [line.split()[1] for line in lines]
        assert kinds == sorted(kinds, key=["dataset", "tokenizer", "encoder", "trainer", "-"].index)

    def test_json_for_programs(self, site, component, listed, toy):
        site.add("my-plug", component("encoder", "zig"))
        rows = listed("--plugin", toy)
        assert all(set(row) == COLUMNS for row in rows.values())
        assert rows["my-plug"] == {
            "component": "zig",
            "kind": "encoder",
            "summary": "made up",
            "distribution": "my-plug",
            "version": "1.0",
            "state": "ok",
            "why": "",
        }

    def test_plugins_without_components_have_a_line(self, site, listed, monkeypatch):
        site.add("off", "raise AssertionError")
        site.add("old", group="pegboard.plugins.v0")
        site.add("broken", "import no_such_module")
        site.add("tracker", "from pegboard import hookimpl\n@hookimpl\ndef pegboard_run_finished(run): pass\n")
        monkeypatch.setenv("PEGBOARD_DISABLE", "off")
        rows = listed()
        assert {name: rows[name]["state"] for name in ("off", "old", "broken", "tracker")} == {
            "off": "disabled",
            "old": "incompatible",
            "broken": "broken",
            "tracker": "ok",
        }
        assert {rows[name]["component"] for name in ("off", "old", "broken", "tracker")} == {"-"}
        assert rows["off"]["why"] == "switched off by the user"
        assert "No module named 'no_such_module'" in rows["broken"]["summary"]
        assert rows["tracker"]["summary"] == "listens: pegboard_run_finished"

    @pytest.mark.parametrize("kind", ["dataset", "tokenizer", "encoder", "trainer"])
    def test_one_kind(self, cli, toy, kind):
        rows = json.loads(cli("plugins", "list", "--json", "--kind", kind, "--plugin", toy).out)
        assert {row["kind"] for row in rows} == {kind}
        assert "toy_plugin.py" in {row["distribution"] for row in rows}

    def test_one_kind_tells_of_broken_plugins_beside_the_table(self, site, cli):
        site.add("broken", "import no_such_module")
        [line] = cli("plugins", "list", "--kind", "encoder").err.splitlines()
        assert line.startswith("warning: the plugin broken 1.0 is broken")

    def test_a_name_in_the_variable_that_is_none_is_reported(self, cli, monkeypatch):
        monkeypatch.setenv("PEGBOARD_DISABLE", "no-such")
        assert cli("plugins", "list").err == "warning: PEGBOARD_DISABLE names 'no-such', which is no installed plugin\n"

    def test_without_any_plugin_it_says_what_to_install(self, cli, monkeypatch):
        monkeypatch.setattr("pegboard.plugins.registry.discover", lambda path: [])
        done = cli("plugins", "list")
        assert (done.code, done.out) == (0, "")
        assert done.err.startswith("no plugin is installed; try: pip install pegboard-")
        assert json.loads(cli("plugins", "list", "--json").out) == []


OPTIONS = """
import enum, pegboard, pydantic
from typing import Literal

class Cell(enum.Enum):
    GRU = "gru"
    LSTM = "lstm"

class Inner(pegboard.Options):
    depth: int = 1

class Many(pegboard.Options):
    path: str
    '''where it is'''
    size: int = pydantic.Field(3, ge=1, lt=10)
    share: float = 0.5
    flag: bool = True
    word: Literal["one", "two"] = "one"
    cell: Cell = Cell.GRU
    maybe: str | None = None
    either: int | Literal["auto"] = "auto"
    names: list[str] = []
    weights: dict[str, float] = {}
    inner: Inner = Inner()
    free: pegboard.Options | None = None
"""


class TestShow:
    @pytest.fixture
    def many(self, site, component):
        fields = {"requires": ("click>=1",), "suggests": {"trainer.epochs": 3}, "options": "many_options:Many"}
        fields |= {"factory": "zig_inner:Zig", "reads": ">=0.4"}
        site.add("my-plug", component("encoder", "zig", **fields), many_options=OPTIONS, zig_inner="raise SystemExit")

    def test_types_defaults_and_help(self, many, cli):
        details = json.loads(cli("plugins", "show", "zig", "--json").out)
        assert {key: details[key] for key in ("component", "kind", "distribution", "version", "code")} == {
            "component": "zig",
            "kind": "encoder",
            "distribution": "my-plug",
            "version": "1.0",
            "code": "zig_inner:Zig",
        }
        assert details["file"].endswith("/site/zig_inner.py")
        assert details["reads"] == ">=0.4"
        assert (details["requires"], details["suggests"]) == (["click>=1"], {"trainer.epochs": "3"})
        options = details["options"]
        assert options["path"] == {"type": "str", "default": None, "required": True, "help": "where it is"}
        assert {name: option["type"] for name, option in options.items()} == {
            "path": "str",
            "size": "int >= 1, < 10",
            "share": "float",
            "flag": "bool",
            "word": "one|two",
            "cell": "gru|lstm",
            "maybe": "str?",
            "either": "int|auto",
            "names": "list[str]",
            "weights": "table",
            "inner": "table",
            "free": "table?",
        }
        assert not options["maybe"]["required"]

    def test_for_a_person(self, many, cli):
        done = cli("plugins", "show", "zig")
        assert (done.code, done.err) == (0, "")
        lines = done.out.splitlines()
        assert lines[1].startswith("from my-plug 1.0, zig_inner:Zig in /")
        assert lines[1].endswith("/site/zig_inner.py")
        assert [lines[0], *lines[2:5]] == [
            "zig (encoder): made up",
            "requires click>=1",
            "reads models that my-plug >=0.4 saved",
            "suggests trainer.epochs = 3",
        ]
        [path] = [line for line in lines if line.startswith("path ")]
        assert path.split(None, 3) == ["path", "str", "required", "where it is"]

    @pytest.mark.parametrize("name", ["zig", "my-plug:zig", "My_Plug:zig", "my-plug", "My.Plug"])
    def test_a_component_by_any_of_its_names(self, many, cli, name):
        assert json.loads(cli("plugins", "show", name, "--json").out)["component"] == "zig"

    def test_several_of_one_name_are_all_shown(self, site, component, cli):
        site.add("one", component("encoder", "zig"))
        site.add("two", component("trainer", "zig"))
        assert [d["kind"] for d in json.loads(cli("plugins", "show", "zig", "--json").out)] == ["encoder", "trainer"]
        shown = cli("plugins", "show", "zig").out
        assert "zig (encoder)" in shown
        assert "zig (trainer)" in shown
        assert "it has no options" in shown

    def test_every_installed_component_can_be_shown(self, cli, toy):
        for component in Registry([toy]).components:
            for name in (component.name, component.qualified_name):
                done = cli("plugins", "show", name, "--plugin", toy, "--json")
                assert done.code == 0
                shown = json.loads(done.out)
                for details in shown if isinstance(shown, list) else [shown]:
                    assert details["component"] == component.name
                    assert all(option["help"] for option in details["options"].values()) or "toy" in details["code"]
            assert cli("plugins", "show", component.qualified_name, "--plugin", toy).code == 0

    def test_what_cant_be_shown_has_status_3_and_a_way_out(self, site, component, cli, monkeypatch):
        site.add("my-plug", component("encoder", "zig"))
        site.add("broken", "import no_such_module")
        site.add("off", component("encoder", "zag"))
        site.add("tracker", "from pegboard import hookimpl\n@hookimpl\ndef pegboard_run_finished(run): pass\n")
        monkeypatch.setenv("PEGBOARD_DISABLE", "off")
        for name, what, hint in (
            ("zigg", "no installed plugin provides a component 'zigg'", "did you mean zig?"),
            ("broken", "the plugin broken 1.0 is broken: ModuleNotFoundError", "upgrade or reinstall broken"),
            ("off", "the plugin off 1.0 is disabled", "change PEGBOARD_DISABLE"),
            ("tracker", "tracker 1.0 provides no component; it implements pegboard_run_finished", ""),
            ("my-plug:zag", "no installed plugin provides a component 'my-plug:zag'", "did you mean zig?"),
        ):
            done = cli("plugins", "show", name)
            assert (done.code, done.out) == (3, "")
            assert f"error: {what}" in done.err
            assert hint in done.err

    def test_a_published_component_that_is_not_installed_says_how_to_get_it(self, cli, monkeypatch):
        monkeypatch.setattr("pegboard.plugins.registry.discover", lambda path: [])
        done = cli("plugins", "show", "wordpiece")
        assert done.code == 3
        assert "-> pip install pegboard-wordpiece" in done.err

    def test_options_that_cant_be_imported_are_the_plugins_fault(self, site, component, cli):
        site.add("my-plug", component("encoder", "zig", options="no_such_module:X"))
        done = cli("plugins", "show", "zig")
        assert done.code == 3
        assert "the encoder 'zig' of my-plug 1.0 is broken: no_such_module:X can't be imported" in done.err


class TestSwitching:
    def test_off_and_on_again(self, site, component, cli, listed, settings):
        site.add("my-plug", component("encoder", "zig"))
        done = cli("plugins", "disable", "My_Plug")
        assert done == (0, f"my-plug is now disabled (remembered in {settings})\n", "")
        assert listed()["my-plug"]["state"] == "disabled"
        assert cli("plugins", "disable", "my-plug").out.startswith("my-plug is already disabled")
        done = cli("recipe", "show", "--encoder", "zig")
        assert done.code == 3
        assert "or is it in one that is not loaded? the plugin my-plug 1.0 is disabled" in done.err
        assert "(pegboard plugins enable my-plug)" in done.err
        assert cli("plugins", "enable", "my-plug").out.startswith("my-plug is now enabled")
        assert listed()["my-plug"]["state"] == "ok"
        assert cli("plugins", "enable", "my-plug").out.startswith("my-plug is already enabled")

    def test_nothing_is_imported(self, site, cli):
        site.add("touchy", "raise AssertionError('imported')")
        for action in ("disable", "enable"):
            done = cli("plugins", action, "touchy")
            assert (done.code, done.err) == (0, "")

    def test_by_the_name_of_the_entry_point(self, site, cli, settings):
        site.metadata("my-plug", "[pegboard.plugins.v1]\nzig = zig\n")
        assert cli("plugins", "disable", "zig").out.startswith("my-plug is now disabled")
        assert json.loads(settings.read_text()) == {"disabled": ["my-plug"]}
        assert cli("plugins", "enable", "zig").out.startswith("my-plug is now enabled")

    def test_an_entry_points_name_that_two_distributions_have_is_a_question(self, site, cli, settings):
        for name in ("one", "two"):
            site.metadata(name, "[pegboard.plugins.v1]\nzig = zig\n")
        done = cli("plugins", "disable", "zig")
        assert done.code == 2
        assert "error: 2 plugins are called 'zig'\n  -> name one: one or two" in done.err
        assert not settings.exists()

    @pytest.mark.parametrize("action", ["disable", "enable"])
    def test_an_unknown_name_gets_the_nearest(self, site, component, cli, settings, action):
        site.add("my-plug", component("encoder", "zig"))
        done = cli("plugins", action, "my-plgu")
        assert done.code == 3
        assert "error: no plugin 'my-plgu' is installed\n  -> did you mean my-plug?" in done.err
        assert not settings.exists()

    def test_a_plugin_that_was_switched_off_and_removed_can_be_switched_on(self, cli, settings):
        settings.parent.mkdir()
        settings.write_text('{"disabled": ["gone"]}')
        assert cli("plugins", "disable", "gone").code == 3
        assert cli("plugins", "enable", "gone").out.startswith("gone is now enabled")

    def test_switching_on_what_the_environment_switches_off_says_so(self, site, component, cli, monkeypatch):
        site.add("my-plug", component("encoder", "zig"))
        monkeypatch.setenv("PEGBOARD_DISABLE", "my-plug")
        assert "PEGBOARD_DISABLE still switches it off" in cli("plugins", "enable", "my-plug").err

    def test_settings_that_cant_be_written_have_status_1(self, site, component, cli, monkeypatch, tmp_path):
        site.add("my-plug", component("encoder", "zig"))
        (tmp_path / "file").touch()
        monkeypatch.setenv("PEGBOARD_CONFIG", str(tmp_path / "file" / "plugins.json"))
        done = cli("plugins", "disable", "my-plug")
        assert done.code == 1
        assert "can't be written" in done.err
