"""`pegboard.train`, `load` and `components`: the same as the command line, from Python."""

import json

import numpy as np
import pegboard
import pytest
from pegboard.console import silent


@pytest.fixture
def train(toy, tmp_path):
    """`train(…)`: a training on toys that would work but for the arguments given."""

    def run(**more):
        choices = {"dataset": "toy", "tokenizer": "space", "encoder": "mean", "trainer": "loop", "trainer_epochs": 2}
        return pegboard.train(**{**choices, "out": tmp_path / "run", "plugins": [toy], "console": silent, **more})

    return run


def test_train_gives_the_run(train, tmp_path, trained):
    run = train()
    assert run.folder == tmp_path / "run"
    assert not run.was_complete
    assert run.metrics == json.loads((run.folder / "metrics.json").read_text())
    assert (run.model_folder / "model.safetensors").read_bytes() == (trained / "model/model.safetensors").read_bytes()
    assert run.classifier().predict(["glad happy sunny"]) == ["joy"]


def test_again(train):
    first, second = train(), train()
    assert second.was_complete
    assert second.metrics == first.metrics
    third = train(overwrite=True)
    assert not third.was_complete
    assert third.metrics["test"] == first.metrics["test"]


def test_options_and_settings_are_alike(train, tmp_path):
    one = train(out=tmp_path / "one", encoder_size=8, task_label_smoothing=0.1, seed=3)
    other = train(out=str(tmp_path / "two"), settings=["encoder.size=8", "task.label_smoothing=0.1"], seed=3)
    assert one.recipe_document() == other.recipe_document()
    assert one.recipe_document()["encoder"]["size"] == 8


def test_same_as_the_command_line(train, trained):
    run = train()
    assert (run.folder / "recipe.toml").read_text() == (trained / "recipe.toml").read_text()


def test_recipe_file(trained, tmp_path):
    run = pegboard.train(trained / "recipe.toml", out=tmp_path / "run", console=silent)
    assert run.metrics["test"] == json.loads((trained / "metrics.json").read_text())["test"]


def test_default_folder(train, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(train(out=None).folder) == "runs/toy-space-mean"


def test_progress_goes_to_stderr(train, capsys):
    train(console=None)
    out, err = capsys.readouterr()
    assert out == ""
    assert "epoch 2" in err


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"tokenizer": "spaces"}, pegboard.ComponentError, "the tokenizer 'spaces'"),
        ({"tokenizer_vocab_sise": 5}, pegboard.RecipeError, r"tokenizer\.vocab_sise"),
        ({"trainer_epochs": "two"}, pegboard.RecipeError, r"trainer\.epochs"),
        ({"seed": -1}, pegboard.RecipeError, "seed"),
        ({"dataset_rows": 1}, pegboard.DataError, "one label only"),
        ({"epochs": 2}, TypeError, "unexpected keyword argument 'epochs'"),
        ({"tokeniser_vocab_size": 2}, TypeError, "unexpected keyword argument"),
    ],
)
def test_errors(train, tmp_path, wrong, error, message):
    with pytest.raises(error, match=message):
        train(**wrong)
    assert not (tmp_path / "run").exists()


def test_every_error_is_a_pegboard_error():
    for name in ("ArtifactError", "ComponentError", "DataError", "RecipeError", "RunError", "UsageError"):
        assert issubclass(getattr(pegboard, name), pegboard.PegboardError)


def test_components(toy):
    found = pegboard.components("encoder", plugins=[toy])
    assert "mean" in [component.name for component in found]
    assert {component.kind for component in found} == {"encoder"}
    assert len(pegboard.components(plugins=[toy])) >= len(found) + 3


def test_load(trained, toy):
    for classifier in (pegboard.load(trained, plugins=[toy]), pegboard.load(str(trained / "model"), plugins=[toy])):
        assert classifier.label_names == ("joy", "gloom", "rage")
        assert classifier.predict_proba(["glad"]).dtype == np.float32


def test_run_is_found_again(trained, toy, monkeypatch):
    monkeypatch.chdir(trained.parent)
    assert pegboard.load("run", plugins=[toy]).predict(["glad"]) == ["joy"]


def test_public_names_are_all_there():
    for name in pegboard.__all__:
        assert getattr(pegboard, name) is not None
    assert set(pegboard.__all__) <= set(dir(pegboard))
    with pytest.raises(AttributeError, match="no attribute 'trane'"):
        pegboard.trane  # noqa: B018
