"""A plugin as somebody wrote it for Pegboard 0.1, never to be changed: every later 0.x must train with it.

It uses the names, hook arguments, record fields and trainer contract of 0.1, all of them and nothing else.
"""

import datasets
import pegboard
import pydantic
import torch
from torch import nn

HEARD = []


class Options(pegboard.Options):
    size: int = pydantic.Field(8, ge=1)
    """of the vectors"""


class DataOptions(pegboard.DatasetOptions):
    path: str


class TokenizerOptions(pegboard.TokenizerOptions):
    mark: str = "-"


class LoopOptions(pegboard.Options):
    epochs: int = 2
    rate: float = 0.05


class Data:
    def __init__(self, options):
        self.options = options

    def load(self):
        names = ["even", "odd"]
        features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)})
        rows = {"text": [f"{names[i % 2]}-{i}" for i in range(60)], "label": [i % 2 for i in range(60)]}
        return datasets.DatasetDict({"train": datasets.Dataset.from_dict(rows, features=features)})


class Tokenizer(pegboard.PieceTokenizer):
    context_free = False
    joiner = "-"

    def split(self, text):
        return [piece for piece in text.split(self.options.mark) if piece]


class Encoder(nn.Module):
    max_length = None

    def __init__(self, options, vocab):
        super().__init__()
        self.hidden_size = options.size
        self.embedding = nn.Embedding(vocab.size, options.size, padding_idx=vocab.pad_id)

    def forward(self, input_ids, attention_mask):
        mask = attention_mask.unsqueeze(-1)
        states = self.embedding(input_ids) * mask
        return pegboard.EncoderOutput(states, states.sum(dim=1) / mask.sum(dim=1).clamp(min=1))


class Trainer(pegboard.Trainer):
    resumes = False

    def fit(self, model, data, run):
        optimizer = torch.optim.Adam(model.parameters(), self.options.rate)
        for epoch in range(self.options.epochs):
            with run.progress(f"epoch {epoch + 1}", len(data.train)) as bar:
                for rows in pegboard.bucketed_batches(data.train.lengths, 16, seed=[run.seed, epoch]):
                    output = model(**data.train.collate(rows))
                    loss = output.loss_sum / output.loss_weight
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    bar.advance(len(rows), loss=loss.item())
            outputs = []
            with torch.no_grad():
                for rows in pegboard.sorted_batches(data.validation.lengths):
                    outputs += zip(rows.tolist(), model(**data.validation.collate(rows)).outputs, strict=True)
            logits = torch.stack([logits for _, logits in sorted(outputs, key=lambda pair: pair[0])])
            metrics = data.metrics(logits.float().numpy())
            run.epoch_finished({"epoch": epoch + 1, "train_loss": loss.item(), **metrics})
        return {"epochs": self.options.epochs, "seconds": 1.0}


@pegboard.hookimpl
def pegboard_datasets():
    return [
        pegboard.ComponentSpec(
            name="old-data",
            factory=f"{__name__}:Data",
            options=f"{__name__}:DataOptions",
            summary="numbers",
            requires=("datasets>=3.0",),
            schemes=("old",),
        )
    ]


@pegboard.hookimpl
def pegboard_tokenizers():
    yield pegboard.ComponentSpec(
        name="old-words", factory=f"{__name__}:Tokenizer", options=f"{__name__}:TokenizerOptions", summary="words"
    )


@pegboard.hookimpl
def pegboard_encoders():
    yield pegboard.ComponentSpec(
        name="old-mean",
        factory=f"{__name__}:Encoder",
        options=f"{__name__}:Options",
        summary="mean of vectors",
        suggests={"trainer.rate": 0.1, "trainer.epochs": pegboard.SameAs("encoder.size")},
        default=False,
    )


@pegboard.hookimpl
def pegboard_trainers():
    yield pegboard.ComponentSpec(
        name="old-loop", factory=f"{__name__}:Trainer", options=f"{__name__}:LoopOptions", summary="a loop"
    )


@pegboard.hookimpl
def pegboard_run_started(run):
    HEARD.append(("started", run.folder.name, run.seed))


@pegboard.hookimpl
def pegboard_epoch_finished(run, metrics):
    HEARD.append(("epoch", metrics["epoch"]))


@pegboard.hookimpl
def pegboard_run_finished(run):
    HEARD.append(("finished", (run.folder / "metrics.json").is_file()))
