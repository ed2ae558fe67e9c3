"""A one-file plugin: a tokenizer that tells how often it was trained, what all processes but the main one write, and
the threads that each is left with.

`WATCHED` is the folder below which writing is noted, `NOTES` the folder of the notes.
"""

import atexit
import os
import sys
from pathlib import Path

import pegboard

NOTES = Path(os.environ["NOTES"])
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def note(name, text):
    handle = os.open(NOTES / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, f"{text}\n".encode())
    os.close(handle)


def watch(event, arguments):
    writes = event in ("os.mkdir", "os.remove", "os.rmdir", "os.rename") or (event == "open" and arguments[2] & WRITING)
    if writes and str(arguments[0]).startswith(os.environ["WATCHED"] + os.sep):
        note("written", f"{event} {arguments[0]}")


if os.environ.get("RANK", "0") != "0":
    sys.addaudithook(watch)
    note("others", os.getpid())


@atexit.register  # and so called after all that is registered later
def threads():
    note("threads", " ".join(task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")))


class NotingTokenizer(pegboard.PieceTokenizer):
    def train(self, texts):
        note("trained", os.getpid())
        super().train(texts)

    def split(self, text):
        return text.split()


@pegboard.hookimpl
def pegboard_tokenizers():
    yield pegboard.ComponentSpec(
        name="noting", factory=f"{__name__}:NotingTokenizer", options="pegboard:TokenizerOptions", summary="notes"
    )
