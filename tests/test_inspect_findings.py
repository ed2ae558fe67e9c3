"""Every fault that is planted is found, in the right rows; clean data give no finding."""

import json

import numpy as np
import pegboard
import pytest

NAMES = ["joy", "gloom", "rage"]
WORDS = [f"{first}{middle}{last}" for first in "bdfgklmn" for middle in "aeiou" for last in ("lt", "rn", "sh", "mp")]


def clean_rows(count, seed):
    """Texts that have little in common, with their labels in turn."""
    generator = np.random.default_rng(seed)
    return [[" ".join(generator.choice(WORDS, 12)), i % len(NAMES)] for i in range(count)]


@pytest.fixture
def data():
    """A data set without faults, to plant one into."""
    return {name: clean_rows(rows, seed) for seed, (name, rows) in enumerate(SIZES.items())}


SIZES = {"train": 90, "validation": 30, "test": 30}


@pytest.fixture
def inspect(tmp_path, toy, odd):
    def run(data, names=NAMES, **options):
        file = tmp_path / "table.json"
        file.write_text(json.dumps({"names": names, **data}), encoding="utf-8")
        return pegboard.inspect(
            "table",
            plugins=[toy, odd],
            tokenizer="space",
            encoder="mean",
            settings=['trainer.name="loop"'],
            dataset_path=str(file),
            **options,
        )

    return run


def codes(inspection):
    return [finding.code for finding in inspection.findings]


def finding(inspection, code):
    [found] = [finding for finding in inspection.findings if finding.code == code]
    return found


def places(found):
    return {split: [int(row) for row in rows] for split, rows in found.places.items()}


def shown(found):
    return [(example.split, example.row) for example in found.examples]


def test_clean_data_give_no_finding(inspect, data):
    found = inspect(data)
    assert found.findings == []
    assert found.warnings == []
    figures = found.to_dict()
    assert figures["rows"] == 150
    assert figures["splits"]["train"]["by_label"] == {"joy": 30, "gloom": 30, "rage": 30}
    assert figures["splits"]["train"]["words"]["max"] == 12


class TestLeakage:
    def test_the_same_text_with_the_same_label(self, inspect, data):
        data["test"][4] = data["train"][7]
        found = inspect(data)
        assert codes(found) == ["leaked"]
        [leaked] = found.findings
        assert places(leaked) == {"test": [4]}
        assert shown(leaked) == [("test", 4), ("train", 7)]
        assert leaked.title == "1 held-out row stands in train, too (test 1)"
        assert "remove them from train or from the held-out split" in leaked.advice

    def test_the_same_text_with_another_label(self, inspect, data):
        data["validation"][3] = [data["train"][7][0], 2]
        data["test"][4] = [data["train"][8][0], 0]
        found = inspect(data)
        assert codes(found) == ["leaked_other_label"]
        assert places(found.findings[0]) == {"validation": [3], "test": [4]}
        assert [(e.label, e.split) for e in found.findings[0].examples[:2]] == [
            ("rage", "validation"),
            ("gloom", "train"),
        ]

    def test_case_and_white_space_make_no_difference(self, inspect, data):
        data["test"][4] = [f"  {data['train'][7][0].upper()}\t", 1]
        found = inspect(data)
        assert places(finding(found, "leaked")) == {"test": [4]}
        [pair] = [p for p in found.to_dict()["across"] if (p["split"], p["in"]) == ("test", "train")]
        assert (pair["exact"], pair["normalized"], pair["near"]) == (0, 1, 0)

    def test_a_text_with_two_labels_in_train_contradicts_neither(self, inspect, data):
        text = data["train"][7][0]
        data["train"][8] = [text, 2]
        data["test"][4], data["test"][5] = [text, 2], [text, 0]
        found = inspect(data)
        assert places(finding(found, "leaked")) == {"test": [4]}
        assert places(finding(found, "leaked_other_label")) == {"test": [5]}

    def test_a_changed_word_is_a_near_duplicate(self, inspect, data):
        data["test"][4] = [data["train"][7][0] + " indeed", 1]
        found = inspect(data)
        assert codes(found) == ["near_leaked"]
        near = found.findings[0]
        assert places(near) == {"test": [4]}
        assert shown(near) == [("test", 4), ("train", 7)]
        assert near.examples[0].why.endswith("% alike")

    def test_repeated_near_duplicates_all_count(self, inspect, data):
        data["test"][4] = [data["train"][7][0] + " indeed", 1]
        data["test"][9] = [data["train"][7][0] + " INDEED", 1]
        assert places(finding(inspect(data), "near_leaked")) == {"test": [4, 9]}

    def test_between_validation_and_test(self, inspect, data):
        data["test"][4] = data["validation"][7]
        data["test"][6] = [data["validation"][8][0] + " indeed", 2]
        found = inspect(data)
        assert codes(found) == ["validation_in_test"]
        assert places(found.findings[0]) == {"test": [4, 6]}
        assert found.findings[0].level == "note"


class TestRepeated:
    def test_in_train_alone_they_will_leak(self, inspect, data):
        data = {"train": data["train"]}
        data["train"][50] = data["train"][80] = data["train"][20]
        found = finding(inspect(data), "repeated_texts")
        assert found.level == "warning"
        assert "before the splits are cut from train" in found.advice
        assert places(found) == {"train": [50, 80]}
        assert [(e.row, e.why) for e in found.examples] == [(20, "3 times")]

    def test_a_few_beside_held_out_splits_are_a_note(self, inspect, data):
        data["train"][50] = [data["train"][20][0].title(), data["train"][20][1]]
        found = finding(inspect(data), "repeated_texts")
        assert found.level == "note"
        assert "0 to the letter" in found.title

    def test_near_duplicates(self, inspect, data):
        for row in (30, 60):
            data["train"][row] = [data["train"][0][0] + f" {WORDS[row]}", 0]
        found = finding(inspect(data), "near_repeated")
        assert places(found) == {"train": [30, 60]}

    def test_labels_that_contradict_each_other(self, inspect, data):
        data["train"][50] = [data["train"][21][0], 2]
        data["train"][51] = [data["train"][22][0].upper(), 0]
        found = inspect(data)
        conflict = finding(found, "conflicting_labels")
        assert conflict.title == "2 texts have more than one label (train 2)"
        assert places(conflict) == {"train": [21, 22, 50, 51]}
        assert shown(conflict) == [("train", 21), ("train", 50), ("train", 22), ("train", 51)]
        assert found.to_dict()["splits"]["train"]["conflicting_labels"] == {"texts": 2, "exact_texts": 1, "rows": 4}


class TestRowsThatTrainingRefuses:
    def test_empty_texts(self, inspect, data):
        data["train"][5][0], data["train"][6][0], data["test"][7][0] = "", " \t\u00a0\n", ""
        found = inspect(data)
        assert codes(found) == ["empty_texts"]
        assert places(found.findings[0]) == {"train": [5, 6], "test": [7]}
        assert found.to_dict()["splits"]["train"]["repeated"] == {"exact": 0, "normalized": 0, "near": 0}

    def test_missing_texts(self, inspect, data):
        data["train"][5][0] = data["validation"][0][0] = None
        found = inspect(data)
        assert codes(found) == ["missing_texts"]
        assert places(found.findings[0]) == {"train": [5], "validation": [0]}
        assert found.to_dict()["splits"]["train"]["missing"] == 1

    @pytest.mark.parametrize("label", [None, -1])
    def test_missing_labels(self, inspect, data, label):
        data["train"][5][1] = label
        found = inspect(data)
        assert codes(found) == ["without_label"]
        assert places(found.findings[0]) == {"train": [5]}
        assert found.to_dict()["splits"]["train"]["without_label"] == 1

    def test_secret_labels(self, inspect, data):
        data["test"] = [[text, -1] for text, _ in data["test"]]
        found = finding(inspect(data), "without_label")
        assert "leave out the split test" in found.advice
        assert found.rows == 30

    def test_everything_is_empty(self, inspect):
        found = inspect({"train": [["", 0], ["", 1]]})
        assert "empty_texts" in codes(found)
        assert found.to_dict()["context"] is None
        assert "<!doctype html>" in found.html()
        assert found.text()


class TestLabels:
    def test_one_label_only(self, inspect, data):
        data = {"train": [[text, 1] for text, _ in data["train"]]}
        found = finding(inspect(data), "one_label")
        assert found.title == "train has one label only, 'gloom'"

    def test_label_that_train_lacks(self, inspect, data):
        data["train"] = [row for row in data["train"] if row[1] != 2]
        found = finding(inspect(data), "label_not_in_train")
        assert found.title == "the label 'rage' does not occur in train, but in validation and test"
        assert places(found)["test"] == list(range(2, 30, 3))

    def test_label_without_rows(self, inspect, data):
        found = inspect(data, names=[*NAMES, "envy", "awe"])
        assert codes(found) == ["label_without_rows"]
        assert "'envy' and 'awe'" in found.findings[0].title

    def test_rare_labels(self, inspect, data):
        data["train"] = data["train"] + [[text, 0] for text, _ in clean_rows(400, 9)]
        data["train"] = [row for i, row in enumerate(data["train"]) if row[1] != 2 or i < 12]
        found = finding(inspect(data), "rare_labels")
        assert found.title == "2 labels are rare in train: 'rage' 4 rows and 'gloom' 30 rows; 'joy' has 430"
        assert "task.class_weights=balanced" in found.advice

    def test_other_shares_in_test(self, inspect, data):
        data["train"] += clean_rows(60, 5)
        data["test"] = [[text, i % 2] for i, (text, _) in enumerate(clean_rows(120, 7))]
        found = finding(inspect(data), "label_shift")
        assert found.level == "note"
        assert "'rage' is 0% of test and 33% of train" in found.title


class TestLength:
    def test_texts_beyond_the_maximum(self, inspect, data):
        data["train"][3][0] = " ".join(WORDS[:40])
        data["test"][8][0] = " ".join(WORDS[20:60])
        found = inspect(data, tokenizer_max_length=16)
        assert codes(found) == ["truncated_texts"]
        truncated = found.findings[0]
        assert truncated.level == "warning"
        assert truncated.title.startswith("2 texts (1.3 %) are longer than the 16 tokens that count")
        assert "--set tokenizer.max_length=40" in truncated.advice
        assert shown(truncated) == [("train", 3), ("test", 8)]
        tokens = found.to_dict()["splits"]["train"]["tokens"]
        assert (tokens["max"], tokens["truncated"], tokens["truncated_share"]) == (40, 1, round(1 / 90, 6))

    @pytest.mark.parametrize(("choice", "lost"), [("tail", "beginning"), ("both", "middle")])
    def test_what_is_lost_depends_on_what_is_kept(self, inspect, data, choice, lost):
        data["train"][3][0] = " ".join(WORDS[:40])
        found = inspect(data, tokenizer_max_length=16, tokenizer_long_texts=choice)
        [truncated] = found.findings
        assert f"would lose its {lost}" in truncated.title
        assert "tokenizer.long_texts=head|" in truncated.advice
        assert choice not in truncated.advice

    def test_windows_lose_nothing(self, inspect, data):
        data["train"][3][0] = " ".join(WORDS[:40])
        given = {"tokenizer_max_length": 16, "tokenizer_window_overlap": 4, "tokenizer_long_texts": "windows"}
        found = inspect(data, **given)
        assert codes(found) == ["windowed_texts"]
        [windowed] = found.findings
        assert windowed.level == "note"
        assert "1 text (0.7 %) is longer than the 16 tokens of a window" in windowed.title
        assert windowed.title.endswith("the 150 texts are 152 windows")
        assert found.to_dict()["splits"]["train"]["tokens"]["windows"] == 92
        assert "in windows" in found.text()

    def test_exactly_the_maximum_is_not_beyond(self, inspect, data):
        assert inspect(data, tokenizer_max_length=12).findings == []

    def test_maximum_of_the_encoder(self, inspect, data, tmp_path):
        short = tmp_path / "short_plugin.py"
        short.write_text(
            "import pegboard\nfrom torch import nn\n"
            "class Short(nn.Module):\n"
            "    max_length, hidden_size = 10, 4\n"
            "    def __init__(self, options, vocab):\n        super().__init__()\n"
            "@pegboard.hookimpl\ndef pegboard_encoders():\n"
            "    yield pegboard.ComponentSpec(name='short', factory=f'{__name__}:Short', summary='short')\n"
        )
        (tmp_path / "table.json").write_text(json.dumps({"names": NAMES, **data}))
        plugins = [str(short), *_plugins()]
        found = pegboard.inspect(
            "table",
            plugins=plugins,
            tokenizer="space",
            encoder="short",
            settings=['trainer.name="loop"'],
            dataset_path=str(tmp_path / "table.json"),
        )
        assert found.to_dict()["context"]["maximum"] == 10
        assert "the encoder 'short' takes no more than 10" in finding(found, "truncated_texts").advice


def _plugins():
    from pathlib import Path

    return [str(Path(__file__).parent / name) for name in ("toy_plugin.py", "odd_plugin.py")]


ODD_TEXTS = {
    "replacement": "a caf\ufffd by the sea",
    "mojibake": "a cafÃ© by the sea",
    "control": "a bell \x07 in the tower",
    "bom": "\ufeffthe first line",
    "invisible": "zero\u200bwidth",
    "direction": "turn \u202e around",
    "private_use": "a private \ue123 sign",
    "unassigned": "a hole \U000e0fff here",
    "html_entity": "Tom &amp; Jerry",
    "html_tag": "one<br />two",
    "lone_cr": "one\rtwo",
}


class TestOddCharacters:
    @pytest.mark.parametrize("kind", ODD_TEXTS)
    def test_each_kind_is_found_alone(self, inspect, data, kind):
        data["train"][11][0] = ODD_TEXTS[kind]
        found = inspect(data)
        assert codes(found) == [f"odd_characters_{kind}"]
        assert shown(found.findings[0]) == [("train", 11)]
        assert found.findings[0].examples[0].text == ODD_TEXTS[kind]
        assert found.to_dict()["odd_characters"][kind]["rows"] == {"train": 1}

    @pytest.mark.parametrize(
        "text",
        [
            "Ãcido, Ângela, São Paulo, NÃO",
            "naïve façade — “quoted” … ½ €5 ©",
            "R&D at AT&T; x < y > z",
            "👩‍👩‍👧 and 🤷🏽‍♀️",
            "می‌خواهم",
            "one\r\ntwo\tthree\n",
            "für Äpfel, à côté, señor",
        ],
    )
    def test_what_is_in_order_is_let_pass(self, inspect, data, text):
        data["train"][11][0] = text
        assert not [code for code in codes(inspect(data)) if code.startswith("odd")]

    def test_counts_by_split_and_character(self, inspect, data):
        data["train"][1][0] += " \x07\x07"
        data["test"][2][0] += " \x1b"
        found = inspect(data).to_dict()["odd_characters"]["control"]
        assert found == {"rows": {"train": 1, "test": 1}, "characters": {"U+0007": 2, "U+001B": 1}}

    def test_what_stands_around_the_place_is_shown(self, inspect, data):
        data["train"][11][0] = "x" * 5000 + "\x07" + "y" * 5000
        [example] = finding(inspect(data), "odd_characters_control").examples
        assert example.text == f"…{'x' * 60}\x07{'y' * 59}…"


class TestScripts:
    def test_a_few_texts_in_another_script(self, inspect, data):
        data["train"][11][0] = "доброе утро всем друзьям"
        found = inspect(data)
        assert codes(found) == ["other_scripts"]
        assert found.findings[0].title == "1 text is written in another script than Latin: Cyrillic 1"
        assert shown(found.findings[0]) == [("train", 11)]

    def test_japanese_is_one_language(self, inspect):
        rows = [
            [f"{'猫犬鳥魚馬牛'[i % 6]}が{'好嫌'[i % 2]}きです{'あいうえお'[i % 5] * 9}カタカナ{i}", i % 3]
            for i in range(30)
        ]
        assert "other_scripts" not in codes(inspect({"train": rows}))


class TestShape:
    def test_data_without_labels(self, tmp_path, toy):
        plain = tmp_path / "plain_plugin.py"
        plain.write_text(
            "import datasets, pegboard\n"
            "class Plain:\n"
            "    def __init__(self, options): pass\n"
            "    def load(self):\n"
            "        texts = datasets.Dataset.from_dict({'text': ['one two', 'three'] * 5})\n"
            "        return datasets.DatasetDict(train=texts)\n"
            "@pegboard.hookimpl\ndef pegboard_datasets():\n"
            "    yield pegboard.ComponentSpec(name='plain', factory=f'{__name__}:Plain', summary='plain')\n"
        )
        found = pegboard.inspect(
            "plain", plugins=[str(plain), toy], tokenizer="space", encoder="mean", settings=['trainer.name="loop"']
        )
        assert codes(found) == ["repeated_texts"]
        figures = found.to_dict()
        assert figures["labels"] is None
        assert figures["splits"]["train"]["by_label"] is None
        assert [sample["label"] for sample in figures["samples"]] == [None] * 3
        assert "no labels" in found.text()
        assert "Labels" not in found.html()

    def test_only_a_test_split(self, inspect, data):
        found = inspect({"test": data["test"]})
        assert found.findings == []
        assert found.to_dict()["words_by_label"]["split"] == "test"

    def test_the_same_twice(self, inspect, data):
        data["test"][4] = data["train"][7]
        data["train"][50] = [data["train"][20][0] + " indeed", 1]
        first, second = inspect(data), inspect(data)
        assert first.to_dict() == second.to_dict()
        assert first.html() == second.html()

    def test_json_holds_all_of_it(self, inspect, data):
        data["test"][4] = data["train"][7]
        figures = json.loads(json.dumps(inspect(data).to_dict(), allow_nan=False))
        assert list(figures) == [
            "format",
            "dataset",
            "findings",
            "rows",
            "labels",
            "multi_label",
            "splits",
            "across",
            "near_duplicates",
            "context",
            "words_by_label",
            "histograms",
            "scripts",
            "odd_characters",
            "samples",
        ]
        assert list(figures["findings"][0]) == ["code", "level", "title", "advice", "rows", "places", "examples"]
        assert sum(figures["histograms"]["tokens"]["rows"]) == 150

    def test_many_rows_are_listed_in_part(self, inspect, data, monkeypatch):
        monkeypatch.setattr("pegboard.inspection.findings.MOST_PLACES", 3)
        for row in range(10):
            data["test"][row] = data["train"][row]
        [found] = inspect(data).to_dict()["findings"]
        assert (found["rows"], found["places"]) == (10, {"test": [0, 1, 2]})

    def test_blocks_do_not_matter(self, inspect, data, monkeypatch):
        data["test"][4] = [data["train"][7][0].upper(), 1]
        data["train"][60][0] = "bell \x07"
        data["train"][61][0] = ""
        whole = inspect(data).to_dict()
        monkeypatch.setattr("pegboard.inspection.block._BLOCK_BYTES", 200)
        assert inspect(data).to_dict() == whole
