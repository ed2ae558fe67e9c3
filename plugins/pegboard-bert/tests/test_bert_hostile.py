"""Checkpoints made to do harm: nothing outside of the folder is read, and nothing that a file names is run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pegboard import RecipeError, VocabInfo
from pegboard_bert.encoder import BertEncoder
from pegboard_bert.options import BertOptions
from safetensors.torch import load_file

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint to damage."""
    return Path(shutil.copytree(checkpoint, tmp_path / "checkpoint"))


def encoder_of(folder: Path) -> BertEncoder:
    config = json.loads((folder / "config.json").read_text())
    return BertEncoder(BertOptions(pretrained=str(folder)), VocabInfo(config["vocab_size"], 0, 64))


@pytest.mark.parametrize("name", ["config.json", WEIGHTS, "tokenizer.json"])
def test_a_link_must_not_lead_out(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).rename(tmp_path / "outside")
    (folder / name).symlink_to("../outside")
    from pegboard_bert.checkpoint import open_checkpoint

    with pytest.raises(RecipeError, match="leads out of the checkpoint"):
        open_checkpoint(str(folder), None, where="encoder.pretrained").find(name)
    if name != "tokenizer.json":
        with pytest.raises(RecipeError, match="leads out of the checkpoint"):
            encoder_of(folder)


def test_links_of_the_hubs_cache_are_its_own(folder: Path, tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "models--a--b" / "blobs", tmp_path / "models--a--b" / "snapshots" / "1"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for file in folder.iterdir():
        file.rename(blobs / file.name)
        (snapshot / file.name).symlink_to(f"../../blobs/{file.name}")
    assert encoder_of(snapshot).hidden_size == 16


@pytest.mark.parametrize(
    "entries",
    [
        {"_attn_implementation": "kernels-community/flash-attn"},
        {"_attn_implementation_internal": "evil/kernel"},
        {"attn_implementation": "evil/kernel"},
        {"auto_map": {"AutoModel": "evil/repository--modeling.Evil"}},
        {"use_kernels": True},
        {"chunk_size_feed_forward": 10**12},
        {"torch_dtype": "float64", "dtype": "float16"},
        {"quantization_config": {"quant_method": "bitsandbytes"}},
    ],
)
def test_entries_that_are_no_architecture_are_not_looked_at(folder: Path, entries: dict[str, Any]) -> None:
    ids = torch.tensor([[3, 7, 8, 4]])
    before = encoder_of(folder).eval()(ids, torch.ones_like(ids)).pooled
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **entries}))
    assert torch.equal(encoder_of(folder).eval()(ids, torch.ones_like(ids)).pooled, before)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (struct.pack("<Q", 10**8) + b" " * 10**8, "its header has 100,000,000 bytes"),
        (struct.pack("<Q", 2**63), "its header is longer than the file"),
        (b"", "its header is longer than the file"),
        (
            struct.pack("<Q", 60) + b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4]}}    ',
            "can't be read",
        ),
    ],
)
def test_a_header_that_lies(folder: Path, content: bytes, message: str) -> None:
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(RecipeError, match=message):
        encoder_of(folder)


@pytest.mark.parametrize("target", ["../outside.safetensors", "/etc/hostname", "a/b.safetensors", "..", ""])
def test_an_index_leads_nowhere_else(folder: Path, target: str) -> None:
    (folder / WEIGHTS).rename(folder.parent / "outside.safetensors")
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": {"a": target}}))
    with pytest.raises(RecipeError, match=r"damaged model\.safetensors\.index\.json"):
        encoder_of(folder)


def test_pickled_weights_are_refused_with_a_command_that_converts_them(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    with pytest.raises(RecipeError, match="never opened") as caught:
        encoder_of(folder)
    [command] = re.findall(r"python -c .*", caught.value.hint or "")
    subprocess.run([sys.executable, *shlex.split(command)[1:]], cwd=folder, check=True)
    converted = load_file(folder / WEIGHTS)
    assert converted.keys() == weights.keys()
    assert all(torch.equal(converted[name], tensor) for name, tensor in weights.items())
    encoder_of(folder)
