"""From a file of texts to memory-mapped ids: Pegboard against `datasets.map` with a transformers tokenizer.

    python tests/benchmarks/tokenize_files.py --megabytes 100 --repeats 3
    python tests/benchmarks/tokenize_files.py --tokenizers reading --formats csv,tsv,jsonl,parquet,txt

Both get the same generated file and the same trained tokenizer, turn about, each time in a new process with an empty
cache; the ids must be the same. Imports and compiling do not count, everything from opening the file to the finished
Arrow file does. Before each run its file is read and memory is touched, so that the machine has both at hand.
`datasets.map` is used as its documentation shows it: batched, and everything else at its default. Peak memory is that
of all processes together. `reading` is no tokenizer: the texts are read, checked and stored as Arrow, against
`load_dataset`.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

HERE = Path(__file__).parent
TOKENIZERS = ("word", "wordpiece", "char", "bpe", "unigram", "python")
FORMATS = ("csv", "tsv", "jsonl", "parquet", "txt")
TRAINED_ON = 10 * 2**20
MAX_LENGTH = 256

PYTHON_TOKENIZER = '''
"""A tokenizer in ten lines of Python, as a user writes it."""
import re

from pegboard import ComponentSpec, PieceTokenizer, hookimpl


class Pieces(PieceTokenizer):
    context_free = True

    def split(self, text):
        return re.findall(r"[^\\W\\d_]{1,4}|\\d|[^\\w\\s]", text)


@hookimpl
def pegboard_tokenizers():
    yield ComponentSpec(name="python", factory="ten_lines:Pieces", summary="pieces of four letters")
'''


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tokenizers", default=",".join(TOKENIZERS), help="of these, or reading")
    parser.add_argument("--formats", default="csv", help=", ".join(FORMATS))
    parser.add_argument("--without-baseline", action="store_true", help="measure Pegboard alone")
    parser.add_argument("--folder", help="keep generated files here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        run(options, Path(options.folder or temporary))


def run(options: argparse.Namespace, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "ten_lines.py").write_text(PYTHON_TOKENIZER)
    print("tokenizer   file       Pegboard MB/s      datasets.map MB/s  ratio (spread)       Pegboard peak MB")
    for name in options.tokenizers.split(","):
        trained = name == "reading" or work("train", name, "-", folder, options.megabytes)
        for kind in options.formats.split(","):
            file = generated(folder, kind, options.megabytes)
            ours, theirs = [], []
            for _ in range(options.repeats):
                ours.append(work("pegboard", name, file, folder, options.megabytes))
                if not options.without_baseline:
                    theirs.append(work("datasets", name, file, folder, options.megabytes))
            report(name, kind, ours, theirs)
        assert trained


def generated(folder: Path, kind: str, megabytes: int) -> Path:
    """The file, made once; the text is the same in every format."""
    sys.path.insert(0, str(HERE))
    from generate import lines

    file = folder / f"text-{megabytes}.{kind}"
    if not file.exists():
        unfinished = file.with_suffix(f".unfinished-{kind}")
        (write_parquet if kind == "parquet" else write_text)(unfinished, kind, lines(megabytes * 10**6))
        unfinished.rename(file)
    return file


def write_parquet(file: Path, kind: str, parts: Iterator[pa.LargeStringArray]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("text", pa.large_string()), ("label", pa.string())])
    with pq.ParquetWriter(file, schema) as parquet:
        for texts in parts:
            parquet.write_table(pa.table([texts, pa.array(labels(len(texts)))], schema=schema))


def write_text(file: Path, kind: str, parts: Iterator[pa.LargeStringArray]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t" if kind == "tsv" else ",", lineterminator="\n")
        if kind in ("csv", "tsv"):
            writer.writerow(["text", "label"])
        for texts in parts:
            rows = texts.to_pylist()
            if kind in ("csv", "tsv"):
                writer.writerows(zip(rows, labels(len(rows)), strict=True))
            elif kind == "jsonl":
                stream.writelines(
                    json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n"
                    for text, label in zip(rows, labels(len(rows)), strict=True)
                )
            else:
                stream.writelines(text + "\n" for text in rows)


def labels(count: int) -> list[str]:
    return [("yes", "no")[i % 2] for i in range(count)]


def report(name: str, kind: str, ours: list[dict], theirs: list[dict]) -> None:
    def rate(measured: dict) -> float:
        return measured["bytes"] / 1e6 / measured["seconds"]

    peak = max(measured["peak"] for measured in ours) / 1e6
    own = statistics.median(map(rate, ours))
    line = f"{name:<11} {kind:<8} {own:9.1f} "
    if theirs:
        if name != "python":
            assert {m["ids"] for m in ours} == {m["ids"] for m in theirs}, "the ids differ"
        ratios = sorted(rate(a) / rate(b) for a, b in zip(ours, theirs, strict=True))
        base = statistics.median(map(rate, theirs))
        line += f"{base:19.2f} {statistics.median(ratios):14.1f}x ({ratios[0]:.1f} to {ratios[-1]:.1f})"
    print(f"{line} {peak:12.0f}", flush=True)


def work(what: str, tokenizer: str, file: Path | str, folder: Path, megabytes: int) -> dict:
    """Do one piece of work in a new process with an empty cache."""
    if what != "train":
        warm_up(Path(file))
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        environment = {
            **os.environ,
            "PEGBOARD_CACHE": f"{cache}/pegboard",
            "HF_HOME": f"{cache}/hf",
            "HF_DATASETS_CACHE": f"{cache}/hf",
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": str(folder),
        }
        command = [sys.executable, __file__, "--worker", what, tokenizer, str(file), str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        return json.loads(done.stdout.splitlines()[-1])


def worker(what: str, tokenizer: str, file: str, folder: str) -> None:
    if what == "train":
        train(tokenizer, Path(folder))
        print(json.dumps({"trained": True}))
        return
    os.sync()  # what the run before wrote must not be written at this one's cost
    ids, seconds = (by_pegboard if what == "pegboard" else by_datasets)(tokenizer, file, Path(folder))
    status = Path("/proc/self/status").read_text()  # getrusage would count what the parent held when it started this
    helpers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # of the largest one
    cores = len(os.sched_getaffinity(0))
    peak = (int(re.search(r"VmHWM:\s+(\d+)", status)[1]) + (cores - 1) * helpers) * 1024
    ids = ids()
    result = {"seconds": seconds, "bytes": Path(file).stat().st_size, "peak": peak, "ids": digest(ids)}
    print(json.dumps(result))


def warm_up(file: Path) -> None:
    """Read a file, and touch as much memory as its Arrow files may take: a machine may have to get it from a host."""
    with file.open("rb", buffering=0) as stream:
        while stream.read(2**24):
            pass
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    block = b"x" * 2**24
    touched = [bytearray(block) for _ in range(min(4 * file.stat().st_size, free // 2) // len(block))]
    del touched


def train(name: str, folder: Path) -> None:
    import pegboard

    sys.path.insert(0, str(HERE))
    from generate import lines

    target = folder / f"tokenizer-{name}"
    if target.exists():
        return
    own = [str(folder / "ten_lines.py")] if name == "python" else []
    tokenizer = pegboard.build_tokenizer(name, plugins=own, vocab_size=8000, max_length=MAX_LENGTH)
    tokenizer.train(text for texts in lines(TRAINED_ON, seed=7) for text in texts.to_pylist())
    target.mkdir()
    tokenizer.save(target)


def by_pegboard(name: str, file: str, folder: Path) -> tuple[Callable[[], object], float]:
    from pegboard import Cache
    from pegboard.options import check_options
    from pegboard.pipeline.data import load_data
    from pegboard.pipeline.tokens import encode_to_files
    from pegboard.plugins.registry import Registry
    from pegboard.recipe import Choice
    from pegboard.text.stored import open_ids

    registry = Registry([str(folder / "ten_lines.py")] if name == "python" else [])
    if name == "reading":
        return read_by_pegboard(file, folder, registry)
    component = registry.find("tokenizer", name)
    options = check_options(
        registry.options_of(component), {"vocab_size": 8000, "max_length": MAX_LENGTH}, table="tokenizer"
    )
    tokenizer = registry.factory_of(component).load(folder / f"tokenizer-{name}", options)
    dataset = dataset_of(file, registry)
    load_compiled(folder)
    start = time.perf_counter()
    data = load_data(dataset, registry, cut=False, labelled=False)
    texts = [split.texts for split in data.splits.values()]
    [stored] = encode_to_files(Choice(component, options), registry, tokenizer, texts, Cache.open())
    return lambda: open_ids(stored.file), time.perf_counter() - start


def load_compiled(folder: Path) -> None:
    """Load what is compiled once, which is no part of a run."""
    from pegboard.text.compiled import Kernels
    from pegboard_data.compiled_fields import FieldLoops

    own_cache = os.environ["PEGBOARD_CACHE"]
    os.environ["PEGBOARD_CACHE"] = str(folder / "compiled")
    for loops in (Kernels, FieldLoops):
        loops.load()
    os.environ["PEGBOARD_CACHE"] = own_cache


def read_by_pegboard(file: str, folder: Path, registry: object) -> tuple[Callable[[], object], float]:
    from pegboard.pipeline.data import load_data

    dataset = dataset_of(file, registry)
    load_compiled(folder)
    start = time.perf_counter()
    data = load_data(dataset, registry, cut=False, labelled=False)
    return data.splits["train"].texts.fingerprint, time.perf_counter() - start


def dataset_of(file: str, registry: object) -> object:
    """The choice of the file as a data set, with all that it imports imported."""
    from pegboard.recipe import resolve_dataset

    settings = {"labelled": False} if file.endswith(".txt") else {}
    dataset = resolve_dataset({"dataset": {"name": file, **settings}}, registry)
    registry.factory_of(dataset.component)
    import datasets.arrow_dataset  # noqa: F401

    return dataset


def by_datasets(name: str, file: str, folder: Path) -> tuple[Callable[[], object], float]:
    import datasets
    import transformers

    if name == "python":
        name = "wordpiece"
        train(name, folder)
    fast = name != "reading" and transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / f"tokenizer-{name}" / "tokenizer.json"), model_max_length=MAX_LENGTH
    )
    kind = {"tsv": "csv", "jsonl": "json", "txt": "text"}.get(Path(file).suffix[1:], Path(file).suffix[1:])
    more = {"delimiter": "\t"} if file.endswith(".tsv") else {}
    start = time.perf_counter()
    data = datasets.load_dataset(kind, data_files=file, split="train", **more)
    if name == "reading":
        from pegboard.text.texts import Texts

        seconds = time.perf_counter() - start
        return Texts.of_dataset(data).fingerprint, seconds
    encoded = data.map(lambda batch: fast(batch["text"], truncation=True), batched=True)
    seconds = time.perf_counter() - start
    return lambda: encoded, seconds


def digest(ids: object) -> str:
    """A hash of all ids and lengths, or that of texts as it is."""
    import numpy as np

    if isinstance(ids, str):
        return ids
    result = hashlib.sha256()
    if hasattr(ids, "starts"):
        for first in range(0, len(ids.lengths), 10_000):
            starts, lengths = ids.starts[first : first + 10_000], ids.lengths[first : first + 10_000]
            result.update(lengths.astype(np.int64).tobytes())
            for start, length in zip(starts, lengths, strict=True):
                result.update(ids.values[start : start + length].tobytes())
        return result.hexdigest()
    for first in range(0, len(ids), 10_000):
        rows = ids.with_format("arrow")[first : first + 10_000].column("input_ids").combine_chunks()
        result.update(rows.value_lengths().to_numpy().astype(np.int64).tobytes())
        result.update(rows.flatten().to_numpy().astype(np.int32).tobytes())
    return result.hexdigest()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(*sys.argv[2:])
    else:
        main()
