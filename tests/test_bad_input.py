"""What users get wrong: each ends in one message that says what, where and what to do, and leaves nothing behind."""

import json

import pytest

GOOD = [["glad day", "joy"], ["grey day", "gloom"]] * 8


@pytest.fixture
def train(cli, toy_training, odd, tmp_path):
    """`train(…)`: a training that would work but for the arguments given."""
    return lambda *more: cli(*toy_training, "--plugin", odd, "--out", tmp_path / "runs" / "one", *more)


def check(done, code, *parts):
    assert done.code == code, done
    assert done.out == ""
    assert "Traceback" not in done.err
    assert sum(line.lower().startswith("error: ") for line in done.err.splitlines()) == 1
    for part in parts:
        assert part in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        # components
        (["--tokenizer", "spaces"], 3, ["the tokenizer 'spaces'", "did you mean space?"]),
        (["--encoder", "gruu2"], 3, ["the encoder 'gruu2'"]),
        (["--trainer", "space"], 3, ["is a component, but of the kind tokenizer, not trainer"]),
        (["--dataset", "toys"], 3, ["did you mean toy?"]),
        (["--encoder", "nowhere"], 3, ["No module named 'no_such_module'", "->"]),
        (["--encoder", "needy"], 3, ["requires no-such-package>=2", "-> pip install 'no-such-package>=2'"]),
        (["--encoder", "broken-encoder", "--set", "encoder.how=build"], 3, ["KeyError: 'hidden'", "(options, vocab)"]),
        (["--encoder", "broken-encoder", "--set", "encoder.how=memory"], 1, ["no room", "-> make the batches"]),
        (["--encoder", "broken-encoder", "--set", "encoder.how=short"], 2, ["-> --set tokenizer.max_length=7"]),
        (
            ["--encoder", "broken-encoder"],
            3,
            ["'broken-encoder': IndexError: forward went wrong", "-> run with --debug"],
        ),
        (["--tokenizer", "broken-tokenizer"], 3, ["ZeroDivisionError: one text too many"]),
        (["--tokenizer", "broken-tokenizer", "--set", "tokenizer.how=fewer"], 3, ["89 rows of ids for 90 texts"]),
        (["--tokenizer", "broken-tokenizer", "--set", 'tokenizer.how="too small"'], 3, ["but its vocab_size is 3"]),
        (["--dataset", "broken-dataset"], 3, ["load() gave a list, not a datasets.DatasetDict"]),
        # options
        (
            ["--set", "tokenizer.vocab_sise=9"],
            2,
            ["tokenizer.vocab_sise: there is no option", "did you mean vocab_size?"],
        ),
        (["--set", "tokenizer.epochs=9"], 2, ["did you mean trainer.epochs?"]),
        (["--set", "tokeniser.vocab_size=9"], 2, ["'tokeniser'", "did you mean tokenizer?"]),
        (["--set", "tokenizer.max_length=two"], 2, ["tokenizer.max_length", "not 'two'"]),
        (["--set", "tokenizer.max_length=1"], 2, ["greater than or equal to 3"]),
        (["--set", "tokenizer.normalization=nfq"], 2, ["tokenizer.normalization", "'nfc'"]),
        (["--set", "task.dropout=1.5"], 2, ["task.dropout", "less than 1"]),
        (["--set", "dataset.test_share=0.9"], 2, ["dataset.test_share"]),
        (["--set", "tokenizer.max_length"], 2, ["must read key.path=value"]),
        (["--set", "=5"], 2, ["must read key.path=value"]),
        (["--seed", "-1"], 2, ["seed"]),
        (["--seed", "many"], 2, ["--seed"]),
        (["--set", "seed=1.5"], 2, ["seed", "whole number"]),
        # data
        (["--set", "dataset.rows=1"], 2, ["train has one label only, 'joy'", "-> a classifier needs at least two"]),
        (["--set", "dataset.rows=4", "--set", 'dataset.splits=["train"]'], 2, ["train has too few rows", "-> give a"]),
        (["--set", 'dataset.splits=["test"]'], 2, ["there is no train split", "-> to evaluate use"]),
        (["--set", 'dataset.splits=["all"]'], 2, ["there is no split of the names train", "->"]),
        # usage
        (["--dataste", "toy"], 2, ["--dataste"]),
        (["one.toml", "two.toml"], 2, ["two.toml"]),
        (["--plugin", "nowhere.py"], 2, ["nowhere.py", "the plugin file can't be read"]),
        (["nowhere.toml"], 2, ["nowhere.toml", "can't be read"]),
    ],
)
def test_arguments(train, tmp_path, arguments, code, parts):
    check(train(*arguments), code, *parts)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("content", "code", "parts"),
    [
        (b"seed = 1\nsize = = 5\n", 2, ["is not valid TOML", "line 2"]),
        (b"\xff\xfes\x00", 2, ["is not UTF-8 text"]),
        (b"[tokeniser]\n", 2, ["'tokeniser'", "did you mean tokenizer?"]),
        (b"tokenizer = 5\n", 2, ["tokenizer: must be a table or a name"]),
        (b"[tokenizer]\nname = 5\n", 2, ["tokenizer.name: must be text"]),
        (b"[task]\nname = 'translate'\n", 2, ["translate"]),
        (b"seed = true\n", 2, ["seed"]),
    ],
)
def test_recipe(cli, train, tmp_path, content, code, parts):
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    check(cli("train", file, "--out", tmp_path / "runs" / "one"), code, *parts)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.toml"]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("def broken(:\n", ["SyntaxError", "line 1"]),
        ("import no_such_module\n", ["no_such_module"]),
        ("raise SystemExit(0)\n", ["sys.exit"]),
        ("x = 1\n", ["implements no hook"]),
    ],
)
def test_plugin_file(cli, toy_training, tmp_path, content, parts):
    """A broken plugin breaks only itself; asked for what it has, the error says that it is broken."""
    file = tmp_path / "mine.py"
    file.write_text(content)
    done = cli(*toy_training, "--plugin", file, "--out", tmp_path / "run")
    assert done.code == 0
    for part in parts:
        assert part in done.err
    done = cli(*toy_training, "--plugin", file, "--out", tmp_path / "runs" / "one", "--encoder", "mine.py:mine")
    check(done, 3, *parts)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["mine.txt", "my-plugin.py", "mine"])
def test_plugin_that_is_no_module(train, tmp_path, name):
    (tmp_path / name).write_text("")
    check(train("--plugin", tmp_path / name), 2, "a one-file plugin is a Python file whose name is an identifier")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"train": [["", "joy"], *GOOD]}, ["train, row 0: the text is empty"]),
        ({"test": [["glad", "joy"], [" \t", "joy"]]}, ["test, row 1: the text is empty"]),
        ({"test": [[None, "joy"]]}, ["test, row 0: the text is missing"]),
        ({"validation": [["glad", None]]}, ["validation, row 0: the label"]),
        ({"train": [["glad", "joy"]] * 9}, ["train has one label only"]),
        ({"test": []}, ["test: the split has no rows"]),
        (
            {"test": [["cross", "rage"]]},
            ["test, row 0: the label 'rage' does not occur in train", "train has joy, gloom"],
        ),
        ({"train": [["\u3000\u2003x", "joy"], ["x", "gloom"]] * 2, "test": [["\u3000", "joy"]]}, ["text is empty"]),
    ],
)
def test_data(train, tmp_path, change, parts):
    file = tmp_path / "data.json"
    file.write_text(json.dumps({"names": ["joy", "gloom", "rage"], "train": GOOD, "test": GOOD, **change}))
    check(train("--dataset", "table", "--set", f"dataset.path={file}"), 2, *parts)
    assert not (tmp_path / "runs").exists()


def test_trainer_that_is_none(cli, toy_training, odd, tmp_path):
    arguments = [a for a in toy_training if "epochs" not in a and a != "--set"]
    arguments[arguments.index("loop")] = "no-trainer"
    check(cli(*arguments, "--plugin", odd, "--out", tmp_path / "runs" / "one"), 3, "not a pegboard.Trainer")
    assert not (tmp_path / "runs").exists()


def test_texts_without_a_vocabulary(train, tmp_path):
    done = train("--set", "tokenizer.min_frequency=1000000")
    check(done, 2, "give the tokenizer no vocabulary", "->")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", ["trian", "evalute", "predct", "tokenise"])
def test_unknown_command(cli, command):
    check(cli(command), 2, "There is no command")


def test_debug_shows_the_traceback(process, toy_training, odd, tmp_path):
    arguments = (*toy_training, "--plugin", odd, "--tokenizer", "broken-tokenizer", "--out", tmp_path / "run")
    done = process(*arguments, "--debug")
    assert done.code == 1
    assert "ZeroDivisionError: one text too many" in done.err
    assert "in split" in done.err
    assert not (tmp_path / "run").exists()
