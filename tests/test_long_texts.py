"""Of a long text only the beginning is encoded: exactly as if it were encoded whole and cut then."""

import re

import pegboard
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SCRIPTS = {
    "english": "The quick brown fox, it's said, jumps over the lazy dog. ",
    "chinese": "机器学习是人工智能的一个分支，涉及文本分类。今天天气很好！",
    "code": "for(i=0;i<n;i++){a[i]=b[i]*c[i];}",
    "lines": "first line\nsecond\tline\n",
    "mixed": "Größe：大きい文字。naïve e\u0301té, [SEP]ok [MASK]. ",
    "special": "[SEP][MASK]a[SEP]",
}
ODD = st.lists(
    st.one_of(
        st.sampled_from(
            [*SCRIPTS.values(), "'s", " ", "  ", "\n", "\u0301", "[", "]", "SEP", "，", "한", "\u1161", "ａ"]
        ),
        st.text(max_size=3),
    ),
    max_size=8,
).map("".join)
LIBRARY = ("word", "wordpiece", "char", "bpe", "unigram")


@pytest.fixture(scope="module")
def tokenizers():
    made = {}
    for name in LIBRARY:
        made[name] = pegboard.build_tokenizer(name, min_frequency=1, vocab_size=600, max_length=50)
        made[name].train(list(SCRIPTS.values()))
    return made


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("name", LIBRARY)
def test_ids_are_those_of_the_whole_text(tokenizers, name, script):
    tokenizer = tokenizers[name]
    texts = [SCRIPTS[script] * (200_000 // len(SCRIPTS[script])), "short", SCRIPTS[script] * 3]
    assert tokenizer.encode_batch(texts).to_pylist() == [tokenizer.backend.encode(text).ids for text in texts]


@pytest.mark.parametrize("name", LIBRARY)
@settings(max_examples=200)
@given(text=ODD)
def test_a_text_may_end_at_its_borders(tokenizers, name, text):
    tokenizer = tokenizers[name]
    backend = tokenizer.backend.from_str(tokenizer.backend.to_str())
    backend.no_truncation()
    places = [match.start() for match in re.finditer(tokenizer.border, text)] if tokenizer.border else []
    for place in places:
        if 0 < place < len(text):
            beginning = backend.encode(text[:place]).ids
            assert beginning == backend.encode(text).ids[: len(beginning)], (text[:place], text[place:])


def test_chinese_is_cut_without_a_space(tokenizers, monkeypatch):
    for name in ("word", "wordpiece", "bpe", "unigram"):
        border = re.compile(tokenizers[name].border)
        text = SCRIPTS["chinese"] * 10
        assert len(list(border.finditer(text))) >= 20
