"""Data sets and runs as pandas data frames."""

import pegboard
import pytest
from pegboard.run import Run


def test_a_data_set(toy):
    loaded = pegboard.load_dataset("toy", label_text=True, plugins=[toy])
    loaded.set_format("pandas")
    frame = loaded["train"][:]
    assert list(frame.columns) == ["text", "label", "label_text"]
    assert frame.groupby("label_text").size().to_dict() == {"gloom": 30, "joy": 30, "rage": 30}
    assert frame["label"].tolist() == [row % 3 for row in range(90)]
    assert loaded["train"].features["label"].int2str(frame["label"].tolist()) == frame["label_text"].tolist()


def test_the_predictions_of_a_run(trained):
    run = Run.open(trained)
    frame = run.predictions().with_format("pandas")[:]
    assert list(frame.columns)[:3] == ["text", "label", "prediction"]
    assert (frame["label"] == frame["prediction"]).mean() == pytest.approx(run.metrics["test"]["accuracy"])
    assert len(run.predictions("validation")) == run.metrics["validation"]["rows"]


def test_predictions_that_are_not_there(trained, tmp_path):
    with pytest.raises(pegboard.ArtifactError, match="no such file"):
        Run.open(trained).predictions("train")
    broken = Run(tmp_path, {})
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions/test.parquet").write_bytes(b"no parquet")
    with pytest.raises(pegboard.ArtifactError, match="can't be read"):
        broken.predictions()
