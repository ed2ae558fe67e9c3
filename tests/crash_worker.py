"""Runs a command again and again, with a fault at one operation under its run folder: `crash_worker.py PLAN RESULTS`.

PLAN is a JSON object: `command` (arguments of `pegboard`, without `--out`), `folder` (where runs are made) and
`faults`, each `[number, how]`. The operations of an undisturbed run are counted from 0; what is counted is whatever
changes files: opening to write, making and removing files and folders, renaming, flushing to the disk. `how` is

- `kill`: SIGKILL just before the operation,
- `torn`: the same, and where the operation before it opened a file, only a part of that was written,
- `full`: from there on no file can grow, as the system's own limit makes it,
- `ENOSPC`, `EDQUOT`: from there on nothing can be written or made, but removed and renamed,
- `EROFS`: from there on nothing can be changed,
- `EIO`: this one operation fails.

Each fault gets a process of its own, forked from one that has imported everything, and so does the same command given
again afterwards. RESULTS is written as `{"operations": [...], "digest": ..., "names": [...], "results": [...]}`.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import signal
import sys
from pathlib import Path

# A forked child has none of the threads that a pool of its parent believes in.
os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"}

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
ADDING = ("open", "mkdir", "fsync", "truncate")


class Faults:
    """Counts the operations under a folder, and lets one of them go wrong."""

    def __init__(self, folder, number=-1, how="none"):
        self.folder, self.number, self.how = str(folder), number, how
        self.seen, self.written = [], None
        self.real_fsync = os.fsync

    def install(self):
        sys.addaudithook(self.audit)
        os.fsync = self.fsync

    def audit(self, event, arguments):
        if event == "open":
            path, mode, flags = arguments
            if flags & WRITING:
                self.operation("open", path, appends=bool(flags & os.O_APPEND) or "a" in (mode or ""))
        elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.truncate"):
            at = {"os.mkdir": 2, "os.remove": 1, "os.rmdir": 1, "os.rename": 2, "os.truncate": 9}[event]
            self.operation(event.removeprefix("os."), arguments[0], arguments[at] if at < len(arguments) else -1)

    def fsync(self, handle):
        self.operation("fsync", handle)
        self.real_fsync(handle)

    def operation(self, kind, path, folder_handle=-1, appends=False):
        if isinstance(path, int):
            folder_handle, path = path, ""
        below = Path(f"/proc/self/fd/{folder_handle}").readlink() if folder_handle >= 0 else Path.cwd()
        path = str(below / os.fsdecode(path))
        if not path.startswith(self.folder):
            return
        number = len(self.seen)
        self.seen.append(f"{kind} {path[len(self.folder) :]}")
        if number >= self.number >= 0:
            self.strike(kind, path, first=number == self.number, appends=appends)
        if kind == "open":
            self.written = (path, appends)

    def strike(self, kind, path, *, first, appends):
        if self.how in ("kill", "torn"):
            if self.how == "torn" and self.seen[-2:-1] and self.seen[-2].startswith("open"):
                file, appended = self.written
                size = Path(file).stat().st_size
                os.truncate(file, size - 5 if appended else size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "full":
            if first:
                size = Path(path).stat().st_size if appends and Path(path).exists() else 0
                resource.setrlimit(resource.RLIMIT_FSIZE, (size + 7, resource.RLIM_INFINITY))
            return
        if first or self.how == "EROFS" or (self.how in ("ENOSPC", "EDQUOT") and kind in ADDING):
            number = getattr(errno, self.how)
            raise OSError(number, os.strerror(number), path)


def run(command, out, faults=None):
    """Give the command in a child; its exit status, negative for a signal, and what it wrote to stderr."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writing, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if faults is not None:
            faults.install()
        os._exit(give(command, out))
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def give(command, out):
    from pegboard.cli.main import main

    signal.alarm(60)
    try:
        main([*command, "--out", str(out)])
    except SystemExit as left:
        signal.alarm(0)
        sys.stderr.flush()
        return left.code if isinstance(left.code, int) else 1
    return 99


def digest(out):
    file = out / "model" / "model.safetensors"
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None


def names(out):
    return sorted(str(path.relative_to(out)) for path in out.rglob("*"))


def half_done(out):
    """What has its final name and is not whole, which must be nothing: of checkpoints the newest counts."""
    import pyarrow.parquet

    wrong = []
    checkpoints = [] if (out / "metrics.json").is_file() else sorted(out.glob("checkpoints/step-*"))[-1:]
    for folder in [*checkpoints, *out.glob("model")]:
        manifest = json.loads((folder / "manifest.json").read_text()) if (folder / "manifest.json").is_file() else {}
        sums = manifest.get("sha256", manifest)
        sound = sums and all(
            (folder / name).is_file() and hashlib.sha256((folder / name).read_bytes()).hexdigest() == wanted
            for name, wanted in sums.items()
        )
        if not sound:
            wrong.append(str(folder))
    for file in out.glob("predictions/*.parquet"):
        pyarrow.parquet.read_table(file)
    for file in out.glob("metrics.json"):
        json.loads(file.read_text())
    return wrong


def main():
    plan = json.loads(Path(sys.argv[1]).read_text())
    base, command = Path(plan["folder"]), plan["command"]
    assert give(command, base / "warm") == 0  # imports everything, and fills the cache
    counter = Faults(base / "plain")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        counter.install()
        status = give(command, base / "plain")
        os.write(writing, json.dumps(counter.seen).encode())
        os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        operations = json.loads(stream.read())
    assert os.waitpid(child, 0)[1] == 0
    results = []
    for number, how in plan["faults"]:
        out = base / "run" / "deep"
        first, said = run(command, out, Faults(out.parent, number, how))
        result = {"number": number, "how": how, "first": first, "said": said, "half_done": half_done(out)}
        result["second"], result["then"] = run(command, out)
        result["digest"], result["names"] = digest(out), names(out)
        lines = (out / "log.jsonl").read_text().splitlines() if (out / "log.jsonl").is_file() else ["{"]
        try:
            result["log"] = len([json.loads(line) for line in lines])
        except ValueError as error:
            result["log"] = str(error)
        results.append(result)
        for path in sorted((base / "run").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (base / "run").rmdir()
    outcome = {"operations": operations, "digest": digest(base / "plain"), "names": names(base / "plain")}
    Path(sys.argv[2]).write_text(json.dumps({**outcome, "results": results}))


if __name__ == "__main__":
    main()
