"""Encode a large split in several processes, each one a stretch of it.

Processes rather than threads, since a tokenizer may be written in Python. A new interpreter is started for each, not a
fork, since the libraries below run threads, and not by `multiprocessing`, which would import the user's script again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pegboard.console import Console
from pegboard.text.stored import read_ids, write_ids
from pegboard.text.texts import Texts
from pegboard.threads import usable_cores

if TYPE_CHECKING:
    import pyarrow as pa

    from pegboard.contracts.tokenizer import Tokenizer
    from pegboard.plugins.registry import Registry
    from pegboard.recipe import Choice

__all__ = ["encode_in_processes", "processes_for", "work"]

_BYTES_EACH = 32 * 2**20
"""Less than this a process is not worth its start."""

_BYTES_AHEAD = 12 * 2**20
"""What this process encodes while another one starts."""


def processes_for(texts: Texts, registry: Registry, tokenizer: Tokenizer) -> int:
    """How many processes should encode these texts: one for each core, if each gets enough to do and threads can't."""
    if texts.file is None or not registry.is_usual or not len(texts):
        return 1
    most = max(1, min(usable_cores(), texts.size_in_file() // _BYTES_EACH))
    return 1 if most > 1 and tokenizer.threads_suffice else most


def encode_in_processes(
    processes: int,
    choice: Choice,
    registry: Registry,
    tokenizer: Tokenizer,
    saved: Path,
    texts: Texts,
    *,
    folder: Path,
    advance: Callable[[int], None],
    console: Console,
) -> Iterator[pa.LargeListArray]:
    """The ids of all texts, in order, block by block; this process does the first stretch.

    If another process fails, its stretch is done here as well, so that an error is the one it would be without it.

    Args:
        processes: how many, this one included.
        choice: the tokenizer component and its options.
        registry: the installed components.
        tokenizer: the trained tokenizer.
        saved: a folder where it was saved.
        texts: the texts, of a file.
        folder: where to write; it is left as it was.
        advance: called with the number of texts that were read, as they are read, from any thread.
        console: is told of a process that failed.
    """
    borders = _stretches(texts, processes)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder)))
        helpers = [
            stack.enter_context(_helper(choice, registry, saved, texts, start, end, place, advance))
            for start, end in pairwise(borders[1:])
        ]
        yield from tokenizer.encode_blocks(texts.between(0, borders[1]).watched(advance).blocks())
        for helper in helpers:
            problem = helper.wait()
            if problem is None:
                yield from read_ids(helper.file)
                helper.file.unlink()
                continue
            console.note(f"note: a process that helped to encode stopped ({problem}); its part is done here")
            yield from tokenizer.encode_blocks(texts.between(helper.start, helper.end).blocks())


def _stretches(texts: Texts, processes: int) -> list[int]:
    """Where the stretches begin, and the last one ends: of equal size, but for a longer first one."""
    ahead = min(1.0, _BYTES_AHEAD / texts.size_in_file())
    others = (1 - ahead) / processes
    return [0, *(round(len(texts) * (1 - others * n)) for n in range(processes - 1, 0, -1)), len(texts)]


@dataclass
class _Helper:
    process: subprocess.Popen[str]
    reader: threading.Thread
    file: Path
    start: int
    end: int

    def wait(self) -> str | None:
        """Wait until the process has ended; gives what went wrong."""
        self.reader.join()
        status = self.process.wait()
        return None if status == 0 else f"exit status {status}"


@contextmanager
def _helper(
    choice: Choice,
    registry: Registry,
    saved: Path,
    texts: Texts,
    start: int,
    end: int,
    folder: Path,
    advance: Callable[[int], None],
) -> Iterator[_Helper]:
    """A process that encodes a stretch; it is killed when it is no longer needed."""
    file = folder / f"{start}.arrow"
    if texts.rows is not None:
        np.save(folder / f"{start}.npy", texts.rows[start:end])
    task = {
        "parent": os.getpid(),
        "plugins": [str(Path(name).absolute()) for name in registry.files],
        "tokenizer": choice.component.qualified_name,
        "options": choice.options.model_dump(mode="json"),
        "saved": str(saved),
        "texts": [str(texts.file), texts.column],
        "rows": str(folder / f"{start}.npy") if texts.rows is not None else None,
        "between": [start, end],
        "to": str(file),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", "from pegboard.pipeline.parallel import work; work()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # what it has to say is said again when its part is done here
        text=True,
        # One thread each, and no module is taken from the current folder.
        env={**os.environ, "PYTHONSAFEPATH": "1", "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    assert process.stdin is not None
    reader = threading.Thread(target=_report, args=(process, advance), daemon=True)
    reader.start()
    try:
        with process.stdin as pipe:
            json.dump(task, pipe)
        yield _Helper(process, reader, file, start, end)
    finally:
        process.kill()
        process.wait()
        reader.join()


def _report(process: subprocess.Popen[str], advance: Callable[[int], None]) -> None:
    assert process.stdout is not None
    with process.stdout as pipe:
        for line in pipe:
            advance(int(line))


def work() -> None:
    """Encode the stretch that standard input tells, and print how many texts were read whenever some were."""
    from pegboard.options import check_options
    from pegboard.plugins.registry import Registry

    task: dict[str, Any] = json.load(sys.stdin)
    registry = Registry(task["plugins"])
    component = registry.find("tokenizer", task["tokenizer"])
    options = check_options(registry.options_of(component), task["options"], table="tokenizer")
    tokenizer: Tokenizer = registry.factory_of(component).load(Path(task["saved"]), options)  # type: ignore[attr-defined]
    start, end = task["between"]
    texts = Texts.of_file(Path(task["texts"][0]), task["texts"][1], end)
    texts = texts.take(np.load(task["rows"])) if task["rows"] else texts.between(start, end)

    def report(count: int) -> None:
        if os.getppid() != task["parent"]:
            sys.exit(1)  # nobody waits for the result
        print(count, flush=True)

    write_ids(Path(task["to"]), tokenizer.encode_blocks(texts.watched(report).blocks()))
