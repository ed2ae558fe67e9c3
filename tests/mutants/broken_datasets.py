"""One correct data set, and variations of it that have one realistic fault each."""

import os
import random
import re
import socket
import tempfile
from pathlib import Path

import datasets
import pegboard
from pydantic import Field

FOLDERS = []  # removed when the process ends
LABELS = ("north", "south", "east", "west", "up", "down")


class RowsOptions(pegboard.DatasetOptions):
    path: str = ""
    """a file of lines `split<tab>label<tab>text`; made-up rows without one"""


class Correct:
    """Made-up rows, or those of a file."""

    def __init__(self, options):
        self.options = options

    def load(self):
        rows = self.rows()
        return datasets.DatasetDict({name: self.split(name, rows[name]) for name in rows})

    def rows(self):
        """For each split its pairs of text and label."""
        if self.options.path:
            return self.read(Path(self.options.path))
        every = [(f"{label} by number {i}", label) for i in range(8) for label in LABELS]
        return {"train": every[:24], "validation": every[24:36], "test": every[36:]}

    def read(self, path):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            raise pegboard.DataError("there is no such file", where=str(path)) from None
        rows = {}
        for split, label, text in (line.split("\t") for line in lines):
            rows.setdefault(split, []).append((text, label))
        return rows

    def split(self, name, rows):
        features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=self.names(rows))}
        return self.made({"text": [t for t, _ in rows], "label": [label for _, label in rows]}, features)

    def made(self, columns, features):
        return datasets.Dataset.from_dict(columns, features=datasets.Features(features))

    def names(self, rows):
        return list(LABELS)


class OrderFromASet(Correct):
    """Labels in the order of a set, which is another one in each process."""

    def names(self, rows):
        return list(set(LABELS))


class NamesOfEachSplit(Correct):
    """Each split names its labels in the order in which they appear."""

    def names(self, rows):
        return list(dict.fromkeys(label for _, label in sorted(rows)[5:] + rows))


class ShufflesUnseeded(Correct):
    """`rows.shuffle()` without a seed."""

    def split(self, name, rows):
        return super().split(name, rows).shuffle()


class LabelsByChance(Correct):
    """Label names in a random order."""

    def names(self, rows):
        return random.sample(LABELS, len(LABELS))


class OnceOnly(Correct):
    """Hands out an iterator that is empty the second time."""

    def __init__(self, options):
        super().__init__(options)
        self.held = {name: iter(rows) for name, rows in super().rows().items()}

    def rows(self):
        return {name: list(rows) or [("nothing left", "up")] for name, rows in self.held.items()}


class BlankText(Correct):
    """A row whose text is white space."""

    def rows(self):
        rows = super().rows()
        return {**rows, "train": [*rows["train"], (" \n", "up")]}


class MissingText(Correct):
    """A row whose text is missing."""

    def rows(self):
        rows = super().rows()
        return {**rows, "test": [*rows["test"], (None, "up")]}


class NumbersForText(Correct):
    """Reads a column of numbers as numbers."""

    def made(self, columns, features):
        columns["text"] = list(range(len(columns["text"])))
        return super().made(columns, {**features, "text": datasets.Value("int64")})


class NoTextColumn(Correct):
    """Calls the column `sentence`."""

    def made(self, columns, features):
        return super().made(columns, features).rename_column("text", "sentence")


class SecretLabels(Correct):
    """Keeps -1 for labels that are not known."""

    def made(self, columns, features):
        numbers = [-1 if i == 3 else LABELS.index(label) for i, label in enumerate(columns["label"])]
        return super().made({**columns, "label": numbers}, features)


class TextLabels(Correct):
    """The label is a string."""

    def made(self, columns, features):
        return super().made(columns, {**features, "label": datasets.Value("string")})


class ListWithALabelTwice(Correct):
    """Lists of labels, of which one has a label twice."""

    def split(self, name, rows):
        label = datasets.Sequence(datasets.ClassLabel(names=self.names(rows)))
        lists = [[label, *(["up", "up"] if i == 7 else [])] for i, (_, label) in enumerate(rows)]
        return self.made(
            {"text": [text for text, _ in rows], "label": lists}, {"text": datasets.Value("string"), "label": label}
        )


class ListWithAnUnnamedLabel(Correct):
    """Lists of labels, of which one has a number without a name."""

    def split(self, name, rows):
        label = datasets.Sequence(datasets.ClassLabel(names=self.names(rows)))
        numbers = [[self.names(rows).index(label), -1][: 1 + (i == 7)] for i, (_, label) in enumerate(rows)]
        return self.made(
            {"text": [text for text, _ in rows], "label": numbers}, {"text": datasets.Value("string"), "label": label}
        )


class ListsInTestOnly(Correct):
    """The labels of one split are lists."""

    def split(self, name, rows):
        made = super().split(name, rows)
        if name != "test":
            return made
        lists = [[label] for label in made["label"][:]]
        label = datasets.Sequence(made.features["label"])
        return self.made({"text": made["text"][:], "label": lists}, {"text": datasets.Value("string"), "label": label})


class OtherSplitNames(Correct):
    """Names a split `dev`."""

    def rows(self):
        rows = super().rows()
        return {"train": rows["train"], "dev": rows["validation"], "test": rows["test"]}


class NoDict(Correct):
    """Gives train alone."""

    def load(self):
        return super().load()["train"]


class EmptySplit(Correct):
    """A split that was filtered until nothing was left."""

    def rows(self):
        return {**super().rows(), "validation": []}


class LabelNotInTrain(Correct):
    """Sorted by label before it was cut."""

    def rows(self):
        rows = super().rows()
        return {**rows, "train": [row for row in rows["train"] if row[1] != "down"]}


class OneLabel(Correct):
    """Train holds the first label only."""

    def rows(self):
        rows = super().rows()
        return {"train": [row for row in rows["train"] if row[1] == "north"]}


class SharesItsCache(Correct):
    """The same object at every load."""

    cache = None

    def load(self):
        if type(self).cache is None:
            type(self).cache = super().load()
        return type(self).cache


class OwnLabelText(Correct):
    """A column of label texts that says something else."""

    def made(self, columns, features):
        made = super().made(columns, features)
        return made.add_column("label_text", [LABELS[label - 1] for label in made["label"]])


class RelativePath(Correct):
    """Opens a file of its own by a path relative to where one stands."""

    def rows(self):
        return self.read(Path(self.options.path or "broken_rows.tsv"))


class FixedAtStart(Correct):
    """Gives other rows when it is not in the folder where it was first built."""

    def rows(self):
        rows = super().rows()
        return rows if Path("broken_rows.tsv").exists() else {"train": rows["train"], "test": rows["test"]}


class RawFileNotFound(Correct):
    """Lets the error of `open` through."""

    def read(self, path):
        return path.read_text()


class NamelessError(Correct):
    """Says that there is no file, but not which."""

    def read(self, path):
        raise pegboard.DataError("the data could not be read")


class RowsWithoutFile(Correct):
    """Falls back to other rows when the file is missing."""

    def read(self, path):
        return {"train": [("up we go", "up"), ("down we go", "down")]}


class AsksTheNetwork(Correct):
    """Looks for a newer version at every load."""

    def load(self):
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
            return super().load()


class FewerOffline(Correct):
    """Leaves out what it can't fetch."""

    def rows(self):
        rows = super().rows()
        return {"train": rows["train"]} if os.environ.get("HF_HUB_OFFLINE") else rows


class CachesAnew(Correct):
    """Writes an Arrow file of its own at every load."""

    def made(self, columns, features):
        FOLDERS.append(tempfile.TemporaryDirectory(prefix="pegboard-mutant-"))
        super().made(columns, features).save_to_disk(FOLDERS[-1].name)
        return datasets.load_from_disk(FOLDERS[-1].name)


class WideShareOptions(RowsOptions):
    test_share: float = 0.15


class WideShares(Correct):
    """Redefines a common option and loses its range."""


class OddDefaultOptions(RowsOptions):
    rows_of_a_label: int = Field(0, ge=1)


class OddDefault(Correct):
    """A default that its own range refuses."""


class LaxOptions(RowsOptions, strict=False):
    shuffled: bool = False


class Lax(Correct):
    """Its options are not strict."""


OPTIONS = {WideShares: WideShareOptions, OddDefault: OddDefaultOptions, Lax: LaxOptions}


@pegboard.hookimpl
def pegboard_datasets():
    for mutant in list(globals().values()):
        if isinstance(mutant, type) and issubclass(mutant, Correct):
            name = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=A)(?=[A-Z][a-z])", "-", mutant.__name__).lower()
            yield pegboard.ComponentSpec(
                name=name,
                factory=f"{__name__}:{mutant.__name__}",
                options=f"{__name__}:{OPTIONS.get(mutant, RowsOptions).__name__}",
                summary=mutant.__doc__,
            )
