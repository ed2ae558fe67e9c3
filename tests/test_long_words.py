"""What the beginning of a text tells of its ids must be so however the text goes on."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard.text.library_units import long_words
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

UNKNOWN = 0
RUNS = st.lists(
    st.tuples(st.text("ab#?é", min_size=1, max_size=3), st.integers(1, 400))
    | st.tuples(st.text("ab", max_size=600), st.just(1)),
    min_size=1,
    max_size=3,
).map(lambda runs: "".join(part * times for part, times in runs))


@pytest.fixture(scope="module", autouse=True)
def small_slices():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pegboard.text.long_words._SLICES", (600, 800, 1000))
        patch.setattr("pegboard.text.long_words._WINDOW", 24)
        patch.setattr("pegboard.text.long_words._SAME_PHASE", 12)
        patch.setattr("pegboard.text.long_words._PERIODS", (1, 2, 3, 4, 6))
        yield


@st.composite
def unigrams(draw):
    tokens = draw(st.lists(st.text("ab", min_size=2, max_size=5), unique=True, max_size=5))
    # Few scores, so that many paths have the same sum but for rounding.
    scores = draw(st.lists(st.sampled_from([-1.0, -2.0, -0.1, -0.3]), min_size=7, max_size=7))
    vocabulary = [("[UNK]", 0.0), *zip(["a", "b", *tokens], scores, strict=False)]
    return Tokenizer(models.Unigram(vocabulary, unk_id=UNKNOWN, byte_fallback=False))


@st.composite
def merges(draw):
    known = ["[UNK]", "a", "b"]
    pairs = []
    for _ in range(draw(st.integers(0, 6))):
        pair = (draw(st.sampled_from(known[1:])), draw(st.sampled_from(known[1:])))
        if "".join(pair) not in known:
            known.append("".join(pair))
            pairs.append(pair)
    order = draw(st.permutations(pairs))  # also of a part before what makes it
    vocabulary = {token: i for i, token in enumerate(known)}
    return Tokenizer(models.BPE(vocabulary, order, unk_token="[UNK]", fuse_unk=draw(st.booleans())))


@st.composite
def words(draw):
    vocabulary = {"[UNK]": UNKNOWN, "a": 1, "ab": 2, "##a": 3, "##b": 4}
    whole = models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=draw(st.sampled_from([5, 20])))
    return Tokenizer(draw(st.sampled_from([whole, models.WordLevel(vocabulary, unk_token="[UNK]")])))


@st.composite
def cases(draw, model):
    """A pipeline, a text, and how many ids are wanted of it."""
    pipeline, splitter = draw(model()), draw(st.sampled_from(SPLITTERS))
    if splitter is not None:
        pipeline.pre_tokenizer = splitter
    return pipeline, draw(RUNS), draw(st.sampled_from([1, 5, 30]))


SPLITTERS = [None, pre_tokenizers.Split(Regex(r"[ab]+|\w|#+|\?"), "isolated"), pre_tokenizers.Whitespace()]


def around(pipeline):
    return long_words(pipeline, UNKNOWN, left_to_right=True, letters="")


@pytest.mark.parametrize("model", [unigrams, merges, words])
def test_first_ids(model):
    found = 0

    @settings(max_examples=400, deadline=None)
    @given(cases(model))
    def check(case):
        nonlocal found
        pipeline, text, count = case
        first = around(pipeline).first_ids(text, count)
        if first is None:
            return
        found += 1
        ids, characters = first
        assert ids.tolist() == pipeline.encode(text).ids[:count]
        assert len(ids) == count <= characters < len(text)

    check()
    assert found > 20


@pytest.mark.parametrize("model", [unigrams, merges, words])
def test_without_repeats(model):
    shorter = 0

    @settings(max_examples=400, deadline=None)
    @given(cases(model))
    def check(case):
        nonlocal shorter
        pipeline, text, count = case
        less = around(pipeline).without_repeats(text.encode(), count).decode()
        shorter += len(less) < len(text)
        assert pipeline.encode(less).ids[:count] == pipeline.encode(text).ids[:count]

    check()
    assert shorter > 5


def test_where_a_short_rest_belongs_depends_on_the_end():
    """Of an odd number of letters, one stands alone, and this model puts it first."""
    pipeline = Tokenizer(models.Unigram([("[UNK]", 0.0), ("a", -2.0), ("aa", -2.0)], unk_id=0, byte_fallback=False))
    assert [pipeline.encode("a" * size).ids[0] for size in (1500, 1501)] == [2, 1]
    assert around(pipeline).first_ids("a" * 1500, 3) is None


@pytest.mark.parametrize("form", [normalizers.NFC(), normalizers.NFD()])
def test_accents_that_are_put_in_order(form):
    pipeline = Tokenizer(models.BPE({"[UNK]": 0, "a": 1, "\u0301": 2, "\u0316": 3, "á": 4}, [], unk_token="[UNK]"))
    pipeline.normalizer = form
    for end in ("", "\u0316", "b\u0316"):
        text = "a" + 900 * "\u0301" + end
        first = around(pipeline).first_ids(text, 3)
        assert (first is None) == bool(end)
        assert first is None or first[0].tolist() == pipeline.encode(text).ids[:3]


def test_bytes_of_a_character_that_is_broken_off():
    """A token may end within a character, and begin in the one before."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    first, second = "Ã©"  # as the pre-tokenizer writes the two bytes of é
    vocabulary = {token: i for i, token in enumerate([*alphabet, second + first, first + second])}
    pipeline = Tokenizer(models.BPE(vocabulary, [(second, first), (first, second)]))
    pipeline.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    text = "é" * 900
    found = around(pipeline).first_ids(text, 20)
    assert found is not None
    assert (
        found[0].tolist() == pipeline.encode(text).ids[:20] == [vocabulary[first], *[vocabulary[second + first]] * 19]
    )


def characters(text, form=None):
    """Each character of a text is a token."""
    pipeline = Tokenizer(models.BPE({token: i for i, token in enumerate(["[UNK]", *sorted(set(text))])}, []))
    if form is not None:
        pipeline.normalizer = form
    return pipeline


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("a" + "\u0f73" * 2000 + "\u0301", normalizers.NFC()),  # of no class itself, but of two such
        ("a" + "\u0f73" * 2000 + "\u0334", normalizers.NFD()),
        ("a" + "\uff9e" * 2000 + "\u0334", normalizers.NFKC()),
        ("a" + "\u0301" * 580 + "\u0316" * 2000, normalizers.NFC()),  # those that go in front are all behind the slice
        ("a" + "\U0001d16d\u200b" * 2000 + "\U0001d165", normalizers.BertNormalizer()),  # nothing is left between them
    ],
)
def test_marks_that_go_in_front(text, form):
    normal = form.normalize_str(text)
    pipeline = characters(normal + "áé", form)
    first = around(pipeline).first_ids(text, 580)
    assert first is None or first[0].tolist() == pipeline.encode(text).ids[:580]
    assert normal[:600] != form.normalize_str(text[:1000])[:600]


@pytest.mark.parametrize("form", [normalizers.Lowercase(), normalizers.BertNormalizer(), normalizers.NFKC()])
def test_added_tokens_are_found_as_the_library_finds_them(form):
    pipeline = characters("abc", form)
    pipeline.add_tokens(["ABC", "ａbc"])
    text = "abcab" * 500
    first = around(pipeline).first_ids(text, 9)
    assert first is None or first[0].tolist() == pipeline.encode(text).ids[:9]


def test_an_added_token_that_becomes_long():
    pipeline = characters("20()éx", normalizers.NFKC())
    pipeline.add_tokens([AddedToken("⒇" * 60 + "x", normalized=False)])
    text = "é" * 740 + "⒇" * 60 + "x" + "é" * 2000
    first = around(pipeline).first_ids(text, 760)
    assert first is None or first[0].tolist() == pipeline.encode(text).ids[:760]


def test_an_added_token_that_the_model_makes_too():
    scores = [("[UNK]", 0.0), ("Ċ", -2.0), ("ĊĊĊ", -2.5), ("a", -3.0), ("b", -3.0), ("c", -3.0)]
    pipeline = Tokenizer(models.Unigram(scores, unk_id=UNKNOWN, byte_fallback=False))
    pipeline.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pipeline.add_tokens(["ĊĊĊ"])
    for size in (2000, 2001, 2002):
        text = "abc" + size * "\n"
        first = around(pipeline).first_ids(text, 4)
        assert first is None or first[0].tolist() == pipeline.encode(text).ids[:4]


def test_unknown_characters_within_a_token():
    """Merged with what follows, [UNK] for any number of them would be of any length."""
    model = models.BPE({"[UNK]": 0, "a": 1, "[UNK]a": 2}, [("[UNK]", "a")], unk_token="[UNK]", fuse_unk=True)
    text = "aa" + "b" * 2000 + "a"
    assert Tokenizer(model).encode(text).ids == [1, 1, 2]
    assert around(Tokenizer(model)).first_ids(text, 3) is None


def test_unknown_stretches_that_are_left_as_they_are():
    """Where it takes many characters for one [UNK], where a token is longer, and where scores are no logarithms."""
    pieces = Tokenizer(models.WordLevel({"[UNK]": 0, "x": 1}, unk_token="[UNK]"))
    pieces.pre_tokenizer = pre_tokenizers.FixedLength(length=50)
    long = Tokenizer(models.WordLevel({"[UNK]": 0, "x": 1}, unk_token="[UNK]"))
    long.add_tokens(["b" * 60])
    odd = Tokenizer(models.Unigram([("[UNK]", 25.0), ("x", 20.3), ("bb", 20.6 - 1e-9)], unk_id=0, byte_fallback=False))
    for pipeline, promised in ((pieces, False), (long, True), (odd, True)):
        longer = long_words(pipeline, UNKNOWN, left_to_right=promised, letters="")
        assert longer.without_repeats(b"b" * 3000, 5) == b"b" * 3000


def test_words_that_are_a_little_too_short_to_be_cut():
    """The time grows with the text, not with its square."""
    pipeline = Tokenizer(models.WordLevel({"[UNK]": 0, "x" * 10_000: 1}, unk_token="[UNK]"))
    text = ("a" * 39_999 + "-") * 5 + "a" * 50_000
    cut = long_words(pipeline, UNKNOWN, left_to_right=True, letters="[a-z]").without_ends(text.encode())
    assert cut.decode() == ("a" * 39_999 + "-") * 5 + "a" * 40_001


def test_tokens_that_are_added_are_not_looked_into():
    pipeline = Tokenizer(models.BPE({"[UNK]": 0, "a": 1, "b": 2}, [], unk_token="[UNK]"))
    assert around(pipeline).first_ids("ab" * 500, 9) is not None
    pipeline.add_tokens(["ba"])
    assert around(pipeline).first_ids("ab" * 500, 9) is None
