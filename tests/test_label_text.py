"""The column `label_text`, which the core adds to what any source gave."""

import datasets
import pegboard
import pytest
from pegboard.contracts.dataset import with_label_text


def made(labels, names=("joy", "rage"), **more):
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list(names))})
    rows = datasets.Dataset.from_dict({"text": [f"text {i}" for i in range(len(labels))], "label": labels}, features)
    for name, values in more.items():
        rows = rows.add_column(name, values)
    return datasets.DatasetDict({"train": rows})


def test_every_source_has_it_on_request(toy):
    loaded = pegboard.load_dataset("toy", label_text=True, plugins=[toy])
    assert list(loaded) == ["train", "validation", "test"]
    for rows in loaded.values():
        assert rows.column_names == ["text", "label", "label_text"]
        assert rows["label_text"][:] == rows.features["label"].int2str(rows["label"][:])
        assert rows.features["label_text"].dtype == "string"


def test_it_is_absent_otherwise(toy):
    assert pegboard.load_dataset("toy", plugins=[toy])["train"].column_names == ["text", "label"]


def test_it_is_no_option_of_a_recipe(toy):
    with pytest.raises(pegboard.RecipeError, match="label_text"):
        pegboard.train(dataset="toy", dataset_label_text=True, plugins=[toy])


def test_rows_that_were_selected_and_formatted():
    loaded = made([0, 1, 1, 0])
    loaded["train"] = loaded["train"].select([3, 1]).with_format("pandas")
    frame = with_label_text(loaded)["train"][:]
    assert frame["text"].tolist() == ["text 3", "text 1"]
    assert frame["label_text"].tolist() == ["joy", "rage"]


def test_a_missing_label_has_a_missing_text():
    assert with_label_text(made([0, None]))["train"]["label_text"][:] == ["joy", None]


@pytest.mark.parametrize(
    ("loaded", "message"),
    [
        (made([0, -1]), "train: a label has no name"),
        (made([0, 1], label_text=["x", "y"]), "there is a column 'label_text' already"),
        (datasets.DatasetDict({"train": datasets.Dataset.from_dict({"label": ["joy"]})}), "must be a ClassLabel"),
        (datasets.DatasetDict({"train": datasets.Dataset.from_dict({"text": ["joy"]})}), "must be a ClassLabel"),
    ],
)
def test_it_is_refused(loaded, message):
    with pytest.raises(pegboard.DataError, match=message):
        with_label_text(loaded)
