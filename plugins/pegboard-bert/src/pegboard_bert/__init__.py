"""BERT: the encoder `bert` and the tokenizer `pretrained` that belongs to a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable

from pegboard import ComponentSpec, SameAs, hookimpl


@hookimpl
def pegboard_encoders() -> Iterable[ComponentSpec]:
    """The encoder `bert`."""
    yield ComponentSpec(
        name="bert",
        factory="pegboard_bert.encoder:BertEncoder",
        options="pegboard_bert.options:BertOptions",
        summary="BERT: a pretrained checkpoint to fine-tune, or a small one with random weights",
        requires=("transformers>=4.46",),
        suggests={
            "tokenizer.special_tokens": "cls_sep",
            "tokenizer.pretrained": SameAs("encoder.pretrained"),
            "tokenizer.revision": SameAs("encoder.revision"),
            "tokenizer.max_length": 128,
            "trainer.learning_rate": 2e-4,
            "trainer.epochs": 3,
            "trainer.batch_size": 32,
            "trainer.schedule": "linear",
            "trainer.warmup_share": 0.1,
        },
    )


@hookimpl
def pegboard_tokenizers() -> Iterable[ComponentSpec]:
    """The tokenizer `pretrained`."""
    yield ComponentSpec(
        name="pretrained",
        factory="pegboard_bert.tokenizer:PretrainedTokenizer",
        options="pegboard_bert.options:PretrainedOptions",
        summary="the tokenizer of a pretrained checkpoint, with exactly its ids",
        requires=("huggingface-hub>=0.26", "tokenizers>=0.20"),
    )
