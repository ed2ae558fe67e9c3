"""A one-file plugin: a tokenizer that computes for minutes where `SLOW_AT` says, in compiled code."""

import hashlib
import os

import pegboard


def compute(where):
    if os.environ.get("SLOW_AT") == where:
        print("computing", flush=True)
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)


class SlowTokenizer(pegboard.PieceTokenizer):
    def train(self, texts):
        compute("train")
        super().train(texts)

    def split(self, text):
        if text.endswith(" 91"):  # only the test split goes so far
            compute("evaluate")
        return text.split()


@pegboard.hookimpl
def pegboard_tokenizers():
    yield pegboard.ComponentSpec(
        name="slow", factory=f"{__name__}:SlowTokenizer", options="pegboard:TokenizerOptions", summary="takes its time"
    )
