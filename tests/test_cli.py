"""What all commands have in common: help, exit statuses, `--quiet`, `--debug`, and one place for errors."""

import json
import os
import signal
import subprocess
import sys
import time

import click
import pytest
from pegboard.cli.main import cli as root

FAILS = "import pegboard\nclass Fails(pegboard.Trainer):\n    def fit(self, *_):\n        {}\n"


def commands(path, command):
    """The path of every command and group."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands((*path, name), command.get_command(context, name))


EVERY = list(commands((), root))


@pytest.mark.parametrize("path", EVERY, ids=lambda path: " ".join(path) or "pegboard")
def test_every_command_has_help_and_the_global_options(path, cli):
    long, short = cli(*path, "--help"), cli(*path, "-h")
    assert (long.code, long.err) == (0, "")
    assert long == short
    assert long.out.startswith(f"Usage: {' '.join(('pegboard', *path))}")
    assert "--debug" in long.out
    assert "--quiet" in long.out
    assert max(map(len, long.out.splitlines())) <= 110


def test_the_names_that_scripts_rely_on_are_there():
    for path in (
        ["train"],
        ["evaluate"],
        ["predict"],
        ["doctor"],
        *(["recipe", name] for name in ("show", "check", "schema")),
        *(["plugins", name] for name in ("list", "show", "enable", "disable")),
    ):
        assert tuple(path) in EVERY


def test_version(cli):
    from pegboard import __version__

    assert cli("--version") == (0, f"pegboard, version {__version__}\n", "")


def test_the_help_of_a_group_says_what_the_help_of_its_commands_says(cli):
    for path in EVERY:
        if path:
            first = cli(*path, "--help").out.split("\n\n")[1]
            summary = " ".join(first.split()).partition(". ")[0].rstrip(".")[:30]
            assert summary in " ".join(cli(*path[:-1], "--help").out.split()), path


class TestBadUsage:
    def test_without_a_command_there_is_help_and_status_2(self, cli):
        done = cli()
        assert done.code == 2
        assert "Usage: pegboard" in done.err

    @pytest.mark.parametrize(
        ("arguments", "nearest"),
        [
            (["trian"], "train"),
            (["plugin", "list"], "plugins"),
            (["plugins", "lst"], "list"),
            (["--quiet", "recipe", "sow"], "show"),
        ],
    )
    def test_a_misspelled_command_gets_the_nearest(self, cli, arguments, nearest):
        done = cli(*arguments)
        assert (done.code, done.out) == (2, "")
        assert f"Did you mean {nearest}" in done.err

    def test_a_command_that_is_like_no_other_gets_them_all(self, cli):
        done = cli("xyzzy")
        assert done.code == 2
        assert "There is no command 'xyzzy'. Commands: train, evaluate, " in done.err

    def test_a_misspelled_option_gets_the_nearest(self, cli):
        done = cli("train", "--tokenizr", "word")
        assert done.code == 2
        assert "--tokenizer" in done.err

    @pytest.mark.parametrize("arguments", [["train", "--seed", "x"], ["plugins", "list", "--kind", "x"], ["predict"]])
    def test_a_wrong_argument_has_status_2(self, cli, arguments):
        done = cli(*arguments)
        assert (done.code, done.out) == (2, "")
        assert "Usage: " in done.err

    def test_a_recipe_or_data_that_are_wrong_have_status_2(self, cli, tmp_path, toy_training):
        assert cli("train", tmp_path / "missing.toml").code == 2
        assert cli(*toy_training, "--set", "trainer.epoch=1", "--out", tmp_path / "run").code == 2
        assert cli(*toy_training, "--set", 'dataset.splits=["test"]', "--out", tmp_path / "run").code == 2
        assert cli("evaluate", tmp_path).code == 2


class TestErrors:
    """One line of what and where, one of what to do; the traceback with --debug only."""

    def test_an_error_of_the_user_is_two_lines(self, cli):
        done = cli("recipe", "show", "--set", "tokenizer.x")
        assert done == (2, "", "error: --set tokenizer.x: must read key.path=value\n")

    def test_an_error_that_nobody_expects_is_no_traceback(self, cli, monkeypatch):
        monkeypatch.setattr("pegboard.recipe.document_of", lambda *_, **__: 1 / 0)
        done = cli("recipe", "show")
        assert done.code == 1
        assert done.err.splitlines() == [
            "error: ZeroDivisionError: division by zero",
            "  -> this should not happen: run it again with --debug and report what it prints",
        ]

    @pytest.mark.parametrize(
        "arguments", [["--debug", "recipe", "show"], ["recipe", "--debug", "show"], ["recipe", "show", "--debug"]]
    )
    def test_debug_shows_the_traceback_wherever_it_stands(self, process, arguments):
        done = process(*arguments, "--set", "x")
        assert done.code == 1
        assert "Traceback (most recent call last)" in done.err
        assert done.err.rstrip().endswith("RecipeError: --set x: must read key.path=value")

    def test_work_that_fails_has_status_1(self, site, component, toy_training, tmp_path, cli):
        site.add(
            "plug",
            component("trainer", "x", factory="failing:Fails"),
            failing=FAILS.format("raise pegboard.RunError('the loss is not a number')"),
        )
        done = cli(*toy_training[:-2], "--trainer", "x", "--out", tmp_path / "run")
        assert done == (1, "", "error: the loss is not a number\n")

    def test_a_reader_that_goes_away_is_no_error_worth_a_word(self):
        command = [sys.executable, "-m", "pegboard", "recipe", "schema"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
            writer.stdout.close()
            assert writer.stderr.read() == b""
        assert writer.returncode == 1


class TestQuiet:
    @pytest.fixture
    def noted(self, site):
        site.add("broken", "import no_such_module")

    @pytest.mark.parametrize("place", [0, 1, 2, 6])
    def test_wherever_it_stands_there_are_results_and_warnings_only(self, cli, toy, noted, place):
        arguments = ["recipe", "show", "--plugin", toy, "--dataset", "toy"]
        arguments.insert(place, "--quiet")
        done = cli(*arguments, "--tokenizer", "space", "--encoder", "mean", "--trainer", "loop")
        assert done.code == 0
        [line] = done.err.splitlines()
        assert line.startswith("warning: the plugin broken 1.0 is broken")

    def test_without_it_there_are_notes(self, cli, toy_training, tmp_path):
        loud = [argument for argument in toy_training if argument != "--quiet"]
        assert "training texts" in cli(*loud, "--out", tmp_path / "loud").err
        assert cli(*loud, "--out", tmp_path / "quiet", "--quiet").err == ""
        assert cli("--quiet", *loud, "--out", tmp_path / "quiet too").err == ""


class TestInterrupts:
    def test_an_interrupt_has_status_130(self, cli, monkeypatch):
        def interrupted(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr("pegboard.recipe.document_of", interrupted)
        done = cli("recipe", "show")
        assert done.code == 130
        assert done.err.split() == ["interrupted"]

    def test_a_training_that_is_interrupted_has_status_130(self, site, component, toy_training, tmp_path, process):
        sign = tmp_path / "training"
        waiting = FAILS.format(f"import time; open({str(sign)!r}, 'w').close(); time.sleep(60)")
        site.add("plug", component("trainer", "x", factory="waiting:Fails"), waiting=waiting)
        arguments = (*toy_training[:-2], "--trainer", "x", "--out", tmp_path / "run")
        run = process(*arguments, env={"PYTHONPATH": str(site)}, start=True)
        deadline = time.monotonic() + 60
        while not sign.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(run.pid, signal.SIGINT)
        _, err = run.communicate(timeout=60)
        assert run.returncode == 130
        assert err.decode().split() == ["interrupted"]


class TestOutput:
    def test_a_narrow_encoding_does_not_end_the_work(self, toy_training, tmp_path, process):
        done = process(*toy_training, "--out", tmp_path / "run", env={"PYTHONIOENCODING": "iso8859-5"})
        assert (done.code, done.err) == (0, "")
        assert "\\xb7" in done.out  # the dot of an empty cell

    def test_shells_complete_names_without_importing_commands(self, process):
        env = {"_PEGBOARD_COMPLETE": "bash_complete", "COMP_WORDS": "pegboard pl", "COMP_CWORD": "1"}
        assert process(env=env) == (0, "plain,plugins\n", "")
        env = {"_PEGBOARD_COMPLETE": "bash_complete", "COMP_WORDS": "pegboard plugins dis", "COMP_CWORD": "2"}
        assert process(env=env) == (0, "plain,disable\n", "")
        env = {"_PEGBOARD_COMPLETE": "bash_complete", "COMP_WORDS": "pegboard --ver", "COMP_CWORD": "1"}
        assert process(env=env) == (0, "plain,--version\n", "")


class TestDoctor:
    def test_it_lists_versions_device_and_plugins(self, cli, toy):
        done = cli("doctor", "--plugin", toy)
        assert done.code == 0
        assert "  toy_plugin.py " in done.out
        facts = json.loads(cli("doctor", "--plugin", toy, "--json").out)
        assert facts["libraries"]["pluggy"]
        assert facts["device"].startswith(("cpu", "cuda", "mps"))
        [plugin] = [p for p in facts["plugins"] if p["distribution"] == "toy_plugin.py"]
        assert plugin["components"] == ["dataset toy", "tokenizer space", "encoder mean", "trainer loop"]

    def test_it_survives_settings_that_cant_be_read(self, cli, tmp_path, monkeypatch):
        (tmp_path / "plugins.json").write_text("{")
        monkeypatch.setenv("PEGBOARD_CONFIG", str(tmp_path / "plugins.json"))
        done = cli("doctor")
        assert done.code == 2
        assert f"{tmp_path / 'plugins.json'}: these are no settings" in done.out
        assert f"PEGBOARD_CONFIG={tmp_path / 'plugins.json'}" in done.out
        assert json.loads(cli("doctor", "--json").out)["settings"]["problem"]
        assert cli("plugins", "list").code == 2
        assert cli("--help").code == 0

    def test_it_tells_no_secrets(self, cli, monkeypatch):
        monkeypatch.setenv("PEGBOARD_TOKEN", "hidden")
        assert "hidden" not in cli("doctor").out
