"""Rows in an Arrow file, of which is known, when it is written, what the core wants to know of texts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from pegboard.cache import content_key
from pegboard.errors import DataError
from pegboard.plugins.code import code_version
from pegboard.text.ahead import read_ahead
from pegboard.text.texts import TextsHash, check_texts

__all__ = ["fingerprint_beside", "write_rows"]


def write_rows(file: Path, schema: pa.Schema, rows: Iterable[pa.RecordBatch], *, checked: bool = False) -> int:
    """Write rows as an Arrow IPC stream.

    If its texts are sound, a hash of them is put beside it, in a file that ends in `.fingerprint`.
    Of a data set that writes its rows in this way into an entry of the `Cache`, and opens them from there, the texts
    are not read a second time to be checked and hashed.

    Args:
        file: where to.
        schema: has a column `text`, Arrow `string` or `large_string`.
        rows: in batches, which are made and hashed in a thread.
        checked: whether all texts are known to be sound: none is missing or nothing but white space, all are UTF-8.

    Returns:
        How many rows there are.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> rows = pa.RecordBatch.from_pydict({"text": ["to be", "or not"]})
        >>> with TemporaryDirectory() as folder:
        ...     write_rows(Path(folder) / "train.arrow", rows.schema, [rows])
        2
    """
    count = 0
    texts = _SoundTexts(checked)
    beside = _fingerprint_file(file)
    beside.unlink(missing_ok=True)
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, schema) as stream:
        for batch in read_ahead(texts.of(rows)):
            stream.write_batch(batch)
            count += len(batch)
    if count and texts.sound:
        beside.write_text(json.dumps({"fingerprint": texts.hash.hexdigest(), "code": code_version(TextsHash)}), "utf-8")
    return count


def fingerprint_beside(file: Path) -> str | None:
    """The hash of the texts in a file that `write_rows` wrote; `None` unless they and it are as they were written.

    Another version may check texts otherwise, or have another hash of them.
    """
    beside = _fingerprint_file(file)
    if content_key(file) is None or content_key(beside) is None:
        return None
    found = json.loads(beside.read_text("utf-8"))
    return str(found["fingerprint"]) if found["code"] == code_version(TextsHash) else None


class _SoundTexts:
    def __init__(self, checked: bool) -> None:
        self.hash = TextsHash()
        self.sound = True
        self._checked = checked

    def of(self, rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows; their texts are hashed as long as nothing is wrong with any."""
        for batch in rows:
            if self.sound:
                try:
                    texts = batch.column("text")
                    self.hash.update(texts if self._checked else check_texts(texts))
                except DataError:  # who uses the texts says what is wrong, if it is to them
                    self.sound = False
            yield batch


def _fingerprint_file(file: Path) -> Path:
    return file.with_name(f"{file.name}.fingerprint")
