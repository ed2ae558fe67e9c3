"""Bag of n-grams for Pegboard: an encoder, and a tokenizer for character n-grams, that train in seconds."""

from __future__ import annotations

from collections.abc import Iterable

from pegboard import ComponentSpec, hookimpl


@hookimpl
def pegboard_encoders() -> Iterable[ComponentSpec]:
    """The encoder `bow`."""
    yield ComponentSpec(
        name="bow",
        factory="pegboard_bow.encoder:BowEncoder",
        options="pegboard_bow.options:BowOptions",
        summary="mean of the vectors of tokens and hashed n-grams, as fastText has it: trains in seconds",
        # Float32 because nothing but the head is multiplied; one thread because operations are too small to share them.
        # A checkpoint each epoch would take longer than the epoch.
        suggests={
            "trainer.epochs": 5,
            "trainer.batch_size": 512,
            "trainer.min_epoch_steps": 35,
            "trainer.learning_rate": 0.06,
            "trainer.table_learning_rate": 8.0,
            "trainer.weight_decay": 0.0,
            "trainer.warmup_share": 0.0,
            "trainer.max_grad_norm": 0.0,
            "trainer.precision": "no",
            "trainer.checkpoint_every": 0,
            "trainer.threads": 1,
            "task.dropout": 0.0,
        },
    )


@hookimpl
def pegboard_tokenizers() -> Iterable[ComponentSpec]:
    """The tokenizer `chargram`."""
    yield ComponentSpec(
        name="chargram",
        factory="pegboard_bow.tokenizer:ChargramTokenizer",
        options="pegboard_bow.options:ChargramOptions",
        summary="words and their character n-grams, for the encoder bow: misspelt and unseen words say something",
        suggests={"encoder.ngrams": 1},  # what stands beside an n-gram is another of the same word
    )
