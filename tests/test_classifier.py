"""Prediction: shapes and types, order, what counts as a text, streaming, and independence of neighbours."""

import numpy as np
import pegboard
import pyarrow as pa
import pytest
from pegboard.errors import ArtifactError, DataError
from pegboard.pipeline.predict import BLOCK, predict_outputs
from pegboard.tasks.classify import EncodedSplit, classification_report, probabilities
from pegboard.text.ragged import from_lists

TEXTS = ["glad day", "", "mad " * 50, "rainy number 3 day", "never seen words", "tired"]


class TestLoad:
    def test_run_and_its_model(self, trained, toy, classifier):
        for loaded in (pegboard.load(str(trained), plugins=[toy]), pegboard.load(trained / "model", plugins=[toy])):
            assert loaded.label_names == ("joy", "gloom", "rage")
            assert (loaded.predict_proba(TEXTS) == classifier.predict_proba(TEXTS)).all()

    def test_what_is_neither(self, tmp_path):
        with pytest.raises(ArtifactError, match="no such folder"):
            pegboard.load(tmp_path / "nowhere")
        with pytest.raises(ArtifactError, match="is not a run folder"):
            pegboard.load(tmp_path)

    def test_unfinished_run(self, run_copy):
        (run_copy / "metrics.json").unlink()
        with pytest.raises(ArtifactError, match="unfinished"):
            pegboard.load(run_copy)

    def test_device(self, trained, toy):
        assert pegboard.load(trained, plugins=[toy], device="cpu").predict(["glad"]) == ["joy"]


class TestProbabilities:
    def test_shape_type_and_sums(self, classifier):
        result = classifier.predict_proba(TEXTS)
        assert result.shape == (len(TEXTS), 3)
        assert result.dtype == np.float32
        assert result.min() >= 0
        np.testing.assert_allclose(result.sum(axis=1), 1, atol=1e-6)

    def test_predict_is_the_most_probable(self, classifier):
        expected = [classifier.label_names[i] for i in classifier.predict_proba(TEXTS).argmax(axis=1)]
        assert classifier.predict(TEXTS) == expected
        assert classifier.predict(["glad happy", "furious mad"]) == ["joy", "rage"]

    def test_no_texts(self, classifier):
        assert classifier.predict([]) == []
        result = classifier.predict_proba(iter(()))
        assert result.shape == (0, 3)
        assert result.dtype == np.float32

    def test_one_string_is_one_text(self, classifier):
        assert classifier.predict("glad day") == ["joy"]
        assert classifier.predict_proba("").shape == (1, 3)

    @pytest.mark.parametrize("kind", [tuple, iter, np.array, pa.array])
    def test_other_iterables(self, classifier, kind):
        assert (classifier.predict_proba(kind(TEXTS)) == classifier.predict_proba(TEXTS)).all()

    def test_arrow_in_chunks(self, classifier):
        chunks = pa.chunked_array([TEXTS[:2], [], TEXTS[2:]], pa.string())
        assert (classifier.predict_proba(chunks) == classifier.predict_proba(TEXTS)).all()

    def test_order_is_kept_whatever_the_lengths(self, classifier):
        generator = np.random.default_rng(0)
        words = ["glad", "grey", "mad", "day", "zzz"]
        texts = [" ".join(generator.choice(words, generator.integers(0, 60))) for _ in range(700)]
        together = classifier.predict_proba(texts)
        order = generator.permutation(len(texts))
        np.testing.assert_allclose(classifier.predict_proba([texts[i] for i in order]), together[order], atol=1e-6)

    def test_neighbours_do_not_matter(self, classifier):
        together = classifier.predict_proba([*TEXTS, "a much longer text " * 100])[:-1]
        alone = np.concatenate([classifier.predict_proba([text]) for text in TEXTS])
        np.testing.assert_allclose(together, alone, atol=1e-6)

    def test_same_texts_same_bytes(self, classifier):
        assert classifier.predict_proba(TEXTS).tobytes() == classifier.predict_proba(TEXTS).tobytes()

    def test_empty_text_has_probabilities(self, classifier):
        assert np.isfinite(classifier.predict_proba(["", "   ", "\n"])).all()

    def test_huge_text(self, classifier):
        huge = classifier.predict_proba(["glad " * 2_000_000, "x" * 10_000_000])
        np.testing.assert_allclose(huge[0], classifier.predict_proba(["glad " * 256])[0], atol=1e-6)

    def test_lone_nul_and_emoji(self, classifier):
        assert len(classifier.predict(["\0", "😀", "e\u0301", "\u202egnitirw"])) == 4


class TestNoTexts:
    """What is no text is refused, with its number in all that was given."""

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (None, "a text is missing"),
            (5, "expected a string, not int"),
            (b"glad", "expected a string, not bytes"),
            (["glad"], "expected a string, not list"),
            (float("nan"), "expected a string, not float"),
            ("a\ud800", "character 1 is a lone surrogate"),
        ],
    )
    @pytest.mark.parametrize("place", [0, 2, BLOCK + 1])
    def test_refused(self, classifier, wrong, message, place):
        with pytest.raises(DataError, match=message) as raised:
            classifier.predict(["glad"] * place + [wrong])
        assert raised.value.where == f"texts[{place}]"

    @pytest.mark.parametrize("wrong", [pa.array([1]), pa.array(["a", None]), pa.array([b"a"])])
    def test_arrow(self, classifier, wrong):
        with pytest.raises(DataError):
            classifier.predict(wrong)

    @pytest.mark.parametrize("wrong", [None, 5])
    def test_no_iterable(self, classifier, wrong):
        with pytest.raises(TypeError, match="not iterable"):
            classifier.predict(wrong)


class TestStream:
    def test_no_more_than_a_block_ahead(self, classifier):
        pulled = 0

        def endless():
            nonlocal pulled
            while True:
                pulled += 1
                yield "glad"

        stream = classifier.stream(endless())
        assert pulled == 0
        for blocks in (1, 2):
            texts, result = next(stream)
            assert len(texts) == len(result) == BLOCK
            assert pulled == blocks * BLOCK

    def test_blocks_are_put_together_in_order(self, classifier):
        texts = [f"{word} {i}" for i in range(BLOCK) for word in ("glad", "mad")][: BLOCK + 10]
        blocks = list(classifier.stream(texts))
        assert [len(block) for block, _ in blocks] == [BLOCK, 10]
        assert [text for block, _ in blocks for text in block] == texts
        assert (np.concatenate([p for _, p in blocks]) == classifier.predict_proba(texts)).all()

    def test_a_text_that_comes_again_is_predicted_once(self, classifier, monkeypatch):
        sizes = []

        def watched(network, split):
            sizes.append(len(split))
            return predict_outputs(network, split)

        monkeypatch.setattr("pegboard.classifier.predict_outputs", watched)
        result = classifier.predict_proba(["glad", "mad", "glad", "", "mad", "glad "])
        assert sizes == [4]
        assert (result[[0, 1]] == result[[2, 4]]).all()
        assert not (result[0] == result[1]).all()

    def test_long_texts_come_in_smaller_blocks(self, classifier, monkeypatch):
        monkeypatch.setattr("pegboard.pipeline.predict._BLOCK_CHARACTERS", 100)
        texts = ["glad", "glad" + " " * 100, "mad", "mad"]
        assert [len(block) for block, _ in classifier.stream(texts)] == [2, 2]

    def test_error_of_the_source_passes(self, classifier):
        def source():
            yield "glad"
            raise DataError("line 2 is wrong")

        with pytest.raises(DataError, match="line 2"):
            classifier.predict(source())


class TestTask:
    def test_batch(self):
        split = EncodedSplit(from_lists([[5, 6, 7], [], [8]]), np.array([0, 1, 2]), pad_id=9)
        batch = split.collate(np.array([2, 0]))
        assert batch["input_ids"].tolist() == [[8, 9, 9], [5, 6, 7]]
        assert batch["attention_mask"].tolist() == [[1, 0, 0], [1, 1, 1]]
        assert batch["labels"].tolist() == [2, 0]
        assert split.lengths.tolist() == [3, 0, 1]

    def test_row_without_tokens_is_padding(self):
        split = EncodedSplit(from_lists([[]]), None, pad_id=0)
        batch = split.collate(np.array([0]))
        assert batch["input_ids"].tolist() == [[0]]
        assert batch["attention_mask"].tolist() == [[0]]
        assert "labels" not in batch

    def test_slice_of_ids(self):
        split = EncodedSplit(from_lists([[1], [2, 3], [4]])[1:], None, pad_id=0)
        assert split.collate(np.array([0, 1]))["input_ids"].tolist() == [[2, 3], [4, 0]]

    def test_probabilities_do_not_overflow(self):
        result = probabilities(np.array([[1e4, -1e4, 0], [-1e30, -1e30, -1e30]], np.float32))
        np.testing.assert_allclose(result, [[1, 0, 0], [1 / 3] * 3], atol=1e-6)

    def test_report_by_hand(self):
        logits = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.4, 0.1], [0.6, 0.3, 0.1]], np.float32))
        report = classification_report(logits, np.array([0, 1, 1, 0]), ["a", "b", "c"])
        assert report["accuracy"] == 0.75
        assert report["confusion"] == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]
        assert report["per_class"]["a"] == {"precision": 2 / 3, "recall": 1.0, "f1": pytest.approx(0.8), "support": 2}
        assert report["per_class"]["b"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}
        assert report["per_class"]["c"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
        assert report["macro_f1"] == pytest.approx((0.8 + 2 / 3 + 0) / 3)
        assert report["weighted_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
        assert report["balanced_accuracy"] == 0.75, "the label that does not occur does not count"
        assert report["loss"] == pytest.approx(-np.log([0.7, 0.8, 0.4, 0.6]).mean(), rel=1e-6)
        assert report["rows"] == 4
