"""A one-file plugin with a small component of each kind, so that the core is tested without any package."""

import datasets
import pegboard
import pydantic
import torch
from torch import nn

WORDS = {"joy": ["glad", "happy", "sunny"], "gloom": ["grey", "tired", "rainy"], "rage": ["furious", "mad", "cross"]}


class ToyOptions(pegboard.DatasetOptions):
    rows: int = 90
    splits: list[str] = pydantic.Field(["train", "validation", "test"])


class ToyDataset:
    def __init__(self, options):
        self.options = options

    def load(self):
        features = datasets.Features(
            {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list(WORDS))}
        )
        return datasets.DatasetDict({name: self._split(i, features) for i, name in enumerate(self.options.splits)})

    def _split(self, number, features):
        rows = range(number, self.options.rows + number)
        labels = [i % len(WORDS) for i in rows]
        texts = [
            f"{list(WORDS.values())[label][i % 7 % 3]} day number {i}" for i, label in zip(rows, labels, strict=True)
        ]
        return datasets.Dataset.from_dict({"text": texts, "label": labels}, features=features)


class SpaceTokenizer(pegboard.PieceTokenizer):
    context_free = True

    def split(self, text):
        return text.split()


class MeanOptions(pegboard.Options):
    size: int = 16


class MeanEncoder(nn.Module):
    max_length = None

    def __init__(self, options, vocab):
        super().__init__()
        self.hidden_size = options.size
        self.embedding = nn.Embedding(vocab.size, options.size)

    def forward(self, input_ids, attention_mask):
        mask = attention_mask[:, :, None]
        states = self.embedding(input_ids) * mask
        return pegboard.EncoderOutput(states, states.sum(1) / mask.sum(1).clamp(min=1))


class LoopOptions(pegboard.Options):
    epochs: int = 8


class LoopTrainer(pegboard.Trainer):
    def fit(self, model, data, run):
        optimizer = torch.optim.Adam(model.parameters(), 0.05)
        for epoch in range(self.options.epochs):
            for rows in pegboard.bucketed_batches(data.train.lengths, 16, seed=[run.seed, epoch]):
                output = model(**data.train.collate(rows))
                loss = output.loss_sum / output.loss_weight
                if not loss.isfinite():
                    raise pegboard.RunError("the loss is not a number", where=f"epoch {epoch + 1}")
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            run.epoch_finished({"epoch": epoch + 1})
        return {"epochs": self.options.epochs, "seconds": 0.0}


@pegboard.hookimpl
def pegboard_datasets():
    yield pegboard.ComponentSpec(
        name="toy", factory=f"{__name__}:ToyDataset", options=f"{__name__}:ToyOptions", summary="made-up days"
    )


@pegboard.hookimpl
def pegboard_tokenizers():
    yield pegboard.ComponentSpec(
        name="space",
        factory=f"{__name__}:SpaceTokenizer",
        options="pegboard:TokenizerOptions",
        summary="splits at spaces",
    )


@pegboard.hookimpl
def pegboard_encoders():
    yield pegboard.ComponentSpec(
        name="mean",
        factory=f"{__name__}:MeanEncoder",
        options=f"{__name__}:MeanOptions",
        summary="mean of embeddings",
        suggests={"trainer.epochs": 12, "trainer.no_such_option": 1},
    )


@pegboard.hookimpl
def pegboard_trainers():
    yield pegboard.ComponentSpec(
        name="loop", factory=f"{__name__}:LoopTrainer", options=f"{__name__}:LoopOptions", summary="a plain loop"
    )
