"""The cache: found again by all that the content depends on, never damaged, never stale, never in the way."""

import hashlib
import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pegboard import cache as module
from pegboard.cache import Cache, cache_folder, without_cache
from pegboard.console import Console
from pegboard.errors import RunError, UsageError


class Notes(Console):
    """A console that remembers."""

    def __init__(self):
        super().__init__()
        self.notes, self.warnings = [], []

    def note(self, text):
        self.notes.append(text)

    def warn(self, text):
        self.warnings.append(text)


@pytest.fixture
def console():
    return Notes()


@pytest.fixture
def cache(tmp_path, console):
    return Cache(tmp_path / "cache", console)


class Build:
    """Writes two files, one in a folder, and counts how often it was asked to."""

    def __init__(self, content=b"content of the entry\n" * 50):
        self.times = 0
        self.content = content

    def __call__(self, folder):
        assert list(folder.iterdir()) == []
        self.times += 1
        (folder / "data.bin").write_bytes(self.content)
        (folder / "more").mkdir()
        (folder / "more" / "names.txt").write_text("a\nb\n")


def files(root):
    """Every file but the locks, which hold no bytes."""
    return sorted(path for path in root.rglob("*") if path.is_file() and path.parent.name != ".locks")


def content(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in files(folder) if file.name != "entry.json"}


def test_who_builds_an_entry_may_need_one_of_another_kind(cache, monkeypatch):
    """In a thread, too, and also where all digests begin alike, by which locks are named."""

    real = hashlib.sha256

    class Alike:
        def __init__(self, content):
            self.digest = "0" * 8 + real(content).hexdigest()[8:]

        def hexdigest(self):
            return self.digest

    def build(folder):
        other = []
        within = threading.Thread(
            target=lambda: other.append(cache.folder("code", {"of": "that"}, "an entry", Build())), daemon=True
        )
        within.start()
        within.join(20)
        (folder / "names.txt").write_text(f"{len(files(other[0]))}")

    monkeypatch.setattr(module.hashlib, "sha256", Alike)
    folder = cache.folder("data", {"of": "this"}, "an entry", build)
    assert folder.name.startswith("00000000")
    assert (folder / "names.txt").read_text() == "3"


def test_an_entry_is_built_once(cache, console):
    build = Build()
    first = cache.folder("data", {"of": "this"}, "an entry", build)
    again = Cache(cache.root, console).folder("data", {"of": "this"}, "an entry", build)
    assert first == again
    assert build.times == 1
    assert set(content(first)) == {"data.bin", str(Path("more") / "names.txt")}
    assert console.warnings == []


@pytest.mark.parametrize("key", [{"of": "that"}, {"of": "this", "and": 1}, {}, {"of": ["this"]}, {"of": None}])
def test_another_key_is_another_entry(cache, key):
    folder = cache.folder("data", {"of": "this"}, "an entry", Build())
    assert cache.folder("data", key, "an entry", Build()) != folder
    assert cache.folder("tokens", {"of": "this"}, "an entry", Build()) != folder


def test_the_order_of_a_key_does_not_matter(cache):
    build = Build()
    assert cache.folder("data", {"a": 1, "b": 2}, "", build) == cache.folder("data", {"b": 2, "a": 1}, "", build)
    assert build.times == 1


def test_code_is_part_of_the_key(cache, monkeypatch):
    build = Build()
    cache.folder("data", {}, "", build, code=Cache)
    cache.folder("data", {}, "", build, code=Cache)
    assert build.times == 1
    monkeypatch.setattr("tokenizers.__version__", "99")
    cache.folder("data", {}, "", build, code=Cache)
    assert build.times == 2


def damage(file, kind, generator):
    data = bytearray(file.read_bytes())
    if kind == "flip":
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        file.write_bytes(data)
    elif kind == "cut":
        file.write_bytes(data[: generator.randrange(len(data))])
    elif kind == "grow":
        file.write_bytes(data + b"\0")
    elif kind == "remove":
        file.unlink()
    elif kind == "other":
        (file.parent / "foreign.bin").write_bytes(b"x")


@pytest.mark.parametrize("kind", ["flip", "cut", "grow", "remove", "other"])
def test_damage_is_found_and_mended(cache, console, kind):
    """At 20 places each; the torture of whole encoded data sets is in test_cache_torture.py."""
    generator = random.Random(kind)
    build = Build()
    for trial in range(20):
        folder = cache.folder("data", {}, "", build)
        whole = content(folder)
        damage(generator.choice(files(folder)), kind, generator)
        assert content(cache.folder("data", {}, "", build)) == whole
        assert build.times == trial + 2
        assert len(console.warnings) == trial + 1
        assert "is damaged" in console.warnings[-1]
    assert len(files(cache.root)) == 3


def test_entry_of_another_key_in_this_place_is_not_served(cache):
    first = cache.folder("data", {"n": 1}, "", Build(b"one"))
    second = cache.folder("data", {"n": 2}, "", Build(b"two"))
    for file in first.iterdir():
        if file.is_file():
            file.write_bytes((second / file.name).read_bytes())
    assert content(cache.folder("data", {"n": 1}, "", Build(b"one")))["data.bin"] == b"one"


def test_a_build_that_fails_leaves_nothing(cache):
    def build(folder):
        (folder / "half").write_bytes(b"x" * 1000)
        raise ValueError("the data are bad")

    with pytest.raises(ValueError, match="the data are bad"):
        cache.folder("data", {}, "", build)
    assert files(cache.root) == []
    assert cache.entries() == []


def test_a_full_disk_is_named_and_leaves_nothing(cache):
    def build(folder):
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match="No space left on device"):
        cache.folder("data", {}, "", build)
    assert files(cache.root) == []


def test_what_a_kill_left_is_removed_by_the_next_build(cache):
    for name in (f".{'ab' * 20}.partial", f".{'cd' * 20}.old.partial"):
        leftover = cache.root / "tokens" / name
        leftover.mkdir(parents=True)
        (leftover / "ids.arrow").write_bytes(b"x" * 1000)
    cache.folder("data", {}, "", Build())
    assert {file.parts[-3 if file.name == "names.txt" else -2] for file in files(cache.root)} == {
        entry.digest for entry in cache.entries()
    }


def test_what_another_process_is_building_is_left_alone(cache):
    started, go_on = threading.Event(), threading.Event()

    def slow(folder):
        (folder / "part").write_bytes(b"x")
        started.set()
        assert go_on.wait(20)
        assert (folder / "part").exists()

    thread = threading.Thread(target=cache.folder, args=("tokens", {"slow": True}, "", slow))
    thread.start()
    assert started.wait(20)
    for number in range(20):
        other = Cache(cache.root)
        digest = other.folder("data", {"number": number}, "", Build()).name if number % 256 else None
        assert digest is None or len(digest) == 40
    assert cache.clear("tokens")[0] == 0
    go_on.set()
    thread.join()
    assert len(cache.entries()) >= 2


def test_one_builds_and_the_other_waits(cache, console):
    started, go_on = threading.Event(), threading.Event()
    build = Build()

    def slow(folder):
        started.set()
        assert go_on.wait(20)
        build(folder)

    first = threading.Thread(target=cache.folder, args=("data", {}, "", slow))
    first.start()
    assert started.wait(20)
    found = []
    second = threading.Thread(target=lambda: found.append(cache.folder("data", {}, "", build)))
    second.start()
    go_on.set()
    first.join()
    second.join()
    assert build.times == 1
    assert content(found[0])["data.bin"] == build.content


def test_list_and_clear(cache):
    cache.folder("data", {"n": 1}, "the first", Build())
    cache.folder("data", {"n": 2}, "the second", Build())
    cache.folder("tokens", {"n": 1}, "ids", Build())
    entries = cache.entries()
    assert [(entry.kind, entry.description) for entry in entries] == [
        ("data", "the second"),
        ("data", "the first"),
        ("tokens", "ids"),
    ]
    assert all(entry.size == sum(file.stat().st_size for file in files(entry.folder)) for entry in entries)
    assert cache.clear("tokens") == (1, entries[2].size)
    assert cache.clear() == (2, entries[0].size + entries[1].size)
    assert files(cache.root) == []
    assert cache.clear() == (0, 0)


class TestWhere:
    def test_variable(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PEGBOARD_CACHE", str(tmp_path / "mine"))
        assert cache_folder() == tmp_path / "mine"
        assert Cache.open().root == tmp_path / "mine"

    def test_system(self, monkeypatch, tmp_path):
        monkeypatch.delenv("PEGBOARD_CACHE")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache_folder() == tmp_path / "pegboard"
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        assert cache_folder() == tmp_path / "home" / ".cache" / "pegboard"

    def test_a_file_is_no_folder(self, monkeypatch, tmp_path):
        (tmp_path / "file").write_text("")
        for place in (tmp_path / "file", tmp_path / "file" / "below"):
            monkeypatch.setenv("PEGBOARD_CACHE", str(place))
            with pytest.raises(UsageError, match="is no folder"):
                Cache.open()

    def test_a_folder_that_can_not_be_written_is_replaced_by_a_temporary_one(self, monkeypatch, tmp_path, console):
        monkeypatch.setenv("PEGBOARD_CACHE", str(tmp_path))

        def refuse(**_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(module.tempfile, "TemporaryFile", refuse)
        cache = Cache.open(console)
        try:
            assert tmp_path not in (cache.root, *cache.root.parents)
            assert "can't be written (Permission denied)" in console.warnings[0]
            assert Cache.open(console).root == cache.root
            assert len(console.warnings) == 1
        finally:
            without_cache()()
        assert not cache.root.exists()

    def test_without(self):
        before = Cache.open().root
        end = without_cache()
        inside = Cache.open().root
        Cache.open().folder("data", {}, "", Build())
        assert inside != before
        assert files(inside)
        end()
        assert Cache.open().root == before
        assert not inside.exists()


def test_a_disk_with_no_room(tmp_path):
    """Really: this process may write files of at most 20 kB."""
    script = f"""
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from pathlib import Path
from pegboard import RunError
from pegboard.cache import Cache
try:
    Cache(Path({str(tmp_path)!r})).folder("data", {{}}, "", lambda f: (f / "big").write_bytes(b"x" * 10**6))
except RunError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "can't be written: File too large" in result.stdout
    assert files(tmp_path) == []


class TestCommands:
    @pytest.fixture(autouse=True)
    def _own(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PEGBOARD_CACHE", str(tmp_path / "own"))

    def test_list(self, cli):
        assert cli("cache", "list").out.startswith("0 entries, 0 B in ")
        folder = Cache.open().folder("tokens", {}, "12 texts by word", Build())
        listed = cli("cache", "list").out
        assert "12 texts by word" in listed
        assert folder.name[:12] in listed
        [entry] = json.loads(cli("cache", "list", "--json").out)["entries"]
        assert entry["folder"] == str(folder)
        assert entry["bytes"] == sum(file.stat().st_size for file in files(folder))
        assert cli("cache", "list", "--kind", "data").out.startswith("0 entries")

    def test_clear(self, cli):
        folder = Cache.open().folder("tokens", {}, "12 texts by word", Build())
        assert cli("cache", "clear").code != 0  # nobody said yes
        assert folder.exists()
        assert cli("cache", "clear", "--kind", "data", "--yes").out == "0 removed, 0 B freed\n"
        assert cli("cache", "clear", "--yes").out.startswith("1 removed, ")
        assert not folder.exists()
        assert json.loads(cli("cache", "clear", "--json").out)["removed"] == 0

    def test_a_second_run_does_no_tokenization(self, cli, tmp_path, monkeypatch):
        arguments = ("train", "--dataset", "moods", "--set", "trainer.max_steps=1")
        first = cli(*arguments, "--out", tmp_path / "one")
        assert first.code == 0, first.err
        from pegboard.text.encoding import UnitEncoder

        def refuse(*_):
            raise AssertionError("it was tokenized again")

        monkeypatch.setattr("pegboard.text.library.LibraryTokenizer.train", refuse)
        monkeypatch.setattr(UnitEncoder, "encode_blocks", refuse)
        second = cli(*arguments, "--out", tmp_path / "two")
        assert second.code == 0, second.err
        assert (tmp_path / "one" / "model" / "model.safetensors").read_bytes() == (
            tmp_path / "two" / "model" / "model.safetensors"
        ).read_bytes()

    def test_no_cache(self, cli, tmp_path):
        result = cli("train", "--set", "trainer.max_steps=1", "--no-cache", "--out", tmp_path / "run")
        assert result.code == 0, result.err
        assert not (tmp_path / "own").exists() or files(tmp_path / "own") == []
        assert os.environ["PEGBOARD_CACHE"] == str(cache_folder())
