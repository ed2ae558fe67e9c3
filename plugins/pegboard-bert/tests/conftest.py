"""A tiny checkpoint, and a Hub on the loopback interface that serves it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'[]äöüß中"
VOCABULARY = [
    *("[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *LETTERS,
    *(f"##{letter}" for letter in LETTERS),
    *("happy", "sad", "day", "today", "so", "am", "bad", "un", "##seen", "the", "sep", "cls"),
]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two small layers with random weights, as transformers saves it."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    folder = tmp_path_factory.mktemp("checkpoint")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    return folder


class StandInHub:
    """Answers what huggingface_hub asks: where a file is, and its bytes."""

    commit = hashlib.sha1(b"the only commit").hexdigest()

    def __init__(self) -> None:
        self.repositories: dict[str, Path] = {}
        self.gated: set[str] = set()
        self.failing = False
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                hub.answer(self, body=False)

            def do_GET(self) -> None:
                hub.answer(self, body=True)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        self.requests.append(f"{request.command} {request.path}")
        repository, _, rest = request.path.strip("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        headers, content, status = {"X-Repo-Commit": self.commit}, b"", 404
        if repository in self.gated:
            status, headers = 403, {"X-Error-Code": "GatedRepo"}
        elif self.failing:
            status, headers = 501, {}
        elif repository not in self.repositories:
            headers = {"X-Error-Code": "RepoNotFound"}
        elif revision not in ("main", self.commit):
            headers = {"X-Error-Code": "RevisionNotFound"}
        elif not (self.repositories[repository] / name).is_file():
            headers["X-Error-Code"] = "EntryNotFound"
        else:
            content, status = (self.repositories[repository] / name).read_bytes(), 200
            headers["ETag"] = f'"{hashlib.sha256(content).hexdigest()}"'
        request.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            request.send_header(key, value)
        request.end_headers()
        if body:
            request.wfile.write(content)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    """A Hub of one's own, with an empty cache."""
    from huggingface_hub import constants, file_download

    stand_in = StandInHub()
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, stand_in.url)
    for module in (constants, file_download):  # older releases import it by name
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", stand_in.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    yield stand_in
    stand_in.server.shutdown()
    stand_in.server.server_close()


@pytest.fixture
def edited(checkpoint: Path, tmp_path: Path):
    """A copy of the checkpoint with some files changed (entries of a JSON file), replaced (text) or removed (None)."""
    import shutil

    def make(**changes: dict | str | None) -> Path:
        folder = tmp_path / "edited"
        shutil.copytree(checkpoint, folder, dirs_exist_ok=True)
        for key, change in changes.items():
            file = folder / key.replace("__", ".")
            if change is None:
                file.unlink()
            elif isinstance(change, str):
                file.write_text(change)
            else:
                file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
        return folder

    return make
