"""Work that need not be done twice: folders of files that are found again by all that they depend on.

An entry lies at `<cache>/<kind>/<digest of its key>/` and holds the files of whoever built it, and `entry.json` with
the key and a checksum of each file. It is written beside its place and renamed, and checked byte by byte whenever it
is opened, so that what is damaged is built again and never served.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pegboard.console import Console, silent
from pegboard.errors import UsageError
from pegboard.files import cannot_write, remove
from pegboard.hashing import hash_of_file
from pegboard.plugins.code import code_version

__all__ = ["Cache", "Entry", "cache_folder", "content_key", "without_cache"]

_ENTRY = "entry.json"
_FORMAT = 4
_PARTIAL = ".partial"
_LOCKS = ".locks"

_checked: set[Path] = set()
"""The entries that this process has checked byte by byte, or built."""

_temporary: Path | None = None
"""Where `without_cache` has entries kept, until the process ends."""


@dataclass(frozen=True)
class Entry:
    """What `pegboard cache list` says of an entry.

    Attributes:
        kind: `data`, `tokenizer`, `tokens` or what else a plugin keeps.
        digest: the hash of its key, which is the name of its folder.
        description: what it is, in words.
        size: bytes of all its files.
        used: when it was last opened, in seconds since 1970.
        folder: where it is.
    """

    kind: str
    digest: str
    description: str
    size: int
    used: float
    folder: Path


class Cache:
    """A folder of entries.

    Args:
        root: the folder; it is made when the first entry is.
        console: is told of damage, of waiting, and of a folder that can't be written.

    Example:
        >>> cache = Cache.open()
        >>> def build(folder):
        ...     (folder / "answer.txt").write_text("42")
        >>> folder = cache.folder("example", {"question": "6 * 7"}, "an answer", build)
        >>> (folder / "answer.txt").read_text()
        '42'
    """

    def __init__(self, root: Path, console: Console = silent) -> None:
        self.root = root
        self._console = console

    @classmethod
    def open(cls, console: Console = silent) -> Cache:
        """The user's cache, see `cache_folder`; where it can't be written, a temporary one that ends with the process.

        Raises:
            UsageError: `PEGBOARD_CACHE` names something that is no folder.
        """
        if _temporary is not None:
            return cls(_temporary, console)
        root = cache_folder()
        try:
            root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=root):
                pass
        except (FileExistsError, NotADirectoryError):
            raise UsageError("is no folder", where=str(root), hint="set PEGBOARD_CACHE to a folder") from None
        except OSError as error:
            console.warn(
                f"the cache folder {root} can't be written ({error.strerror or error}): a temporary one is used, which "
                "is removed at the end; set PEGBOARD_CACHE to another folder"
            )
            without_cache()
            return cls.open(console)
        return cls(root, console)

    def folder(
        self, kind: str, key: Mapping[str, Any], description: str, build: Callable[[Path], None], code: Any = None
    ) -> Path:
        """The folder of an entry: the one that is there, if it is sound, else what `build` makes of an empty folder.

        While one process builds, others that want the same entry wait. Nothing is left of a `build` that fails, and
        what a killed process left is removed.

        Args:
            kind: one word, the folder above the entries'.
            key: all that the content depends on, as JSON has it.
            description: what it is, for `pegboard cache list`.
            build: writes the files of the entry into an empty folder.
            code: a class or function; its code and that of all it uses becomes part of the key, see `code_version`.

        Raises:
            RunError: the entry can't be written, for example because the disk is full.
        """
        wanted = {"format": _FORMAT, "kind": kind, "key": key, "code": code_version(code) if code is not None else {}}
        digest = hashlib.sha256(_canonical(wanted).encode()).hexdigest()[:40]
        place = self.root / kind / digest
        if _damage(place, wanted) is None:
            return _opened(place)
        with self._locked(place):
            damage = _damage(place, wanted)  # another process may have built it while this one waited
            if damage is None:
                return _opened(place)
            if damage:
                self._console.warn(f"the cache entry {place} is damaged ({damage}); it is built again")
            self._remove_orphans(place)
            _build(place, wanted, description, build)
            _checked.add(place)
        return place

    def entries(self) -> list[Entry]:
        """All entries, by kind, the one that was used last first."""
        found = []
        for file in self.root.glob(f"*/*/{_ENTRY}"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                content = json.loads(file.read_text(encoding="utf-8"))
                size = _size(file.parent)
                found.append(
                    Entry(
                        file.parent.parent.name,
                        file.parent.name,
                        str(content["description"]),
                        size,
                        file.stat().st_mtime,
                        file.parent,
                    )
                )
        return sorted(found, key=lambda entry: (entry.kind, -entry.used, entry.digest))

    def clear(self, kind: str | None = None) -> tuple[int, int]:
        """Remove all entries, or those of one kind, and what killed processes left; gives their number and bytes.

        An entry that a process is building stays. One that is in use goes; whoever uses it keeps what it opened.

        Raises:
            RunError: something can't be removed.
        """
        removed = freed = 0
        for place in [path for path in self.root.glob("*/*") if path.is_dir()]:
            if kind not in (None, place.parent.name) or place.parent.name == _LOCKS:
                continue
            with self._locked(place, wait=False) as free:
                if free:
                    size = _size(place)
                    remove(place)
                    removed, freed = removed + 1, freed + size
        return removed, freed

    @contextmanager
    def _locked(self, place: Path, *, wait: bool = True) -> Iterator[bool]:
        """Whether this process alone works on the entry at a place. The system frees the lock of one that was killed.

        Who builds an entry may need another one, of another kind.
        """
        from filelock import FileLock, Timeout

        folder = self.root / _LOCKS
        lock = FileLock(folder / _lock_of(place))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                if not wait:
                    yield False
                    return
                self._console.note("another process builds what this one needs in the cache; waiting for it")
                lock.acquire()
        except OSError as error:
            raise cannot_write(folder, error) from error
        try:
            yield True
        finally:
            lock.release()

    def _remove_orphans(self, own: Path) -> None:
        for partial in self.root.glob(f"*/.*{_PARTIAL}"):
            if _lock_of(partial) == _lock_of(own):
                _remove(partial)
                continue
            with self._locked(partial, wait=False) as free:
                if free:
                    _remove(partial)


def cache_folder() -> Path:
    """Where the cache is: `PEGBOARD_CACHE`, else `pegboard` in the folder that the system has for caches."""
    if own := os.environ.get("PEGBOARD_CACHE"):
        return Path(own).expanduser().absolute()
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base).expanduser().absolute() / "pegboard"


def without_cache() -> Callable[[], None]:
    """From now on this process finds an empty cache, in a temporary folder that is removed when it ends.

    Returns:
        A function that ends it sooner.
    """
    global _temporary
    if _temporary is None:
        _temporary = Path(tempfile.mkdtemp(prefix="pegboard-"))
        atexit.register(_with_cache_again, os.getpid())
    return lambda: _with_cache_again(os.getpid())


def content_key(file: Path) -> dict[str, Any] | None:
    """What stands for the bytes of a file in the key of another entry.

    Args:
        file: any file.

    Returns:
        The digest of its entry's key, its name, size and checksum; `None` unless it is in an entry that this process
        has opened, and so has checked.
    """
    if file.parent not in _checked:
        return None
    try:
        size, digest = json.loads((file.parent / _ENTRY).read_text("utf-8"))["files"][file.name]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return {"entry": file.parent.name, "file": file.name, "size": size, "checksum": digest}


def _lock_of(place: Path) -> str:
    """The name of the lock for an entry, or for what is left of one; the locks stay, so there must not be many."""
    return f"{place.parent.name}-{place.name.strip('.')[:3]}"


def _build(place: Path, key: Mapping[str, Any], description: str, build: Callable[[Path], None]) -> None:
    # Not flushed to the disk: what a power cut tears, the checksums find.
    beside = place.with_name(f".{place.name}{_PARTIAL}")
    old = place.with_name(f".{place.name}.old{_PARTIAL}")
    try:
        _remove(beside)
        beside.mkdir(parents=True)
        build(beside)
        files = {name: [(beside / name).stat().st_size, hash_of_file(beside / name)] for name in _names(beside)}
        (beside / _ENTRY).write_text(_written({"description": description, "files": files, "key": key}), "utf-8")
        if place.exists():
            place.replace(old)
        beside.replace(place)
    except OSError as error:
        raise cannot_write(place, error) from error
    finally:
        _remove(beside)
        _remove(old)


def _damage(place: Path, key: Mapping[str, Any]) -> str | None:
    """What is wrong with an entry; an empty text if there is none, `None` if it is sound."""
    try:
        text = (place / _ENTRY).read_text("utf-8")
        entry = json.loads(text)
        if _written(entry) != text or entry["key"] != json.loads(_canonical(key)):
            return f"{_ENTRY} was changed"
        files = entry["files"]
        present = set(_names(place)) - {_ENTRY}
        if present != set(files):
            return f"{sorted(present ^ set(files))[0]} is missing or does not belong there"
        for name, (size, digest) in files.items():
            if (place / name).stat().st_size != size:
                return f"{name} has another size"
            if hash_of_file(place / name) != digest:
                return f"{name} has other bytes"
    except FileNotFoundError:
        return f"{_ENTRY} is missing" if place.exists() else ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def _size(folder: Path) -> int:
    return sum((folder / name).stat().st_size for name in _names(folder))


def _opened(place: Path) -> Path:
    _checked.add(place)
    with suppress(OSError):
        os.utime(place / _ENTRY)
    return place


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _written(entry: Mapping[str, Any]) -> str:
    """The text of `entry.json`: it says a hash of the rest itself, so that every byte of it is checked too."""
    content = {name: value for name, value in entry.items() if name != "checksum"}
    digest = hashlib.sha256(_canonical(content).encode()).hexdigest()
    return json.dumps({**content, "checksum": digest}, sort_keys=True, indent=1) + "\n"


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


def _with_cache_again(process: int) -> None:
    global _temporary
    if _temporary is not None and os.getpid() == process:  # not in a worker that was forked
        _remove(_temporary)
        _temporary = None
