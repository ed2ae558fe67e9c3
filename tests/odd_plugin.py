"""A one-file plugin whose components go wrong in one way each, and a data set given as JSON."""

import errno
import json
import os
import signal
from pathlib import Path

import datasets
import pegboard
import torch
from torch import nn


def _kill_at(count):
    """Let the process die at its `count`-th flush to the disk, as a power cut would."""
    flush, calls = os.fsync, []

    def fsync(handle):
        calls.append(handle)
        if len(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        flush(handle)

    os.fsync = fsync


if "KILL_AT_FLUSH" in os.environ:
    _kill_at(int(os.environ["KILL_AT_FLUSH"]))


class TableOptions(pegboard.DatasetOptions):
    path: str
    """a JSON file: {"names": [labels], split: [[text, label], ...], ...}"""


class Table:
    def __init__(self, options):
        self.options = options

    def load(self):
        content = json.loads(Path(self.options.path).read_text(encoding="utf-8"))
        label = datasets.ClassLabel(names=content.pop("names"))
        features = datasets.Features({"text": datasets.Value("string"), "label": label})
        return datasets.DatasetDict(
            {
                split: datasets.Dataset.from_dict(
                    {"text": [text for text, _ in rows], "label": [label for _, label in rows]}, features=features
                )
                for split, rows in content.items()
            }
        )


class BrokenOptions(pegboard.Options):
    how: str = "raise"
    marker: str = ""


class BrokenDataset:
    def __init__(self, options):
        pass

    def load(self):
        return ["not", "a", "DatasetDict"]


class BrokenTokenizer(pegboard.PieceTokenizer):
    def __init__(self, options):
        super().__init__(pegboard.TokenizerOptions())
        self.how = options.how

    def split(self, text):
        if self.how == "raise":
            raise ZeroDivisionError("one text too many")
        return text.split()

    def encode_batch(self, texts):
        ids = super().encode_batch(texts)
        if self.how == "fewer":
            return ids[1:]
        return ids

    @property
    def vocab_size(self):
        return 3 if self.how == "too small" else super().vocab_size

    def save(self, folder):
        if self.how == "folder":
            (folder / "vocabulary").mkdir()
        if self.how == "config":
            (folder / "config.json").write_text("{}")
        super().save(folder)


class BrokenEncoder(nn.Module):
    hidden_size = 4
    max_length = None

    def __init__(self, options, vocab):
        super().__init__()
        if options.how == "build":
            raise KeyError("hidden")
        if options.how == "memory":
            raise MemoryError("no room for the embedding")
        if options.how == "short":
            self.max_length = 7
        self.embedding = nn.Embedding(vocab.size, 4)

    def forward(self, input_ids, attention_mask):
        raise IndexError("forward went wrong")


class BrokenTrainer(pegboard.Trainer):
    """Goes wrong once: not any more when the marker file is there, which it writes first."""

    def fit(self, model, data, run):
        marker = Path(self.options.marker) if self.options.marker else None
        if marker and marker.exists():
            return _train(model, data, run)
        if marker:
            marker.touch()
        return getattr(self, self.options.how)(model, data, run)

    def interrupt(self, model, data, run):
        run.epoch_finished({"epoch": 1})
        raise KeyboardInterrupt

    def interrupt_at_once(self, model, data, run):
        raise KeyboardInterrupt

    def kill(self, model, data, run):
        pegboard.atomic_write(run.checkpoints.parent / "log.jsonl", b"{}\n")
        (run.folder / ".model.partial-0123abcd").mkdir()
        (run.folder / "predictions").mkdir()
        (run.folder / "predictions" / ".test.parquet.partial-0123abcd").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

    def wait(self, model, data, run):
        run.epoch_finished({"epoch": 1})
        import time

        time.sleep(60)

    def full(self, model, data, run):
        run.epoch_finished({"epoch": 1})
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def memory(self, model, data, run):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 64 GB")

    def diverge(self, model, data, run):
        with torch.no_grad():
            model.head.weight.fill_(float("nan"))
        return {"epochs": 1}

    def figures(self, model, data, run):
        return {"loss": torch.tensor(1.0)}

    def error(self, model, data, run):
        raise ValueError("the schedule is empty")

    def data(self, model, data, run):
        raise pegboard.RunError("the loss is not a number", where="step 3", hint="lower the learning rate")


def _train(model, data, run):
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    for epoch in range(2):
        for rows in pegboard.bucketed_batches(data.train.lengths, 16, seed=[run.seed, epoch]):
            output = model(**data.train.collate(rows))
            optimizer.zero_grad()
            (output.loss_sum / output.loss_weight).backward()
            optimizer.step()
        run.epoch_finished({"epoch": epoch + 1})
    return {"epochs": 2}


class NoTrainer:
    def __init__(self, options):
        pass


def _broken(kind, factory, summary="goes wrong"):
    return pegboard.ComponentSpec(
        name=f"broken-{kind}", factory=f"{__name__}:{factory}", options=f"{__name__}:BrokenOptions", summary=summary
    )


@pegboard.hookimpl
def pegboard_datasets():
    yield _broken("dataset", "BrokenDataset")
    yield pegboard.ComponentSpec(
        name="table", factory=f"{__name__}:Table", options=f"{__name__}:TableOptions", summary="rows in JSON"
    )


@pegboard.hookimpl
def pegboard_tokenizers():
    yield _broken("tokenizer", "BrokenTokenizer")


@pegboard.hookimpl
def pegboard_encoders():
    yield _broken("encoder", "BrokenEncoder")
    yield pegboard.ComponentSpec(name="nowhere", factory="no_such_module:Encoder", summary="can't be imported")
    yield pegboard.ComponentSpec(
        name="needy", factory=f"{__name__}:BrokenEncoder", summary="needs more", requires=("no-such-package>=2",)
    )


@pegboard.hookimpl
def pegboard_trainers():
    yield _broken("trainer", "BrokenTrainer")
    yield pegboard.ComponentSpec(name="no-trainer", factory=f"{__name__}:NoTrainer", summary="is no Trainer")
