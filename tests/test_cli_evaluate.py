"""`pegboard evaluate`: the figures for a person and for a program."""

import json

import pytest
from pegboard.cli.report import report


def figures(names, confusion):
    """The figures of one split with this confusion matrix, as far as the report reads them."""
    per_class = {
        name: {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "support": sum(row)}
        for name, row in zip(names, confusion, strict=True)
    }
    rows = sum(map(sum, confusion))
    return {
        "accuracy": 0.75,
        "macro_f1": 0.5,
        "loss": 1.25,
        "rows": rows,
        "per_class": per_class,
        "confusion": confusion,
    }


class TestCommand:
    @pytest.mark.parametrize("split", ["validation", "test"])
    def test_json_is_exactly_the_metrics(self, cli, trained, split):
        done = cli("evaluate", trained, "--split", split, "--json")
        assert done.code == 0
        assert json.loads(done.out) == json.loads((trained / "metrics.json").read_text())[split]

    def test_json_in_another_process(self, process, trained, toy):
        done = process("evaluate", trained, "--plugin", toy, "--json")
        assert done.code == 0
        assert json.loads(done.out) == json.loads((trained / "metrics.json").read_text())["test"]
        assert done.err == ""

    def test_for_a_person(self, cli, trained):
        done = cli("evaluate", trained)
        assert done.code == 0
        assert done.out.splitlines()[0].split() == ["split", "accuracy", "macro", "F1", "loss", "rows"]
        assert "label (test)" in done.out
        assert "\x1b" not in done.out

    def test_leaves_the_run_alone(self, cli, run_copy):
        before = {path: path.stat().st_mtime_ns for path in run_copy.rglob("*")}
        assert cli("evaluate", run_copy, "--split", "train").code == 0
        assert {path: path.stat().st_mtime_ns for path in run_copy.rglob("*")} == before

    @pytest.mark.parametrize("split", ["tset", "all", ""])
    def test_unknown_split(self, cli, trained, split):
        done = cli("evaluate", trained, "--split", split)
        assert done.code == 2
        assert "error: --split: there is no split" in done.err

    def test_no_run(self, cli, trained, tmp_path):
        assert "no such run folder" in cli("evaluate", tmp_path / "nowhere").err
        assert "is not a run folder" in cli("evaluate", tmp_path).err
        assert "is not a run folder" in cli("evaluate", trained / "model").err

    def test_unfinished_run(self, cli, run_copy):
        (run_copy / "metrics.json").unlink()
        done = cli("evaluate", run_copy)
        assert done.code == 2
        assert "the run is unfinished" in done.err
        assert "-> give the same train command again to continue it" in done.err

    def test_damaged_model(self, cli, run_copy):
        (run_copy / "model" / "vocab.json").write_text("[]")
        done = cli("evaluate", run_copy)
        assert done.code == 2
        assert "vocab.json: is damaged" in done.err

    def test_dataset_of_another_component(self, cli, trained):
        done = cli("evaluate", trained, "toys")
        assert done.code == 3
        assert "did you mean toy?" in done.err


class TestReport:
    def test_small(self):
        text = report({"test": figures(["ham", "spam"], [[1200, 3], [0, 40]])})
        assert text.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[32m", "").splitlines() == [
            "split  accuracy  macro F1    loss   rows",
            "test     0.7500    0.5000  1.2500  1,243",
            "",
            "label (test)  precision  recall     F1   rows",
            "ham               0.500   0.250  0.333  1,203",
            "spam              0.500   0.250  0.333     40",
            "",
            "true \\ predicted    ham   spam",
            "ham               1,200      3",
            "spam                  ·     40",
        ]

    def test_validation_stands_above_test(self):
        one = figures(["a", "b"], [[1, 0], [0, 1]])
        lines = report({"test": one, "validation": one}).splitlines()
        assert lines[1].startswith("validation")
        assert lines[2].startswith("test")
        assert "label (test)" in lines[4]

    def test_long_names_are_not_cut(self):
        names = ["complaint about a delivery that was late", "complaint about a delivery that never came", "praise"]
        text = report({"test": figures(names, [[5, 1, 0], [2, 7, 0], [0, 0, 9]])})
        assert all(name in text for name in names)
        assert "1 complaint about a delivery that was late" in text
        assert max(len(line) for line in text.splitlines()) < 110

    def test_many_labels_show_the_most_frequent_mistakes(self):
        names = [f"label {i}" for i in range(150)]
        confusion = [[10 if i == j else 0 for j in range(150)] for i in range(150)]
        confusion[3][4], confusion[8][7] = 30, 2
        lines = report({"test": figures(names, confusion)}).splitlines()
        assert lines[-2].split() == ["label", "3", "→", "label", "4", "30", "75%"]
        assert lines[-1].split() == ["label", "8", "→", "label", "7", "2", "17%"]
        assert max(map(len, lines)) < 80

    def test_many_mistakes_are_counted(self):
        names = [f"label {i}" for i in range(20)]
        text = report({"test": figures(names, [[1] * 20] * 20)})
        assert "and 365 more kinds of mistake" in text

    def test_many_labels_without_a_mistake(self):
        names = [f"label {i}" for i in range(20)]
        confusion = [[int(i == j) for j in range(20)] for i in range(20)]
        assert report({"test": figures(names, confusion)}).endswith("no mistakes")

    def test_label_without_rows(self):
        assert "0.333     0" in report({"test": figures(["a", "b"], [[3, 1], [0, 0]])})
