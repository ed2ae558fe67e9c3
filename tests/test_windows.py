"""Texts in overlapping windows: cut exactly, counted once in training, pooled in every figure and prediction."""

import json

import numpy as np
import pegboard
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pegboard.console import silent
from pegboard.pipeline.predict import predict_outputs
from pegboard.tasks.classify import ClassificationData, EncodedSplit, probabilities
from pegboard.tasks.network import ClassifierNetwork, MultiLabelNetwork
from pegboard.tasks.windows import WindowedSplit, Windows, pooled_logits, windows_of
from torch import nn

TEXTS = ["one two three four five six seven eight nine ten " * 4, "one two", "", "ten nine eight seven six five four"]


def split_of(rows, labels=None, **windows):
    return WindowedSplit(pa.array(rows, pa.large_list(pa.int32())), labels, 0, Windows(**windows))


def rows_of(split):
    """The ids of each row as the network gets them, without the padding."""
    batch = split.collate(np.arange(len(split)))
    return [ids[mask == 1].tolist() for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)]


@pytest.mark.parametrize("overlap", [0, 3, 5])
@pytest.mark.parametrize("special", ["none", "cls_sep"])
@pytest.mark.parametrize("name", ["char", "word", "wordpiece"])
def test_windows_are_those_of_the_library(name, special, overlap, tmp_path):
    options = {"max_length": 8, "special_tokens": special, "min_frequency": 1}
    tokenizer = pegboard.build_tokenizer(name, long_texts="windows", window_overlap=overlap, **options)
    tokenizer.train(TEXTS)
    tokenizer.save(tmp_path)
    backend = pegboard.read_backend(tmp_path / "tokenizer.json")
    assert backend.truncation["stride"] == overlap
    theirs = [[encoding.ids, *(more.ids for more in encoding.overflowing)] for encoding in map(backend.encode, TEXTS)]
    split = WindowedSplit(
        tokenizer.encode_batch(TEXTS), None, 0, windows_of(tokenizer, ClassificationData(None, None, ()).task)
    )
    assert rows_of(split) == [window for text in theirs for window in text]
    assert split.texts.tolist() == [i for i, text in enumerate(theirs) for _ in text]
    assert split.lengths.tolist() == list(map(len, rows_of(split)))


@given(
    st.lists(st.integers(0, 40), max_size=8),
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(1, 9),
    st.data(),
)
def test_every_id_is_in_a_window_and_every_window_is_framed(lengths, before, after, room, data):
    step = data.draw(st.integers(1, room))
    texts = [[-1] * before + list(range(1, length + 1)) + [-2] * after for length in lengths]
    split = split_of(texts, max_length=room + before + after, step=step, before=before, after=after)
    found = [[] for _ in texts]
    for text, row in zip(split.texts, rows_of(split), strict=True):
        assert row[:before] == [-1] * before
        assert row[len(row) - after :] == [-2] * after
        inner = row[before : len(row) - after]
        assert len(inner) <= room
        if found[text]:
            assert inner[0] == found[text][-1][0] + step
            assert inner[-1] > found[text][-1][-1]
        found[text].append(inner)
    assert [sorted({i for row in rows for i in row}) for rows in found] == [list(range(1, n + 1)) for n in lengths]


def test_short_texts_are_batches_as_ever():
    rows, labels = [[2, 5, 3], [2, 3], [2, 6, 7, 3]], np.array([0, 1, 1])
    plain = EncodedSplit(pa.array(rows, pa.large_list(pa.int32())), labels, 0)
    windowed = split_of(rows, labels, max_length=4, step=1, before=1, after=1)
    for some in (np.arange(3), np.array([1]), np.array([2, 0])):
        expected, batch = plain.collate(some), windowed.collate(some)
        assert batch.keys() == expected.keys()
        assert all(torch.equal(batch[name], expected[name]) for name in expected)


class Bag(nn.Module):
    """An encoder whose vector is the mean of one-hot ids."""

    hidden_size, max_length = 10, None

    def forward(self, input_ids, attention_mask):
        states = nn.functional.one_hot(input_ids, 10) * attention_mask[:, :, None].float()
        return pegboard.EncoderOutput(states, states.sum(1) / attention_mask.sum(1, keepdim=True).clamp(min=1))


@pytest.mark.parametrize("options", [{}, {"class_weights": torch.tensor([1.0, 3.0])}, {"focal_gamma": 2.0}])
def test_a_long_text_counts_as_much_as_a_short_one(options):
    """The loss of a text is the mean over its windows."""
    split = split_of([[1, 2, 3, 4, 5, 6], [7, 8], [9]], np.array([0, 1, 0]), max_length=2, step=2)
    torch.manual_seed(0)
    network = ClassifierNetwork(Bag(), 2, **options).eval()
    with torch.inference_mode():
        outputs = [network(**split.collate(np.array([row]))) for row in range(5)]
        whole = network(**split.collate(np.arange(5)))
    per_class = options.get("class_weights", torch.ones(2))
    alone = [
        float(output.loss_sum / output.loss_weight * per_class[0 if i != 3 else 1]) for i, output in enumerate(outputs)
    ]
    assert float(whole.loss_sum) == pytest.approx(sum(alone[:3]) / 3 + alone[3] + alone[4], rel=1e-5)
    assert float(whole.loss_weight) == pytest.approx(float(per_class[0] * 2 + per_class[1]))


def test_probabilities_are_pooled():
    chances = np.array([[0.9, 0.05, 0.05], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [0.2, 0.5, 0.3]])
    logits = (np.log(chances) + np.array([[5.0], [-3.0], [0.0], [100.0]])).astype(np.float32)
    firsts = np.array([0, 2, 3])
    mean = probabilities(pooled_logits(logits, firsts, "mean"))
    assert mean == pytest.approx(np.array([chances[:2].mean(0), chances[2], chances[3]]), rel=1e-5)
    largest = chances[:2].max(0)
    most = probabilities(pooled_logits(logits, firsts, "max"))
    assert most == pytest.approx(np.array([largest / largest.sum(), chances[2], chances[3]]), rel=1e-5)
    for pooling in ("mean", "max"):
        assert (pooled_logits(logits, firsts, pooling)[1:] == logits[2:]).all()  # to the bit
        assert pooled_logits(logits[:0], firsts[:0], pooling).shape == (0, 3)


def test_pooling_stands_logits_of_any_size():
    logits = np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32)
    assert probabilities(pooled_logits(logits, np.array([0]), "mean")).tolist() == [[0.5, 0.5]]


def test_probabilities_of_single_labels_are_pooled_as_they_are():
    logits = np.array([[3, -2, 0], [-1, -4, 60], [2, 2, 2]], np.float32)
    sigmoid = 1 / (1 + np.exp(-logits.astype(np.float64)))
    for pooling, expected in (("mean", sigmoid[:2].mean(axis=0)), ("max", sigmoid[:2].max(axis=0))):
        pooled = pooled_logits(logits, np.array([0, 2]), pooling, multi_label=True)
        assert 1 / (1 + np.exp(-pooled[0].astype(np.float64))) == pytest.approx(expected, rel=1e-5)
        assert (pooled[1] == logits[2]).all()  # to the bit


def test_probabilities_of_several_labels_are_pooled_each_by_itself():
    logits = np.array([[3.0, -1.0], [-2.0, -4.0], [0.5, 0.25], [800.0, -800.0], [800.0, 800.0]], np.float32)
    firsts = np.array([0, 2, 3])
    with np.errstate(over="ignore"):
        chances = 1 / (1 + np.exp(-logits.astype(np.float64)))
    expected = {"mean": [chances[:2].mean(0), chances[2], chances[3:].mean(0)]}
    expected["max"] = [chances[:2].max(0), chances[2], chances[3:].max(0)]
    for pooling, wanted in expected.items():
        pooled = pooled_logits(logits, firsts, pooling, multi_label=True).astype(np.float64)
        assert 1 / (1 + np.exp(-pooled)) == pytest.approx(np.array(wanted), rel=1e-5)
        assert (pooled[1] == logits[2]).all()


def test_a_text_with_several_labels_counts_once():
    labels = np.array([[True, False], [True, True]])
    split = split_of([[1, 2, 3, 4, 5, 6], [7, 8]], labels, max_length=2, step=2)
    network = MultiLabelNetwork(Bag(), 2).eval()
    batch = split.collate(np.arange(4))
    assert batch["labels"].tolist() == [[True, False]] * 3 + [[True, True]]
    with torch.inference_mode():
        whole = network(**batch)
        alone = [float(network(**split.collate(np.array([row]))).loss_sum) for row in range(4)]
    assert float(whole.loss_weight) == pytest.approx(4)  # two decisions for each of two texts
    weights = [float(weight) for weight in batch["weights"]]
    assert weights == pytest.approx([1 / 3] * 3 + [1])
    assert float(whole.loss_sum) == pytest.approx(sum(alone), rel=1e-5)


LABELS = ("sour", "sweet")
TASTES = {"sour": ["lemon", "vinegar", "lime"], "sweet": ["honey", "sugar", "syrup"]}
DATA = '''
import datasets, pegboard, numpy as np

class Options(pegboard.DatasetOptions):
    rows: int = 600

class Endings:
    """Stories whose last words alone tell the label, and a few short ones."""

    def __init__(self, options):
        self.rows = options.rows

    def load(self):
        return datasets.DatasetDict({name: self.split(i) for i, name in enumerate(("train", "validation", "test"))})

    def split(self, seed):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 2, self.rows)
        texts = []
        for label in labels:
            body = rng.choice([f"word{i}" for i in range(30)], rng.integers(2, 90))
            texts.append(" ".join([*body, *rng.choice(TASTES[LABELS[label]], 3)]))
        features = datasets.Features(
            {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list(LABELS))}
        )
        return datasets.Dataset.from_dict({"text": texts, "label": labels}, features=features)

@pegboard.hookimpl
def pegboard_datasets():
    yield pegboard.ComponentSpec(
        name="endings", factory=f"{__name__}:Endings", options=f"{__name__}:Options", summary="stories"
    )
'''


@pytest.fixture(scope="module")
def endings(tmp_path_factory):
    """A one-file plugin with the data set `endings`."""
    plugin = tmp_path_factory.mktemp("endings") / "endings.py"
    plugin.write_text(f"LABELS, TASTES = {LABELS}, {TASTES}\n{DATA}")
    return str(plugin)


@pytest.fixture(scope="module")
def runs(toy, endings, tmp_path_factory):
    """`runs("tail")`: a training on `endings`, of whose texts a third fits whole into 32 tokens."""
    made = {}

    def run(long_texts, **more):
        key = (long_texts, *more.items())
        if key not in made:
            made[key] = pegboard.train(
                dataset="endings",
                tokenizer="space",
                encoder="mean",
                trainer="loop",
                out=tmp_path_factory.mktemp("runs") / "run",
                plugins=[toy, endings],
                console=silent,
                **{
                    "tokenizer_max_length": 32,
                    "tokenizer_window_overlap": 8,
                    "tokenizer_long_texts": long_texts,
                    "trainer_epochs": 4,
                    **more,
                },
            )
        return made[key]

    return run


def test_what_stands_at_the_end_is_lost_or_kept(runs):
    accuracy = {choice: runs(choice).metrics["test"]["accuracy"] for choice in ("head", "tail", "both", "windows")}
    assert accuracy["head"] < 0.75  # a third is short, the rest is chance
    assert min(accuracy["tail"], accuracy["both"], accuracy["windows"]) > 0.97


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_one_prediction_a_text_in_order(runs, toy, endings, pooling):
    run = runs("windows", task_window_pooling=pooling)
    assert run.metrics["test"]["rows"] == 600
    assert sum(map(sum, run.metrics["test"]["confusion"])) == 600
    table = pq.read_table(run.folder / "predictions/test.parquet")
    texts, labels = table["text"].to_pylist(), table["label"].to_pylist()
    assert len(texts) == 600
    assert all(text.split()[-1] in TASTES[label] for text, label in zip(texts, labels, strict=True))
    classifier = pegboard.load(run.folder, plugins=[toy, endings])
    columns = np.stack([table[f"probability_{label}"].to_numpy() for label in LABELS], axis=1)
    assert np.array_equal(classifier.predict_proba(texts), columns)
    assert classifier.predict(texts) == table["prediction"].to_pylist()
    one = classifier.tokenizer.encode_batch(texts[:1])
    split = WindowedSplit(one, None, 0, Windows(32, 24, pooling=pooling))
    windows = probabilities(predict_outputs(classifier._networks.network, split))
    pooled = windows.mean(0) if pooling == "mean" else windows.max(0) / windows.max(0).sum()
    assert columns[0] == pytest.approx(pooled, rel=1e-4)


def test_short_texts_are_predicted_the_same_alone(runs, toy, endings):
    classifier = pegboard.load(runs("windows").folder, plugins=[toy, endings])
    long = " ".join(["word1"] * 500)
    alone, together = classifier.predict_proba(["lemon"]), classifier.predict_proba([long, "lemon", long])
    assert together[1] == pytest.approx(alone[0], rel=1e-6)
    assert classifier.predict_proba([]).shape == (0, 2)


def test_ids_are_stored_once_and_whole(runs, toy, endings):
    classifier = pegboard.load(runs("windows").folder, plugins=[toy, endings])
    [row] = classifier.tokenizer.encode_batch(["lemon " * 1000]).to_pylist()
    assert len(row) == 1000
    assert len(classifier.tokenizer.tokens("lemon " * 1000)) == 1000


def test_the_saved_model_and_the_recipe_say_it(runs):
    run = runs("windows")
    saved = json.loads((run.model_folder / "config.json").read_text())["pegboard"]
    assert saved["tokenizer"]["options"]["long_texts"] == "windows"
    assert saved["task"]["window_pooling"] == "mean"
    assert run.recipe_document()["tokenizer"]["window_overlap"] == 8


def test_labels_are_counted_by_text(runs, toy, endings, tmp_path):
    """Not by window: class weights and balanced sampling would favour the labels of short texts."""
    plugin = tmp_path / "looking.py"
    plugin.write_text(
        "import numpy as np, pegboard\n\n"
        "class Looking(pegboard.Trainer):\n"
        "    samples = True\n\n"
        "    def fit(self, model, data, run):\n"
        "        train = data.train\n"
        "        batch = train.collate(np.arange(len(train)))\n"
        '        labels, weights = batch["labels"].numpy(), batch["weights"].double().numpy()\n'
        '        figures = {"counts": np.bincount(labels, weights).tolist(), "seconds": 0.0, "epochs": 0}\n'
        "        if train.sampling_weights is not None:\n"
        '            figures["drawn"] = np.bincount(labels, weights * train.sampling_weights).tolist()\n'
        "        if model.class_weights is not None:\n"
        '            figures["class_weights"] = model.class_weights.tolist()\n'
        "        return figures\n\n"
        "@pegboard.hookimpl\ndef pegboard_trainers():\n"
        '    yield pegboard.ComponentSpec(name="looking", factory=f"{__name__}:Looking", summary="looks")\n'
    )
    for name, task in {"drawn": {"task_sampling": "balanced"}, "weighed": {"task_class_weights": "balanced"}}.items():
        run = pegboard.train(
            dataset="endings",
            tokenizer="space",
            encoder="mean",
            trainer="looking",
            out=tmp_path / name,
            plugins=[toy, endings, str(plugin)],
            console=silent,
            tokenizer_max_length=32,
            tokenizer_long_texts="windows",
            tokenizer_window_overlap=8,
            **task,
        )
        figures = run.metrics["train"]
        counts = np.array(figures["counts"])
        assert counts.sum() == pytest.approx(600)
        assert counts == pytest.approx(counts.round(), abs=1e-4)
        if name == "drawn":
            assert figures["drawn"] == pytest.approx([1.0, 1.0], rel=1e-4)
        else:
            assert figures["class_weights"] == pytest.approx((300 / counts).tolist(), rel=1e-4)
