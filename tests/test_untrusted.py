"""Files that anybody may have made: what is no plain file of a sane size is not opened, headers are not believed."""

import json
import os
import struct

import pegboard
import pytest
import torch
from pegboard import ArtifactError, read_json, read_tensors
from pegboard.untrusted import open_file, shortened
from pegboard.weights import Claim, no_larger_than, read_claims
from safetensors.torch import save_file
from torch import nn


@pytest.fixture
def file(tmp_path):
    """A small safetensors file."""
    tensors = {
        "a": torch.arange(6.0).reshape(2, 3),
        "b": torch.zeros(0),
        "c": torch.tensor([True]),
        "d": torch.arange(3),
    }
    save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


class TestOpenFile:
    def test_a_file(self, tmp_path):
        (tmp_path / "a").write_bytes(b"abc")
        with open_file(tmp_path / "a", most_bytes=3) as stream:
            assert stream.read() == b"abc"
        with pytest.raises(ArtifactError, match="has 3 bytes, more than 2 bytes"):
            open_file(tmp_path / "a", most_bytes=2)

    def test_what_is_no_file(self, tmp_path):
        (tmp_path / "a").write_text("")
        (tmp_path / "link").symlink_to("a")
        (tmp_path / "folder").mkdir()
        with pytest.raises(ArtifactError, match="is a link"):
            open_file(tmp_path / "link")
        with pytest.raises(ArtifactError, match="is a folder"):
            open_file(tmp_path / "folder")
        with pytest.raises(ArtifactError, match="is missing"):
            open_file(tmp_path / "b")
        with pytest.raises(ArtifactError, match="can't be read"):
            open_file(tmp_path / ("n" * 5000))

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes among the files")
    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ArtifactError, match="is a device or pipe"):
            open_file(tmp_path / "pipe")


class TestReadJson:
    def test_a_document(self, tmp_path):
        (tmp_path / "a.json").write_text('{"é": [1, 2.5, null, "\\u00e9"]}', encoding="utf-8")
        assert read_json(tmp_path / "a.json") == {"é": [1, 2.5, None, "é"]}

    def test_as_deep_as_anybody_needs(self, tmp_path):
        (tmp_path / "a.json").write_text("[" * 100 + "]" * 100)
        assert json.dumps(read_json(tmp_path / "a.json")).count("[") == 100

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"\xff",
            b"NaN",
            b"[Infinity]",
            b"[" * 10**6,
            b'{"a":' * 10**5,
            b"9" * 10**5,
            b'["\\ud800"]',
            b"1 2",
        ],
    )
    def test_what_is_none(self, tmp_path, content):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(ArtifactError, match="can't be read"):
            read_json(tmp_path / "a.json")

    def test_sizes(self, tmp_path):
        (tmp_path / "a.json").write_bytes(b"[" + b"[]," * 8_000_000 + b"[]]")
        with pytest.raises(ArtifactError, match="more than 8,000,000 lists"):
            read_json(tmp_path / "a.json")
        with pytest.raises(ArtifactError, match="has 23 MiB, more than 1 MiB"):
            read_json(tmp_path / "a.json", most_bytes=2**20)


class TestReadTensors:
    def test_a_file(self, file):
        tensors = read_tensors(file)
        assert tensors["a"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
        assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == {
            "a": (2, 3),
            "b": (0,),
            "c": (1,),
            "d": (3,),
        }
        assert read_claims(file)["d"] == Claim("I64", (3,))

    def test_a_link(self, file):
        (file.parent / "link").symlink_to(file.name)
        with pytest.raises(ArtifactError, match="is a link"):
            read_tensors(file.parent / "link")

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ({"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4]}, r"the shape \(1000000000000,\) and 4 bytes"),
            ({"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "take 8 bytes, and 4 are there"),
            ({"dtype": "F32", "shape": [], "data_offsets": [4, 8]}, "does not begin where"),
            ({"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}, "no usable shape"),
            ({"dtype": "pickle", "shape": [], "data_offsets": [0, 4]}, "unknown type pickle"),
            ({"dtype": "F32", "shape": []}, "is not described"),
            (None, "is not described"),
        ],
    )
    def test_a_header_that_lies(self, tmp_path, entry, message):
        header = json.dumps({"a": entry}).encode()
        (tmp_path / "a").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
        with pytest.raises(ArtifactError, match=message):
            read_tensors(tmp_path / "a")


class TestNoLargerThan:
    CLAIMS = {"a": Claim("F32", (1000,))}  # noqa: RUF012 - not changed

    def test_a_network_that_fits(self):
        with no_larger_than(self.CLAIMS, "config.json"):
            nn.Linear(10, 100)
        nn.Linear(1000, 1000)

    def test_one_that_is_too_large(self):
        with (
            pytest.raises(ArtifactError, match="more than 1,000,000 parameters"),
            no_larger_than(self.CLAIMS, "config.json"),
        ):
            nn.Linear(1000, 1000)
        nn.Linear(1000, 1000)

    def test_layers_without_end(self):
        with pytest.raises(ArtifactError), no_larger_than(self.CLAIMS, "config.json"):
            nn.ModuleList(nn.Linear(100, 100) for _ in range(10**9))


def test_messages_stay_short_and_harmless():
    assert shortened("a\x1b[2J\n") == "a\\x1b[2J\\n"
    assert len(shortened("x" * 10**6)) == 201
    assert shortened({"a": 1}) == "{'a': 1}"
    assert pegboard.read_json is read_json
