"""Whole or absent: whatever goes wrong while writing, the final name has the old content or the new."""

import errno
import os
from pathlib import Path

import pytest
from pegboard.errors import RunError
from pegboard.files import atomic_file, atomic_folder, atomic_write, end_at_a_line, remove, remove_leftovers


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_half(file, error):
    file.write_bytes(b"half")
    raise error


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class TestFile:
    def test_new_and_replaced(self, tmp_path):
        file = tmp_path / "a.txt"
        atomic_write(file, b"one")
        atomic_write(file, b"two")
        assert file.read_bytes() == b"two"
        assert names(tmp_path) == ["a.txt"]

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError(), RunError("no")])
    def test_error_in_the_block(self, tmp_path, error):
        file = tmp_path / "a.txt"
        file.write_bytes(b"old")
        with pytest.raises(type(error)), atomic_file(file) as beside:
            write_half(beside, error)
        assert file.read_bytes() == b"old"
        assert names(tmp_path) == ["a.txt"]

    def test_nothing_is_seen_before_the_end(self, tmp_path):
        with atomic_file(tmp_path / "a.txt") as beside:
            beside.write_bytes(b"half")
            assert not (tmp_path / "a.txt").exists()
            assert beside.name.startswith(".")

    @pytest.mark.parametrize("call", ["fsync", "replace"])
    def test_disk_full(self, tmp_path, monkeypatch, call):
        file = tmp_path / "a.txt"
        file.write_bytes(b"old")
        monkeypatch.setattr(os if call == "fsync" else Path, call, full_disk)
        with pytest.raises(RunError, match="No space left on device") as raised:
            atomic_write(file, b"new")
        assert raised.value.where == str(file)
        assert "what was complete is untouched" in raised.value.hint
        assert file.read_bytes() == b"old"
        assert names(tmp_path) == ["a.txt"]

    def test_no_folder(self, tmp_path):
        with pytest.raises(RunError, match="No such file"):
            atomic_write(tmp_path / "nowhere" / "a.txt", b"")

    def test_below_a_file(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(RunError, match="Not a directory"):
            atomic_write(tmp_path / "file" / "a.txt", b"")

    def test_folder_of_the_name_is_found_before_the_work(self, tmp_path):
        (tmp_path / "a.txt").mkdir()
        with pytest.raises(RunError, match="Is a directory"), atomic_file(tmp_path / "a.txt"):
            pytest.fail("the work began")

    def test_folder_that_can_not_be_synced_is_no_error(self, tmp_path, monkeypatch):
        real = os.open

        def refuse_folders(path, flags, *more, **named):
            if Path(path).is_dir():
                raise OSError(errno.EINVAL, "Invalid argument")
            return real(path, flags, *more, **named)

        monkeypatch.setattr(os, "open", refuse_folders)
        atomic_write(tmp_path / "a.txt", b"new")
        assert (tmp_path / "a.txt").read_bytes() == b"new"

    @pytest.mark.parametrize(
        ("torn", "mended"), [(b"", b""), (b"one\n", b"one\n"), (b"one\ntw", b"one\n"), (b"on", b"")]
    )
    def test_a_line_that_was_not_finished(self, tmp_path, torn, mended):
        file = tmp_path / "log.jsonl"
        end_at_a_line(file)
        file.write_bytes(torn)
        end_at_a_line(file)
        assert file.read_bytes() == mended

    def test_folder_that_fails_to_sync_is_an_error(self, tmp_path, monkeypatch):
        real = os.fsync

        def fail_for_folders(handle):
            if Path(f"/proc/self/fd/{handle}").is_dir():
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            real(handle)

        if not Path("/proc/self/fd").exists():
            pytest.skip("tells folders apart as Linux does")
        monkeypatch.setattr(os, "fsync", fail_for_folders)
        with pytest.raises(RunError, match="Input/output error"):
            atomic_write(tmp_path / "a.txt", b"new")


class TestFolder:
    def fill(self, folder, content):
        with atomic_folder(folder) as new:
            (new / "sub").mkdir()
            (new / "sub" / content).write_text(content)

    def test_new_and_replaced(self, tmp_path):
        self.fill(tmp_path / "model", "one")
        self.fill(tmp_path / "model", "two")
        assert names(tmp_path) == ["model"]
        assert names(tmp_path / "model" / "sub") == ["two"]

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError()])
    def test_error_in_the_block(self, tmp_path, error):
        self.fill(tmp_path / "model", "old")
        with pytest.raises(type(error)), atomic_folder(tmp_path / "model") as new:
            write_half(new / "half", error)
        assert names(tmp_path) == ["model"]
        assert names(tmp_path / "model" / "sub") == ["old"]

    def test_disk_full(self, tmp_path, monkeypatch):
        self.fill(tmp_path / "model", "old")
        monkeypatch.setattr(os, "fsync", full_disk)
        with pytest.raises(RunError, match="No space left"):
            self.fill(tmp_path / "model", "new")
        assert names(tmp_path / "model" / "sub") == ["old"]
        assert names(tmp_path) == ["model"]

    @pytest.mark.parametrize("error", [OSError(errno.EACCES, "Permission denied"), KeyboardInterrupt()])
    def test_old_one_comes_back_when_the_new_one_can_not_take_its_place(self, tmp_path, monkeypatch, error):
        self.fill(tmp_path / "model", "old")
        real, calls = Path.replace, []

        def replace(self, target):
            calls.append(target)
            if len(calls) == 2:
                raise error
            return real(self, target)

        monkeypatch.setattr(Path, "replace", replace)
        with pytest.raises(RunError if isinstance(error, OSError) else KeyboardInterrupt):
            self.fill(tmp_path / "model", "new")
        assert names(tmp_path / "model" / "sub") == ["old"]
        assert names(tmp_path) == ["model"]

    def test_file_of_the_name_is_replaced(self, tmp_path):
        (tmp_path / "model").write_text("a file")
        self.fill(tmp_path / "model", "new")
        assert names(tmp_path) == ["model"]
        assert names(tmp_path / "model" / "sub") == ["new"]

    def test_below_a_file(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(RunError, match="Not a directory"), atomic_folder(tmp_path / "file" / "model"):
            pytest.fail("the work began")


class TestRemoving:
    def test_leftovers(self, tmp_path):
        for name in (".a.txt.partial-01234567", "sub/.b.partial-89abcdef"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("half")
        (tmp_path / ".model.partial-01234567" / ".c.partial-01234567").mkdir(parents=True)
        for name in ("a.partial-01234567", ".hidden", ".a.partial", "sub/b"):
            (tmp_path / name).write_text("whole")
        remove_leftovers(tmp_path)
        assert names(tmp_path) == [".a.partial", ".hidden", "a.partial-01234567", "sub"]
        assert names(tmp_path / "sub") == ["b"]

    def test_links_are_removed_not_followed(self, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "file").write_text("")
        (tmp_path / "link").symlink_to(tmp_path / "real")
        remove(tmp_path / "link")
        remove(tmp_path / "was never there")
        assert names(tmp_path) == ["real"]
        assert names(tmp_path / "real") == ["file"]
        remove(tmp_path / "real")
        assert names(tmp_path) == []

    def test_what_can_not_be_removed(self, tmp_path, monkeypatch):
        (tmp_path / "a").write_text("")
        monkeypatch.setattr(Path, "unlink", full_disk)
        with pytest.raises(RunError, match="can't be removed"):
            remove(tmp_path / "a")
