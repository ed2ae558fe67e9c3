"""Rows that are written with the hash of their texts beside them."""

import pyarrow as pa
import pytest
from pegboard import Cache, write_rows
from pegboard.text import rows_file
from pegboard.text.rows_file import fingerprint_beside
from pegboard.text.texts import Texts

TEXTS = ["to be", "or not", "分类 \u00e9", " a "]


def batches(*texts, of_type=None):
    schema = pa.schema([("text", of_type or pa.string()), ("label", pa.int64())])
    return schema, [
        pa.record_batch([pa.array(part, schema[0].type), range(len(part))], schema=schema) for part in texts
    ]


def written(folder, rows, **options):
    return write_rows(folder / "train.arrow", *rows, **options)


@pytest.fixture
def entry(tmp_path, monkeypatch):
    """Writes rows into an entry of the cache, and gives their file."""
    monkeypatch.setenv("PEGBOARD_CACHE", str(tmp_path))

    def make(rows, **options):
        def build(folder):
            return written(folder, rows, **options)

        return Cache.open().folder("data", options, "some rows", build) / "train.arrow"

    return make


@pytest.mark.parametrize("of_type", [pa.string(), pa.large_string()])
@pytest.mark.parametrize("parts", [[TEXTS], [TEXTS[:1], TEXTS[1:3], [], TEXTS[3:]]])
def test_the_hash_is_that_of_the_texts(entry, parts, of_type):
    file = entry(batches(*parts, of_type=of_type))
    assert fingerprint_beside(file) == Texts.of(TEXTS).fingerprint()
    assert list(Texts.of_file(file, "text", len(TEXTS))) == TEXTS


def test_it_gives_the_number_of_rows(tmp_path):
    assert written(tmp_path, batches(TEXTS, TEXTS)) == 8


def test_of_no_rows_nothing_is_said(entry):
    assert fingerprint_beside(entry(batches())) is None


def test_the_texts_may_be_any_column(entry):
    rows = pa.RecordBatch.from_pydict({"label": ["x"] * len(TEXTS), "text": TEXTS})
    assert fingerprint_beside(entry((rows.schema, [rows]))) == Texts.of(TEXTS).fingerprint()


NOT_UTF8 = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff"))


@pytest.mark.parametrize("bad", [[None], [""], ["\u2003 "], NOT_UTF8])
def test_of_texts_that_are_not_sound_nothing_is_said(entry, bad):
    """Who uses them says what is wrong; all rows are written."""
    file = entry(batches(TEXTS, bad, TEXTS))
    assert fingerprint_beside(file) is None
    assert sum(len(chunk) for chunk in Texts.of_file(file, "text", 9).chunks()) == 9


def test_texts_that_were_checked_are_hashed_as_they_are(entry):
    file = entry(batches(TEXTS, [""]), checked=True)
    assert fingerprint_beside(file) == Texts.of([*TEXTS, ""]).fingerprint()
    assert fingerprint_beside(entry(batches(TEXTS, [""]), checked=False)) is None


def test_only_an_entry_of_the_cache_is_believed(tmp_path):
    written(tmp_path, batches(TEXTS))
    assert (tmp_path / "train.arrow.fingerprint").exists()
    assert fingerprint_beside(tmp_path / "train.arrow") is None


def test_a_file_without_a_hash_has_none(entry, tmp_path, monkeypatch):
    monkeypatch.setenv("PEGBOARD_CACHE", str(tmp_path))
    folder = Cache.open().folder("data", {}, "a file", lambda folder: (folder / "train.arrow").write_bytes(b""))
    assert fingerprint_beside(folder / "train.arrow") is None


def test_files_of_like_names_have_hashes_of_their_own(monkeypatch, tmp_path):
    monkeypatch.setenv("PEGBOARD_CACHE", str(tmp_path))
    splits = {"rows.train": TEXTS, "rows.test": TEXTS[:2]}

    def build(folder):
        for name, texts in splits.items():
            write_rows(folder / name, *batches(texts))

    folder = Cache.open().folder("data", {}, "two splits", build)
    for name, texts in splits.items():
        assert fingerprint_beside(folder / name) == Texts.of(texts).fingerprint()


def test_the_hash_of_what_was_there_before_goes(entry, tmp_path):
    written(tmp_path, batches(TEXTS))
    written(tmp_path, batches([""]))
    assert not (tmp_path / "train.arrow.fingerprint").exists()


def test_the_hash_of_another_version_is_not_taken(entry, monkeypatch):
    file = entry(batches(TEXTS))
    monkeypatch.setattr(rows_file, "code_version", lambda code: {"pegboard": "another"})
    assert fingerprint_beside(file) is None


@pytest.mark.parametrize("of_type", [pa.dictionary(pa.int32(), pa.string()), pa.string_view()], ids=str)
def test_the_hash_does_not_depend_on_the_type(entry, of_type):
    texts = [*TEXTS, "a text that is longer than a view has room for", *TEXTS]
    for checked in (False, True):
        file = entry(batches(texts, of_type=of_type), checked=checked)
        assert fingerprint_beside(file) == Texts.of(texts).fingerprint()


def test_an_error_of_who_makes_the_rows_is_raised(tmp_path):
    schema, rows = batches(TEXTS, TEXTS)

    def failing():
        yield from rows
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        write_rows(tmp_path / "train.arrow", schema, failing())
    assert not (tmp_path / "train.arrow.fingerprint").exists()
