"""Checkpoints are found in folders, in installed packages and on the Hub; a bad reference says what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pegboard import ComponentError, PegboardWarning, RecipeError
from pegboard_bert.checkpoint import open_checkpoint
from pegboard_bert.options import PretrainedOptions
from pegboard_bert.tokenizer import PretrainedTokenizer


def opened(reference: object, revision: str | None = None):
    return open_checkpoint(str(reference), revision, where="encoder.pretrained")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a file in a folder; importing it fails."""
    folder = tmp_path / "bert_in_a_package"
    (folder / "some/model").mkdir(parents=True)
    (folder / "some/model/config.json").write_text("{}")
    (folder / "__init__.py").write_text("raise SystemError('it was imported')")
    (tmp_path / "bert_secret.json").write_text("{}")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_a_folder(checkpoint: Path) -> None:
    assert opened(checkpoint).find("config.json") == checkpoint / "config.json"
    assert opened(checkpoint).find("absent.json") is None


def test_a_package_is_found_without_importing_it(package: Path) -> None:
    found = opened("package:bert_in_a_package/some/model").find("config.json")
    assert found == package / "some/model/config.json"
    assert "bert_in_a_package" not in sys.modules


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        ("package:bert_in_a_package/..", RecipeError, "leads out of the package"),
        ("package:bert_in_a_package/some/../../x", RecipeError, "leads out of the package"),
        ("package:bert_in_a_package//etc", RecipeError, "leads out of the package"),
        ("package:bert_in_a_package/other", ComponentError, "some/model"),
        ("package:no_such_package_here", ComponentError, "pip install no-such-package-here"),
        ("package:json.decoder", RecipeError, "must read package:NAME"),
        ("package:this", ComponentError, "not a package"),
        ("package:", RecipeError, "must read package:NAME"),
        ("./no/such/folder", RecipeError, "there is no folder"),
        ("/no/such/folder", RecipeError, "there is no folder"),
        ("a/b/c", RecipeError, "there is no folder"),
        ("https://example.org/model", RecipeError, "names no checkpoint|there is no folder"),
        ("../up", RecipeError, "there is no folder"),
        ("a--b", RecipeError, "names no checkpoint"),
        ("one two", RecipeError, "names no checkpoint"),
    ],
)
def test_bad_references(package: Path, reference: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        opened(reference)
    assert caught.value.where == "encoder.pretrained"
    assert caught.value.hint or "leads out" in str(caught.value)


def test_a_link_in_a_package_must_not_lead_out(package: Path, checkpoint: Path) -> None:
    (package / "link").symlink_to(checkpoint, target_is_directory=True)
    with pytest.raises(RecipeError, match="leads out of the package"):
        opened("package:bert_in_a_package/link")


def test_a_folder_has_no_revisions(checkpoint: Path) -> None:
    with pytest.raises(RecipeError, match="revision belongs to") as caught:
        opened(checkpoint, "main")
    assert caught.value.where == "encoder.revision"


@pytest.mark.parametrize("name", ["owner/tiny", "tiny"])
def test_from_the_hub_and_then_from_its_cache(hub, checkpoint: Path, name: str, monkeypatch) -> None:
    from huggingface_hub import constants

    hub.repositories[name] = checkpoint
    online = opened(name)
    assert online.find("config.json").read_bytes() == (checkpoint / "config.json").read_bytes()
    assert online.find("absent.json") is None
    assert any(request == f"GET /{name}/resolve/main/config.json" for request in hub.requests)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.requests.clear()
    offline = opened(name)
    assert offline.find("config.json").read_bytes() == (checkpoint / "config.json").read_bytes()
    assert offline.find("absent.json") is None
    with pytest.raises(ComponentError, match="HF_HUB_OFFLINE") as caught:
        offline.find("never-asked-for.json")
    assert "go online once" in caught.value.hint
    with pytest.warns(PegboardWarning, match="never-asked-for.json of .* is not in the cache: going on without"):
        assert offline.find("never-asked-for.json", optional=True) is None
    assert hub.requests == []


def test_when_the_hub_fails_later_the_cache_serves(hub, checkpoint: Path) -> None:
    hub.repositories["owner/tiny"] = checkpoint
    assert PretrainedTokenizer(PretrainedOptions(pretrained="owner/tiny")).context_free
    hub.failing = True
    again = opened("owner/tiny")
    assert again.find("tokenizer.json") is not None
    with pytest.raises(ComponentError, match="can't be asked"):
        again.find("model.safetensors")
    asked = len(hub.requests)
    assert again.find("tokenizer_config.json") is not None
    assert len(hub.requests) == asked


def test_all_files_come_from_one_commit(hub, checkpoint: Path) -> None:
    hub.repositories["owner/tiny"] = checkpoint
    repository = opened("owner/tiny")
    first, second = repository.find("config.json"), repository.find("vocab.txt")
    assert first.parent == second.parent
    assert hub.requests[-1] == f"GET /owner/tiny/resolve/{hub.commit}/vocab.txt"


def test_a_named_revision(hub, checkpoint: Path) -> None:
    hub.repositories["owner/tiny"] = checkpoint
    assert opened("owner/tiny", hub.commit).find("config.json") is not None
    with pytest.raises(RecipeError, match="has no revision 'v9'") as caught:
        opened("owner/tiny", "v9").find("config.json")
    assert caught.value.where == "encoder.revision"


def test_what_the_hub_refuses(hub) -> None:
    hub.gated.add("owner/gated")
    for name, message in [("owner/misspelt", "check the spelling"), ("owner/gated", "accept its terms")]:
        with pytest.raises(RecipeError, match=message):
            opened(name).find("config.json")
    hub.failing = True
    with pytest.raises(ComponentError, match=r"can't be asked: .*501"):
        opened("owner/tiny").find("config.json", optional=True)


def test_offline_without_a_cache(hub, monkeypatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ComponentError, match="HF_HUB_OFFLINE"):
        PretrainedTokenizer(PretrainedOptions(pretrained="owner/tiny"))
    assert hub.requests == []


def test_the_environment_decides(hub, checkpoint: Path, tmp_path: Path) -> None:
    """The variables that users set, in a process of its own: download, then offline from the cache, then neither."""
    hub.repositories["owner/tiny"] = checkpoint
    program = (
        "import pegboard; from pegboard_bert.options import PretrainedOptions;"
        "from pegboard_bert.tokenizer import PretrainedTokenizer\n"
        "try: print(PretrainedTokenizer(PretrainedOptions(pretrained='owner/tiny')).tokens('so happy'))\n"
        "except pegboard.PegboardError as error: print(error)"
    )

    def run(**variables: str) -> str:
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), **variables}
        return subprocess.run(
            [sys.executable, "-c", program], env=environment, check=True, text=True, capture_output=True
        ).stdout

    expected = "['[CLS]', 'so', 'happy', '[SEP]']\n"
    assert run() == expected
    assert run(HF_HUB_OFFLINE="1") == expected
    assert "go online once" in run(HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "empty"))
