"""The task `multi-label`: its loss, figures, threshold and options; and class weights by label for both tasks."""

import numpy as np
import pegboard
import pyarrow as pa
import pytest
import torch
from pegboard.errors import ArtifactError, DataError, RecipeError
from pegboard.options import check_options
from pegboard.tasks.classify import ClassificationData, Classify, EncodedSplit
from pegboard.tasks.multi_label import MultiLabel, best_threshold, multi_label_report
from pegboard.tasks.options import ClassifyOptions, MultiLabelOptions
from pegboard.tasks.task import task_of
from torch import nn
from torch.nn import functional

NAMES = ("a", "b", "c")
LABELS = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 0], [0, 0, 1]], np.bool_)
LOGITS = np.array([[2, -1, 0.5], [-3, -1, -0.5], [1, -0.1, -2], [0.2, -4, 3]], np.float32)


def task(learned=None, **options):
    return task_of(check_options(MultiLabelOptions, options, table="task"), learned)


def one_label(**options):
    return task_of(check_options(ClassifyOptions, options, table="task"))


class Given(nn.Module):
    """Gives the vectors it was made with."""

    hidden_size, max_length = 3, None

    def __init__(self, vectors):
        super().__init__()
        self.vectors = nn.Parameter(torch.from_numpy(vectors.copy()))

    def forward(self, input_ids, attention_mask):
        return pegboard.EncoderOutput(self.vectors[:, None], self.vectors)


def output(logits=LOGITS, weights=None, **options):
    network = task(dropout=0.0, **options).network(Given(logits), 3, weights)
    with torch.no_grad():  # logits are the vectors
        network.head.weight.copy_(torch.eye(3))
        network.head.bias.zero_()
    nothing = torch.zeros(len(logits), 1, dtype=torch.int64)
    return network(nothing, nothing, torch.from_numpy(LABELS[: len(logits)]))


def cross_entropies(targets):
    logits, targets = torch.from_numpy(LOGITS).double(), torch.from_numpy(targets).double()
    return -(targets * logits.sigmoid().log() + (1 - targets) * (-logits).sigmoid().log())


class TestLoss:
    def test_by_hand(self):
        result = output()
        assert result.outputs.shape == (4, 3)
        assert result.loss_sum.item() == pytest.approx(cross_entropies(LABELS * 1.0).sum().item(), rel=1e-6)
        assert result.loss_weight.item() == 12

    def test_smoothing_moves_targets_towards_a_half(self):
        expected = cross_entropies(LABELS * 0.8 + 0.1).sum().item()
        assert output(label_smoothing=0.2).loss_sum.item() == pytest.approx(expected, rel=1e-6)

    def test_weights_count_for_rows_that_have_the_label(self):
        weights = torch.tensor([2.0, 5.0, 1.0])
        result = output(weights=weights)
        element = np.where(LABELS, weights.numpy(), 1.0)
        assert result.loss_sum.item() == pytest.approx(
            (cross_entropies(LABELS * 1.0).numpy() * element).sum(), rel=1e-6
        )
        assert result.loss_weight.item() == element.sum()

    def test_focal_loss_is_that_of_each_decision(self):
        chance = torch.from_numpy(LOGITS).double().sigmoid().numpy()
        of_right = np.where(LABELS, chance, 1 - chance)
        expected = ((1 - of_right) ** 2 * -np.log(of_right)).sum()
        assert output(focal_gamma=2.0).loss_sum.item() == pytest.approx(expected, rel=1e-5)

    def test_gradients_are_finite_where_a_decision_is_sure(self):
        result = output(np.full((4, 3), 100, np.float32), focal_gamma=0.5, label_smoothing=0.1)
        parameter = torch.zeros(1, requires_grad=True)
        (result.loss_sum + parameter.sum()).backward()
        assert result.loss_sum.isfinite()

    def test_is_that_of_torch(self):
        expected = functional.binary_cross_entropy_with_logits(torch.from_numpy(LOGITS), torch.from_numpy(LABELS * 1.0))
        result = output()
        assert (result.loss_sum / result.loss_weight).item() == pytest.approx(expected.item(), rel=1e-6)


class TestClassWeights:
    def test_balanced_lists(self):
        labels = np.zeros((10, 4), np.bool_)
        labels[:2, 0] = labels[:5, 1] = labels[:, 2] = True
        weights = task(class_weights="balanced").class_weights(labels, ("a", "b", "all", "none"))
        assert weights.tolist() == [4, 1, 1, 1]

    @pytest.mark.parametrize("make", [task, one_label])
    def test_a_table_of_labels(self, make):
        made = make(class_weights={"b": 3, "c": 0.5})
        made.check(NAMES, multi_label=made.multi_label)
        labels = LABELS if made.multi_label else np.array([0, 1, 2])
        assert made.class_weights(labels, NAMES).tolist() == [1, 3, 0.5]

    @pytest.mark.parametrize("make", [task, one_label])
    def test_none(self, make):
        assert make().class_weights(LABELS, NAMES) is None

    @pytest.mark.parametrize("make", [task, one_label])
    def test_an_unknown_label_is_named_with_the_nearest(self, make):
        made = make(class_weights={"surprize": 2})
        with pytest.raises(RecipeError, match="no label 'surprize'") as raised:
            made.check(("surprise", "joy"), multi_label=made.multi_label)
        assert raised.value.where == "task.class_weights.surprize"
        assert raised.value.hint == "did you mean surprise?"

    @pytest.mark.parametrize("weight", [0, -1, "much", True])
    def test_a_weight_is_a_number_above_0(self, weight):
        with pytest.raises(RecipeError, match=r"task\.class_weights\.a: should be a number greater than 0"):
            one_label(class_weights={"a": weight})


class TestOptions:
    def test_balanced_sampling_is_refused(self):
        with pytest.raises(RecipeError, match=r"task\.sampling: rows with several labels[\s\S]*class_weights=balanced"):
            task(sampling="balanced")
        with pytest.raises(RecipeError, match=r"task\.sampling.*should be 'all', not 'some'"):
            task(sampling="some")

    @pytest.mark.parametrize("threshold", [0, 1, -0.5, "best"])
    def test_threshold_lies_between_0_and_1(self, threshold):
        with pytest.raises(RecipeError, match=r"task\.threshold"):
            task(threshold=threshold)

    def test_data_of_the_other_kind_are_refused(self):
        with pytest.raises(DataError, match=r"each text has one label[\s\S]*task\.name=classify"):
            task().check(NAMES, multi_label=False)
        with pytest.raises(DataError, match=r"a list of labels[\s\S]*task\.name=multi-label"):
            one_label().check(NAMES, multi_label=True)

    @pytest.mark.parametrize("threshold", [None, 0, 1.0, "0.5", float("nan")])
    def test_what_was_saved_is_checked(self, threshold):
        with pytest.raises(ValueError, match="threshold must be a number between 0 and 1"):
            task({"threshold": threshold})


class TestDecisions:
    def test_sigmoid(self):
        logits = np.array([[0, 100, -100, 1]], np.float32)
        assert task().probabilities(logits).tolist() == [[0.5, 1, 0, pytest.approx(1 / (1 + np.exp(-1)))]]
        assert task().probabilities(logits).dtype == np.float32

    def test_threshold_itself_counts(self):
        probabilities = np.array([[0.3, 0.29, 0.31]], np.float32)
        assert task(threshold=0.3).decide(probabilities).tolist() == [[True, False, True]]

    def test_names_in_the_order_of_the_labels(self):
        assert task().named(LABELS, NAMES) == [["a", "c"], [], ["a", "b"], ["c"]]

    def test_a_threshold_is_tuned_by_trying_all(self):
        generator = np.random.default_rng(0)
        for _ in range(30):
            labels = generator.random((12, 3)) < 0.4
            probabilities = np.clip(labels * 0.3 + generator.random((12, 3)).round(1) * 0.7, 0.01, 0.99)
            probabilities = probabilities.astype(np.float32)
            chosen = best_threshold(probabilities, labels)
            tried = {t: micro_f1(probabilities >= np.float32(t), labels) for t in np.linspace(0.005, 0.995, 199)}
            assert micro_f1(probabilities >= np.float32(chosen), labels) >= max(tried.values()) - 1e-12

    def test_of_equally_good_thresholds_the_one_nearest_to_a_half(self):
        labels = np.array([[True, False]])
        assert best_threshold(np.array([[0.9, 0.3]], np.float32), labels) == pytest.approx(0.6)

    def test_without_labels_nothing_fails(self):
        nothing = np.zeros((2, 2), np.bool_)
        assert 0 < best_threshold(np.full((2, 2), 0.25, np.float32), nothing) < 1
        assert best_threshold(np.zeros((2, 2), np.float32), nothing) == 0.5

    def test_tuned_only_once_trained(self):
        tuned = task(threshold="tuned")
        assert tuned.report(LOGITS, LABELS, NAMES)["micro_f1"] >= task().report(LOGITS, LABELS, NAMES)["micro_f1"]
        assert tuned.threshold is None
        tuned.after_training(lambda: LOGITS, LABELS)
        assert tuned.learned == {"threshold": best_threshold(tuned.probabilities(LOGITS), LABELS)}
        assert task(tuned.learned, threshold="tuned").threshold == tuned.threshold

    def test_a_given_threshold_asks_for_no_outputs(self):
        fixed = task(threshold=0.7)
        fixed.after_training(lambda: pytest.fail("computed for nothing"), LABELS)
        assert fixed.learned == {"threshold": 0.7}


def micro_f1(predicted, labels):
    total = predicted.sum() + labels.sum()
    return 2 * (predicted & labels).sum() / total if total else 0.0


class TestFigures:
    def test_by_hand(self):
        report = task().report(LOGITS, LABELS, NAMES)
        # predicted: [a, c], [], [a], [a, c]
        assert report["subset_accuracy"] == report["accuracy"] == 0.5
        assert report["hamming_loss"] == pytest.approx(2 / 12)
        assert report["micro_precision"] == pytest.approx(4 / 5)
        assert report["micro_recall"] == pytest.approx(4 / 5)
        assert report["micro_f1"] == pytest.approx(4 / 5)
        assert report["macro_f1"] == pytest.approx((0.8 + 0 + 1) / 3)
        assert report["weighted_f1"] == pytest.approx((2 * 0.8 + 0 + 2) / 5)
        assert report["per_class"]["a"] == {
            "precision": pytest.approx(2 / 3),
            "recall": 1.0,
            "f1": pytest.approx(0.8),
            "support": 2,
            "average_precision": 1.0,
        }
        assert report["confusion"] == [[[1, 1], [0, 2]], [[3, 0], [1, 0]], [[2, 0], [0, 2]]]
        assert report["decisions"] == {"threshold": 0.5, "labels_per_row": 1.25, "predicted_per_row": 1.25}
        assert report["rows"] == 4
        result = output()
        assert report["loss"] == pytest.approx((result.loss_sum / result.loss_weight).item(), rel=1e-6)

    def test_a_label_that_no_row_has_counts_0_and_warns_of_nothing(self, recwarn):
        labels = LABELS.copy()
        labels[:, 1] = False
        report = multi_label_report(LOGITS, LOGITS > 0, labels, NAMES, 0.5)
        assert report["per_class"]["b"]["f1"] == report["per_class"]["b"]["average_precision"] == 0
        assert not recwarn.list

    def test_no_labels_at_all(self, recwarn):
        report = multi_label_report(LOGITS, LOGITS > 9, LABELS & False, NAMES, 0.5)
        assert (report["subset_accuracy"], report["micro_f1"], report["weighted_f1"]) == (1, 0, 0)
        assert not recwarn.list

    def test_all_numbers_can_be_monitored(self):
        rows = EncodedSplit(pa.array([[1]] * 4, pa.large_list(pa.int32())), LABELS, 0)
        figures = ClassificationData(rows, rows, NAMES, task()).metrics(LOGITS)
        assert {"accuracy", "subset_accuracy", "micro_f1", "macro_f1", "hamming_loss", "loss"} < figures.keys()
        assert "rows" not in figures

    def test_those_of_one_label_are_as_before(self):
        rows = EncodedSplit(pa.array([[1]] * 4, pa.large_list(pa.int32())), np.array([0, 1, 2, 2]), 0)
        figures = ClassificationData(rows, rows, NAMES).metrics(LOGITS)
        assert list(figures) == ["accuracy", "macro_f1", "weighted_f1", "balanced_accuracy", "loss"]


def test_tasks_know_what_they_take():
    assert (Classify.multi_label, MultiLabel.multi_label) == (False, True)
    assert isinstance(one_label(), Classify)
    assert isinstance(task(), MultiLabel)


def test_a_model_without_its_threshold_is_refused(tmp_path):
    from pegboard.artifact import _task

    saved = {"task": {"name": "multi-label", "dropout": 0.1}, "learned": {}}
    with pytest.raises(ArtifactError, match="threshold"):
        _task(saved, tmp_path)
    with pytest.raises(ArtifactError, match="no task 'segment'"):
        _task({"task": {"name": "segment"}}, tmp_path)
    assert _task({**saved, "learned": {"threshold": 0.25}}, tmp_path).threshold == 0.25
