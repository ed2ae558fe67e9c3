"""The run folder: what is in it, and what happens when it is there already, in use, damaged or not writable."""

import errno
import hashlib
import json
import os
import signal
import time
from pathlib import Path

import pegboard
import pyarrow.parquet as pq
import pytest
from pegboard.errors import ArtifactError
from pegboard.plugins.registry import Registry
from pegboard.run import Run
from pegboard.toml import read_toml

LABELS = ["joy", "gloom", "rage"]
ROW = [["glad day", "joy"], ["grey day", "gloom"]] * 4


def files_of(folder):
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def broken_training(odd, toy):
    """Arguments of a training with the trainer that goes wrong as told."""

    def arguments(how, marker=""):
        names = ("--dataset", "toy", "--tokenizer", "space", "--encoder", "mean", "--trainer", "broken-trainer")
        settings = ("--set", f"trainer.how={how}", "--set", f"trainer.marker={marker}")
        return ("train", "--quiet", "--plugin", toy, "--plugin", odd, *names, *settings)

    return arguments


class TestLayout:
    def test_files(self, trained):
        assert sorted(path.name for path in trained.iterdir()) == [
            "log.jsonl",
            "metrics.json",
            "model",
            "predictions",
            "recipe.toml",
        ]
        assert {"config.json", "model.safetensors", "manifest.json"} < {p.name for p in (trained / "model").iterdir()}

    def test_metrics(self, trained):
        metrics = json.loads((trained / "metrics.json").read_text())
        assert list(metrics) == ["validation", "test", "train"]
        for split in ("validation", "test"):
            figures = metrics[split]
            single = {"accuracy", "macro_f1", "weighted_f1", "balanced_accuracy", "loss", "rows"}
            assert set(figures) == single | {"per_class", "confusion"}
            assert list(figures["per_class"]) == LABELS
            assert all(set(c) == {"precision", "recall", "f1", "support"} for c in figures["per_class"].values())
            assert [sum(row) for row in figures["confusion"]] == [c["support"] for c in figures["per_class"].values()]
            right = sum(figures["confusion"][i][i] for i in range(len(LABELS)))
            assert figures["accuracy"] == right / figures["rows"]
        assert metrics["train"]["epochs"] == 2
        assert metrics["train"]["seconds"] == 0.0  # what the trainer says, not what the core measures
        assert metrics["train"]["parameters"] == 106 * 16 + 16 * 3 + 3
        assert metrics["train"]["peak_memory_bytes"] > 10**7

    def test_recipe_is_resolved(self, trained):
        recipe = read_toml(trained / "recipe.toml")
        assert recipe["seed"] == 42
        assert recipe["trainer"] == {"name": "loop", "epochs": 2}
        assert recipe["resolved"]["data"].startswith("blake3:")
        assert recipe["resolved"]["pegboard"] == pegboard.__version__
        assert all(recipe["resolved"][kind].startswith("toy_plugin.py==") for kind in ("dataset", "encoder"))

    def test_predictions(self, trained):
        table = pq.read_table(trained / "predictions" / "test.parquet")
        metrics = json.loads((trained / "metrics.json").read_text())
        assert table.column_names == ["text", "label", "prediction", *(f"probability_{name}" for name in LABELS)]
        same = [a == b for a, b in zip(*table.select(["label", "prediction"]).to_pydict().values(), strict=True)]
        assert sum(same) / len(same) == metrics["test"]["accuracy"]
        for row in table.to_pylist():
            probabilities = [row[f"probability_{name}"] for name in LABELS]
            assert sum(probabilities) == pytest.approx(1, abs=1e-6)
            assert LABELS[probabilities.index(max(probabilities))] == row["prediction"]

    def test_log(self, trained):
        lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
        assert [line["epoch"] for line in lines] == [1, 2]

    def test_default_folder(self, cli, toy_training, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert cli(*toy_training).code == 0
        assert (tmp_path / "runs" / "toy-space-mean" / "metrics.json").is_file()


class TestAgain:
    def test_complete_run_is_left_alone(self, cli, toy_training, run_copy):
        before = files_of(run_copy)
        done = cli(*toy_training[:1], *toy_training[2:], "--out", run_copy)
        assert done.code == 0
        assert "complete; nothing was done" in done.err
        assert files_of(run_copy) == before

    def test_json_is_the_same_for_a_complete_run(self, cli, toy_training, run_copy):
        done = cli(*toy_training, "--out", run_copy, "--json")
        assert json.loads(done.out) == json.loads((run_copy / "metrics.json").read_text())

    def test_python_says_so_too(self, toy, run_copy):
        choices = {"dataset": "toy", "tokenizer": "space", "encoder": "mean", "trainer": "loop"}
        assert pegboard.train(**choices, trainer_epochs=2, plugins=[toy], out=run_copy).was_complete

    def test_other_recipe_is_refused_with_the_difference(self, cli, toy_training, run_copy):
        before = files_of(run_copy)
        done = cli(*toy_training, "--out", run_copy, "--set", "encoder.size=8", "--seed", "7")
        assert done.code == 2
        assert "encoder.size: 16 there, 8 now; seed: 42 there, 7 now" in done.err
        assert "--overwrite" in done.err
        assert files_of(run_copy) == before

    def test_other_component_is_refused(self, cli, toy_training, odd, run_copy):
        done = cli(*toy_training, "--out", run_copy, "--plugin", odd, "--encoder", "broken-encoder")
        assert done.code == 2
        assert "encoder.name: 'mean' there, 'broken-encoder' now" in done.err

    def test_overwrite_trains_again(self, cli, toy_training, run_copy):
        (run_copy / "notes.md").write_text("mine")
        done = cli(*toy_training, "--out", run_copy, "--overwrite", "--set", "encoder.size=8")
        assert done.code == 0
        assert read_toml(run_copy / "recipe.toml")["encoder"]["size"] == 8
        assert len((run_copy / "log.jsonl").read_text().splitlines()) == 2
        assert (run_copy / "notes.md").read_text() == "mine"

    def test_overwrite_of_nothing_is_a_start(self, cli, toy_training, tmp_path):
        assert cli(*toy_training, "--out", tmp_path / "new", "--overwrite").code == 0

    def test_overwrite_keeps_the_old_run_when_the_request_is_wrong(self, cli, toy_training, odd, run_copy):
        before = files_of(run_copy)
        for wrong in (("--dataset", "broken-dataset"), ("--tokenizer", "broken-tokenizer"), ("--encoder", "nowhere")):
            done = cli(*toy_training, "--plugin", odd, *wrong, "--out", run_copy, "--overwrite")
            assert done.code == 3
            assert files_of(run_copy) == before

    def test_other_version_of_a_plugin_is_refused(self, cli, toy_training, run_copy):
        recipe = (run_copy / "recipe.toml").read_text()
        version = read_toml(run_copy / "recipe.toml")["resolved"]["encoder"].partition("==")[2]
        (run_copy / "recipe.toml").write_text(recipe.replace(version, "0.0.1"))
        (run_copy / "metrics.json").unlink()
        done = cli(*toy_training, "--out", run_copy)
        assert done.code == 2
        assert f"resolved.encoder: 'toy_plugin.py==0.0.1' there, 'toy_plugin.py=={version}' now" in done.err

    @pytest.mark.parametrize(
        "change",
        [
            lambda content: {**content, "test": ROW[::-1]},
            lambda content: {**content, "names": content["names"][::-1]},
            lambda content: {**content, "train": [["glad day", "gloom"], *ROW[1:]]},
        ],
        ids=["order", "names", "labels"],
    )
    def test_changed_data_are_refused(self, cli, toy_training, odd, tmp_path, change):
        data, out = tmp_path / "data.json", tmp_path / "run"
        arguments = (*toy_training, "--plugin", odd, "--dataset", "table", "--set", f"dataset.path={data}")
        content = {"names": ["joy", "gloom"], "train": ROW, "validation": ROW, "test": ROW}
        data.write_text(json.dumps(content))
        assert cli(*arguments, "--out", out).code == 0
        assert "nothing was done" in cli(*(a for a in arguments if a != "--quiet"), "--out", out).err
        before = files_of(out)
        data.write_text(json.dumps(change(content)))
        done = cli(*arguments, "--out", out)
        assert done.code == 2
        assert "the data have changed since this run was started (blake3:" in done.err
        assert files_of(out) == before

    def test_killed_before_the_metrics(self, cli, toy_training, run_copy, trained):
        (run_copy / "metrics.json").unlink()
        (run_copy / "predictions" / "test.parquet").unlink()
        assert cli("evaluate", run_copy).code == 2
        done = cli(*toy_training, "--out", run_copy, "--json")
        assert done.code == 0
        assert json.loads(done.out)["test"] == json.loads((trained / "metrics.json").read_text())["test"]
        assert (run_copy / "predictions" / "test.parquet").is_file()

    def test_removed_model_is_trained_again(self, cli, toy_training, run_copy):
        (run_copy / "model" / "manifest.json").unlink()
        assert cli(*toy_training, "--out", run_copy).code == 0
        assert cli("predict", run_copy, "glad").code == 0

    def test_damaged_model_is_trained_again(self, cli, toy_training, run_copy, trained):
        file = run_copy / "model" / "model.safetensors"
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
        done = cli(*toy_training, "--out", run_copy)
        assert done.code == 0
        assert "must be trained again" in done.err
        assert "is damaged" in done.err
        assert file.read_bytes() == (trained / "model" / "model.safetensors").read_bytes()

    def test_checkpoints_of_a_complete_run_go(self, cli, toy_training, run_copy):
        (run_copy / "checkpoints").mkdir()
        (run_copy / "checkpoints" / "state").write_bytes(b"0")
        assert cli(*toy_training, "--out", run_copy).code == 0
        assert not (run_copy / "checkpoints").exists()


class TestFolder:
    def test_foreign_files_are_refused(self, cli, toy_training, tmp_path):
        (tmp_path / "thesis.tex").write_text("years of work")
        for more in ((), ("--overwrite",)):
            done = cli(*toy_training, "--out", tmp_path, *more)
            assert done.code == 2
            assert "thesis.tex" in done.err
            assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    def test_project_with_a_recipe_is_no_run(self, cli, toy_training, tmp_path):
        (tmp_path / "recipe.toml").write_text("seed = 1\n")
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "network.py").write_text("mine")
        done = cli(*toy_training, "--out", tmp_path, "--overwrite")
        assert done.code == 2
        assert (tmp_path / "model" / "network.py").read_text() == "mine"

    def test_empty_folder_is_used(self, cli, toy_training, tmp_path):
        assert cli(*toy_training, "--out", tmp_path).code == 0

    def test_file_instead_of_a_folder(self, cli, toy_training, tmp_path):
        (tmp_path / "run").write_text("a file")
        done = cli(*toy_training, "--out", tmp_path / "run")
        assert done.code == 2
        assert "can't be a run folder" in done.err
        assert (tmp_path / "run").read_text() == "a file"

    def test_below_a_file(self, cli, toy_training, tmp_path):
        (tmp_path / "file").write_text("a file")
        done = cli(*toy_training, "--out", tmp_path / "file" / "run")
        assert done.code == 2
        assert "choose another with --out" in done.err

    def test_not_writable(self, cli, toy_training, tmp_path, monkeypatch):
        def refuse(*_, **__):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr("filelock.FileLock.acquire", refuse)  # the tests may run as root, who may write anywhere
        done = cli(*toy_training, "--out", tmp_path / "deep" / "run")
        assert done.code == 2
        assert "Permission denied" in done.err
        assert not (tmp_path / "deep").exists()

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
    def test_disk_that_takes_nothing(self, cli, toy_training, tmp_path, monkeypatch, number):
        def refuse(*_, **__):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("filelock.FileLock.acquire", refuse)
        done = cli(*toy_training, "--out", tmp_path / "deep" / "run")
        assert done.code == 1
        assert os.strerror(number) in done.err
        assert not (tmp_path / "deep").exists()

    def test_another_process_is_at_work(self, cli, process, toy_training, broken_training, tmp_path):
        out = tmp_path / "run"
        holder = process(*broken_training("wait"), "--out", out, start=True)
        try:
            wait_for(out / "log.jsonl", holder)
            before = files_of(out)
            done = cli(*toy_training, "--out", out)
            assert done.code == 2
            assert "another process is training into this folder" in done.err
            assert cli(*toy_training, "--out", out, "--overwrite").code == 2
            assert files_of(out) == before
        finally:
            holder.kill()
            holder.communicate()
        # The lock of the dead is free, though its file is still there.
        assert (out / ".lock").exists()
        assert cli(*toy_training, "--out", out, "--overwrite").code == 0
        assert not (out / ".lock").exists()

    def test_leftovers_of_a_killed_process_go(self, cli, process, broken_training, tmp_path):
        out, marker = tmp_path / "run", tmp_path / "marker"
        assert process(*broken_training("kill", marker), "--out", out).code == -signal.SIGKILL
        assert sorted(path.name for path in out.rglob(".*.partial-*")) == [
            ".model.partial-0123abcd",
            ".test.parquet.partial-0123abcd",
        ]
        assert cli(*broken_training("kill", marker), "--out", out).code == 0
        assert not list(out.rglob("*.partial-*"))
        assert cli("evaluate", out).code == 0


class TestKilled:
    """Whenever the process dies, what has its final name is whole, and the same command finishes the run."""

    @pytest.mark.parametrize("flush", [1, 9, 16, 21])
    def test_at_a_flush(self, cli, process, toy_training, odd, trained, tmp_path, flush):
        out = tmp_path / "run"
        arguments = (*toy_training, "--plugin", odd, "--out", out)
        assert process(*arguments, env={"KILL_AT_FLUSH": str(flush)}).code == -signal.SIGKILL
        assert not (out / "metrics.json").exists()
        if (out / "model").exists():
            pegboard.load(out / "model", plugins=[toy_training[3]])
        for file in out.rglob("predictions/[!.]*"):
            assert pq.read_table(file).num_rows == 90
        done = cli(*(argument for argument in arguments if argument != "--quiet"))
        assert done.code == 0
        assert ("it is continued" in done.err) == (flush > 1)
        assert not list(out.rglob(".*"))
        there, here = (json.loads((run / "metrics.json").read_text()) for run in (trained, out))
        assert (here["validation"], here["test"]) == (there["validation"], there["test"])


class TestFailures:
    def test_interrupted(self, cli, broken_training, tmp_path):
        out, marker = tmp_path / "run", tmp_path / "marker"
        done = cli(*broken_training("interrupt", marker), "--out", out)
        assert done.code == 130
        assert "Traceback" not in done.err
        assert {path.name for path in out.iterdir()} == {"recipe.toml", "log.jsonl"}
        assert cli("predict", out, "glad").code == 2
        done = cli(*broken_training("interrupt", marker), "--out", out)
        assert done.code == 0
        assert (out / "metrics.json").is_file()

    def test_interrupted_by_a_signal(self, process, broken_training, tmp_path):
        out = tmp_path / "run"
        running = process(*broken_training("wait"), "--out", out, start=True)
        wait_for(out / "log.jsonl", running)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=30)
        assert running.returncode == 130
        assert b"Traceback" not in err
        assert {path.name for path in out.iterdir()} == {"recipe.toml", "log.jsonl"}

    def test_what_came_to_nothing_leaves_nothing(self, cli, broken_training, tmp_path):
        out = tmp_path / "runs" / "first"
        assert cli(*broken_training("interrupt_at_once"), "--out", out).code == 130
        assert not (tmp_path / "runs").exists()

    @pytest.mark.parametrize(
        ("how", "code", "message"),
        [
            ("full", 1, "No space left on device"),
            ("memory", 1, "can't allocate memory"),
            ("diverge", 1, "weights that are not numbers"),
            ("data", 1, "step 3: the loss is not a number"),
            ("error", 3, "failed while it trained the encoder 'mean': ValueError: the schedule is empty"),
            ("figures", 3, "Tensor"),
        ],
    )
    def test_training_goes_wrong(self, cli, broken_training, tmp_path, how, code, message):
        done = cli(*broken_training(how), "--out", tmp_path / "run")
        assert done.code == code
        assert message in done.err
        assert done.err.count("error:") == 1
        assert "->" in done.err
        assert not (tmp_path / "run" / "model").exists()

    @pytest.mark.parametrize("at", [1, 2, 3, 5, 8])
    def test_disk_full(self, cli, toy_training, tmp_path, monkeypatch, at):
        """Whichever file it hits: one message, and nothing half-written under a final name."""
        out, calls, sync = tmp_path / "run", [], os.fsync

        def fsync(handle):
            calls.append(handle)
            if len(calls) >= at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sync(handle)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            done = cli(*toy_training, "--out", out)
        assert done.code == 1
        assert done.err.count("error:") == 1
        assert "No space left on device" in done.err
        assert "free some space" in done.err
        assert not list(tmp_path.rglob("*.partial-*"))
        assert not (out / "metrics.json").exists()
        if (out / "model").exists():
            pegboard.load(out / "model", plugins=[toy_training[3]])
        assert cli(*toy_training, "--out", out).code == 0

    def test_disk_full_leaves_what_was_complete(self, cli, toy_training, run_copy, monkeypatch):
        (run_copy / "metrics.json").unlink()
        before = files_of(run_copy)

        def fsync(handle):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            assert cli(*toy_training, "--out", run_copy).code == 1
        assert files_of(run_copy) == before


class TestOpen:
    def test_what_is_no_run(self, tmp_path):
        with pytest.raises(ArtifactError, match="no such run folder"):
            Run.open(tmp_path / "nowhere")
        with pytest.raises(ArtifactError, match=r"it has no recipe\.toml"):
            Run.open(tmp_path)

    def test_unfinished(self, run_copy):
        (run_copy / "metrics.json").unlink()
        with pytest.raises(ArtifactError, match="unfinished") as raised:
            Run.open(run_copy)
        assert "same train command" in raised.value.hint

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
    def test_damaged_metrics(self, run_copy, content):
        (run_copy / "metrics.json").write_bytes(content)
        with pytest.raises(ArtifactError, match=r"metrics\.json"):
            Run.open(run_copy)

    def test_links_are_not_followed_out_of_it(self, run_copy, toy):
        (run_copy / "model").rename(run_copy.parent / "elsewhere")
        (run_copy / "model").symlink_to("../elsewhere")
        with pytest.raises(ArtifactError, match="is a link") as raised:
            pegboard.load(run_copy, plugins=[toy])
        assert str(run_copy.parent / "elsewhere") in raised.value.hint
        (run_copy / "metrics.json").rename(run_copy.parent / "metrics.json")
        (run_copy / "metrics.json").symlink_to("../metrics.json")
        with pytest.raises(ArtifactError, match="is a link"):
            Run.open(run_copy)

    @pytest.mark.parametrize("content", ["", "seed = 1\n", "seed = '1'\n[dataset]\n[resolved]\n"])
    def test_damaged_recipe(self, cli, run_copy, content):
        (run_copy / "recipe.toml").write_text(content)
        done = cli("evaluate", run_copy)
        assert done.code == 2
        assert "is not the recipe of a run" in done.err

    def test_recipe_that_is_no_toml(self, cli, run_copy):
        (run_copy / "recipe.toml").write_text("= =")
        assert "is not valid TOML" in cli("evaluate", run_copy).err

    def test_classifier(self, trained, toy):
        assert Run.open(trained).classifier(Registry([toy])).predict(["glad happy sunny"]) == ["joy"]


class TestPluginFiles:
    """A run is data, and may be a stranger's: the one-file plugins that its recipe names are not loaded unasked."""

    def test_they_are_given_again(self, pegboard_cli, cli, trained, toy):
        asked_for = pegboard_cli("predict", trained, "glad happy sunny")
        assert asked_for.code == 3
        assert "--plugin toy_plugin.py" in asked_for.err
        assert "joy" in cli("predict", trained, "glad happy sunny", "--plugin", toy).out

    @pytest.mark.parametrize("where", ["planted.py", "{run}/planted.py", "{run}/model/../planted.py", "../planted.py"])
    def test_planted_file_is_not_run(self, pegboard_cli, run_copy, toy, where, monkeypatch):
        monkeypatch.chdir(run_copy)
        for folder in (run_copy, run_copy.parent):
            (folder / "planted.py").write_text("import pathlib\npathlib.Path(__file__ + '.ran').touch()\n")
        recipe = run_copy / "recipe.toml"
        recipe.write_text(recipe.read_text().replace(toy, where.format(run=run_copy)))
        for command in ("predict", "evaluate"):
            assert pegboard_cli(command, run_copy, *(["glad"] if command == "predict" else [])).code == 3
        assert not list(run_copy.parent.rglob("*.ran"))


class TestDeterminism:
    def test_same_recipe_same_bytes(self, process, toy_training, tmp_path, trained):
        out = tmp_path / "run"
        assert process(*toy_training, "--out", out).code == 0
        for name in ("model/model.safetensors", "model/config.json", "model/manifest.json", "recipe.toml"):
            assert (out / name).read_bytes() == (trained / name).read_bytes()
        for split in ("validation", "test"):
            name = f"predictions/{split}.parquet"
            assert pq.read_table(out / name).equals(pq.read_table(trained / name))
        there, here = (json.loads((run / "metrics.json").read_text()) for run in (trained, out))
        assert {**here, "train": None} == {**there, "train": None}
        varies = {"seconds": None, "peak_memory_bytes": None}
        assert {**here["train"], **varies} == {**there["train"], **varies}

    def test_other_seed_other_weights(self, cli, toy_training, tmp_path, trained):
        assert cli(*toy_training, "--out", tmp_path / "run", "--seed", "1").code == 0
        weights = "model/model.safetensors"
        assert (tmp_path / "run" / weights).read_bytes() != (trained / weights).read_bytes()


def wait_for(file, process):
    deadline = time.monotonic() + 60
    while not Path(file).exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
