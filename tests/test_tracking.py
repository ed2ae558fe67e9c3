"""`--track`: which trackers are asked for, and what is said of one that nobody provides."""

import json

import pegboard
import pytest
from pegboard.console import silent
from pegboard.errors import ComponentError, UsageError
from pegboard.plugins.registry import Registry
from pegboard.tracking import check_trackers, trackers_asked_for

TRACKER = """
import json
from pegboard import hookimpl

@hookimpl
def pegboard_tracker_names():
    return ["diary", "ledger"]

@hookimpl
def pegboard_run_started(run):
    (run.folder / "asked").write_text(json.dumps(dict(run.track)))
"""


def test_names_and_places(monkeypatch):
    monkeypatch.setenv("PEGBOARD_TRACK", "one, two=a=b ,")
    assert trackers_asked_for(None) == {"one": "", "two": "a=b"}
    assert trackers_asked_for([]) == {}
    assert trackers_asked_for(["three=~/x"]) == {"three": "~/x"}
    monkeypatch.delenv("PEGBOARD_TRACK")
    assert trackers_asked_for(None) == {}


@pytest.mark.parametrize("text", ["", "=x"])
def test_without_a_name(text, monkeypatch):
    with pytest.raises(UsageError, match="--track"):
        trackers_asked_for([text])
    monkeypatch.setenv("PEGBOARD_TRACK", "one,=x")
    with pytest.raises(UsageError, match="PEGBOARD_TRACK"):
        trackers_asked_for(None)


def test_a_run_knows_what_was_asked_for(site, toy_training, tmp_path, cli, monkeypatch):
    site.add("writer", TRACKER)
    run = tmp_path / "run"
    done = cli(*toy_training, "--out", run, "--track", "diary=here", "--track", "ledger")
    assert done.code == 0
    assert json.loads((run / "asked").read_text()) == {"diary": "here", "ledger": ""}
    assert "diary" not in (run / "recipe.toml").read_text()
    monkeypatch.setenv("PEGBOARD_TRACK", "ledger")
    assert cli(*toy_training, "--out", tmp_path / "other").code == 0
    assert json.loads((tmp_path / "other" / "asked").read_text()) == {"ledger": ""}


def test_from_python(site, toy, tmp_path):
    site.add("writer", TRACKER)
    names = {"dataset": "toy", "tokenizer": "space", "encoder": "mean", "trainer": "loop", "plugins": [toy]}
    pegboard.train(**names, trainer_epochs=1, out=tmp_path / "run", track=["diary"], console=silent)
    assert json.loads((tmp_path / "run" / "asked").read_text()) == {"diary": ""}


def test_an_unknown_one_stops_before_any_work(site, toy_training, tmp_path, cli):
    site.add("writer", TRACKER)
    done = cli(*toy_training, "--out", tmp_path / "run", "--track", "dairy")
    assert done.code == 3
    assert "no installed plugin provides the tracker 'dairy'\n  -> did you mean diary?" in done.err
    assert not (tmp_path / "run").exists()


def test_a_published_one_that_is_not_installed(site):
    with pytest.raises(ComponentError) as caught:
        check_trackers({"tensorboard": ""}, Registry(path=[str(site)]))
    assert caught.value.hint == "pip install pegboard-trackers"


def test_a_published_one_whose_package_is_broken(site):
    site.add("pegboard-trackers", "raise ImportError")
    with pytest.raises(ComponentError) as caught:
        check_trackers({"tensorboard": ""}, Registry(path=[str(site)]))
    assert "pegboard plugins list" in caught.value.hint


@pytest.mark.parametrize("answer", ["'diary'", "[3]", "['a=b']", "None"])
def test_a_plugin_that_gives_no_names_is_broken(site, answer):
    site.add("writer", TRACKER.replace('["diary", "ledger"]', answer))
    [plugin] = Registry(path=[str(site)]).plugins
    assert (plugin.state, plugin.trackers) == ("broken", ())
