"""Small encoders from scratch on the emotion data: Pegboard against a plain PyTorch loop.

    python tests/benchmarks/train_rnn.py                                        the whole comparison
    python tests/benchmarks/train_rnn.py --rows 2000 --epochs 1 --seeds 1       a look, in two minutes

`rnn` is a bidirectional GRU of 128 with max pooling, `bert` a BERT of two layers of 128 with random weights. The plain
loop is what a tutorial shows: `nn.GRU` (or transformers' `BertForSequenceClassification`), a shuffling `DataLoader`
that pads to the longest text of a batch, `AdamW` as it comes, clipping, a linear schedule. Both get the same rows, ids,
batch size, epochs, learning rate and warm-up, and end with the weights of the last epoch. They train in turns, in
slices of a second or two.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from turns import Turns, report, subset, train_in_turns, train_pegboard

REPOSITORY = Path(__file__).resolve().parents[2]
MAX_LENGTH = 128
RATES = {"rnn": 2e-3, "bert": 5e-4}
ROWS = {"rnn": 6000, "bert": 3000}
WARMUP = 0.06


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data" / "emotion")
    parser.add_argument("--encoders", nargs="*", default=["rnn", "bert"], choices=["rnn", "bert"])
    parser.add_argument("--rows", type=int, help=f"training rows [default: {ROWS}]; the test split is always whole")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--passive", action="store_true", help="the threads of the plain loop wait as Pegboard's do")
    options = parser.parse_args()
    for encoder in options.encoders:
        rows = options.rows or ROWS[encoder]
        with tempfile.TemporaryDirectory() as folder:
            data = subset(options.data, Path(folder), rows)
            runs = []
            for seed in range(1, options.seeds + 1):
                common = {"folder": folder, "data": str(data), "seed": seed, "encoder": encoder}
                common |= {"epochs": options.epochs, "batch_size": options.batch_size}
                programs = {
                    "plain loop": {**common, "program": "plain"},
                    "Pegboard": {**common, "program": "pegboard"},
                    "Pegboard, float32": {**common, "program": "pegboard", "options": {"trainer_precision": "no"}},
                }
                if encoder == "rnn":
                    del programs["Pegboard, float32"]  # which is its default: the model is too small for bf16 to pay
                runs.append(train_in_turns(__file__, programs, "plain loop", passive=options.passive))
                print(f"{encoder}, seed {seed} done", file=sys.stderr, flush=True)
            print(f"\n{encoder}: {rows} rows, {options.epochs} epochs, batches of {options.batch_size}")
            report(runs, "plain loop")


def worker(settings: dict[str, Any]) -> None:
    turns = Turns()
    accuracy = (by_plain_loop if settings["program"] == "plain" else by_pegboard)(settings, turns)
    turns.finish(accuracy=accuracy)


def by_pegboard(settings: dict[str, Any], turns: Turns) -> float:
    return train_pegboard(
        settings,
        turns,
        tokenizer="word",
        encoder=settings["encoder"],
        tokenizer_max_length=MAX_LENGTH,
        trainer_epochs=settings["epochs"],
        trainer_batch_size=settings["batch_size"],
        trainer_learning_rate=RATES[settings["encoder"]],
        trainer_warmup_share=WARMUP,
        trainer_restore_best=False,
    )


def by_plain_loop(settings: dict[str, Any], turns: Turns) -> float:
    import numpy as np
    import pegboard
    import torch
    from torch import nn

    turns.wait()
    random.seed(settings["seed"])
    torch.manual_seed(settings["seed"])
    texts, labels = {}, {}
    for split in ("train", "test"):
        with Path(settings["data"], f"{split}.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        texts[split], labels[split] = [row["text"] for row in rows], [row["label"] for row in rows]
    names = sorted(set(labels["train"]))
    special = "cls_sep" if settings["encoder"] == "bert" else "none"
    tokenizer = pegboard.build_tokenizer("word", max_length=MAX_LENGTH, special_tokens=special)
    tokenizer.train(texts["train"])
    data = {}
    for split in texts:
        ids = tokenizer.encode_batch(texts[split]).to_pylist()
        data[split] = [(row, names.index(label)) for row, label in zip(ids, labels[split], strict=True)]
    pad = tokenizer.vocab_info.pad_id

    def collate(batch: list[tuple[list[int], int]]) -> tuple[torch.Tensor, torch.Tensor]:
        rows = [torch.tensor(ids or [pad]) for ids, _ in batch]
        padded = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad)
        return padded, torch.tensor([label for _, label in batch])

    size = settings["batch_size"]
    loader = torch.utils.data.DataLoader(data["train"], batch_size=size, shuffle=True, collate_fn=collate)
    vocabulary = tokenizer.vocab_size
    model = (gru if settings["encoder"] == "rnn" else bert)(vocabulary, pad, len(names))
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATES[settings["encoder"]], weight_decay=0.01)
    total = len(loader) * settings["epochs"]
    warmup = round(WARMUP * total)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (warmup + 1), (total - step) / (total - warmup))
    )
    loss_of = nn.CrossEntropyLoss()
    for _ in range(settings["epochs"]):
        model.train()
        turns.start()
        for ids, targets in loader:
            loss = loss_of(model(ids), targets)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            turns.step(len(targets))
        turns.stop()
    model.eval()
    with torch.inference_mode():
        hits = []
        for ids, targets in torch.utils.data.DataLoader(data["test"], batch_size=64, collate_fn=collate):
            hits += (model(ids).argmax(-1) == targets).tolist()
    return float(np.mean(hits))


def gru(vocabulary: int, pad: int, labels: int) -> Any:
    import torch
    from torch import nn

    class Gru(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(vocabulary, 128, padding_idx=pad)
            self.gru = nn.GRU(128, 128, batch_first=True, bidirectional=True)
            self.dropout = nn.Dropout(0.3)
            self.head = nn.Linear(256, labels)

        def forward(self, ids: Any) -> Any:
            mask = ids != pad
            vectors = self.dropout(self.embedding(ids))
            states, _ = self.gru(vectors)  # pack_padded_sequence would be slower here
            pooled = states.masked_fill(~mask[..., None], -torch.inf).amax(1)
            return self.head(self.dropout(pooled))

    return Gru()


def bert(vocabulary: int, pad: int, labels: int) -> Any:
    from torch import nn
    from transformers import BertConfig, BertForSequenceClassification

    class Bert(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            sizes = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 512}
            config = BertConfig(vocab_size=vocabulary, pad_token_id=pad, num_labels=labels, **sizes)
            self.bert = BertForSequenceClassification(config)

        def forward(self, ids: Any) -> Any:
            return self.bert(input_ids=ids, attention_mask=(ids != pad).long()).logits

    return Bert()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(json.loads(sys.argv[2]))
    else:
        main()
