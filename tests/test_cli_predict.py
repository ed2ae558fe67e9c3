"""`pegboard predict`: every way in, every way out, and what is refused on the way."""

import csv
import gzip
import io
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pegboard.pipeline.predict import BLOCK

TEXTS = ["glad day", 'a "quoted", tired\nday', "mad\tday", "", "Größe 😀"]
LABELS = ["joy", "gloom", "rage"]


def as_csv(rows, delimiter=",", header="text"):
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow([*header.split(), "id"])
    writer.writerows([row, i] for i, row in enumerate(rows))
    return stream.getvalue().encode()


def as_jsonl(rows, key="text"):
    return "".join(json.dumps({"id": i, key: row}) + "\n" for i, row in enumerate(rows)).encode()


@pytest.fixture
def predict(cli, trained, tmp_path):
    """`predict("data.csv", content, …)`: the JSON lines that stdout has for a file of this content."""

    def run(name, content, *arguments):
        file = tmp_path / name
        file.write_bytes(gzip.compress(content) if name.lower().endswith(".gz") else content)
        return cli("predict", trained, "--input", file, *arguments)

    return run


def texts_of(done):
    assert done.code == 0, done.err
    return [json.loads(line)["text"] for line in done.out.splitlines()]


TOY = str(Path(__file__).with_name("toy_plugin.py"))
PEAK = """
import resource, sys
from pegboard.cli.main import main

def run(arguments):
    try:
        main(arguments)
    except SystemExit as left:
        assert not left.code, left.code
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


class TestInput:
    @pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "A.CSV", "a.b.csv"])
    def test_csv(self, predict, name):
        assert texts_of(predict(name, as_csv(TEXTS))) == TEXTS

    @pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz"])
    def test_tsv(self, predict, name):
        assert texts_of(predict(name, as_csv(TEXTS, "\t"))) == TEXTS

    @pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
    def test_jsonl(self, predict, name):
        assert texts_of(predict(name, as_jsonl(TEXTS))) == TEXTS

    @pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
    def test_txt(self, predict, name):
        lines = ["glad day", "", 'so "tired"', "a,b\tc", "Größe 😀"]
        for ending in ("\n", "\r\n"):
            assert texts_of(predict(name, ending.join(lines).encode())) == lines
            assert texts_of(predict(name, (ending.join(lines) + ending).encode())) == lines

    @pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
    def test_parquet(self, predict, tmp_path, kind):
        pq.write_table(pa.table({"id": range(5), "text": pa.array(TEXTS).cast(kind)}), tmp_path / "a.parquet")
        assert texts_of(predict("a.parquet", (tmp_path / "a.parquet").read_bytes())) == TEXTS

    @pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt"])
    def test_byte_order_mark(self, predict, name):
        content = {"a.csv": as_csv(["glad"]), "a.jsonl": as_jsonl(["glad"]), "a.txt": b"glad\n"}[name]
        assert texts_of(predict(name, b"\xef\xbb\xbf" + content)) == ["glad"]

    @pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
    def test_empty_file_has_no_texts(self, predict, name):
        done = predict(name, b"")
        assert (done.code, done.out) == (0, "")

    def test_csv_of_the_header_alone(self, predict):
        done = predict("a.csv", b"text\n")
        assert (done.code, done.out) == (0, "")

    def test_blank_lines_are_no_rows(self, predict):
        assert texts_of(predict("a.csv", b"text,id\n\nglad,1\n\n")) == ["glad"]
        assert texts_of(predict("a.jsonl", b'\n{"text": "glad"}\n  \n')) == ["glad"]

    def test_text_longer_than_the_csv_modules_limit(self, predict):
        long = "glad " * 60_000
        assert texts_of(predict("a.csv", as_csv([long]))) == [long]

    def test_stdin(self, cli, trained):
        done = cli("predict", trained, "--input", "-", stdin="glad\n\nmad Größe\n".encode())
        assert texts_of(done) == ["glad", "", "mad Größe"]

    @pytest.mark.parametrize(
        ("name", "content"),
        [("a.csv", as_csv(["glad"], header="body")), ("a.jsonl", as_jsonl(["glad"], "body"))],
    )
    def test_other_column(self, predict, name, content):
        assert texts_of(predict(name, content, "--column", "body")) == ["glad"]


class TestBadInput:
    """Each is one message with file and line, and nothing on stdout."""

    def refused(self, done, *parts):
        assert done.code == 2
        assert done.out == ""
        assert done.err.startswith("error: ")
        assert "Traceback" not in done.err
        for part in parts:
            assert part in done.err

    @pytest.mark.parametrize(
        ("name", "content"), [("a.csv", as_csv(["glad"], header="texts")), ("a.jsonl", as_jsonl(["glad"], "texts"))]
    )
    def test_missing_column(self, predict, name, content):
        self.refused(predict(name, content), "there is no", "'text'", "did you mean texts?", "--column")

    def test_missing_column_parquet(self, predict, tmp_path):
        pq.write_table(pa.table({"body": ["a"], "id": [1]}), tmp_path / "a.parquet")
        done = predict("a.parquet", (tmp_path / "a.parquet").read_bytes())
        self.refused(done, "there is no column 'text'", "known: body, id")

    def test_column_twice(self, predict):
        self.refused(predict("a.csv", b"text,text\na,b\n"), "two columns are named 'text'")

    @pytest.mark.parametrize(
        ("content", "parts"),
        [
            (b"text,id\nglad,1\nmad,2,3\n", ["a.csv, line 3: the row has 3 fields, the header has 2", "double quotes"]),
            (b'text,id\n"two\nlines",1\nmad\n', ["a.csv, line 4: the row has 1 fields"]),
            (b'text,id\nglad,1\n"never closed,2\nmad,3\n', ["a.csv, line 3: is malformed", "close each quote"]),
            (b'text,id\n"glad"x,1\n', ["a.csv, line 2: is malformed"]),
            (b"", ["a.csv: the file is empty"]),
            (b"text\nok\n\xff\xfe\n", ["a.csv, line 3: is not UTF-8 text (byte 1", "save the file as UTF-8"]),
            ("text\nglad\n".encode("utf-16"), ["a.csv, line 1: is not UTF-8"]),
        ],
    )
    def test_csv(self, predict, content, parts):
        self.refused(predict("a.csv", content), *parts)

    @pytest.mark.parametrize(
        ("line", "parts"),
        [
            (b"{", ["line 2: is not JSON"]),
            (b'{"text": "a"} x', ["line 2: is not JSON"]),
            (b'["text"]', ["line 2: is not a JSON object"]),
            (b'{"text": 5}', ["line 2: 'text' is not a text but int"]),
            (b'{"text": null}', ["line 2: 'text' is not a text but NoneType"]),
            (b"[" * 100_000, ["line 2: is not JSON"]),
            (b'{"text": "a\\ud800"}', ["line 2: the text has a lone surrogate"]),
            (b'{"text": "\xff"}', ["line 2: is not UTF-8 text"]),
        ],
    )
    def test_jsonl(self, predict, line, parts):
        done = predict("a.jsonl", line.join([b'{"text": "glad"}\n', b"\n"]))
        self.refused(done, *parts)

    def test_escaped_pair_is_a_character(self, predict):
        assert texts_of(predict("a.jsonl", b'{"text": "\\ud83d\\ude00"}\n')) == ["😀"]

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all"])
    def test_parquet(self, predict, content):
        self.refused(predict("a.parquet", content), "a.parquet: can't be read as Parquet")

    @pytest.mark.parametrize(("values", "what"), [(["a", None], "row 1: the text is missing"), ([1], "is not a text")])
    def test_parquet_values(self, predict, tmp_path, values, what):
        pq.write_table(pa.table({"text": values}), tmp_path / "a.parquet")
        self.refused(predict("a.parquet", (tmp_path / "a.parquet").read_bytes()), what)

    def test_damaged_parquet(self, predict, tmp_path):
        pq.write_table(pa.table({"text": [f"text {i}" for i in range(1000)]}), tmp_path / "a.parquet")
        content = bytearray((tmp_path / "a.parquet").read_bytes())
        content[20:200] = b"\xff" * 180
        self.refused(predict("a.parquet", bytes(content)), "can't be read as Parquet")

    def test_gzip(self, cli, trained, tmp_path):
        generator = random.Random(0)
        whole = gzip.compress(as_csv([f"text {generator.random()}" for _ in range(3000)]))
        half = len(whole) // 2
        damaged = whole[:half] + bytes(50) + whole[half + 50 :]
        for content in (whole[:half], b"no gzip", damaged):
            (tmp_path / "a.csv.gz").write_bytes(content)
            done = cli("predict", trained, "--input", tmp_path / "a.csv.gz", "--output", tmp_path / "out.csv")
            self.refused(done, "a.csv.gz")
            assert not (tmp_path / "out.csv").exists()

    @pytest.mark.parametrize("name", ["a.xlsx", "a", "a.json", "a.parquet.gz", "a.gz"])
    def test_kind(self, predict, name):
        self.refused(predict(name, b"x"), "is of no kind that can be read", "known: .txt, .csv")

    def test_no_file(self, cli, trained, tmp_path):
        self.refused(cli("predict", trained, "--input", tmp_path / "nowhere.csv"), "no such file")
        (tmp_path / "a.csv").mkdir()
        self.refused(cli("predict", trained, "--input", tmp_path / "a.csv"), "is a folder")

    def test_stdin_that_is_no_text(self, cli, trained):
        done = cli("predict", trained, "--input", "-", stdin=b"glad\n\xff\n")
        self.refused(done, "stdin, line 2: is not UTF-8")


class TestArguments:
    def test_for_a_person(self, cli, trained):
        done = cli("predict", trained, "glad happy sunny", "mad\nand   furious " + "x" * 100)
        assert done.code == 0
        assert "\x1b" not in done.out
        lines = done.out.splitlines()
        assert len(lines) == 8
        assert lines[0].startswith("joy  0.")
        assert lines[0].endswith("  glad happy sunny")
        assert lines[1].startswith("    joy    0.")
        assert "█" in lines[1]
        assert lines[4].startswith("rage")
        assert lines[4].endswith("…")

    def test_top(self, cli, trained):
        assert len(cli("predict", trained, "glad", "--top", "1").out.splitlines()) == 2
        assert len(cli("predict", trained, "glad", "--top", "9").out.splitlines()) == 4
        assert cli("predict", trained, "glad", "--top", "0").code == 2

    def test_json(self, cli, trained, classifier):
        done = cli("predict", trained, "glad day", "", "--json")
        rows = [json.loads(line) for line in done.out.splitlines()]
        assert [row["text"] for row in rows] == ["glad day", ""]
        for row, probabilities in zip(rows, classifier.predict_proba(["glad day", ""]), strict=True):
            assert row["prediction"] == next(iter(row["probabilities"]))
            expected = dict(zip(LABELS, probabilities, strict=True))
            assert row["probabilities"] == {name: pytest.approx(p, abs=1e-6) for name, p in expected.items()}
            assert list(row["probabilities"].values()) == sorted(row["probabilities"].values(), reverse=True)

    def test_model_folder_alone(self, cli, trained, toy):
        assert cli("predict", trained / "model", "glad", "--plugin", toy).code == 0

    @pytest.mark.parametrize("arguments", [(), ("glad", "--input", "a.csv")])
    def test_either_texts_or_a_file(self, cli, trained, arguments):
        done = cli("predict", trained, *arguments)
        assert done.code == 2
        assert "give either texts or --input FILE" in done.err

    def test_json_and_a_file(self, cli, trained, tmp_path):
        done = cli("predict", trained, "glad", "--json", "--output", tmp_path / "a.csv")
        assert done.code == 2
        assert not (tmp_path / "a.csv").exists()

    def test_argument_that_is_no_unicode(self, trained, toy):
        command = [sys.executable, "-m", "pegboard", "predict", trained, "--plugin", toy, b"fine", b"a\xff"]
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode == 2
        assert done.stdout == b""
        assert b"texts[1]: character 1 is a lone surrogate" in done.stderr

    @pytest.mark.parametrize("folder", ["nowhere", "."])
    def test_no_run(self, cli, tmp_path, folder):
        done = cli("predict", tmp_path / folder, "glad")
        assert done.code == 2
        assert "error:" in done.err


class TestOutput:
    def rows(self, file):
        if file.suffix == ".parquet":
            return pq.read_table(file).to_pylist()
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".jsonl":
            return [json.loads(line) for line in text.split("\n")[:-1]]
        with file.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream, delimiter="\t" if file.suffix == ".tsv" else ",", strict=True))

    @pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet"])
    def test_kinds(self, cli, trained, classifier, tmp_path, suffix):
        texts = [*TEXTS, "a\rlone return", " spaces ", "\ttab", "\u2028"]
        (tmp_path / "in.jsonl").write_bytes(as_jsonl(texts))
        out = tmp_path / f"out{suffix}"
        done = cli("predict", trained, "--input", tmp_path / "in.jsonl", "--output", out)
        assert (done.code, done.out) == (0, "")
        rows = self.rows(out)
        assert [row["text"] for row in rows] == texts
        assert [row["prediction"] for row in rows] == classifier.predict(texts)
        expected = classifier.predict_proba(texts)
        for i, row in enumerate(rows):
            if suffix == ".jsonl":
                assert row["probabilities"] == {
                    name: pytest.approx(p, abs=1e-6) for name, p in zip(LABELS, expected[i], strict=True)
                }
            else:
                assert list(row) == ["text", "prediction", *(f"probability_{name}" for name in LABELS)]
                assert [float(row[f"probability_{name}"]) for name in LABELS] == pytest.approx(expected[i], abs=1e-6)

    def test_parquet_keeps_every_digit(self, cli, trained, classifier, tmp_path):
        out = tmp_path / "out.parquet"
        assert cli("predict", trained, "glad day", "tired", "--output", out).code == 0
        expected = classifier.predict_proba(["glad day", "tired"])
        assert pq.read_table(out).schema.field("probability_joy").type == pa.float32()
        assert pq.read_table(out)["probability_joy"].to_pylist() == expected[:, 0].tolist()

    @pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
    def test_top(self, cli, trained, classifier, tmp_path, suffix):
        out = tmp_path / f"out{suffix}"
        assert cli("predict", trained, "glad day", "tired", "--output", out, "--top", "2").code == 0
        for row, probabilities in zip(self.rows(out), classifier.predict_proba(["glad day", "tired"]), strict=True):
            assert list(row) == ["text", "prediction", "label_1", "probability_1", "label_2", "probability_2"]
            assert row["prediction"] == row["label_1"] == LABELS[probabilities.argmax()]
            assert float(row["probability_2"]) == pytest.approx(sorted(probabilities)[-2], abs=1e-6)

    @pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet"])
    def test_no_texts_give_an_empty_file(self, cli, trained, tmp_path, suffix):
        (tmp_path / "in.txt").write_bytes(b"")
        out = tmp_path / f"out{suffix}"
        assert cli("predict", trained, "--input", tmp_path / "in.txt", "--output", out).code == 0
        assert self.rows(out) == []

    def test_more_than_one_block(self, cli, trained, tmp_path):
        lines = [f"{word} {i}" for i in range(2500) for word in ("glad", "mad")]
        (tmp_path / "in.txt").write_text("\n".join(lines))
        for suffix in (".jsonl", ".csv", ".parquet"):
            out = tmp_path / f"out{suffix}"
            assert cli("predict", trained, "--input", tmp_path / "in.txt", "--output", out).code == 0
            assert [row["text"] for row in self.rows(out)] == lines

    def test_stdout(self, cli, trained):
        done = cli("predict", trained, "glad", "--output", "-")
        assert json.loads(done.out)["prediction"] == "joy"

    @pytest.mark.parametrize("name", ["a.xlsx", "a", "nowhere/a.csv", "folder.csv"])
    def test_can_not_be_written(self, cli, tmp_path, name):
        """Refused before the model is even looked for."""
        (tmp_path / "folder.csv").mkdir()
        done = cli("predict", tmp_path / "no run", "glad", "--output", tmp_path / name)
        assert done.code == 2
        assert name in done.err
        assert "->" in done.err
        assert "no run" not in done.err

    @pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet"])
    def test_whole_or_not_at_all(self, cli, trained, tmp_path, suffix):
        out = tmp_path / f"out{suffix}"
        out.write_text("what was there")
        (tmp_path / "in.jsonl").write_bytes(as_jsonl(["glad"] * 5000) + b"{\n")
        done = cli("predict", trained, "--input", tmp_path / "in.jsonl", "--output", out)
        assert done.code == 2
        assert "in.jsonl, line 5001" in done.err
        assert out.read_text() == "what was there"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", out.name]

    def test_disk_full(self, cli, trained, tmp_path, monkeypatch):
        def full(*_):
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr(os, "fsync", full)
        done = cli("predict", trained, "glad", "--output", tmp_path / "out.csv")
        assert done.code == 1
        assert "No space left on device" in done.err
        assert list(tmp_path.iterdir()) == []

    def test_input_is_output(self, cli, trained, tmp_path):
        """Safe, since the output takes its name when the input has been read."""
        file = tmp_path / "data.csv"
        file.write_bytes(as_csv(TEXTS))
        assert cli("predict", trained, "--input", file, "--output", file).code == 0
        assert [row["text"] for row in self.rows(file)] == TEXTS


class TestPipes:
    def start(self, trained, *arguments, **options):
        command = [sys.executable, "-m", "pegboard", "predict", str(trained), "--plugin", TOY, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def test_reader_that_leaves_early(self, trained, tmp_path):
        (tmp_path / "in.txt").write_text("glad day\n" * 20_000)
        running = self.start(trained, "--input", str(tmp_path / "in.txt"))
        assert json.loads(running.stdout.readline())["text"] == "glad day"
        running.stdout.close()
        assert running.stderr.read() == b""
        running.stderr.close()
        assert running.wait(timeout=60) in (0, 1)

    def test_stdout_that_can_not_hold_it(self, trained):
        environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
        running = self.start(trained, "Größe 😀", "--json", env=environment)
        out, err = running.communicate(timeout=60)
        assert (running.returncode, err) == (0, b"")
        assert json.loads(out)["text"] == "Größe 😀"
        running = self.start(trained, "Größe 😀", env=environment)
        out, err = running.communicate(timeout=60)
        assert (running.returncode, err) == (0, b"")
        assert out.startswith(b"joy")

    def test_results_come_before_the_input_ends(self, trained):
        running = self.start(trained, "--input", "-", stdin=subprocess.PIPE)
        running.stdin.write(b"".join(b"glad %d\n" % i for i in range(BLOCK)))
        running.stdin.flush()
        for i in range(BLOCK):
            assert json.loads(running.stdout.readline())["text"] == f"glad {i}"
        out, err = running.communicate(b"mad\n", timeout=60)
        assert (running.returncode, err) == (0, b"")
        assert json.loads(out)["text"] == "mad"

    def test_memory_does_not_grow_with_the_file(self, trained, tmp_path):
        peaks = []
        for rows in (20_000, 60_000):
            file, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
            with file.open("w") as stream:
                stream.writelines(f"{i} {'glad tired mad day ' * 40}\n" for i in range(rows))
            arguments = ["predict", str(trained), "--plugin", TOY, "--input", str(file), "--output", str(out)]
            code = f"{PEAK}\nrun({arguments!r})"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
            assert out.stat().st_size > file.stat().st_size
            peaks.append(int(done.stdout))
        # Texts alone would be 30 MB more.
        assert peaks[1] < peaks[0] + 15 * 2**20

    def test_interrupted(self, trained, tmp_path):
        running = self.start(
            trained,
            "--input",
            "-",
            "--output",
            str(tmp_path / "out.csv"),
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        running.stdin.write(b"glad\n" * 10_000)
        running.stdin.flush()
        while not list(tmp_path.glob(".out.csv.partial-*")):
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=60)
        assert running.returncode == 130
        assert b"Traceback" not in err
        assert list(tmp_path.iterdir()) == []
