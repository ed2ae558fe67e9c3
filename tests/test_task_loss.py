"""The loss of classification: class weights, label smoothing, focal loss; and balanced sampling."""

import numpy as np
import pegboard
import pytest
import torch
from pegboard.options import check_options
from pegboard.tasks.classify import balancing_weights
from pegboard.tasks.network import ClassifierNetwork, balanced_weights
from pegboard.tasks.options import ClassifyOptions
from torch import nn
from torch.nn import functional

LABELS = torch.tensor([0, 2, 2, 1, 2])


class Given(nn.Module):
    """Gives the vectors it was made with."""

    hidden_size, max_length = 3, None

    def __init__(self, vectors):
        super().__init__()
        self.vectors = nn.Parameter(vectors)

    def forward(self, input_ids, attention_mask):
        return pegboard.EncoderOutput(self.vectors[:, None], self.vectors)


def network(vectors=None, **options):
    torch.manual_seed(0)
    model = ClassifierNetwork(Given(torch.randn(5, 3) if vectors is None else vectors), 3, **options)
    with torch.no_grad():  # logits are the vectors
        model.head.weight.copy_(torch.eye(3))
        model.head.bias.zero_()
    return model


def output(model):
    nothing = torch.zeros(5, 1, dtype=torch.int64)
    return model(nothing, nothing, LABELS)


def test_focal_loss_by_hand():
    model = network(focal_gamma=2.0)
    chances = model.encoder.vectors.softmax(-1)[torch.arange(5), LABELS]
    result = output(model)
    assert result.loss_sum.item() == pytest.approx((-((1 - chances) ** 2) * chances.log()).sum().item(), rel=1e-5)
    assert float(result.loss_weight) == 5


def test_focal_loss_with_class_weights_and_smoothing():
    weights = torch.tensor([1.0, 2.0, 0.5])
    model = network(focal_gamma=1.5, class_weights=weights, label_smoothing=0.1)
    logits = model.encoder.vectors
    rows = functional.cross_entropy(logits, LABELS, weight=weights, label_smoothing=0.1, reduction="none")
    doubt = 1 - logits.softmax(-1)[torch.arange(5), LABELS]
    result = output(model)
    assert result.loss_sum.item() == pytest.approx((doubt**1.5 * rows).sum().item(), rel=1e-5)
    assert float(result.loss_weight) == float(weights[LABELS].sum())


@pytest.mark.parametrize("gamma", [0.0, 0.1, 1.0, 2.0, 10.0])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
def test_focal_gradients_are_numbers(gamma, size):
    """Also where the model is quite sure, of the right label or of a wrong one."""
    model = network(torch.eye(3)[[0, 2, 0, 1, 1]] * size, focal_gamma=gamma)
    result = output(model)
    result.loss_sum.backward()
    assert result.loss_sum.isfinite()
    assert model.encoder.vectors.grad.isfinite().all()


def test_no_gamma_is_the_plain_loss():
    plain = functional.cross_entropy(network().encoder.vectors, LABELS, reduction="sum")
    assert output(network(focal_gamma=0.0)).loss_sum == plain


def test_sure_rows_count_less():
    sure = torch.eye(3)[LABELS] * 4.0
    sure[0] = torch.tensor([0.0, 1.0, 0.0])
    shares = []
    for gamma in (0.0, 2.0):
        model = network(sure.clone(), focal_gamma=gamma)
        output(model).loss_sum.backward()
        norms = model.encoder.vectors.grad.norm(dim=1)
        shares.append(float(norms[0] / norms.sum()))
    assert shares[1] > shares[0]
    assert shares[1] > 0.99


def test_weights_that_balance_rows_and_losses_agree():
    weights = balancing_weights(LABELS.numpy())
    assert np.bincount(LABELS.numpy(), weights).tolist() == pytest.approx([1.0, 1.0, 1.0])
    of_loss = balanced_weights(LABELS, 3)[LABELS].numpy()
    assert weights / weights.sum() == pytest.approx(of_loss / of_loss.sum())


def test_balancing_twice_is_refused():
    with pytest.raises(pegboard.RecipeError, match=r"task\.sampling.*count twice over[\s\S]*task\.class_weights=none"):
        check_options(ClassifyOptions, {"class_weights": "balanced", "sampling": "balanced"}, table="task")


TOYS = {"dataset": "toy", "tokenizer": "space", "encoder": "mean", "trainer_epochs": 2}


def test_a_trainer_that_does_not_sample_is_refused(tmp_path, toy):
    with pytest.raises(pegboard.RecipeError, match=r"task\.sampling: the trainer 'loop' takes every row once"):
        pegboard.train(**TOYS, trainer="loop", task_sampling="balanced", out=tmp_path / "run", plugins=[toy])


def test_a_trainer_that_samples_is_given_the_weights(tmp_path, toy):
    plugin = tmp_path / "sampling.py"
    plugin.write_text(
        "import numpy as np\nimport pegboard\n\n"
        "class Sampling(pegboard.Trainer):\n"
        "    samples = True\n\n"
        "    def fit(self, model, data, run):\n"
        "        weights = data.train.sampling_weights\n"
        "        sums = np.bincount(data.train.labels, weights).round(6)\n"
        '        return {"seconds": 0.0, "epochs": 0, "sums": sums.tolist(), "rows": len(weights)}\n\n'
        "@pegboard.hookimpl\ndef pegboard_trainers():\n"
        '    yield pegboard.ComponentSpec(name="sampling", factory=f"{__name__}:Sampling", summary="looks")\n'
    )
    toys = {name: value for name, value in TOYS.items() if name != "trainer_epochs"}
    run = pegboard.train(
        **toys, trainer="sampling", task_sampling="balanced", out=tmp_path / "run", plugins=[toy, str(plugin)]
    )
    assert run.metrics["train"]["sums"] == [1.0, 1.0, 1.0]
    assert run.metrics["train"]["rows"] == 90


def test_an_encoder_with_a_method_pool_is_asked_for_the_pooled_vector_alone() -> None:
    class Pooling(torch.nn.Module):
        hidden_size, max_length = 4, None

        def forward(self, input_ids, attention_mask):
            raise AssertionError("the states are not needed")

        def pool(self, input_ids, attention_mask):
            return torch.ones(len(input_ids), 4)

    ids = torch.ones(2, 3, dtype=torch.int64)
    assert ClassifierNetwork(Pooling(), 3)(ids, ids).outputs.shape == (2, 3)
