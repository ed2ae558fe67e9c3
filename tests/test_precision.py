"""Predicting in other numbers than float32: what a machine can do, what changes, and what is said about it."""

import json

import numpy as np
import pegboard
import pytest
import torch
from pegboard import precision as precisions
from pegboard.errors import UsageError
from pegboard.pipeline.lowered import Int8Linear
from pegboard.precision import SAMPLE, Comparison, PreciseNetwork, available_precisions, in_precision
from pegboard.tasks.network import ClassifierNetwork
from torch import nn

CPU = torch.device("cpu")
ALL = {"avx512_bf16", "avx512_vnni"}
needs_int8 = pytest.mark.skipif("int8" not in available_precisions(CPU), reason="no fast int8 on this processor")


@pytest.fixture
def everywhere(monkeypatch):
    """A processor with bf16, which torch computes on any, if slowly, beside what this one has."""
    here = precisions.processor_features()
    monkeypatch.setattr(precisions, "processor_features", lambda: here | {"avx512_bf16"})


class Layers(nn.Module):
    """An encoder of linear layers, with a float32 mask such as encoders like to make."""

    hidden_size, max_length = 32, None

    def __init__(self, wrong=None):
        super().__init__()
        self.embedding = nn.Embedding(50, 32)
        self.layers = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32, bias=False), nn.LayerNorm(32))
        self.register_buffer("scale", torch.ones(32))
        self.wrong = wrong

    def forward(self, input_ids, attention_mask):
        mask = attention_mask[:, :, None].float()
        states = self.layers(self.embedding(input_ids)) * mask * self.scale
        if self.wrong and self.embedding.weight.dtype != torch.float32:
            self.wrong(states)
        return pegboard.EncoderOutput(states, states.sum(1) / mask.sum(1).clamp(min=1))


def network(**options):
    torch.manual_seed(0)
    return ClassifierNetwork(Layers(**options), 3).eval()


def batch(rows=200):
    torch.manual_seed(1)
    ids = torch.randint(1, 50, (rows, 9))
    mask = (torch.arange(9) < torch.randint(1, 10, (rows, 1))).long()
    return ids * mask, mask


def outputs(of, rows=200):
    with torch.inference_mode():
        return of(*batch(rows)).outputs


class TestMachine:
    @pytest.mark.parametrize(
        ("features", "able"),
        [
            (set(), ("f32",)),
            ({"avx512_bf16"}, ("f32", "bf16")),
            ({"amx_bf16", "sse4_2"}, ("f32", "bf16")),
            ({"avx2"}, ("f32",)),
            ({"avx_vnni"}, ("f32", "int8")),
            (ALL, ("f32", "bf16", "int8")),
        ],
    )
    def test_features_of_a_processor(self, monkeypatch, features, able):
        monkeypatch.setattr(precisions, "processor_features", lambda: features)
        monkeypatch.setattr(precisions, "_multiplies_int8", lambda: True)
        assert available_precisions(CPU) == able

    def test_no_kernels(self, monkeypatch):
        monkeypatch.setattr(precisions, "processor_features", lambda: ALL)
        monkeypatch.setattr(precisions, "_multiplies_int8", lambda: False)
        assert available_precisions(CPU) == ("f32", "bf16")

    def test_without_torchs_list(self, monkeypatch, tmp_path):
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
        file = tmp_path / "cpuinfo"
        file.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16\n")
        monkeypatch.setattr(precisions, "Path", lambda _: file)
        assert available_precisions(CPU) == ("f32", "bf16")
        file.unlink()
        assert available_precisions(CPU) == ("f32",)

    @pytest.mark.parametrize(("capability", "able"), [((7, 5), ("f32",)), ((8, 0), ("f32", "bf16"))])
    def test_gpu(self, monkeypatch, capability, able):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        assert available_precisions(torch.device("cuda")) == able

    def test_the_choices_of_the_command_line(self):
        from pegboard.cli.common import precision_option

        command = precision_option(lambda: None)
        assert set(command.__click_params__[0].type.choices) == set(precisions.CHOICES)


class TestRefused:
    def test_unknown(self):
        with pytest.raises(UsageError, match="there is no precision 'fp32'") as raised:
            PreciseNetwork(network(), "fp32")
        assert raised.value.hint == "did you mean f32?"

    @pytest.mark.parametrize("wanted", ["bf16", "int8"])
    def test_machine_that_can_not(self, monkeypatch, wanted):
        monkeypatch.setattr(precisions, "processor_features", set)
        with pytest.raises(UsageError, match=f"this processor has no fast instructions for {wanted}") as raised:
            PreciseNetwork(network(), wanted)
        assert "it can predict in f32" in raised.value.hint

    @needs_int8
    def test_nothing_to_convert(self, classifier, trained, toy):
        with pytest.raises(UsageError, match="the encoder has no linear layers"):
            pegboard.load(trained, plugins=[toy], precision="int8")

    def test_encoder_that_can_not(self, everywhere):
        def wrong(states):
            raise RuntimeError("expected Float\nand much more")

        with pytest.raises(UsageError, match=r"the encoder can't be computed in bf16: expected Float($|\n)"):
            PreciseNetwork(network(wrong=wrong), "bf16")

    def test_outputs_that_are_no_numbers(self, everywhere):
        with pytest.raises(UsageError, match="can't be computed in bf16: its outputs are no numbers"):
            PreciseNetwork(network(wrong=lambda states: states.fill_(torch.nan)), "bf16")


class TestConverted:
    def test_bf16(self, everywhere):
        exact = network()
        before = outputs(exact)
        converted = in_precision(exact, "bf16")
        assert {tensor.dtype for tensor in converted.state_dict().values()} == {torch.bfloat16}
        result = outputs(converted)
        assert result.dtype == torch.float32
        assert not torch.equal(result, before)
        torch.testing.assert_close(result, before, atol=0.02, rtol=0.02)
        assert torch.equal(outputs(exact), before), "the network itself is left alone"

    @needs_int8
    def test_int8(self):
        exact = network()
        before = outputs(exact)
        converted = in_precision(exact, "int8")
        assert [type(layer) for layer in converted.encoder.layers] == [Int8Linear, nn.GELU, Int8Linear, nn.LayerNorm]
        assert type(converted.head) is nn.Linear
        assert not torch.equal(outputs(converted), before)
        torch.testing.assert_close(outputs(converted), before, atol=0.02, rtol=0.02)
        assert torch.equal(outputs(exact), before)
        embedding = exact.encoder.embedding.weight
        assert converted.encoder.embedding.weight.data_ptr() == embedding.data_ptr(), "what is kept is not copied"

    @needs_int8
    def test_linear_layer_with_a_row_of_zeros(self):
        linear = nn.Linear(8, 4)
        nn.init.zeros_(linear.weight[1])
        result = Int8Linear(linear)(torch.randn(3, 8))
        torch.testing.assert_close(result[:, 1], linear.bias[1].expand(3), atol=1e-6, rtol=0)

    @needs_int8
    def test_int8_does_not_depend_on_neighbours(self):
        converted = in_precision(network(), "int8")
        ids, mask = batch(6)
        with torch.inference_mode():
            alone = torch.cat([converted(ids[i : i + 1], mask[i : i + 1]).outputs for i in range(6)])
        torch.testing.assert_close(outputs(converted, 6), alone, atol=1e-5, rtol=0)

    @needs_int8
    @pytest.mark.parametrize(
        "inputs", [torch.zeros(2, 5, 8), torch.full((1, 8), 7.0), -torch.rand(3, 8), 1e6 * torch.randn(64, 8)]
    )
    def test_inputs_at_the_ends_of_the_range(self, inputs):
        torch.manual_seed(0)
        linear = nn.Linear(8, 4)
        with torch.inference_mode():
            expected, result = linear(inputs), Int8Linear(linear)(inputs)
        assert result.shape == expected.shape
        torch.testing.assert_close(result, expected, atol=0.02 * max(1.0, float(inputs.abs().max())), rtol=0)

    def test_shared_weights_stay_shared(self, everywhere):
        exact = network()
        exact.encoder.again = exact.encoder.embedding
        exact.encoder.same = exact.encoder.layers[0].weight
        converted = in_precision(exact, "bf16").network
        assert converted.encoder.again is converted.encoder.embedding
        assert converted.encoder.same is converted.encoder.layers[0].weight

    @pytest.mark.parametrize("precision", ["bf16", pytest.param("int8", marks=needs_int8)])
    def test_same_rows_same_bytes(self, everywhere, precision):
        first, again = (outputs(in_precision(network(), precision)) for _ in range(2))
        assert torch.equal(first, again)


class TestSample:
    def test_nothing_is_compared_with_itself(self):
        assert len(PreciseNetwork(network()).sample(5000)) == 0

    def test_spread_over_the_texts(self, everywhere):
        sample = PreciseNetwork(network(), "bf16").sample(10 * SAMPLE)
        assert len(sample) == SAMPLE == len(set(sample.tolist()))
        assert sample[0] == 0
        assert np.diff(sample).tolist() == [10] * (SAMPLE - 1)

    def test_until_enough_is_known(self, everywhere):
        precise = PreciseNetwork(network(), "bf16")
        labels = [0] * 1000
        labels[7] = 1
        answers = iter([np.zeros(1000, np.int64), np.array(labels), np.zeros(24, np.int64), np.zeros(24, np.int64)])
        assert len(precise.sample(1000)) == 1000
        precise.compare(lambda _: next(answers))
        assert (precise.compared.texts, precise.compared.same) == (1000, 999)
        assert len(precise.sample(1000)) == 24
        precise.compare(lambda _: next(answers))
        assert (precise.compared.texts, precise.compared.same) == (SAMPLE, SAMPLE - 1)
        assert str(precise.compared) == "labels agree with f32 on 1,023 of 1,024 texts"
        assert len(precise.sample(1000)) == 0

    def test_several_labels_a_text_count_as_one(self, everywhere):
        precise = PreciseNetwork(network(), "bf16")
        answers = iter(np.array([[[1, 0], [1, 1], [0, 0]], [[1, 0], [1, 0], [0, 0]]], bool))
        precise.compare(lambda _: next(answers))
        assert (precise.compared.texts, precise.compared.same) == (3, 2)
        assert Comparison().agreement == 1


class TestAuto:
    @pytest.fixture
    def auto(self, monkeypatch):
        """`auto(seconds, labels)`: what auto chooses if precisions need so long, and change so many of 1,000 labels."""

        def run(seconds, changed):
            now = 0.0
            monkeypatch.setattr(precisions.time, "perf_counter", lambda: now)
            made = {}

            def converted(_, precision):
                if precision not in seconds:
                    raise UsageError("it can't")
                return made.setdefault(precision, nn.Identity())

            monkeypatch.setattr(precisions, "in_precision", converted)
            precise = PreciseNetwork(network(), "auto")
            assert precise.precision == "f32"
            assert len(precise.sample(SAMPLE - 1)) == 0
            assert len(precise.sample(SAMPLE)) == SAMPLE

            def labels_by(given):
                nonlocal now
                name = next((name for name, module in made.items() if module is given), "f32")
                now += seconds[name]
                return np.arange(SAMPLE) < changed.get(name, 0)

            precise.compare(labels_by)
            assert len(precise.sample(5000)) == 0, "it chooses once"
            return precise

        return run

    def test_the_fastest(self, auto):
        precise = auto({"f32": 8.0, "bf16": 2.0, "int8": 4.0}, {"bf16": 1})
        assert precise.precision == "bf16"
        assert precise.compared == Comparison(SAMPLE, SAMPLE - 1, 4.0) == precise.tried["bf16"]
        assert precise.tried["int8"].speedup == 2
        assert auto({"f32": 8.0, "bf16": 4.0, "int8": 2.0}, {}).precision == "int8"

    def test_one_that_changes_too_many_labels(self, auto):
        assert auto({"f32": 8.0, "bf16": 4.0, "int8": 2.0}, {"int8": 11}).precision == "bf16"
        assert auto({"f32": 8.0, "bf16": 4.0, "int8": 2.0}, {"int8": 10}).precision == "int8"

    def test_none_is_worth_it(self, auto):
        precise = auto({"f32": 8.0, "bf16": 7.0, "int8": 20.0}, {})
        assert (precise.precision, precise.compared) == ("f32", None)
        assert set(precise.tried) == {"bf16", "int8"}

    def test_those_that_can_not(self, auto):
        precise = auto({"f32": 8.0, "int8": 2.0}, {})
        assert precise.precision == "int8"
        assert precise.tried["bf16"] == "it can't"


class TestClassifier:
    TEXTS = [f"{word} day number {i}" for i in range(800) for word in ("glad", "grey", "mad", "never")]  # noqa: RUF012

    @pytest.fixture
    def in_bf16(self, everywhere, trained, toy):
        return pegboard.load(trained, plugins=[toy], precision="bf16")

    def test_f32_is_the_default(self, classifier):
        assert (classifier.precision, classifier.compared, classifier.tried) == ("f32", None, {})

    def test_labels_and_agreement(self, in_bf16, classifier):
        labels = in_bf16.predict(self.TEXTS)
        expected = classifier.predict(self.TEXTS)
        assert np.mean([a == b for a, b in zip(labels, expected, strict=True)]) > 0.95
        assert in_bf16.precision == "bf16"
        assert in_bf16.compared.texts == SAMPLE
        assert in_bf16.compared.agreement > 0.95
        assert not (in_bf16.predict_proba(self.TEXTS) == classifier.predict_proba(self.TEXTS)).all()

    def test_same_texts_same_bytes(self, in_bf16):
        first = in_bf16.predict_proba(self.TEXTS)
        assert in_bf16.predict_proba(self.TEXTS).tobytes() == first.tobytes()

    def test_one_by_one(self, in_bf16):
        together = in_bf16.predict_proba(self.TEXTS)[:12]
        alone = np.concatenate([in_bf16.predict_proba(text) for text in self.TEXTS[:12]])
        np.testing.assert_allclose(together, alone, atol=0.02)
        assert in_bf16.compared.texts == SAMPLE

    def test_of_a_run(self, everywhere, trained, toy, classifier):
        run = pegboard.Run.open(trained)
        registry = pegboard.plugins.registry.Registry([toy])
        assert run.classifier(registry, precision="bf16").precision == "bf16"
        assert run.classifier(registry).precision == "f32"


class TestCommandLine:
    @pytest.fixture
    def file(self, tmp_path):
        file = tmp_path / "in.txt"
        file.write_text("\n".join(TestClassifier.TEXTS))
        return file

    def test_predict_says_how_labels_agree(self, cli, trained, everywhere, file):
        done = cli("predict", trained, "--input", file, "--precision", "bf16", "--json")
        assert done.code == 0
        assert done.err.startswith("predicted in bf16; labels agree with f32 on 1,0")
        assert " of 1,024 texts that were compared\n" in done.err
        lines = [json.loads(line) for line in done.out.splitlines()]
        assert [line["text"] for line in lines] == TestClassifier.TEXTS
        assert {line["precision"] for line in lines} == {"bf16"}
        assert 0.95 < lines[0]["agreement"] == lines[-1]["agreement"] <= 1

    def test_nothing_is_said_of_f32(self, cli, trained, file):
        done = cli("predict", trained, "--input", file, "--json")
        assert (done.code, done.err) == (0, "")
        assert set(json.loads(done.out.splitlines()[0])) == {"text", "prediction", "probabilities"}

    def test_quiet(self, cli, trained, toy, everywhere, file):
        done = cli("--quiet", "predict", trained, "--input", file, "--precision", "bf16", "--plugin", toy)
        assert (done.code, done.err) == (0, "")

    def test_auto_tells_what_it_tried(self, cli, trained, everywhere, file):
        done = cli("predict", trained, "--input", file, "--precision", "auto")
        assert done.code == 0
        lines = done.err.splitlines()
        assert lines[0].startswith("bf16: ")
        assert "times as fast as f32, labels agree with f32 on " in lines[0]
        assert lines[1].startswith("int8: ")
        assert lines[2].startswith("predicted in ")

    def test_auto_with_few_texts(self, cli, trained, everywhere):
        done = cli("predict", trained, "glad", "--precision", "auto")
        assert done.code == 0
        assert done.err.startswith("predicted in f32: auto compares precisions where 1,024 different texts")

    def test_refused(self, cli, trained, monkeypatch, tmp_path):
        monkeypatch.setattr(precisions, "processor_features", set)
        out = tmp_path / "out.csv"
        for command in (("predict", trained, "glad", "--output", out), ("evaluate", trained)):
            done = cli(*command, "--precision", "bf16")
            assert (done.code, done.out) == (2, "")
            assert "no fast instructions for bf16" in done.err
            assert "it can predict in f32" in done.err
        assert not out.exists()
        assert cli("predict", trained, "glad", "--precision", "f16").code == 2

    def test_evaluate(self, cli, trained, everywhere):
        exact = json.loads(cli("evaluate", trained, "--json").out)
        figures = json.loads(cli("evaluate", trained, "--json", "--precision", "bf16").out)
        assert figures.pop("precision") == "bf16"
        assert 0.9 < figures.pop("agreement") <= 1
        assert figures.keys() == exact.keys()
        assert figures["accuracy"] == pytest.approx(exact["accuracy"], abs=0.1)
        assert figures["loss"] != exact["loss"]
