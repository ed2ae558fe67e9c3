"""Which component a name means, and what is said when it means none."""

import json
from importlib import metadata

import pytest
from pegboard.errors import ComponentError, UsageError
from pegboard.plugins import catalogue, settings
from pegboard.plugins.registry import Registry
from pegboard.specs import KINDS


@pytest.fixture
def registry(site):
    """`registry()`: the board with the distributions of `site` and no other."""
    return lambda *files: Registry(files, path=[str(site)])


@pytest.fixture(autouse=True)
def own_settings(monkeypatch, tmp_path):
    file = tmp_path / "settings" / "plugins.json"
    monkeypatch.setenv("PEGBOARD_CONFIG", str(file))
    return file


def problem(call, *arguments):
    with pytest.raises(ComponentError) as caught:
        call(*arguments)
    assert caught.value.exit_status == 3
    return caught.value


class TestNames:
    def test_a_bare_and_a_qualified_name_mean_the_same(self, site, component, registry):
        site.add("My_Plug", component("tokenizer", "dash"))
        board = registry()
        found = board.find("tokenizer", "dash")
        assert found.qualified_name == "my-plug:dash"
        assert [board.find("tokenizer", f"{name}:dash") for name in ("my-plug", "My_Plug", "my.plug")] == [found] * 3

    def test_two_plugins_that_claim_a_name_stay_and_must_be_told_apart(self, site, component, registry):
        for name in ("one", "two"):
            site.add(name, component("tokenizer", "dash"))
        board = registry()
        assert [c.qualified_name for c in board.components] == ["one:dash", "two:dash"]
        error = problem(board.find, "tokenizer", "dash")
        assert error.what == "2 plugins provide the tokenizer 'dash': one 1.0, two 1.0"
        assert error.hint == "choose one:dash or two:dash, or `pegboard plugins disable` one of them"
        assert board.find("tokenizer", "two:dash").distribution == "two"

    def test_one_name_may_serve_two_kinds(self, site, component, registry):
        site.add("one", component("tokenizer", "dash"))
        site.add("two", component("encoder", "dash"))
        assert [registry().find(kind, "dash").kind for kind in ("tokenizer", "encoder")] == ["tokenizer", "encoder"]

    def test_an_unknown_name_gets_the_nearest(self, site, component, registry):
        site.add("one", component("tokenizer", "dash"))
        site.add("two", component("tokenizer", "mash"))
        error = problem(registry().find, "tokenizer", "dsh")
        assert error.what == "no installed plugin provides the tokenizer 'dsh'"
        assert error.hint == "did you mean dash?; see `pegboard plugins list`"
        assert "known: dash, mash" in problem(registry().find, "tokenizer", "xyzzy").hint
        assert "there are none" in problem(registry().find, "trainer", "xyzzy").hint

    def test_a_near_name_may_be_one_that_is_not_installed(self, registry):
        hint = problem(registry().find, "tokenizer", "wordpeice").hint
        assert hint.startswith("did you mean wordpiece (pip install pegboard-wordpiece)")

    def test_a_name_of_another_kind_says_which(self, site, component, registry):
        site.add("one", component("encoder", "dash"))
        error = problem(registry().find, "tokenizer", "dash")
        assert error.what == "'dash' is a component, but of the kind encoder, not tokenizer"

    def test_a_qualified_name_that_is_wrong_says_in_which_half(self, site, component, registry):
        site.add("my-plug", component("tokenizer", "dash"))
        error = problem(registry().find, "tokenizer", "my-plug:dahs")
        assert error.what == "my-plug 1.0 provides no tokenizer 'dahs'"
        assert error.hint == "did you mean dash?"
        error = problem(registry().find, "tokenizer", "my-plg:dash")
        assert "no plugin 'my-plg' is installed" in error.what
        assert error.hint == "did you mean my-plug?"

    def test_components_come_by_kind_and_name(self, site, component, registry):
        for kind in reversed(KINDS):
            site.add(f"plug-{kind}", component(kind, "x"))
        site.add("a-plug", component("trainer", "w"))
        assert [(c.kind, c.name) for c in registry().components] == [
            ("dataset", "x"),
            ("tokenizer", "x"),
            ("encoder", "x"),
            ("trainer", "w"),
            ("trainer", "x"),
        ]


class TestPublishedPackages:
    def test_one_that_is_not_installed_is_named(self, registry):
        error = problem(registry().find, "tokenizer", "char")
        assert str(error) == "the tokenizer 'char' is not installed\n  -> pip install pegboard-char"
        assert problem(registry().find, "tokenizer", "pegboard-char:char").hint == "pip install pegboard-char"

    def test_one_that_is_broken_or_disabled_is_named(self, site, registry, monkeypatch):
        site.add("pegboard-char", "import no_such_module", version="0.9")
        error = problem(registry().find, "tokenizer", "char")
        assert error.what.startswith("the plugin pegboard-char 0.9 is broken: ModuleNotFoundError")
        assert error.hint.startswith("upgrade or reinstall pegboard-char, or `pegboard plugins disable pegboard-char`")
        monkeypatch.setenv("PEGBOARD_DISABLE", "pegboard-char")
        error = problem(registry().find, "tokenizer", "char")
        assert error.what == "the plugin pegboard-char 0.9 is disabled: switched off by the user"
        assert error.hint == "change PEGBOARD_DISABLE"
        monkeypatch.delenv("PEGBOARD_DISABLE")
        settings.set_disabled("pegboard-char", True)
        assert problem(registry().find, "tokenizer", "char").hint == "pegboard plugins enable pegboard-char"

    def test_one_that_is_made_for_another_hook_api_is_named(self, site, registry):
        site.add("pegboard-char", group="pegboard.plugins.v2")
        assert "incompatible: made for the newer hook API 2" in problem(registry().find, "tokenizer", "char").what

    def test_one_that_is_too_old_to_have_the_component_is_upgraded(self, site, component, registry):
        site.add("pegboard-char", component("tokenizer", "letters"), version="0.0.1")
        error = problem(registry().find, "tokenizer", "char")
        assert error.what == "pegboard-char 0.0.1 provides no tokenizer 'char'"
        assert error.hint == "pip install --upgrade pegboard-char"

    def test_the_catalogue_agrees_with_the_packages_that_are_installed(self):
        """What the catalogue says of a package is what that package provides."""
        board = Registry()
        packages = {p.distribution: p for p in board.plugins if p.state == "ok"}
        for package in catalogue._catalogue().keys() & packages.keys():
            provided = packages[package].components
            says = catalogue._catalogue()[package]
            for kind in KINDS:
                names = {c.name for c in provided if c.kind == kind}
                assert names == set(says.get(f"{kind}s", ())), f"{package}, {kind}"
            assert set(packages[package].trackers) == set(says.get("trackers", ())), package
            assert {c.kind for c in provided if c.spec.default} == set(says.get("default", ())), package
            assert {s for c in provided for s in c.spec.schemes} == set(says.get("schemes", ())), package

    def test_there_is_one_default_of_each_kind(self):
        assert [len(catalogue.packages_with_default(kind)) for kind in KINDS] == [1] * len(KINDS)


class TestSleepingPlugins:
    def test_an_unknown_name_may_be_that_of_a_broken_plugin(self, site, component, registry):
        site.add("third-party", "import no_such_module", version="2.0")
        site.add("good", component("tokenizer", "dash"))
        error = problem(registry().find, "tokenizer", "magic")
        assert error.what == "no installed plugin provides the tokenizer 'magic'"
        assert "the plugin third-party 2.0 is broken: ModuleNotFoundError: No module named 'no_such_m" in error.hint
        assert "`pegboard plugins disable third-party`" in error.hint

    def test_a_qualified_name_in_a_broken_plugin_says_why(self, site, registry):
        site.add("third-party", "import no_such_module", version="2.0")
        error = problem(registry().find, "tokenizer", "third-party:magic")
        assert error.what.startswith("the plugin third-party 2.0 is broken: ModuleNotFoundError")

    def test_an_unknown_name_may_be_that_of_a_disabled_plugin(self, site, registry):
        site.add("third-party", "raise AssertionError('imported')")
        settings.set_disabled("third-party", True)
        hint = problem(registry().find, "tokenizer", "magic").hint
        assert "third-party 1.0 is disabled: switched off by the user (pegboard plugins enable third-party)" in hint


class TestDefaults:
    def test_the_only_component_of_a_kind_is_its_default(self, site, component, registry):
        site.add("one", component("encoder", "a"))
        assert registry().default("encoder").name == "a"

    def test_the_marked_one_is_the_default(self, site, component, registry):
        site.add("one", component("encoder", "a"))
        site.add("two", component("encoder", "b", default=True))
        assert registry().default("encoder").name == "b"

    def test_several_unmarked_ones_are_a_question(self, site, component, registry):
        site.add("one", component("encoder", "a"))
        site.add("two", component("encoder", "b"))
        error = problem(registry().default, "encoder")
        assert (error.what, error.hint) == ("the recipe names no encoder", "choose one of one:a, two:b")

    def test_several_marked_ones_are_a_question(self, site, component, registry):
        for name in ("one", "two"):
            site.add(name, component("encoder", name, default=True))
        site.add("three", component("encoder", "c"))
        assert problem(registry().default, "encoder").hint == "choose one of one:one, two:two"

    @pytest.mark.parametrize("kind", KINDS)
    def test_where_there_is_none_the_package_to_install_is_named(self, registry, kind):
        error = problem(registry().default, kind)
        assert error.what == f"no {kind} is installed"
        assert error.hint == f"pip install {catalogue.packages_with_default(kind)[0]}"

    def test_nothing_takes_the_place_of_a_default_that_is_broken(self, site, component, registry):
        usual = catalogue.packages_with_default("encoder")[0]
        site.add(usual, "import no_such_module")
        site.add("other", component("encoder", "other"))
        assert f"the plugin {usual} 1.0 is broken" in problem(registry().default, "encoder").what

    def test_a_default_that_is_switched_off_makes_room_for_another(self, site, component, registry, monkeypatch):
        usual = catalogue.packages_with_default("encoder")[0]
        site.add(usual, component("encoder", "usual", default=True))
        monkeypatch.setenv("PEGBOARD_DISABLE", usual)
        assert f"the plugin {usual} 1.0 is disabled" in problem(registry().default, "encoder").what
        site.add("other", component("encoder", "other"))
        assert registry().default("encoder").name == "other"


class TestSchemes:
    def test_a_scheme_finds_its_reader(self, site, component, registry):
        site.add("one", component("dataset", "tables", schemes=("path", "table")))
        assert [registry().reader_of(s).name for s in ("path", "table")] == ["tables", "tables"]
        assert registry().reader_of("other") is None

    def test_two_readers_of_a_scheme_must_be_told_apart(self, site, component, registry):
        for name in ("one", "two"):
            site.add(name, component("dataset", name, schemes=("path",)))
        error = problem(registry().reader_of, "path")
        assert error.hint == "choose one:one or two:two by name and set its options"

    @pytest.mark.parametrize("scheme", ["path", "hub"])
    def test_the_package_that_reads_a_scheme_is_named_when_it_is_missing_or_broken(self, site, registry, scheme):
        [package] = catalogue.packages_with_scheme(scheme)
        assert problem(registry().reader_of, scheme).hint == f"pip install {package}"
        site.add(package, "import no_such_module")
        assert f"the plugin {package} 1.0 is broken" in problem(registry().reader_of, scheme).what


class TestRequirements:
    def build(self, site, component, registry, *requires):
        site.add("plug", component("encoder", "x", requires=requires), version="0.2")
        board = registry()
        return board.factory_of(board.find("encoder", "x"))

    def test_what_is_there_is_fine(self, site, component, registry):
        requires = ("click", "click>=1", "CLICK", "no-such-package; python_version < '3'", "entrypoints[extra]>=0.1")
        assert self.build(site, component, registry, *requires) is object

    def test_what_is_missing_is_named_with_the_command(self, site, component, registry):
        error = problem(self.build, site, component, registry, "click", "no-such-package>=2")
        assert error.what == ("the encoder 'x' of plug 0.2 requires no-such-package>=2, but it is not installed")
        assert error.hint == "pip install 'no-such-package>=2'"

    def test_another_version_is_named_with_the_command(self, site, component, registry):
        error = problem(self.build, site, component, registry, "click>=1000,<1001")
        assert f"requires click>=1000,<1001, but click {metadata.version('click')} is installed" in error.what
        assert error.hint == "pip install 'click>=1000,<1001'"

    def test_nothing_is_imported_to_find_out(self, site, component, registry):
        site.add("plug", component("encoder", "x", factory="never:X", requires=("no-such-package",)))
        (site.folder / "never.py").write_text("raise AssertionError('imported')")
        board = registry()
        assert "requires" in problem(board.factory_of, board.find("encoder", "x")).what
        assert "requires" in problem(board.check_requirements, board.find("encoder", "x")).what

    def test_on_the_command_line_the_status_is_3(self, site, component, toy_training, tmp_path, cli):
        site.add("plug", component("encoder", "x", requires=("no-such-package",)))
        for command in (toy_training, ("recipe", "check", *toy_training[2:-2])):
            out = ["--out", tmp_path / "run"] if command[0] == "train" else []
            done = cli(*command, "--encoder", "x", *out)
            assert done.code == 3
            assert "-> pip install 'no-such-package'" in done.err


class TestSwitchingOff:
    TOUCHY = "raise AssertionError('imported')"

    @pytest.mark.parametrize(
        "names", ["my-plug", "My_Plug", "other, my.plug ,", "entry", "ENTRY", "*"], ids=lambda names: repr(names)
    )
    def test_for_one_call(self, site, registry, monkeypatch, names):
        site.metadata("my-plug", "[pegboard.plugins.v1]\nEntry = touchy\n")
        (site.folder / "touchy.py").write_text(self.TOUCHY)
        assert [p.state for p in registry().plugins] == ["broken"]
        monkeypatch.setenv("PEGBOARD_DISABLE", names)
        assert [p.state for p in registry().plugins] == ["disabled"]

    @pytest.mark.parametrize("names", ["one_file.py", "one_file", "*"])
    def test_a_one_file_plugin_for_one_call(self, tmp_path, registry, monkeypatch, names):
        (tmp_path / "one_file.py").write_text(self.TOUCHY)
        monkeypatch.setenv("PEGBOARD_DISABLE", names)
        board = registry(str(tmp_path / "one_file.py"))
        assert [p.state for p in board.plugins] == ["disabled"]
        assert board.problems() == []

    def test_for_good(self, site, registry, own_settings):
        site.add("my-plug", self.TOUCHY)
        assert settings.set_disabled("My_Plug", True)
        assert not settings.set_disabled("my.plug", True)
        assert json.loads(own_settings.read_text()) == {"disabled": ["my-plug"]}
        assert [p.state for p in registry().plugins] == ["disabled"]
        assert registry().problems() == []
        assert settings.set_disabled("my-plug", False)
        assert not settings.set_disabled("my-plug", False)
        assert [p.state for p in registry().plugins] == ["broken"]

    def test_an_incompatible_plugin_can_be_switched_off(self, site, registry, monkeypatch):
        site.add("old", group="pegboard.plugins.v0")
        monkeypatch.setenv("PEGBOARD_DISABLE", "old")
        assert [(p.state, p.reason) for p in registry().plugins] == [("disabled", "switched off by the user")]

    def test_a_name_in_the_variable_that_is_no_plugin_is_reported(self, site, component, registry, monkeypatch):
        site.add("my-plug", component("encoder", "x"))
        monkeypatch.setenv("PEGBOARD_DISABLE", "my-plgu,my-plug,*")
        assert registry().problems() == ["PEGBOARD_DISABLE names 'my-plgu', which is no installed plugin"]

    def test_a_remembered_plugin_that_is_gone_is_not_reported(self, registry):
        settings.set_disabled("gone", True)
        assert registry().problems() == []

    @pytest.mark.parametrize(
        "content", ["", "{", "[]", "{}", '{"disabled": "all"}', '{"disabled": [1]}', "[" * 99999, "\x00"]
    )
    def test_settings_that_cant_be_read_switch_nothing_on_unnoticed(self, registry, own_settings, content):
        own_settings.parent.mkdir()
        own_settings.write_text(content)
        with pytest.raises(UsageError, match="these are no settings") as caught:
            registry().plugins  # noqa: B018
        assert caught.value.where == str(own_settings)
        with pytest.raises(UsageError):
            settings.set_disabled("x", True)
        assert own_settings.read_text() == content

    def test_where_the_settings_are(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PEGBOARD_CONFIG", "~/mine.json")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert settings.settings_file() == tmp_path / "mine.json"
        monkeypatch.delenv("PEGBOARD_CONFIG")
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        assert settings.settings_file() == tmp_path / ".config" / "pegboard" / "plugins.json"
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
        assert settings.settings_file() == tmp_path / "xdg" / "pegboard" / "plugins.json"
