"""What the `v1` of `pegboard.plugins.v1` promises: see docs/reference/plugin-api.md."""

import inspect
import json
import sys
import warnings
from pathlib import Path

import pegboard
import pytest
from pegboard import hookspecs
from pegboard.console import silent
from pegboard.errors import ComponentError, PegboardWarning
from pegboard.plugins.registry import Registry
from pegboard.specs import KINDS, ComponentSpec

OLD = str(Path(__file__).parent / "plugin_api" / "made_for_0_1.py")

HOOKS_OF_V1 = {
    "pegboard_tokenizers": [],
    "pegboard_encoders": [],
    "pegboard_datasets": [],
    "pegboard_trainers": [],
    "pegboard_tracker_names": [],
    "pegboard_run_started": ["run"],
    "pegboard_logged": ["run", "record"],
    "pegboard_epoch_finished": ["run", "metrics"],
    "pegboard_run_finished": ["run"],
}
FIELDS_OF_V1 = ["name", "factory", "summary", "options", "requires", "suggests", "schemes", "default"]
REQUIRED_IN_V1 = ["name", "factory", "summary"]
NAMES_OF_0_1 = (Path(OLD).with_name("names_0_1.txt")).read_text().split()


class TestOlderMinor:
    def test_it_loads_without_a_word(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            registry = Registry([OLD])
            plugin = registry.plugins[-1]
        assert (plugin.state, plugin.reason) == ("ok", "")
        assert {component.kind for component in plugin.components} == set(KINDS)
        assert not [problem for problem in registry.problems() if "made_for_0_1" in problem]

    def test_it_trains_and_listens(self, tmp_path):
        run = pegboard.train(
            dataset="old:anything",
            tokenizer="old-words",
            encoder="old-mean",
            trainer="old-loop",
            encoder_size=3,
            out=tmp_path / "run",
            plugins=[OLD],
            console=silent,
        )
        assert run.metrics["train"]["epochs"] == 3
        assert pegboard.load(tmp_path / "run", plugins=[OLD]).predict(["even-4", "odd-3"]) == ["even", "odd"]
        heard = sys.modules["made_for_0_1"].HEARD
        assert heard == [("started", "run", 42), ("epoch", 1), ("epoch", 2), ("epoch", 3), ("finished", True)]


class TestPromise:
    """These fail when something is taken away; what is added belongs into docs/reference/plugin-api.md."""

    @pytest.mark.parametrize("hook", HOOKS_OF_V1)
    def test_hooks_and_their_arguments_stay(self, hook):
        assert [*inspect.signature(getattr(hookspecs, hook)).parameters][: len(HOOKS_OF_V1[hook])] == HOOKS_OF_V1[hook]

    def test_fields_of_the_record_stay_and_new_ones_are_optional(self):
        parameters = inspect.signature(ComponentSpec).parameters
        assert set(FIELDS_OF_V1) <= set(parameters)
        assert [name for name, p in parameters.items() if p.default is p.empty] == REQUIRED_IN_V1

    def test_public_names_stay(self):
        assert set(NAMES_OF_0_1) <= set(pegboard.__all__)
        for name in NAMES_OF_0_1:
            assert getattr(pegboard, name) is not None


class TestFutureMajor:
    def test_it_is_listed_with_what_to_do(self, site, cli):
        module = site.add("tomorrow", "raise SystemExit", group="pegboard.plugins.v2")
        done = cli("plugins", "list", "--json")
        (row,) = [row for row in json.loads(done.out) if row["distribution"] == "tomorrow"]
        assert row["state"] == "incompatible"
        assert row["why"] == "made for the newer hook API 2, this Pegboard has 1: upgrade pegboard"
        assert module not in sys.modules

    def test_who_needs_it_is_told(self, site):
        site.add("tomorrow", "", group="pegboard.plugins.v2")
        with pytest.raises(ComponentError, match="upgrade pegboard"):
            Registry().find("tokenizer", "tomorrow:dash")

    def test_one_that_serves_both_is_used(self, site, component):
        module = site.add("both", component("tokenizer", "dash"))
        info = site.folder / "both-1.0.dist-info" / "entry_points.txt"
        info.write_text(f"[pegboard.plugins.v2]\nboth = both_v2\n[pegboard.plugins.v1]\nboth = {module}\n")
        assert Registry().find("tokenizer", "both:dash").version == "1.0"


@pytest.fixture
def deprecated(monkeypatch):
    """`deprecated("pegboard_gone", ...)` adds a hook that is deprecated, with pluggy's own means."""

    def add(name, function, **how):
        function.__name__ = name
        monkeypatch.setattr(hookspecs, name, hookspecs.hookspec(function, **how), raising=False)

    return add


class TestDeprecation:
    CODE = "import pegboard\n@pegboard.hookimpl\ndef pegboard_gone(run): pass\n"
    TEXT = "pegboard_gone goes with 0.4; use pegboard_run_finished"

    def test_a_hook(self, deprecated, site, cli):
        deprecated("pegboard_gone", lambda run: None, warn_on_impl=DeprecationWarning(self.TEXT))
        site.add("behind", self.CODE, version="1.2")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            registry = Registry()
            (plugin,) = [plugin for plugin in registry.plugins if plugin.distribution == "behind"]
        assert plugin.state == "ok"
        assert plugin.deprecations == (self.TEXT,)
        line = f"the plugin behind 1.2 must be upgraded: {self.TEXT}"
        assert [problem for problem in registry.problems() if "behind" in problem] == [line]
        for command in (["plugins", "list"], ["plugins", "list", "--kind", "tokenizer"], ["recipe", "schema"]):
            assert cli(*command).err.count(f"warning: {line}") == 1
        assert f"behind 1.2 [ok] {self.TEXT}" in cli("doctor").out

    def test_from_python(self, deprecated, site):
        deprecated("pegboard_gone", lambda run: None, warn_on_impl=DeprecationWarning(self.TEXT))
        site.add("behind", self.CODE, version="1.2")
        with pytest.warns(PegboardWarning, match="the plugin behind 1.2 must be upgraded") as caught:
            pegboard.components("tokenizer")
        assert len(caught) == 1

    def test_an_argument(self, deprecated, site):
        how = {"warn_on_impl_args": {"old": DeprecationWarning("the argument 'old' goes with 0.4")}}
        deprecated("pegboard_changed", lambda run, old: None, **how)
        site.add("behind", self.CODE.replace("gone(run)", "changed(run, old)"))
        site.add("abreast", self.CODE.replace("gone(run)", "changed(run)"))
        found = {plugin.distribution: plugin.deprecations for plugin in Registry().plugins}
        assert found["behind"] == ("the argument 'old' goes with 0.4",)
        assert found["abreast"] == ()

    def test_strictly_it_still_loads(self, deprecated, site, monkeypatch):
        deprecated("pegboard_gone", lambda run: None, warn_on_impl=DeprecationWarning(self.TEXT))
        site.add("behind", self.CODE)
        monkeypatch.setenv("PEGBOARD_STRICT", "1")
        Registry().check_strictly()
