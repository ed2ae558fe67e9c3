"""The hash of a file, which is read in parts."""

from pathlib import Path

import pegboard.hashing
import pytest
from blake3 import blake3
from pegboard import hash_of_file

PART, READ = 64, 24


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(pegboard.hashing, "_PART_BYTES", PART)
    monkeypatch.setattr(pegboard.hashing, "_READ_BYTES", READ)


@pytest.fixture
def hashed(tmp_path):
    def hash_of(content):
        (tmp_path / "file").write_bytes(content)
        return hash_of_file(tmp_path / "file")

    return hash_of


CONTENT = bytes(range(256)) * 3


@pytest.mark.parametrize("size", [0, 1, READ, PART - 1, PART, PART + 1, 5 * PART, len(CONTENT) - 7])
def test_it_is_the_hash_of_the_hashes_of_all_parts(hashed, size):
    content = CONTENT[:size]
    parts = [content[start : start + PART] for start in range(0, max(size, 1), PART)]
    assert hashed(content) == blake3(b"".join(blake3(part).digest() for part in parts)).hexdigest()


@pytest.mark.parametrize("at", [0, READ, PART - 1, PART, 700])
def test_no_other_file_has_it(hashed, at):
    changed = CONTENT[:at] + bytes([CONTENT[at] ^ 1]) + CONTENT[at + 1 :]
    swapped = CONTENT[PART : 2 * PART] + CONTENT[:PART] + CONTENT[2 * PART :]
    assert len({hashed(content) for content in (CONTENT, changed, swapped, CONTENT[:at], CONTENT + b"\0")}) == 5


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="no such file system")
def test_a_file_that_does_not_say_its_size_is_read_to_its_end():
    file = Path("/proc/version")
    assert file.stat().st_size == 0
    content = file.read_bytes()
    assert len(content) > READ
    assert hash_of_file(file) == blake3(blake3(content).digest()).hexdigest()


def test_a_file_that_is_not_there_can_not_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        hash_of_file(tmp_path / "none")
