"""The tracker `sqlite`: one file for all runs, to be asked with SQL, pandas, or any SQLite browser."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard import UsageError

from pegboard_trackers.history import Point

if TYPE_CHECKING:
    from pegboard import RunContext

__all__ = ["SqliteTracker"]

_APPLICATION_ID = 0x50656762
_VERSION = 1
_PATIENCE, _PATIENCE_AT_THE_END = 2.0, 30.0

_SCHEMA = f"""
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    folder TEXT NOT NULL,     -- the run folder
    identity TEXT NOT NULL,   -- the hash of recipe and data: the same in two runs that must end alike
    dataset TEXT, tokenizer TEXT, encoder TEXT, trainer TEXT, seed INTEGER,
    recipe TEXT NOT NULL,     -- the resolved recipe, JSON
    started REAL NOT NULL,    -- seconds since 1970
    finished REAL,            -- NULL while it is not complete
    metrics TEXT,             -- metrics.json
    UNIQUE (folder, identity)
);
CREATE TABLE points (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,       -- step/loss, epoch/validation_accuracy, test/macro_f1, ...
    step INTEGER NOT NULL,    -- optimizer steps or epochs, 0 for figures of the finished model
    value REAL NOT NULL,
    time REAL NOT NULL,
    PRIMARY KEY (run, name, step)
) WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
"""


class SqliteTracker:
    """Keeps recipe, points and figures of each run in one database.

    Several trainings may write to the same file. Where another one holds it for longer than a moment, points wait for
    the next time, so that training does not. A folder that is trained again with the same recipe keeps its row; with
    another recipe it gets a new one.

    Args:
        file: the database; made when the first points come.
        run: whose points they are.
    """

    def __init__(self, file: Path, run: RunContext) -> None:
        self._file = file
        self._whose = (str(run.folder.absolute()), run.identity)
        self._recipe = run.recipe.document()
        self._waiting: list[Point] = []
        self._anew = True

    def rewrite(self, points: Sequence[Point]) -> None:
        """Put these in the place of all points that the run has there."""
        self._waiting, self._anew = list(points), True
        self._write(_PATIENCE)

    def append(self, points: Sequence[Point]) -> None:
        """Add points."""
        self._waiting += points
        self._write(_PATIENCE)

    def finish(self, history: Sequence[Point], figures: Sequence[Point], metrics: Mapping[str, Any]) -> None:
        """Add the figures of the finished model; the run is complete."""
        self._waiting, self._anew = [*history, *figures], True
        self._write(_PATIENCE_AT_THE_END, metrics)

    def _write(self, patience: float, metrics: Mapping[str, Any] | None = None) -> None:
        try:
            with self._transaction(patience) as database:
                run = self._row(database)
                if self._anew:
                    database.execute("DELETE FROM points WHERE run = ?", [run])
                    database.execute("UPDATE runs SET finished = NULL, metrics = NULL WHERE id = ?", [run])
                rows = [(run, *point) for point in self._waiting]
                database.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?)", rows)
                if metrics is not None:
                    done = [time.time(), json.dumps(metrics), run]
                    database.execute("UPDATE runs SET finished = ?, metrics = ? WHERE id = ?", done)
        except sqlite3.OperationalError as error:
            if metrics is None and "locked" in str(error):
                return
            raise
        self._waiting, self._anew = [], False

    @contextmanager
    def _transaction(self, patience: float) -> Iterator[sqlite3.Connection]:
        """A connection of its own each time, so that nothing is open when the process is killed or forked."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._file, timeout=patience, isolation_level=None)) as database:
            database.execute("PRAGMA foreign_keys = ON")
            database.execute("BEGIN IMMEDIATE")
            self._check(database)
            yield database
            database.execute("COMMIT")

    def _check(self, database: sqlite3.Connection) -> None:
        """Make the tables in a new file; leave alone what is something else."""
        [[application]] = database.execute("PRAGMA application_id")
        [[version]] = database.execute("PRAGMA user_version")
        if (application, version) == (_APPLICATION_ID, _VERSION):
            return
        [[tables]] = database.execute("SELECT count(*) FROM sqlite_master")
        if application == _APPLICATION_ID:
            raise UsageError(
                f"the database has the format {version}, and this version knows {_VERSION}", where=str(self._file)
            )
        if application or version or tables:
            raise UsageError("is another program's database", where=str(self._file), hint="--track sqlite=FILE")
        for statement in _SCHEMA.split(";"):
            database.execute(statement)

    def _row(self, database: sqlite3.Connection) -> int:
        names = [self._recipe[kind]["name"] for kind in ("dataset", "tokenizer", "encoder", "trainer")]
        recipe = json.dumps(self._recipe, default=str)
        database.execute(
            "INSERT OR IGNORE INTO runs (folder, identity, dataset, tokenizer, encoder, trainer, seed, recipe, started)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [*self._whose, *names, self._recipe["seed"], recipe, time.time()],
        )
        [[run]] = database.execute("SELECT id FROM runs WHERE folder = ? AND identity = ?", self._whose)
        return int(run)
