"""Measuring a run: its own data give exactly its metrics, other data are matched by the names of their labels."""

import json

import pyarrow.parquet as pq
import pytest
from pegboard.errors import DataError, UsageError
from pegboard.pipeline.evaluate import evaluate_run
from pegboard.plugins.registry import Registry
from pegboard.run import Run

ROWS = [["glad day", "joy"], ["grey day", "gloom"], ["mad day", "rage"], ["tired and cross", "gloom"], ["sunny", "joy"]]


@pytest.fixture(scope="module")
def registry(toy, odd):
    return Registry([toy, odd])


@pytest.fixture
def table(tmp_path):
    """`table(test=rows)`: settings for a data set with these splits."""

    def write(names=("joy", "gloom", "rage"), **splits):
        file = tmp_path / "table.json"
        file.write_text(json.dumps({"names": names, **splits}))
        return {"dataset": "table", "settings": [f"dataset.path={file}"]}

    return write


class TestOwnData:
    @pytest.mark.parametrize("split", ["validation", "test"])
    def test_exactly_the_metrics(self, trained, registry, split):
        run = Run.open(trained)
        assert evaluate_run(run, registry, split=split) == (split, run.metrics[split])

    def test_train_can_be_measured(self, trained, registry):
        name, figures = evaluate_run(Run.open(trained), registry, split="train")
        assert name == "train"
        assert figures["rows"] == 90

    def test_cut_splits_are_cut_again_alike(self, cli, toy_training, tmp_path, registry):
        out = tmp_path / "run"
        assert cli(*toy_training, "--set", 'dataset.splits=["train"]', "--out", out).code == 0
        run = Run.open(out)
        assert run.metrics["test"]["rows"] == 12
        for split in ("validation", "test"):
            assert evaluate_run(run, registry, split=split)[1] == run.metrics[split]

    def test_unknown_split(self, trained, registry):
        with pytest.raises(UsageError, match="there is no split 'tests'") as raised:
            evaluate_run(Run.open(trained), registry, split="tests")
        assert raised.value.hint == "did you mean test?"

    def test_changed_data(self, run_copy, registry):
        recipe = run_copy / "recipe.toml"
        recipe.write_text(recipe.read_text().replace("rows = 90", "rows = 60"))
        with pytest.raises(UsageError, match="the data have changed since the run was trained") as raised:
            evaluate_run(Run.open(run_copy), registry)
        assert f"pegboard evaluate {run_copy} DATASET" in raised.value.hint

    def test_name_that_another_plugin_claims_too(self, trained, toy, tmp_path):
        rival = tmp_path / "rival.py"
        rival.write_text(
            "import pegboard\n\n\n@pegboard.hookimpl\ndef pegboard_datasets():\n"
            "    yield pegboard.ComponentSpec(name='toy', factory='rival:X', summary='another')\n"
        )
        run = Run.open(trained)
        assert evaluate_run(run, Registry([toy, str(rival)]))[1] == run.metrics["test"]

    def test_predictions_are_those_of_the_model(self, trained, classifier):
        predictions = pq.read_table(trained / "predictions" / "test.parquet")
        assert classifier.predict(predictions["text"]) == predictions["prediction"].to_pylist()


class TestOtherData:
    def test_other_order_of_labels(self, trained, registry, table):
        run = Run.open(trained)
        there = evaluate_run(run, registry, **table(test=ROWS))[1]
        again = evaluate_run(run, registry, **table(("rage", "joy", "gloom"), test=ROWS))[1]
        assert there == again
        assert there["rows"] == 5
        assert list(there["per_class"]) == ["joy", "gloom", "rage"]

    def test_fewer_labels(self, trained, registry, table):
        rows = [row for row in ROWS if row[1] != "gloom"]
        figures = evaluate_run(Run.open(trained), registry, **table(("rage", "joy"), test=rows))[1]
        assert figures["per_class"]["gloom"]["support"] == 0
        assert len(figures["confusion"]) == 3

    def test_one_label(self, trained, registry, table):
        figures = evaluate_run(Run.open(trained), registry, **table(("joy",), test=[["glad", "joy"]]))[1]
        assert figures["accuracy"] == 1

    def test_unknown_label(self, trained, registry, table):
        rows = [*ROWS, ["what?", "surprise"]]
        with pytest.raises(DataError, match="the model does not know the label 'surprise'") as raised:
            evaluate_run(Run.open(trained), registry, **table(("gloom", "joy", "rage", "surprise"), test=rows))
        assert raised.value.where == "test, row 5"
        assert raised.value.hint == "known: gloom, joy, rage"

    def test_unknown_label_without_rows_is_no_matter(self, trained, registry, table):
        names = ("gloom", "joy", "rage", "surprise")
        assert evaluate_run(Run.open(trained), registry, **table(names, test=ROWS))[1]["rows"] == 5

    @pytest.mark.parametrize("only", ["train", "validation", "test"])
    def test_single_split_is_measured_whole(self, cli, trained, toy, odd, table, only):
        options = table(**{only: ROWS})
        done = cli(
            "evaluate", trained, "table", "--set", *options["settings"], "--plugin", odd, "--plugin", toy, "--json"
        )
        assert done.code == 0
        assert json.loads(done.out)["rows"] == 5
        assert ("all 5 rows are measured" in done.err) == (only != "test")

    def test_split_that_is_not_there(self, trained, registry, table):
        with pytest.raises(UsageError, match="the data have no split 'validation'") as raised:
            evaluate_run(Run.open(trained), registry, split="validation", **table(train=ROWS, test=ROWS))
        assert raised.value.hint == "known: train, test"

    def test_the_split_asked_for(self, trained, registry, table):
        name, figures = evaluate_run(Run.open(trained), registry, split="train", **table(train=ROWS, test=ROWS[:2]))
        assert (name, figures["rows"]) == ("train", 5)

    @pytest.mark.parametrize("setting", ["tokenizer.max_length=5", "seed=1", "dataste.path=x"])
    def test_setting_of_something_else(self, trained, registry, table, setting):
        options = table(test=ROWS)
        options["settings"].append(setting)
        with pytest.raises(UsageError, match="only options of the data set"):
            evaluate_run(Run.open(trained), registry, **options)

    def test_unknown_option(self, trained, registry, table):
        options = table(test=ROWS)
        options["settings"].append("dataset.pth=x")
        with pytest.raises(UsageError, match="there is no option 'pth'"):
            evaluate_run(Run.open(trained), registry, **options)
