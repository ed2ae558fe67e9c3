"""The data set `hub`, against a stand-in Hub on the loopback interface."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import datasets
import pegboard
import pyarrow.parquet as pq
import pytest
from pegboard import DataError, PegboardWarning
from pegboard.testing import DatasetConformance
from pegboard_data.hub import HubDataset
from pegboard_data.hub_options import HubOptions

CSV = "text,label\nfine day,joy\nbad day,sadness\nso so,joy\n"


class StandInHub:
    """Answers what `datasets` asks of the Hub: the files of a repository, and their bytes."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.tags: dict[str, str] = {}
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                hub.answer(self)

            def do_GET(self) -> None:
                hub.answer(self)

            def do_POST(self) -> None:
                hub.answer(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def commit(self, repository: str) -> str:
        content = json.dumps({name: data.hex() for name, data in sorted(self.files[repository].items())})
        return hashlib.sha1(content.encode()).hexdigest()

    def answer(self, request: Any, body: bytes = b"") -> None:
        self.requests.append(f"{request.command} {request.path}")
        path = request.path.partition("?")[0].strip("/").replace("%2F", "/")
        parts = path.removeprefix("api/").split("/")
        status, headers, content = 404, {"X-Error-Code": "RepoNotFound"}, b""
        repository = "/".join(parts[1:3])
        if parts[0] == "datasets" and repository in self.files:
            status, headers, content = self.in_repository(repository, parts[3:], path.startswith("api/"), body)
        request.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            request.send_header(key, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content)

    def in_repository(self, repository: str, rest: list[str], api: bool, body: bytes) -> tuple[int, dict, bytes]:
        files, commit = self.files[repository], self.commit(repository)
        headers = {"X-Repo-Commit": commit}
        verb, revision, name = (*rest, "", "", "")[0], (*rest, "main", "main")[1], "/".join(rest[2:])
        if revision not in ("main", commit, *self.tags):
            return 404, {**headers, "X-Error-Code": "RevisionNotFound"}, b""
        if not api:
            if name not in files:
                return 404, {**headers, "X-Error-Code": "EntryNotFound"}, b""
            return 200, {**headers, "ETag": f'"{hashlib.sha256(files[name]).hexdigest()}"'}, files[name]
        listed = [self.entry(file, data) for file, data in files.items()]
        if verb == "paths-info":
            wanted = json.loads(body)["paths"]
            answer: Any = [entry for entry in listed if entry["path"] in wanted]
        elif verb == "tree":
            if name:
                return 404, {**headers, "X-Error-Code": "EntryNotFound"}, b""
            answer = listed
        else:
            answer = {"id": repository, "sha": commit, "private": False, "tags": [], "siblings": [], "downloads": 0}
        return 200, {**headers, "Content-Type": "application/json"}, json.dumps(answer).encode()

    @staticmethod
    def entry(name: str, data: bytes) -> dict[str, Any]:
        return {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}


@pytest.fixture(scope="module")
def server() -> Iterator[StandInHub]:
    stand_in = StandInHub()
    yield stand_in
    stand_in.server.shutdown()
    stand_in.server.server_close()


@pytest.fixture
def hub(server: StandInHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandInHub:
    """The stand-in Hub, without repositories, and empty caches."""
    from huggingface_hub import HfFileSystem, constants, file_download

    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, server.url)
    for module in (constants, file_download):  # older releases import it by name
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", server.url)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.setattr(datasets.config, "USE_PARQUET_EXPORT", False)
    HfFileSystem.clear_instance_cache()
    server.files.clear()
    server.requests.clear()
    monkeypatch.chdir(tmp_path)
    return server


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch):
    def switch() -> None:
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)

    return switch


def load(path: str = "owner/tiny", **options: Any) -> datasets.DatasetDict:
    return HubDataset(HubOptions(path=path, **options)).load()


def parquet(features: datasets.Features | None = None, **columns: list) -> bytes:
    made = datasets.Dataset.from_dict(columns, features=features)
    sink = io.BytesIO()
    pq.write_table(made.data.table.replace_schema_metadata(made.features.arrow_schema.metadata), sink)
    return sink.getvalue()


def test_csv_files(hub: StandInHub) -> None:
    hub.files["owner/tiny"] = {"train.csv": CSV.encode(), "test.csv": b"text,label\nhm,sadness\n"}
    data = load()
    assert list(data) == ["train", "test"]
    assert data["train"].features["label"].names == ["joy", "sadness"]
    assert data["train"].to_dict() == {"text": ["fine day", "bad day", "so so"], "label": [0, 1, 0]}
    assert data["test"].to_dict() == {"text": ["hm"], "label": [1]}


def test_parquet_with_class_labels_and_more_columns(hub: StandInHub) -> None:
    label = datasets.ClassLabel(names=["sadness", "joy"])
    features = datasets.Features({"id": datasets.Value("int32"), "sentence": datasets.Value("string"), "mood": label})
    rows = parquet(features, id=[7, 8], sentence=["fine", "bad"], mood=[1, 0])
    hub.files["owner/tiny"] = {"train-00000-of-00001.parquet": rows, "validation-00000-of-00001.parquet": rows}
    data = load(text_column="sentence", label_column="mood")
    assert list(data) == ["train", "validation"]
    assert data["validation"].features["label"].names == ["sadness", "joy"]
    assert data["train"].to_dict() == {"text": ["fine", "bad"], "label": [1, 0]}


@pytest.mark.parametrize(
    ("labels", "names", "numbers"),
    [
        ([10, 9, 10, -3], ["-3", "9", "10"], [2, 1, 2, 0]),
        ([-1, 1, 0, -1], ["-1", "0", "1"], [0, 2, 1, 0]),
        (["b", "a", "b", "é"], ["a", "b", "é"], [1, 0, 1, 2]),
        ([True, False, True, True], ["false", "true"], [1, 0, 1, 1]),
    ],
)
def test_labels_become_class_labels(hub: StandInHub, labels: list, names: list[str], numbers: list[int]) -> None:
    hub.files["owner/tiny"] = {"train.parquet": parquet(text=list("wxyz"), label=labels)}
    data = load()
    assert data["train"].features["label"].names == names
    assert data["train"]["label"] == numbers


def test_only_a_test_split(hub: StandInHub) -> None:
    hub.files["owner/tiny"] = {"test.csv": CSV.encode()}
    data = load()
    assert list(data) == ["test"]
    assert data["test"].features["label"].names == ["joy", "sadness"]


def test_other_splits_are_ignored_and_said(hub: StandInHub) -> None:
    card = "---\nconfigs:\n- config_name: default\n  data_files:\n"
    for split, file in (("train", "a"), ("valid", "b"), ("unsupervised", "b"), ("extra", "b")):
        card += f"  - split: {split}\n    path: {file}.csv\n"
    hub.files["owner/tiny"] = {"README.md": f"{card}---\n".encode(), "a.csv": CSV.encode(), "b.csv": CSV.encode()}
    with pytest.warns(PegboardWarning, match="ignoring the splits unsupervised, extra"):
        data = load()
    assert list(data) == ["train", "validation"]


def test_configurations(hub: StandInHub) -> None:
    card = "---\nconfigs:\n"
    for config in ("small", "large"):
        card += f"- config_name: {config}\n  data_files: {config}.csv\n"
    large = CSV + "more,anger\n"
    hub.files["owner/tiny"] = {
        "README.md": f"{card}---\n".encode(),
        "small.csv": CSV.encode(),
        "large.csv": large.encode(),
    }
    assert len(load(config="large")["train"]) == 4
    for config in (None, "huge"):
        with pytest.raises(DataError, match=r"small.*large|large.*small") as caught:
            load(config=config)
        assert "--set dataset.config=NAME" in caught.value.hint


def test_lists_of_class_labels(hub: StandInHub) -> None:
    label = datasets.Sequence(datasets.ClassLabel(names=["joy", "awe", "rage"]))
    features = datasets.Features({"text": datasets.Value("string"), "labels": label})
    rows = parquet(features, text=["a", "b", "c"], labels=[[2, 0], [], [1]])
    hub.files["owner/tiny"] = {"train.parquet": rows}
    train = load(label_column="labels")["train"]
    assert train.features["label"].feature.names == ["joy", "awe", "rage"]
    assert train["label"][:] == [[2, 0], [], [1]]


def test_lists_of_text(hub: StandInHub) -> None:
    train, test = parquet(text=["a", "b"], label=[["y", "x"], []]), parquet(text=["c", "d"], label=[[], ["x"]])
    hub.files["owner/tiny"] = {"train.parquet": train, "test.parquet": test}
    loaded = load()
    assert loaded["train"].features["label"].feature.names == ["x", "y"]
    assert (loaded["train"]["label"][:], loaded["test"]["label"][:]) == ([[1, 0], []], [[], [0]])


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ([["x"], None], "the list of labels is missing"),
        ([["x"], ["y", "z", "x"]], "the label does not occur in train"),
        ([["x"], ["y", "x", "y"]], "the list has a label twice"),
        ([["x"], ["x", None]], "a label in the list is missing"),
    ],
)
def test_lists_that_are_wrong(hub: StandInHub, labels: list, problem: str) -> None:
    train, test = parquet(text=["a", "b"], label=[["y", "x"], ["x"]]), parquet(text=["c", "d"], label=labels)
    hub.files["owner/tiny"] = {"train.parquet": train, "test.parquet": test}
    with pytest.raises(DataError, match=problem) as caught:
        load()
    assert caught.value.where == "hub:owner/tiny, test, row 1"


@pytest.mark.parametrize("labels", [[-1, -1], [None, None]])
@pytest.mark.parametrize("label", [datasets.ClassLabel(names=["no", "yes"]), datasets.Value("int32")])
def test_a_split_without_labels_is_left_out(hub: StandInHub, labels: list, label: Any) -> None:
    features = datasets.Features({"text": datasets.Value("string"), "label": label})
    train, test = parquet(features, text=["a", "b"], label=[0, 1]), parquet(features, text=["c", "d"], label=labels)
    hub.files["owner/tiny"] = {"train.parquet": train, "test.parquet": test}
    with pytest.warns(PegboardWarning, match="ignoring the split test, which has no labels"):
        assert list(load()) == ["train"]


@pytest.mark.parametrize(
    ("split", "texts", "labels", "message"),
    [
        ("train", ["a", None, "c"], [0, 1, 0], "train, row 1: the text is missing"),
        ("test", ["a", "b", "c"], [0, 1, None], "test, row 2: the label is missing"),
        ("train", ["a", "b", "c"], [None, None, None], "train, row 0: the label is missing"),
        ("test", ["a", "b", "c"], [-1, 1, 0], "test, row 0: the label is missing"),
        ("test", ["a", "b", "c"], [0, 1, 2], "test, row 2: the label is none of the 2"),
    ],
)
def test_rows_that_lack_something(hub: StandInHub, split: str, texts: list, labels: list, message: str) -> None:
    plain = datasets.Features({"text": datasets.Value("string"), "label": datasets.Value("int64")})
    named = datasets.Features({**plain, "label": datasets.ClassLabel(names=["no", "yes"])})
    files = {"train": parquet(named, text=["a", "b"], label=[0, 1])}
    table = datasets.Dataset.from_dict({"text": texts, "label": labels}, features=plain).data.table
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(named.arrow_schema.metadata), sink)
    files[split] = sink.getvalue()
    hub.files["owner/tiny"] = {f"{name}.parquet": data for name, data in files.items()}
    with pytest.raises(DataError) as caught:
        load()
    assert f"hub:owner/tiny, {message}" in str(caught.value)


def test_a_label_that_train_does_not_have(hub: StandInHub) -> None:
    hub.files["owner/tiny"] = {"train.csv": CSV.encode(), "test.csv": b"text,label\nhm,joy\nhm,fear\n"}
    with pytest.raises(DataError, match="test, row 1: the label does not occur in train"):
        load()


@pytest.mark.parametrize(
    ("options", "columns", "message"),
    [
        ({}, {"txt": ["a"], "label": [1]}, "(?s)no column 'text'.*txt.*--set dataset.text_column="),
        ({}, {"text": ["a"], "labels": [1]}, "(?s)no column 'label'.*did you mean labels.*--set dataset.label_column="),
        ({"text_column": "label", "label_column": "text"}, {"text": ["a"], "label": [1]}, "holds int64, not text"),
        ({}, {"text": ["a"], "label": [0.5]}, "not labels.*\n.*a label is text, a whole number or a ClassLabel"),
        ({}, {"text": ["a"], "label": [[1.5, 2.0]]}, "not labels.*\n.*a label is text, a whole number or a ClassLabel"),
        ({}, {"text": [["a"]], "label": [1]}, "not text"),
    ],
)
def test_columns(hub: StandInHub, options: dict, columns: dict, message: str) -> None:
    hub.files["owner/tiny"] = {"train.parquet": parquet(**columns)}
    with pytest.raises(DataError, match=message):
        load(**options)


def test_no_usual_split(hub: StandInHub) -> None:
    card = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: everything\n    path: a.csv\n---\n"
    hub.files["owner/tiny"] = {"README.md": card.encode(), "a.csv": CSV.encode()}
    with pytest.raises(DataError, match="has the splits everything, and none of train, validation, test"):
        load()


def test_a_loading_script_is_never_run(hub: StandInHub, tmp_path: Path) -> None:
    script = f"open({str(tmp_path / 'it_ran')!r}, 'w')\n"
    hub.files["owner/tiny"] = {"tiny.py": script.encode(), "README.md": b"# Tiny\n"}
    with pytest.raises(DataError, match="never run"):
        load()
    assert not (tmp_path / "it_ran").exists()


def test_what_is_not_there(hub: StandInHub) -> None:
    with pytest.raises(DataError, match=r"hub:owner/tinny: .*\n.*check the spelling"):
        load("owner/tinny")
    hub.files["owner/tiny"] = {"train.csv": CSV.encode()}
    with pytest.raises(DataError, match=r"v9.*\n.*dataset\.revision"):
        load(revision="v9")
    hub.files["owner/empty"] = {"README.md": b"# Nothing\n"}
    with pytest.raises(DataError, match=r"hub:owner/empty.*\n.*needs files such as train\.csv"):
        load("owner/empty")


def test_a_damaged_file(hub: StandInHub) -> None:
    hub.files["owner/tiny"] = {"train.parquet": b"PAR1 this is no Parquet file PAR1"}
    with pytest.raises(DataError, match="hub:owner/tiny"):
        load()


def test_a_folder_of_that_name_is_not_read_by_mistake(hub: StandInHub, tmp_path: Path) -> None:
    (tmp_path / "owner/tiny").mkdir(parents=True)
    hub.files["owner/tiny"] = {"train.csv": CSV.encode()}
    with pytest.raises(DataError, match=r"--dataset \./owner/tiny"):
        load()


@pytest.mark.parametrize(
    "path", ["csv", "imdb", "/etc/passwd", "a/b/c", "../up", "owner/", "~/data", "hf://datasets/a/b"]
)
def test_only_owner_and_name(path: str) -> None:
    with pytest.raises(ValueError, match="must read owner/name"):
        HubOptions(path=path)


@pytest.mark.parametrize("card", [{}, {"README.md": b"# Tiny\n"}])
def test_offline_from_the_cache(hub: StandInHub, offline, card: dict) -> None:
    hub.files["owner/tiny"] = {**card, "train.csv": CSV.encode()}
    online, commit = load(), hub.commit("owner/tiny")
    offline()
    hub.requests.clear()
    for revision in (None, "main", commit):
        with pytest.warns(PegboardWarning, match=f"using the cached commit {commit}"):
            again = load(revision=revision)
        assert again["train"].to_dict() == online["train"].to_dict()
    assert hub.requests == []


def test_offline_the_cache_must_have_what_is_asked_for(hub: StandInHub, offline) -> None:
    hub.files["owner/tiny"] = {"README.md": b"# Tiny\n", "train.csv": CSV.encode()}
    load()
    first = hub.commit("owner/tiny")
    hub.files["owner/tiny"]["train.csv"] = b"text,label\nnew,joy\nnewer,fear\n"
    load()
    second = hub.commit("owner/tiny")
    offline()
    with pytest.warns(PegboardWarning):
        assert len(load(revision=second)["train"]) == 2
    for revision in (first, "v1"):
        with pytest.raises(DataError, match=f"the cache has the commit {second}") as caught:
            load(revision=revision)
        assert f"--set dataset.revision={second}" in caught.value.hint


def test_offline_without_a_cache(hub: StandInHub, offline) -> None:
    offline()
    with pytest.raises(DataError, match=r"hub:owner/tiny.*\n.*HF_HUB_OFFLINE"):
        load()


def test_by_its_reference(hub: StandInHub) -> None:
    """`--dataset hub:owner/name` finds the component and its data."""
    hub.files["owner/tiny"] = {"train.csv": CSV.encode()}
    assert pegboard.load_dataset("hub:owner/tiny", label_text=True)["train"][1] == {
        "text": "bad day",
        "label": 1,
        "label_text": "sadness",
    }


@pytest.mark.parametrize("form", ["{}", "file://{}", "../../../../../../../..{}"])
def test_a_repository_can_not_name_files_of_this_machine(hub: StandInHub, tmp_path: Path, form: str) -> None:
    (tmp_path / "private.csv").write_text(CSV)
    path = form.format(tmp_path / "private.csv")
    card = f"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: {path}\n---\n"
    hub.files["owner/tiny"] = {"README.md": card.encode()}
    with pytest.raises(DataError, match="hub:owner/tiny"):
        load()


class TestHubConformance(DatasetConformance):
    component = "hub"
    options: ClassVar[dict[str, Any]] = {"path": "owner/tiny"}

    @pytest.fixture(autouse=True)
    def _served(self, hub: StandInHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        hub.files["owner/tiny"] = {"train.csv": CSV.encode(), "test.csv": CSV.encode()}
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
