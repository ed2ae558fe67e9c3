"""`pegboard inspect`: on a terminal, as JSON, as a page, and from Python."""

import csv
import json
import re
from pathlib import Path

import pegboard
import pytest

EMOTION = Path(__file__).parents[2] / "shared/data/emotion"
TOYS = ("--tokenizer", "space", "--encoder", "mean", "--set", 'trainer.name="loop"')
ESCAPE = "\x1b["


@pytest.fixture
def inspect(cli, toy):
    """`inspect(…)`: the command with toys."""

    def run(*arguments):
        return cli("inspect", *arguments, "--plugin", toy, *TOYS)

    return run


@pytest.fixture
def faulty(tmp_path, odd):
    """The arguments for a data set with a few faults."""
    rows = [[f"a text with the number {i} and {'abcdef'[i % 6] * 30}", i % 2] for i in range(60)]
    rows[7] = ["", 0]
    rows[8] = ["<script>alert('x')</script> \x1b[31mred\u202e", 1]
    names = ["<b>bold</b>", "plain"]
    content = {"names": names, "train": rows, "test": [[rows[3][0], 0], ["something else", 1]]}
    (tmp_path / "table.json").write_text(json.dumps(content))
    return ("table", "--plugin", odd, "--set", f"dataset.path={tmp_path / 'table.json'}")


class TestTerminal:
    def test_warnings_come_first_and_say_what_to_do(self, inspect, faulty):
        done = inspect(*faulty)
        assert (done.code, done.err) == (0, "")
        lines = done.out.splitlines()
        assert lines[0].endswith("table.json: 62 rows (train 60, test 2), 2 labels")
        assert lines[3] == "! 1 held-out row stands in train with another label (test 1)"
        assert lines[4].startswith("  -> decide which label is right")
        assert re.match(r"     test 0 \[<b>bold</b>\] +a text with the number 3", lines[6])
        assert "! 1 text is empty, or nothing but white space (train 1)" in lines
        assert "     train 7 [<b>bold</b>]  (nothing)" in lines

    def test_all_parts_are_there(self, inspect):
        out = inspect("toy").out
        for part in ("of train", "cut off", "tokens of a text", "words of a text by label", "repeated rows", "samples"):
            assert part in out
        assert "256 tokens count: the tokenizer space gives at most 256, the encoder mean takes any number" in out

    def test_what_the_data_hold_does_nothing_to_the_terminal(self, inspect, faulty):
        done = inspect(*faulty)
        assert ESCAPE not in done.out
        assert "\\x1b[31mred\\u202e" in done.out

    def test_colours_on_a_terminal_only(self, toy):
        found = pegboard.inspect(
            "toy", plugins=[toy], tokenizer="space", encoder="mean", settings=['trainer.name="loop"']
        )
        assert ESCAPE in found.text()

    @pytest.mark.parametrize("width", [60, 80, 120])
    def test_it_keeps_to_the_width(self, faulty, toy, odd, width):
        found = pegboard.inspect(
            "table",
            plugins=[toy, odd],
            tokenizer="space",
            encoder="mean",
            settings=['trainer.name="loop"', faulty[-1]],
        )
        plain = re.sub(r"\x1b\[\d*m", "", found.text(width))
        findings = plain.partition("\n\nlabel ")[0].splitlines()[2:]
        assert max(map(len, findings)) <= width

    def test_many_labels_are_shown_in_part(self, inspect, tmp_path, odd):
        names = [f"label {i}" for i in range(40)]
        rows = [[f"{'abcdefgh'[i % 8] * 9} {i} {'xyz'[i % 3] * 9}", i % 40] for i in range(80)]
        (tmp_path / "table.json").write_text(json.dumps({"names": names, "train": rows}))
        done = inspect("table", "--plugin", odd, "--set", f"dataset.path={tmp_path / 'table.json'}")
        assert "and 10 more (--json has all)" in done.out


class TestJson:
    def test_it_is_the_result_and_nothing_else(self, inspect, faulty):
        done = inspect(*faulty, "--json")
        assert (done.code, done.err) == (0, "")
        figures = json.loads(done.out)
        assert figures["format"] == 1
        assert figures["splits"]["train"]["empty"] == 1
        assert {finding["code"] for finding in figures["findings"]} >= {"leaked_other_label", "empty_texts"}

    def test_it_is_what_python_has(self, inspect, toy):
        found = pegboard.inspect(
            "toy", plugins=[toy], tokenizer="space", encoder="mean", settings=['trainer.name="loop"']
        )
        assert json.loads(inspect("toy", "--json").out) == json.loads(json.dumps(found.to_dict()))


class TestPage:
    @pytest.fixture
    def page(self, inspect, faulty, tmp_path):
        done = inspect(*faulty, "--html", tmp_path / "page.html")
        assert done.code == 0
        assert done.err == f"written: {tmp_path / 'page.html'}\n"
        return (tmp_path / "page.html").read_text(encoding="utf-8")

    def test_it_stands_alone(self, page):
        assert not re.search(r"<script|<link rel=.stylesheet|\son\w+=|src=|@import|https?:|url\(", page)

    def test_what_the_data_hold_is_text(self, page):
        assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in page
        assert "&lt;b&gt;bold&lt;/b&gt;" in page
        assert "<b>bold</b>" not in page
        assert "\x1b" not in page
        assert "\u202e" not in page

    def test_the_plots_are_there(self, page):
        for title in (
            "Texts of each label, train.",
            "Words of a text by label, train.",
            "Tokens of a text, all splits.",
        ):
            assert title in page
        assert "maximum 256" in page

    def test_warnings_first(self, page):
        headings = re.findall("<h2>(.*?)</h2>", page)
        assert headings == ["Warnings", "Labels", "Length of the texts", "Repeated texts", "Characters", "Samples"]

    def test_a_place_that_cant_be_written(self, inspect, tmp_path):
        done = inspect("toy", "--html", tmp_path / "no" / "page.html")
        assert done.code == 1
        assert "can't be written" in done.err


class TestBadUsage:
    def test_no_such_data(self, cli):
        assert cli("inspect", "no-such-file.csv").code in (2, 3)
        assert cli("inspect").code == 2

    def test_splits_that_disagree(self, inspect, tmp_path):
        bad = tmp_path / "bad_plugin.py"
        bad.write_text(
            "import datasets, pegboard\n"
            "class Bad:\n"
            "    def __init__(self, options): pass\n"
            "    def load(self):\n"
            "        return datasets.DatasetDict(train=datasets.Dataset.from_dict({'txt': ['a'], 'label': [0]}))\n"
            "@pegboard.hookimpl\ndef pegboard_datasets():\n"
            "    yield pegboard.ComponentSpec(name='bad', factory=f'{__name__}:Bad', summary='bad')\n"
        )
        done = inspect("bad", "--plugin", bad)
        assert done.code == 2
        assert "the split has no column 'text'" in done.err

    def test_unknown_option(self, inspect):
        done = inspect("toy", "--set", "dataset.row=3")
        assert done.code == 2
        assert "did you mean rows?" in done.err

    def test_unknown_tokenizer(self, cli, toy):
        done = cli("inspect", "toy", "--plugin", toy, "--tokenizer", "spce")
        assert done.code == 3

    def test_unknown_argument_in_python(self):
        with pytest.raises(TypeError, match="unexpected keyword argument 'labels'"):
            pegboard.inspect("moods", labels=3)

    def test_without_a_tokenizer_there_are_no_tokens_and_that_is_said(self, cli, toy, monkeypatch):
        from pegboard.errors import ComponentError
        from pegboard.inspection import inspection

        def fails(*_):
            raise ComponentError("no tokenizer is installed")

        monkeypatch.setattr(inspection, "resolve", fails)
        done = cli("inspect", "toy", "--plugin", toy)
        assert done.code == 0
        assert "note: tokens are not counted: no tokenizer is installed" in done.err
        assert "words of a text, all splits" in done.out
        assert cli("inspect", "toy", "--plugin", toy, "--tokenizer", "space").code == 3


def test_a_data_set_that_can_keep_empty_texts_is_told_to(tmp_path, toy):
    keeping = tmp_path / "keeping_plugin.py"
    keeping.write_text(
        "from typing import Literal\nimport datasets, pegboard\n"
        "class Options(pegboard.DatasetOptions):\n"
        "    empty_texts: Literal['refuse', 'keep'] = 'refuse'\n"
        "class Keeping:\n"
        "    def __init__(self, options): self.options = options\n"
        "    def load(self):\n"
        "        if self.options.empty_texts == 'refuse':\n"
        "            raise pegboard.DataError('the text is empty', where='row 1')\n"
        "        features = datasets.Features({'text': datasets.Value('string'), "
        "'label': datasets.ClassLabel(names=['a', 'b'])})\n"
        "        rows = datasets.Dataset.from_dict({'text': ['one', '', 'two'], 'label': [0, 1, 1]}, features)\n"
        "        return datasets.DatasetDict(train=rows)\n"
        "@pegboard.hookimpl\ndef pegboard_datasets():\n"
        "    yield pegboard.ComponentSpec(name='keeping', factory=f'{__name__}:Keeping', "
        "options=f'{__name__}:Options', summary='keeping')\n"
    )
    chosen = {"plugins": [str(keeping), toy], "tokenizer": "space", "encoder": "mean"}
    found = pegboard.inspect("keeping", settings=['trainer.name="loop"'], **chosen)
    assert "empty_texts" in [finding.code for finding in found.findings]
    with pytest.raises(pegboard.DataError, match="the text is empty"):
        pegboard.inspect("keeping", settings=['trainer.name="loop"'], dataset_empty_texts="refuse", **chosen)


def test_moods_are_in_order():
    pytest.importorskip("pegboard_data")
    pytest.importorskip("pegboard_word")
    pytest.importorskip("pegboard_rnn")
    pytest.importorskip("pegboard_accelerate")
    found = pegboard.inspect("moods")
    assert found.findings == []
    assert found.to_dict()["context"]["tokenizer"] == "word"


@pytest.fixture(scope="module")
def found():
    """What `inspect` finds in the emotion data."""
    pytest.importorskip("pegboard_data")
    return pegboard.inspect(str(EMOTION))


@pytest.fixture(scope="module")
def rows():
    """The rows of the same files, as Python reads them."""
    read = {}
    for split in ("train", "validation", "test"):
        with (EMOTION / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            read[split] = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    return read


@pytest.mark.emotion
@pytest.mark.skipif(not EMOTION.is_dir(), reason="the emotion data are not there")
class TestEmotion:
    """The figures, and what plain Python counts in the same files."""

    def test_30_texts_of_train_have_two_labels(self, found, rows):
        labels = {}
        for text, label in rows["train"]:
            labels.setdefault(text, set()).add(label)
        assert sum(len(own) > 1 for own in labels.values()) == 30
        conflicts = found.to_dict()["splits"]["train"]["conflicting_labels"]
        assert (conflicts["texts"], conflicts["exact_texts"]) == (30, 30)
        [finding] = [finding for finding in found.warnings if finding.code == "conflicting_labels"]
        assert "train 30" in finding.title

    def test_16_held_out_rows_stand_in_train_with_another_label(self, found, rows):
        labels = {}
        for text, label in rows["train"]:
            labels.setdefault(text, set()).add(label)
        expected = {
            split: [i for i, (text, label) in enumerate(rows[split]) if label not in labels.get(text, {label})]
            for split in ("validation", "test")
        }
        [finding] = [finding for finding in found.warnings if finding.code == "leaked_other_label"]
        assert finding.rows == 16
        assert finding.summary()["places"] == expected
        assert "leaked" not in [finding.code for finding in found.findings]

    def test_repeated_texts(self, found, rows):
        for split, own in rows.items():
            texts = [text for text, _ in own]
            assert found.to_dict()["splits"][split]["repeated"]["exact"] == len(texts) - len(set(texts))

    def test_lengths(self, found, rows):
        words = sorted(len(text.split()) for text, _ in rows["train"])
        figures = found.to_dict()["splits"]["train"]["words"]
        assert figures["max"] == words[-1] == 66
        assert figures["percentiles"]["50"] == words[len(words) // 2 - 1]
        assert figures["total"] == sum(words)

    def test_all_texts_fit(self, found):
        assert all(split["tokens"]["truncated"] == 0 for split in found.to_dict()["splits"].values())
