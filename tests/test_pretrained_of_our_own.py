"""Any trained tokenizer of ours can be taken as a pretrained one, from the folder it was saved to."""

import pegboard
import pytest

TEXTS = ["I don't know, you know? Ça va!", "you’re  here…\n[SEP] 한국어 x", "", " "]


@pytest.mark.parametrize("name", ["word", "wordpiece", "char", "bpe", "unigram"])
def test_gives_the_same_ids(name, tmp_path):
    ours = pegboard.build_tokenizer(name, min_frequency=1, vocab_size=400)
    ours.train(TEXTS * 3)
    ours.save(tmp_path)
    theirs = pegboard.build_tokenizer("pretrained", pretrained=str(tmp_path))
    assert theirs.encode_batch(TEXTS) == ours.encode_batch(TEXTS)
