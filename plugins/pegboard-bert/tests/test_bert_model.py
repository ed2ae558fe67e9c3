"""A model that Pegboard trains and saves opens in transformers, with the same labels and scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pegboard
import pytest

TOYS = str(Path(__file__).with_name("bert_toys.py"))
TEXTS = ["so happy", "a SAD, bad day!", "unseen wörds [SEP] [MASK] ...", "the", "中文 day"]


def train(folder: Path, **more: object) -> pegboard.Run:
    more = {"tokenizer": "pretrained", "encoder": "bert", **more}
    return pegboard.train(dataset="few", trainer="twosteps", out=folder, plugins=[TOYS], console=None, seed=3, **more)


def scores_of_transformers(folder: Path, texts: list[str]) -> list[dict[str, float]]:
    from transformers import pipeline

    classify = pipeline("text-classification", model=str(folder), top_k=None, device="cpu", trust_remote_code=False)
    return [{row["label"]: row["score"] for row in rows} for rows in classify(texts, truncation=True)]


def assert_same_scores(run: pegboard.Run) -> None:
    classifier = pegboard.load(run.folder, plugins=[TOYS], device="cpu")
    ours = classifier.predict_proba(TEXTS)
    for row, scores in zip(ours, scores_of_transformers(run.model_folder, TEXTS), strict=True):
        theirs = np.array([scores[name] for name in classifier.label_names])
        np.testing.assert_allclose(row, theirs, atol=1e-5, rtol=0)


def test_a_fine_tuned_checkpoint_opens_in_transformers(checkpoint: Path, tmp_path: Path) -> None:
    run = train(tmp_path / "run", encoder_pretrained=str(checkpoint))
    assert_same_scores(run)
    config = json.loads((run.model_folder / "config.json").read_text())
    assert config["id2label"] == {"0": "joy", "1": "sadness"}
    recipe = run.recipe_document()
    assert recipe["tokenizer"]["pretrained"] == recipe["encoder"]["pretrained"] == str(checkpoint)


def test_a_fine_tuned_checkpoint_is_no_longer_needed(edited, tmp_path: Path) -> None:
    folder = edited()
    run = train(tmp_path / "run", encoder_pretrained=str(folder), tokenizer_max_length=32)
    before = pegboard.load(run.folder, plugins=[TOYS]).predict_proba(TEXTS)
    folder.rename(tmp_path / "moved")
    np.testing.assert_array_equal(pegboard.load(run.folder, plugins=[TOYS]).predict_proba(TEXTS), before)


def test_a_checkpoint_of_the_hub_and_offline_again(hub, checkpoint: Path, tmp_path: Path, monkeypatch) -> None:
    from huggingface_hub import constants

    hub.repositories["owner/tiny"] = checkpoint
    online = train(tmp_path / "online", encoder_pretrained="owner/tiny", encoder_revision="main")
    assert online.recipe_document()["tokenizer"]["revision"] == "main"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.requests.clear()
    offline = train(tmp_path / "offline", encoder_pretrained="owner/tiny", encoder_revision="main")
    assert hub.requests == []
    weights = [(run.model_folder / "model.safetensors").read_bytes() for run in (online, offline)]
    assert weights[0] == weights[1]


def test_training_changes_the_weights_and_repeats(checkpoint: Path, tmp_path: Path) -> None:
    first = train(tmp_path / "first", encoder_pretrained=str(checkpoint))
    again = train(tmp_path / "again", encoder_pretrained=str(checkpoint))
    weights = [(run.model_folder / "model.safetensors").read_bytes() for run in (first, again)]
    assert weights[0] == weights[1]
    from safetensors.numpy import load

    name = "encoder.layer.0.output.dense.weight"
    start = load((checkpoint / "model.safetensors").read_bytes())[name]
    assert not np.array_equal(load(weights[0])["bert." + name], start)


def test_random_weights_with_the_tokenizer_of_a_checkpoint_open_in_transformers(
    checkpoint: Path, tmp_path: Path
) -> None:
    sizes = {"encoder_hidden_size": 16, "encoder_layers": 1, "encoder_heads": 2, "encoder_intermediate_size": 32}
    assert_same_scores(train(tmp_path / "run", tokenizer_pretrained=str(checkpoint), **sizes))


def test_random_weights_with_a_trained_tokenizer_open_in_transformers(tmp_path: Path) -> None:
    pytest.importorskip("pegboard_wordpiece")
    sizes = {"encoder_hidden_size": 16, "encoder_layers": 1, "encoder_heads": 2, "encoder_intermediate_size": 32}
    run = train(tmp_path / "run", tokenizer="wordpiece", **sizes)
    assert run.recipe_document()["tokenizer"]["special_tokens"] == "cls_sep"
    assert_same_scores(run)


def test_too_long_for_the_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(pegboard.RecipeError, match="more than the encoder 'bert' can take") as caught:
        train(tmp_path / "run", encoder_pretrained=str(checkpoint), tokenizer_max_length=256)
    assert caught.value.hint == "--set tokenizer.max_length=128"


def test_the_tokenizer_needs_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(pegboard.RecipeError, match="needs a checkpoint"):
        train(tmp_path / "run")
