"""The saved model as input: whatever is missing, damaged, crafted or from elsewhere is refused in one sentence."""

import hashlib
import json
import pickle
import shutil
import warnings

import pegboard
import pytest
import torch
from pegboard.artifact import load_model
from pegboard.errors import ArtifactError, ComponentError, PegboardWarning
from pegboard.plugins.registry import Registry
from safetensors.torch import load_file, save_file

FILES = ["config.json", "manifest.json", "model.safetensors", "vocab.json"]


@pytest.fixture
def model(run_copy):
    """A model folder to damage."""
    return run_copy / "model"


@pytest.fixture
def load(toy):
    registry = Registry([toy])
    return lambda folder: load_model(folder, registry)


def seal(model):
    """Make the manifest fit the files, as someone who crafts a model would."""
    sums = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(model.iterdir())
        if file.name != "manifest.json"
    }
    (model / "manifest.json").write_text(json.dumps({"sha256": sums}))


def change_config(model, change):
    config = json.loads((model / "config.json").read_text())
    change(config)
    (model / "config.json").write_text(json.dumps(config))
    seal(model)


def change_weights(model, change):
    weights = load_file(model / "model.safetensors")
    change(weights)
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    seal(model)


class TestFolder:
    def test_files(self, trained):
        assert sorted(path.name for path in (trained / "model").iterdir()) == FILES

    def test_names_of_labels_and_components(self, trained):
        config = json.loads((trained / "model" / "config.json").read_text())
        assert config["id2label"] == {"0": "joy", "1": "gloom", "2": "rage"}
        assert config["label2id"] == {"joy": 0, "gloom": 1, "rage": 2}
        assert config["pegboard"]["encoder"] == {
            "name": "mean",
            "distribution": "toy_plugin.py",
            "version": config["pegboard"]["tokenizer"]["version"],
            "options": {"size": 16},
        }

    def test_round_trip(self, load, trained, classifier):
        saved = load(trained / "model")
        assert saved.label_names == classifier.label_names == ("joy", "gloom", "rage")
        assert not saved.network.training
        weights = load_file(trained / "model" / "model.safetensors")
        assert weights.keys() == saved.network.state_dict().keys()
        assert all(torch.equal(weights[name], tensor) for name, tensor in saved.network.state_dict().items())

    def test_copied_without_the_run(self, trained, toy, tmp_path, classifier):
        copied = shutil.copytree(trained / "model", tmp_path / "elsewhere")
        probabilities = pegboard.load(copied, plugins=[toy]).predict_proba(["glad day", "mad"])
        assert (probabilities == classifier.predict_proba(["glad day", "mad"])).all()

    def test_card_beside_it_is_no_harm(self, load, model):
        (model / "README.md").write_text("# My model")
        load(model)

    def test_nothing_is_unpickled(self, load, trained, monkeypatch):
        def refuse(*_, **__):
            pytest.fail("something was unpickled")

        for name in ("load", "loads", "Unpickler"):
            monkeypatch.setattr(pickle, name, refuse)
        monkeypatch.setattr(torch, "load", refuse)
        load(trained / "model")


class TestDamage:
    @pytest.mark.parametrize("name", FILES)
    def test_missing(self, load, model, name):
        (model / name).unlink()
        with pytest.raises(ArtifactError, match="is missing") as raised:
            load(model)
        assert raised.value.where == str(model / name)

    @pytest.mark.parametrize("name", FILES)
    @pytest.mark.parametrize("kept", [0, 1, 0.5])
    def test_cut(self, load, model, name, kept):
        content = (model / name).read_bytes()
        (model / name).write_bytes(content[: int(len(content) * kept) if kept < 1 else -1])
        if name == "manifest.json" and kept == 1:  # the line break at its end
            load(model)
            return
        with pytest.raises(ArtifactError) as raised:
            load(model)
        assert raised.value.where.startswith(str(model / name))

    @pytest.mark.parametrize("name", FILES)
    @pytest.mark.parametrize("place", [0.01, 0.3, 0.6, 0.99])
    def test_one_bit_flipped(self, load, model, name, place):
        content = bytearray((model / name).read_bytes())
        content[int(len(content) * place)] ^= 1
        (model / name).write_bytes(content)
        with pytest.raises(ArtifactError):
            load(model)

    @pytest.mark.parametrize("name", FILES)
    def test_folder_instead(self, load, model, name):
        (model / name).unlink()
        (model / name).mkdir()
        with pytest.raises(ArtifactError):
            load(model)

    def test_no_folder_at_all(self, load, tmp_path):
        with pytest.raises(ArtifactError, match="no such folder"):
            load(tmp_path / "nowhere")
        (tmp_path / "file").write_text("")
        with pytest.raises(ArtifactError, match="no such folder"):
            load(tmp_path / "file")

    @pytest.mark.parametrize("name", ["config.json", "manifest.json", "model.safetensors"])
    def test_incomplete_model_is_called_one(self, model, name):
        for file in FILES:
            if file != name:
                (model / file).unlink()
        with pytest.raises(ArtifactError, match="is missing") as raised:
            pegboard.load(model)
        assert "recipe" not in str(raised.value)


class TestManifest:
    @pytest.mark.parametrize(
        "content",
        [b"", b"{", b"[]", b'"sha256"', b"{}", b'{"sha256": {}}', b'{"sha256": []}', b"\xff\xfe", b"[" * 100_000],
    )
    def test_unusable(self, load, model, content):
        (model / "manifest.json").write_bytes(content)
        with pytest.raises(ArtifactError, match=r"manifest\.json"):
            load(model)

    @pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
    def test_does_not_list(self, load, model, name):
        sums = json.loads((model / "manifest.json").read_text())["sha256"]
        del sums[name]
        (model / "manifest.json").write_text(json.dumps({"sha256": sums}))
        with pytest.raises(ArtifactError, match=f"does not list {name}"):
            load(model)

    @pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "a/b", "..", ".", "", "a\\b", "a\x00b", "a\n"])
    def test_lists_what_lies_elsewhere(self, load, model, name):
        (model.parent / "outside").write_text("secret")
        sums = json.loads((model / "manifest.json").read_text())["sha256"]
        sums[name] = hashlib.sha256(b"secret").hexdigest()
        (model / "manifest.json").write_text(json.dumps({"sha256": sums}))
        with pytest.raises(ArtifactError, match="does not lie in the folder"):
            load(model)

    @pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.json"])
    def test_link_is_not_followed(self, load, model, name):
        (model / name).rename(model.parent / name)
        (model / name).symlink_to(model.parent / name)
        with pytest.raises(ArtifactError, match="does not lie in the folder"):
            load(model)

    @pytest.mark.parametrize("value", [None, 5, [], "0" * 64, ""])
    def test_checksum_is_none(self, load, model, value):
        sums = json.loads((model / "manifest.json").read_text())["sha256"]
        sums["vocab.json"] = value
        (model / "manifest.json").write_text(json.dumps({"sha256": sums}))
        with pytest.raises(ArtifactError, match="is damaged"):
            load(model)


class TestConfig:
    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'{"a":' * 100_000, b"[" * 100_000])
    def test_not_an_object(self, load, model, content):
        (model / "config.json").write_bytes(content)
        seal(model)
        with pytest.raises(ArtifactError, match=r"config\.json"):
            load(model)

    @pytest.mark.parametrize("own", [None, [], {}, {"format": 0}, {"format": "1"}, {"format": None}])
    def test_not_ours(self, load, model, own):
        change_config(model, lambda config: config.update(pegboard=own))
        with pytest.raises(ArtifactError, match="is not a Pegboard model of format 1"):
            load(model)

    def test_newer_format(self, load, model):
        change_config(model, lambda config: config["pegboard"].update(format=2))
        with pytest.raises(ArtifactError, match="of format 2") as raised:
            load(model)
        assert raised.value.hint == "upgrade pegboard"

    @pytest.mark.parametrize(
        "labels",
        [
            None,
            [],
            ["joy", "gloom", "rage"],
            {},
            {"0": "joy"},
            {"0": "joy", "2": "rage"},
            {"1": "joy", "2": "gloom", "3": "rage"},
            {"0": "joy", "1": "joy", "2": "rage"},
            {"0": "joy", "1": 5, "2": "rage"},
            {"0": "joy", "1": None, "2": "rage"},
            {"zero": "joy", "one": "gloom"},
        ],
    )
    def test_labels(self, load, model, labels):
        change_config(model, lambda config: config.update(id2label=labels))
        with pytest.raises(ArtifactError, match="has no usable id2label"):
            load(model)

    def test_other_number_of_labels(self, load, model):
        change_config(model, lambda config: config["id2label"].update({"3": "fear"}))
        with pytest.raises(ArtifactError, match=r"head.* has the shape \(3"):
            load(model)

    @pytest.mark.parametrize("kind", ["tokenizer", "encoder"])
    @pytest.mark.parametrize(
        "record",
        [
            None,
            "space",
            {},
            {"name": 5, "distribution": "a", "version": "1"},
            {"name": "space", "distribution": None, "version": "1", "options": {}},
            {"name": "space", "distribution": "a b; rm -rf", "version": "1", "options": {}},
            {"name": "os:system", "distribution": "a", "version": "1", "options": {}},
            {"name": "space", "distribution": "a", "version": "1\x1b[31m", "options": {}},
        ],
    )
    def test_component_is_not_named(self, load, model, kind, record):
        change_config(model, lambda config: config["pegboard"].update({kind: record}))
        with pytest.raises(ArtifactError, match=f"names no {kind}"):
            load(model)

    @pytest.mark.parametrize("kind", ["tokenizer", "encoder"])
    def test_component_is_not_installed(self, load, cli, toy, model, kind):
        change_config(
            model,
            lambda config: config["pegboard"][kind].update(name="fancy", distribution="pegboard-fancy", version="2.1"),
        )
        with pytest.raises(ComponentError, match=f"needs the {kind} 'fancy' of pegboard-fancy 2.1") as raised:
            load(model)
        assert raised.value.hint == "pip install pegboard-fancy==2.1"
        done = cli("predict", model, "glad", "--plugin", toy)
        assert done.code == 3
        assert "-> pip install pegboard-fancy==2.1" in done.err

    def test_one_file_plugin_is_not_given(self, model):
        with pytest.raises(ComponentError, match=r"of toy_plugin\.py \w+, which is not installed") as raised:
            pegboard.load(model)
        assert raised.value.hint.startswith("--plugin toy_plugin.py")

    def test_plugin_lacks_the_component(self, load, model):
        change_config(model, lambda config: config["pegboard"]["encoder"].update(name="mode"))
        with pytest.raises(ComponentError, match="needs the encoder 'mode'"):
            load(model)

    def test_other_version_warns(self, load, cli, toy, model):
        change_config(model, lambda config: config["pegboard"]["encoder"].update(version="0.0.1"))
        with pytest.warns(PegboardWarning, match=r"saved with toy_plugin\.py 0\.0\.1; \w+ is installed"):
            load(model)
        done = cli("predict", model, "glad", "--plugin", toy)
        assert done.code == 0
        assert "warning: the model was saved with toy_plugin.py 0.0.1" in done.err

    def test_same_version_does_not_warn(self, load, model):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load(model)

    @pytest.mark.parametrize(
        ("table", "options", "message"),
        [
            ("encoder", {"size": 16, "layers": 2}, "there is no option 'layers'"),
            ("encoder", {"size": "16"}, "not '16'"),
            ("tokenizer", {"max_length": 1}, "greater than or equal to 3"),
        ],
    )
    def test_unknown_options(self, load, model, table, options, message):
        change_config(model, lambda config: config["pegboard"][table].update(options=options))
        with pytest.raises(ArtifactError, match=message) as raised:
            load(model)
        assert f"config.json, {table}." in raised.value.where

    @pytest.mark.parametrize("options", [None, [], "size=16", 5])
    def test_options_are_no_table(self, load, model, options):
        change_config(model, lambda config: config["pegboard"]["encoder"].update(options=options))
        with pytest.raises(ArtifactError, match="has no options of the encoder"):
            load(model)

    @pytest.mark.parametrize("task", [None, [], {"dropout": 2.0}, {"temperature": 1.0}])
    def test_task(self, load, model, task):
        change_config(model, lambda config: config["pegboard"].update(task=task))
        with pytest.raises(ArtifactError, match=r"task|saved options"):
            load(model)

    @pytest.mark.parametrize(
        "vocab", [None, {}, 5, {"size": 10**12, "pad_id": 0, "max_length": 256}, {"size": 50, "pad_id": 0}]
    )
    def test_vocabulary_that_the_tokenizer_has_not(self, load, model, vocab):
        change_config(model, lambda config: config["pegboard"].update(vocab=vocab))
        with pytest.raises(ArtifactError, match="the model was made for"):
            load(model)

    def test_tokenizer_that_grew(self, load, model):
        pieces = json.loads((model / "vocab.json").read_text())
        (model / "vocab.json").write_text(json.dumps([*pieces, "more"]))
        seal(model)
        with pytest.raises(ArtifactError, match="'size': 107"):
            load(model)

    @pytest.mark.parametrize("content", [b"", b"{}", b"[1, 2]", b'["[PAD]"]', b"\xff", b"[" * 100_000])
    def test_tokenizer_that_is_none(self, load, model, content):
        (model / "vocab.json").write_bytes(content)
        seal(model)
        with pytest.raises(ArtifactError):
            load(model)


class TestWeights:
    """Wrong tensors under a manifest that fits."""

    def test_missing_tensor(self, load, model):
        change_weights(model, lambda weights: weights.pop("head.bias"))
        with pytest.raises(ArtifactError, match=r"lacks the tensors head\.bias"):
            load(model)

    def test_tensor_too_many(self, load, model):
        change_weights(model, lambda weights: weights.update(extra=torch.zeros(1)))
        with pytest.raises(ArtifactError, match="has besides the tensors extra"):
            load(model)

    @pytest.mark.parametrize("shape", [(4,), (3, 1), (0,), ()])
    def test_shape(self, load, model, shape):
        change_weights(model, lambda weights: weights.update({"head.bias": torch.zeros(shape)}))
        with pytest.raises(ArtifactError, match=r"head\.bias has the shape .*, not \(3,\)"):
            load(model)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    def test_not_a_number(self, load, model, value):
        change_weights(model, lambda weights: weights["head.bias"].__setitem__(1, value))
        with pytest.raises(ArtifactError, match=r"head\.bias holds values that are not numbers"):
            load(model)

    def test_type(self, load, model):
        change_weights(model, lambda weights: weights.update({"head.bias": torch.zeros(3, dtype=torch.int64)}))
        with pytest.raises(ArtifactError, match=r"is of type I64, not float32"):
            load(model)

    def test_half_precision_is_read(self, load, model):
        change_weights(model, lambda weights: weights.update({"head.bias": weights["head.bias"].half()}))
        assert load(model).network.head.bias.dtype == torch.float32

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\x80\x04K\x01.",
            b"\xff" * 64,
            b"\x02\x00\x00\x00\x00\x00\x00\x00{}",
            b"\x10\x00\x00\x00\x00\x00\x00\x00" + b"{" * 16,
            b"\x00\x00\x00\x00\x00\x00\x00\x7f",
        ],
    )
    def test_no_safetensors(self, load, model, content):
        (model / "model.safetensors").write_bytes(content)
        seal(model)
        with pytest.raises(ArtifactError, match=r"model\.safetensors"):
            load(model)

    def test_pickle_under_the_name(self, load, model, tmp_path):
        class Evil:
            def __reduce__(self):
                return (open, (str(tmp_path / "ran"), "w"))

        torch.save({"head.bias": Evil()}, model / "model.safetensors")
        seal(model)
        with pytest.raises(ArtifactError):
            load(model)
        assert not (tmp_path / "ran").exists()


class TestSaving:
    @pytest.mark.parametrize("how", ["folder", "config"])
    def test_tokenizer_writes_what_it_must_not(self, cli, toy_training, odd, tmp_path, how):
        out = tmp_path / "run"
        arguments = ("--plugin", odd, "--tokenizer", "broken-tokenizer", "--set", f"tokenizer.how={how}")
        done = cli(*toy_training, *arguments, "--out", out)
        assert done.code == 3
        assert "failed to save" in done.err
        assert not (out / "model").exists()
        assert not list(out.glob(".*"))
