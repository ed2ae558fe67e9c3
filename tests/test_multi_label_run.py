"""A multi-label run from data to predictions, through the command line and from Python."""

import json
import os
import signal
from contextlib import contextmanager

import numpy as np
import pegboard
import pyarrow.parquet as pq
import pytest
from pegboard.console import Console, Progress, silent

LISTS = """
import random
import datasets
import pegboard

WORDS = {"joy": ["glad", "happy"], "gloom": ["grey", "tired"], "rage": ["furious", "mad"], "awe": ["vast", "holy"]}


class ListOptions(pegboard.DatasetOptions):
    rows: int = 240


class Lists:
    def __init__(self, options):
        self.options = options

    def load(self):
        chance = random.Random(3)
        label = datasets.Sequence(datasets.ClassLabel(names=list(WORDS)))
        features = datasets.Features({"text": datasets.Value("string"), "label": label})
        texts, labels = [], []
        for row in range(self.options.rows):
            own = [i for i in range(len(WORDS)) if chance.random() < 0.35 - 0.07 * i]
            words = [chance.choice(list(WORDS.values())[i]) for i in own]
            texts.append(" ".join(["day", str(row % 13), *words]))
            labels.append(own)
        made = datasets.Dataset.from_dict({"text": texts, "label": labels}, features=features)
        return datasets.DatasetDict({"train": made})


@pegboard.hookimpl
def pegboard_datasets():
    options = f"{__name__}:ListOptions"
    yield pegboard.ComponentSpec(name="lists", factory=f"{__name__}:Lists", options=options, summary="made-up lists")
"""
PARTS = {"dataset": "lists", "tokenizer": "space", "encoder": "mean", "trainer": "loop"}
CHOSEN = [part for kind, name in PARTS.items() for part in (f"--{kind}", name)]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    file = tmp_path_factory.mktemp("lists") / "list_data.py"
    file.write_text(LISTS, encoding="utf-8")
    return str(file)


@pytest.fixture(scope="module")
def run(tmp_path_factory, plugin, toy):
    return pegboard.train(
        **PARTS,
        task_name="multi-label",
        trainer_epochs=9,
        out=tmp_path_factory.mktemp("multi") / "run",
        plugins=[toy, plugin],
        console=silent,
    )


@pytest.fixture(scope="module")
def multi(run):
    return run.classifier()


class TestTraining:
    def test_it_learns(self, run):
        assert run.metrics["test"]["micro_f1"] > 0.95
        assert set(run.metrics["test"]["per_class"]) == {"joy", "gloom", "rage", "awe"}

    def test_the_recipe_and_the_model_say_so(self, run):
        assert run.recipe_document()["task"]["name"] == "multi-label"
        config = json.loads((run.folder / "model" / "config.json").read_text())
        assert config["problem_type"] == "multi_label_classification"
        assert config["pegboard"]["task"]["name"] == "multi-label"
        assert config["pegboard"]["learned"] == {"threshold": 0.5}

    def test_predictions_are_lists(self, run, multi):
        rows = pq.read_table(run.folder / "predictions" / "test.parquet").to_pylist()
        assert len(rows) == run.metrics["test"]["rows"]
        exact = np.mean([row["label"] == row["prediction"] for row in rows])
        assert exact == pytest.approx(run.metrics["test"]["subset_accuracy"])
        for row in rows:
            above = [name for name in multi.label_names if row[f"probability_{name}"] >= 0.5]
            assert row["prediction"] == above
        assert run.predictions()[0]["label"] == rows[0]["label"]

    def test_data_of_the_other_kind_are_refused(self, pegboard_cli, plugin, toy, tmp_path):
        plugins = ("--plugin", toy, "--plugin", plugin)
        done = pegboard_cli("train", *CHOSEN, *plugins, "--out", tmp_path / "run")
        assert done.code == 2
        assert "--set task.name=multi-label" in done.err
        toys = [part if part != "lists" else "toy" for part in CHOSEN]
        done = pegboard_cli("train", *toys, *plugins, "--out", tmp_path / "run", "--set", "task.name=multi-label")
        assert done.code == 2
        assert "--set task.name=classify" in done.err
        assert not (tmp_path / "run").exists()

    def test_an_unknown_label_in_class_weights(self, pegboard_cli, plugin, toy, tmp_path):
        done = pegboard_cli(
            *("train", *CHOSEN, "--plugin", toy, "--plugin", plugin, "--out", tmp_path / "run"),
            *("--set", "task.name=multi-label", "--set", "task.class_weights.gloomy=3"),
        )
        assert done.code == 2
        assert "task.class_weights.gloomy" in done.err
        assert "did you mean gloom?" in done.err

    def test_a_tuned_threshold_is_saved(self, plugin, toy, tmp_path):
        settings = ["task.name=multi-label", "task.threshold=tuned", "task.class_weights.awe=2", "trainer.epochs=1"]
        out = tmp_path / "run"
        done = pegboard.train(**PARTS, settings=settings, out=out, plugins=[toy, plugin], console=silent)
        config = json.loads((out / "model" / "config.json").read_text())
        threshold = config["pegboard"]["learned"]["threshold"]
        assert done.metrics["test"]["decisions"]["threshold"] == threshold != 0.5
        half = pegboard.train(
            **PARTS,
            settings=[*settings, "task.threshold=0.5"],
            out=tmp_path / "half",
            plugins=[toy, plugin],
            console=silent,
        )
        assert done.metrics["validation"]["micro_f1"] > half.metrics["validation"]["micro_f1"]
        assert (out / "model" / "model.safetensors").read_bytes() == (
            tmp_path / "half" / "model" / "model.safetensors"
        ).read_bytes()
        assert done.recipe_document()["task"]["class_weights"] == {"awe": 2.0}

    def test_the_same_command_does_nothing(self, run, plugin, toy):
        again = pegboard.train(
            **PARTS,
            task_name="multi-label",
            trainer_epochs=9,
            out=run.folder,
            plugins=[toy, plugin],
            console=silent,
        )
        assert again.was_complete


class Interrupting(Console):
    """Interrupts the training after so many steps."""

    def __init__(self, steps):
        super().__init__(quiet=True)
        self.left = steps

    @contextmanager
    def progress(self, description, total, done=0):
        console = self

        class Bar(Progress):
            def advance(self, examples, **more):
                if more:  # the bars of a training tell the loss
                    console.left -= 1
                    if console.left == 0:
                        os.kill(os.getpid(), signal.SIGINT)

        yield Bar()


class TestTrainer:
    """With the trainer that people use, which knows nothing of labels."""

    def train(self, plugin, toy, out, console=silent, **more):
        settings = ["task.name=multi-label", "trainer.batch_size=16", "trainer.learning_rate=0.05", "task.dropout=0.3"]
        settings += [f"trainer.{name}={value}" for name, value in more.items()]
        parts = {**PARTS, "trainer": "accelerate"}
        return pegboard.train(**parts, settings=settings, out=out, plugins=[toy, plugin], console=console)

    def test_interrupted_and_resumed_it_ends_with_the_same_bytes(self, plugin, toy, tmp_path):
        pytest.importorskip("pegboard_accelerate")
        whole = self.train(plugin, toy, tmp_path / "whole", epochs=3)
        with pytest.raises(KeyboardInterrupt):
            self.train(plugin, toy, tmp_path / "cut", Interrupting(17), epochs=3)
        resumed = self.train(plugin, toy, tmp_path / "cut", epochs=3)
        one, two = ((run.folder / "model" / "model.safetensors").read_bytes() for run in (whole, resumed))
        assert one == two
        assert resumed.metrics["test"] == whole.metrics["test"]

    @pytest.mark.parametrize("figure", ["hamming_loss", "micro_f1", "mean_average_precision"])
    def test_early_stopping_by_any_figure(self, plugin, toy, tmp_path, figure):
        pytest.importorskip("pegboard_accelerate")
        run = self.train(plugin, toy, tmp_path / "run", epochs=12, patience=1, min_delta=0.02, monitor=figure)
        history = [epoch[f"validation_{figure}"] for epoch in run.metrics["train"]["history"]]
        assert len(history) < 12
        better = min if figure == "hamming_loss" else max
        assert run.metrics["validation"][figure] == pytest.approx(better(history), abs=0.021)


class TestEvaluating:
    def test_it_gives_the_figures_of_the_run(self, pegboard_cli, run, plugin, toy):
        done = pegboard_cli("evaluate", run.folder, "--plugin", toy, "--plugin", plugin, "--json")
        assert json.loads(done.out) == run.metrics["test"]

    def test_what_a_person_reads(self, pegboard_cli, run, plugin, toy):
        text = pegboard_cli("evaluate", run.folder, "--plugin", toy, "--plugin", plugin).out
        assert "all labels right" in text
        assert "a probability of at least 0.5" in text

    def test_labels_in_another_order(self, pegboard_cli, run, plugin, toy, tmp_path):
        other = tmp_path / "other_order.py"
        turned = LISTS.replace("names=list(WORDS)", 'names=["unused", *reversed(WORDS)]').replace(
            "labels.append(own)", "labels.append([4 - i for i in own])"
        )
        other.write_text(turned.replace('name="lists"', 'name="turned"'), encoding="utf-8")
        plugins = ("--plugin", toy, "--plugin", plugin, "--plugin", str(other))
        done = pegboard_cli("evaluate", run.folder, "turned", *plugins, "--json")
        assert json.loads(done.out)["subset_accuracy"] > 0.9

    def test_one_label_models_and_lists_of_labels(self, cli, trained, run, plugin, toy):
        done = cli("evaluate", trained, "lists", "--plugin", toy, "--plugin", plugin)
        assert done.code == 2
        assert "the model gives each text one label, the data have lists of labels" in done.err
        done = cli("evaluate", run.folder, "toy", "--plugin", toy, "--plugin", plugin)
        assert done.code == 2
        assert "the model gives each text lists of labels, the data have one label a text" in done.err
        assert "dataset.label_separator" in done.err


class TestPredicting:
    texts = ("day 2 glad", "day 3 grey mad", "day 4")

    def test_from_python(self, multi):
        assert multi.predict(self.texts) == [["joy"], ["gloom", "rage"], []]
        probabilities = multi.predict_proba(self.texts)
        assert probabilities.shape == (3, 4)
        assert probabilities.dtype == np.float32
        assert (probabilities.sum(axis=1) != 1).any()
        assert multi.predict([]) == []

    def test_on_the_terminal(self, pegboard_cli, run, toy):
        done = pegboard_cli("predict", run.folder, *self.texts, "--plugin", toy, "--top", 2)
        lines = done.out.splitlines()
        assert len(lines) == 9
        assert [lines[i] for i in (0, 3, 6)] == ["joy  day 2 glad", "gloom, rage  day 3 grey mad", "(no label)  day 4"]

    def test_json_lines(self, pegboard_cli, run, toy):
        done = pegboard_cli("predict", run.folder, *self.texts, "--plugin", toy, "--json", "--top", 1)
        rows = [json.loads(line) for line in done.out.splitlines()]
        assert [row["prediction"] for row in rows] == [["joy"], ["gloom", "rage"], []]
        assert [len(row["probabilities"]) for row in rows] == [1, 1, 1]

    @pytest.fixture
    def written(self, pegboard_cli, run, toy, tmp_path):
        source = tmp_path / "texts.txt"
        source.write_text("\n".join(self.texts), encoding="utf-8")

        def write(name, *arguments):
            target = tmp_path / name
            done = pegboard_cli(
                *("predict", run.folder, "--plugin", toy, "--input", source, "--output", target), *arguments
            )
            return done, target

        return write

    def test_csv(self, written):
        _, target = written("p.csv")
        assert [line.split(",")[1] for line in target.read_text().splitlines()] == [
            '"prediction"',
            '"joy"',
            '"gloom|rage"',
            '""',
        ]
        _, target = written("p.tsv", "--label-separator", "; ")
        assert '"gloom; rage"' in target.read_text()

    def test_parquet_and_jsonl(self, written):
        _, target = written("p.parquet")
        assert pq.read_table(target)["prediction"].to_pylist() == [["joy"], ["gloom", "rage"], []]
        _, target = written("p.jsonl")
        assert json.loads(target.read_text().splitlines()[1])["prediction"] == ["gloom", "rage"]

    def test_a_separator_that_a_label_holds(self, written):
        done, target = written("p.csv", "--label-separator", "o")
        assert done.code == 2
        assert "the label 'joy' holds the separator 'o'" in done.err
        assert not target.exists()


def test_the_conformance_kit_takes_lists(plugin):
    from pegboard.testing import check_component

    verdicts = list(check_component("dataset", "lists", plugins=[plugin]))
    assert [f"{v.property}: {v.problem}" for v in verdicts if v.outcome == "fail"] == []
    assert sum(v.outcome == "pass" for v in verdicts) > 12


def test_tokenize_writes_lists(pegboard_cli, plugin, toy, tmp_path):
    import datasets

    done = pegboard_cli(
        *("tokenize", "lists", "--tokenizer", "space", "--plugin", toy, "--plugin", plugin),
        *("--output", tmp_path / "ids", "--quiet"),
    )
    assert done.code == 0, done.err
    rows = datasets.Dataset(pq.read_table(tmp_path / "ids" / "train.parquet"))
    assert rows[0]["label"] == pegboard.load_dataset("lists", plugins=[plugin])["train"][0]["label"]
    assert rows.features["label"].feature.names == ["joy", "gloom", "rage", "awe"]
