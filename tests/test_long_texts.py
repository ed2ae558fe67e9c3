"""Of a long text only the ends are encoded that are kept: exactly as if it were encoded whole and cut then."""

import random
import re

import pegboard
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard.text.ascii_words import AsciiWords
from pegboard.text.encoding import UnitEncoder
from pegboard.text.library_units import borders_within_words
from pegboard.text.ragged import ends_kept, from_lists
from pegboard.text.segments import Cutter
from tokenizers import Tokenizer, models, pre_tokenizers

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


@pytest.mark.usefixtures("both_loops")
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


FRAMED = [("none", 0), ("cls_sep", 2)]


class Dashes(pegboard.PieceTokenizer):
    """The ten lines that an author writes."""

    context_free = True

    def split(self, text):
        return [piece for piece in re.split(r"[-\s]+", text) if piece]


def trained(name, **options):
    options = {"min_frequency": 1, "vocab_size": 600, **options}
    if name == "dashes":
        tokenizer = Dashes(pegboard.TokenizerOptions(**options))
    else:
        tokenizer = pegboard.build_tokenizer(name, **options)
    tokenizer.train(list(SCRIPTS.values()))
    return tokenizer


def expected(whole, choice, room, framed):
    """What should be left of the ids of a whole text, without looking at how it is done."""
    inner = whole[1:-1] if framed else whole
    if len(inner) > room:
        first = -(-room // 4)
        ends = {"head": inner[:room], "tail": inner[-room:], "both": inner[:first] + inner[first - room :]}
        inner = ends.get(choice, inner)
    return [whole[0], *inner, whole[-1]] if framed else inner


@pytest.mark.usefixtures("both_loops")
@pytest.mark.parametrize("choice", ["head", "tail", "both", "windows"])
@pytest.mark.parametrize(("special", "framed"), FRAMED)
@pytest.mark.parametrize("name", [*LIBRARY, "dashes"])
def test_what_is_kept(name, special, framed, choice):
    """Of long texts, of which only the ends are encoded, and of short ones; `max_length` counts special tokens."""
    texts = [script * (80_000 // len(script)) for script in SCRIPTS.values()]
    texts += [script * 3 for script in SCRIPTS.values()] + ["short", "", " "]
    tokenizer = trained(name, max_length=50, special_tokens=special, long_texts=choice)
    rows = trained(name, max_length=10**6, special_tokens=special).encode_batch(texts).to_pylist()
    assert tokenizer.frame == (framed // 2, framed // 2)
    assert tokenizer.encode_batch(texts).to_pylist() == [expected(row, choice, 50 - framed, framed) for row in rows]


@pytest.mark.parametrize(("special", "framed"), FRAMED)
@pytest.mark.parametrize("name", LIBRARY)
def test_tail_is_what_the_library_keeps_on_the_right(name, special, framed, tmp_path):
    tokenizer = trained(name, max_length=40, special_tokens=special, long_texts="tail")
    tokenizer.save(tmp_path)
    backend = pegboard.read_backend(tmp_path / "tokenizer.json")
    assert backend.truncation["direction"] == "left"
    texts = [script * times for script in SCRIPTS.values() for times in (1, 5, 80_000 // len(script))]
    assert tokenizer.encode_batch(texts).to_pylist() == [backend.encode(text).ids for text in texts]
    assert type(tokenizer).load(tmp_path, tokenizer.options).encode_batch(texts) == tokenizer.encode_batch(texts)


def test_transformers_cuts_where_we_do(tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer = trained("wordpiece", max_length=20, special_tokens="cls_sep", long_texts="tail")
    tokenizer.save(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = SCRIPTS["english"] * 5
    assert theirs(text, truncation=True)["input_ids"] == tokenizer.encode_batch([text])[0].as_py()


@pytest.mark.parametrize("name", LIBRARY)
@settings(max_examples=50, deadline=None)
@given(
    text=ODD, size=st.sampled_from([4, 9, 30]), count=st.sampled_from([3, 8]), choice=st.sampled_from(["tail", "both"])
)
def test_the_end_alone_gives_the_last_ids(made, name, text, size, count, choice):
    """Wherever the text is cut before it, however short the first attempt."""
    whole = trained_once(made, name, max_length=10**6).encode_batch([text])[0].as_py()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pegboard.text.encoding._LONG_BYTES", size)
        ids = trained_once(made, name, max_length=count, long_texts=choice).encode_batch([text, "a"])[0].as_py()
    assert ids == expected(whole, choice, count, 0)


LONG_WORDS = st.lists(
    st.one_of(
        st.builds(
            lambda letters, times: letters * times,
            st.text("abczAQXéßΣйחلがア한ñ9", min_size=1, max_size=3),
            st.integers(100, 900),
        ),
        st.text("abcdefghijklmnopqrstuvwxyzQXZ", min_size=50, max_size=300),
        st.sampled_from(
            [*SCRIPTS.values(), "'", "don't", "_", "中文" * 300, "\u0301", "😀" * 50, "...", "[SEP]", "ﷺ", "e"]
        ),
    ),
    max_size=6,
).map("".join)


@pytest.mark.parametrize("name", LIBRARY)
@settings(max_examples=60, deadline=None)
@given(text=LONG_WORDS, count=st.sampled_from([3, 40]), choice=st.sampled_from(["head", "tail", "both"]))
def test_words_without_end(made, name, text, count, choice):
    """Of a word that is too long to be known only the beginning is looked at; others may be cut between letters."""
    whole = trained_once(made, name, max_length=10**6).encode_batch([text])[0].as_py()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pegboard.text.encoding._LONG_BYTES", 30)
        ids = trained_once(made, name, max_length=count, long_texts=choice).encode_batch([text, "a"])[0].as_py()
    assert ids == expected(whole, choice, count, 0)


WITHOUT_END = st.lists(
    st.one_of(
        st.builds(
            lambda part, times: part * times,
            st.one_of(
                st.text("abQ!7éß中한😀ﷺ \n\u0301\u0316\u0f73\u1161\u200dΣ#▁", min_size=1, max_size=3),
                st.sampled_from(["the", "ox", "it's", "ab", "{i}", "机器", "분", "[SEP]", "=", "e\u0301"]),
            ),
            st.integers(300, 4000),
        ),
        st.text("thequickbrown7机器학😀!ĀΣ\u0301", min_size=1000, max_size=3000),
        st.text(max_size=40),
        st.sampled_from([*SCRIPTS.values(), "x", " ", "\u0301", "\u0316", "'s", "[SEP]", "\n"]),
    ),
    max_size=4,
).map("".join)


@pytest.fixture(scope="module")
def small_slices():
    """As the real ones, but for texts of some thousand characters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pegboard.text.encoding._LONG_BYTES", 60)
        patch.setattr("pegboard.text.long_words._SLICES", (700, 1000, 3000))
        patch.setattr("pegboard.text.long_words._WINDOW", 500)  # more than `wordpiece` takes for a word
        patch.setattr("pegboard.text.long_words._SAME_PHASE", 12)
        patch.setattr("pegboard.text.long_words._PERIODS", (1, 2, 3, 4, 6, 12))
        yield


@pytest.mark.usefixtures("small_slices")
@pytest.mark.parametrize("name", [*LIBRARY, "plain-bpe"])
@settings(max_examples=100, deadline=None)
@given(text=WITHOUT_END, count=st.sampled_from([3, 40]), choice=st.sampled_from(["head", "head", "both", "tail"]))
def test_the_beginning_tells_the_first_ids(made, name, text, count, choice):
    options = {"byte_level": False} if name == "plain-bpe" else {}
    name = name.removeprefix("plain-")
    whole = trained_once(made, name, max_length=10**6, **options).backend.encode(text).ids
    ids = trained_once(made, name, max_length=count, long_texts=choice, **options).encode_batch([text])[0].as_py()
    assert ids == expected(whole, choice, count, 0)


@pytest.mark.parametrize("form", ["none", "nfc", "nfd", "nfkc", "nfkd"])
@pytest.mark.parametrize("name", ["word", "wordpiece"])
def test_no_word_ends_between_plain_letters(name, form):
    tokenizer = trained(name, normalization=form)
    normalizer, splitter = tokenizer.backend.normalizer, tokenizer.backend.pre_tokenizer
    letters = re.findall(tokenizer.letters, "".join(map(chr, range(0xD800))))
    assert len(letters) > 11_000
    assert ("中" in letters) == (name == "word")
    for start in range(0, len(letters), 50):
        word = "".join(letters[start : start + 50] * 2)
        normal = normalizer.normalize_str(word) if normalizer else word
        assert splitter.pre_tokenize_str(normal) == [(normal, (0, len(normal)))], word
        assert len(normal) >= len(word)


@pytest.mark.parametrize("name", ["bpe", "unigram"])
def test_letters_that_no_token_joins(name, monkeypatch):
    """Of a word of a megabyte little is encoded."""
    tokenizer = trained(name, max_length=50)
    seen = []
    encode = tokenizer._trained.encoder._encode
    monkeypatch.setattr(
        tokenizer._trained.encoder,
        "_encode",
        lambda units, *rest: seen.extend(units.to_pylist()) or encode(units, *rest),
    )
    text = "".join(random.Random(3).choices("abcdefghijklmnopqrstuvwxyz", k=1_000_000))
    assert tokenizer.encode_batch([text])[0].as_py() == tokenizer.backend.encode(text).ids
    assert sum(map(len, seen)) < 80_000


def test_letters_that_a_token_joins_as_unknown_ones():
    vocabulary = {"[UNK]": 0, "a": 1, "c": 2, "[UNK]a": 3}
    model = models.BPE(vocabulary, [("[UNK]", "a")], unk_token="[UNK]", fuse_unk=True)
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    rules = AsciiWords(None, backend.pre_tokenizer, [], space_first=True)
    assert backend.encode("cbbbba").ids == [2, 3]
    assert borders_within_words(backend, rules, head=True) == ""
    backend.model = models.BPE({"[UNK]": 0, "a": 1, "c": 2}, [], unk_token="[UNK]", fuse_unk=True)
    assert borders_within_words(backend, rules, head=True)


@pytest.fixture(scope="module")
def made():
    return {}


def trained_once(made, name, **options):
    key = (name, *options.items())
    if key not in made:
        made[key] = trained(name, **options)
    return made[key]


def test_only_the_ends_of_a_long_text_are_encoded():
    """However long it is: the number of bytes that the tokenizer is given does not grow with it."""
    seen = []

    def encode(units, *_):
        texts = units.to_pylist()
        seen.extend(texts)
        return from_lists([list(map(ord, text.rstrip())) for text in texts])

    for choice in ("head", "tail", "both"):
        seen.clear()
        encoder = UnitEncoder(Cutter("after_space"), encode, 100, long_texts=choice)
        text = " ".join(map(str, range(400_000)))
        [row] = encoder.encode([text]).to_pylist()
        assert row == expected(list(map(ord, text.replace(" ", ""))), choice, 100, 0)
        assert sum(map(len, seen)) < 300_000, choice


def test_the_split_of_both_is_that_of_the_paper():
    assert ends_kept("both", 510) == (128, 382)
    assert [ends_kept("both", room) for room in (0, 1, 2, 4)] == [(0, 0), (1, 0), (1, 1), (1, 3)]


def test_a_tokenizer_of_its_own_kind_says_what_it_does():
    class Own(pegboard.Tokenizer):
        vocab_size = 9
        train = encode_batch = decode = tokens = save = load = None

    assert Own(pegboard.TokenizerOptions()).long_texts == "head"
    with pytest.raises(pegboard.RecipeError, match=r"tokenizer\.long_texts: Own does not know how to do 'tail'"):
        Own(pegboard.TokenizerOptions(long_texts="tail"))


@pytest.mark.parametrize(("special", "length"), [("none", 32), ("cls_sep", 34)])
def test_windows_must_go_on(special, length):
    given = {"long_texts": "windows", "special_tokens": special}
    with pytest.raises(pegboard.RecipeError, match=r"window_overlap: windows of .* have no room for 32 of the window"):
        pegboard.build_tokenizer("word", max_length=length, **given)
    pegboard.build_tokenizer("word", max_length=length + 1, **given)
    pegboard.build_tokenizer("word", max_length=length, long_texts="tail", special_tokens=special)


def bpe_of(added=(), **settings):
    """A byte-level pipeline whose one merge joins q and x."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: i for i, piece in enumerate([*alphabet, "qx"])}
    backend = Tokenizer(models.BPE(vocabulary, [("q", "x")], **settings))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.add_tokens([AddedToken(**token) for token in added])
    return backend


def borders(backend, text, *, head=True):
    rules = AsciiWords(None, backend.pre_tokenizer, [], space_first=True)
    pattern = borders_within_words(backend, rules, head=head)
    return [match.start() for match in re.finditer(pattern, text)] if pattern else None


def test_where_no_token_lies_across():
    from tokenizers import Tokenizer, models

    assert borders(bpe_of(), "aaaaqxqx") == [4, 6]
    assert borders(bpe_of(), "'llama qxa") == [5]
    assert borders(bpe_of([{"content": "xq", "normalized": False}]), "aaaaqxqx") == [4]
    for unlike in ({"ignore_merges": True}, {"end_of_word_suffix": "</w>"}, {"dropout": 0.1}):
        assert borders(bpe_of(**unlike), "aaaaqxqx") is None
    assert borders(bpe_of([{"content": "a", "single_word": True}]), "aaaaqxqx") is None
    unigram = Tokenizer(models.Unigram([("?", 0.0), ("q", -1.0), ("qx", -1.0)], unk_id=0))
    unigram.pre_tokenizer = bpe_of().pre_tokenizer
    assert borders(unigram, "aaaaqxqx") == [4, 6]
    assert borders(unigram, "aaaaqxqx", head=False) is None
