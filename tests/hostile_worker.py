"""Loads model folders that may be hostile, and tells what each of them did: one JSON object a line on stdout.

Run by test_hostile_models.py as `python hostile_worker.py PLUGIN GENUINE FOLDER...`. The genuine model is loaded first,
so that everything is imported when the others come; from then on an audit hook watches what the process does.
"""

import contextlib
import faulthandler
import io
import json
import os
import resource
import sys
import sysconfig
import time
import warnings
from pathlib import Path

import pegboard
from pegboard.cli.main import main

TEXTS = ["glad day number 3", "", "tired and rainy " * 40, "x" * 3000]
SECONDS = 10
FORBIDDEN = ("subprocess.", "socket.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.startfile", "pickle.")
CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
PYTHON = [sys.prefix, sys.base_prefix, *map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib"))]
SOURCES = [Path(pegboard.__file__).parents[2], Path(__file__).parent]
SETTINGS = os.environ.get("PEGBOARD_CONFIG", "/dev/null")
OTHERS = [SETTINGS, "/proc/", "/sys/", "/dev/null", "/dev/urandom"]


class Watch:
    """What the audit hook finds while one folder is loaded."""

    def __init__(self):
        self.folder = None
        self.found = []
        self.trusted = [str(place) for place in (*PYTHON, *SOURCES, *OTHERS)]

    def __call__(self, event, arguments):
        if self.folder is None:
            return
        if event.startswith((*FORBIDDEN, *CHANGES)):
            self.found.append(f"{event} {arguments!r:.200}")
        elif event == "open":
            self.on_open(*arguments)
        elif event == "compile" and self.is_inside(arguments[1]):
            self.found.append(f"compile {arguments[1]!r}")
        elif event == "exec" and self.is_inside(arguments[0].co_filename):
            self.found.append(f"exec {arguments[0].co_filename!r}")
        elif event == "import" and self.is_inside(arguments[1]):
            self.found.append(f"import {arguments[1]!r}")

    def on_open(self, path, mode, flags):
        if not isinstance(path, (str, bytes)):
            return
        name = os.fsdecode(path)
        writes = flags & (os.O_WRONLY | os.O_RDWR) or set(mode or "") & set("wax+")
        if writes and name != os.devnull:
            self.found.append(f"open to write {name}")
        elif not self.is_inside(name) and not os.path.abspath(name).startswith(tuple(self.trusted)):  # noqa: PTH100
            self.found.append(f"open {name}")

    def is_inside(self, name):
        name = os.fsdecode(name) if isinstance(name, bytes) else name
        return isinstance(name, str) and os.path.realpath(name).startswith(str(self.folder) + os.sep)


def outcome_of(load):
    """What a call came to, how it says so, and what it predicts."""
    try:
        classifier = load()
        return {"outcome": "loaded", "probabilities": classifier.predict_proba(TEXTS).tolist()}
    except BaseException as error:  # also what a Rust extension panics with
        return {"outcome": type(error).__name__, "message": str(error)[:5000]}


def command_line(folder, plugin):
    """The exit status and the messages of `pegboard predict`."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(["predict", str(folder), TEXTS[0], "--plugin", plugin])
        except SystemExit as left:
            return {"status": left.code, "err": err.getvalue()[:5000]}
        except BaseException as error:
            return {"status": None, "err": repr(error)}


def run(plugin, genuine, folders):
    warnings.simplefilter("ignore", pegboard.PegboardWarning)
    outcome_of(lambda: pegboard.load(genuine, plugins=[plugin]))
    command_line(genuine, plugin)
    watch = Watch()
    sys.addaudithook(watch)
    for folder in (genuine, *folders):
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        watch.folder, watch.found = Path(folder).resolve(), []
        started = time.perf_counter()
        result = outcome_of(lambda folder=folder: pegboard.load(folder, plugins=[plugin]))
        if result["outcome"] != "loaded":
            result |= command_line(folder, plugin)
        seconds = time.perf_counter() - started
        watch.folder = None
        faulthandler.cancel_dump_traceback_later()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        result |= {"folder": folder, "found": watch.found, "seconds": seconds, "memory": memory}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], sys.argv[3:])
