"""Compiled loops give the ids that NumPy's give, on whatever text, or are not used."""

import os
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pegboard
import pyarrow as pa
import pytest
import tokenizers as tokenizers_library
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard import compiled
from pegboard.text import choosing, compiled_units, distinct
from pegboard.text import kernels as loops
from pegboard.text.ascii_words import AsciiWords
from pegboard.text.choosing import Loops
from pegboard.text.compiled import Kernels
from pegboard.text.encoding import UnitEncoder
from pegboard.text.ragged import concatenate, from_lists
from pegboard.text.segments import Cutter, as_arrow
from pegboard.text.short_words import ShortWords
from pyarrow import csv

EMOTION = Path(__file__).parents[2] / "shared" / "data" / "emotion"
CORPUS = ["The quick brown fox, it's said, jumps over the lazy dog.", "Größe naïve 分类。 don't 12 345 a_b", "to be or"]
NAMES = ("word", "wordpiece", "char", "bpe", "unigram", "dashes")
CHOICES = ("head", "tail", "both", "windows")
WHITE = [" ", "  ", "\t", "\n", "\r\n", "\v", "\f", "\x1c", "\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u3000"]
WORDS = ["the", "The", "it's", "'s", "fox,", "a_b", "don't", ".", "...", "_", "0", "x" * 14, "y" * 15, "z" * 16]
ODD = [
    "é",
    "e\u0301",
    "ſ",
    "İ",
    "ß",
    "ﬁ",
    "한",
    "分",
    "，",
    "😀",
    "\U0010ffff",
    "\0",
    "\ufffd",
    "\u200d",
    "[SEP]",
    "[UNK",
    "]",
]
LONG = ["word" * 10, "wört" * 9, "k" * 40, "k" * 39 + "l", " " * 17]
texts = st.lists(
    st.one_of(
        st.lists(st.sampled_from([*WHITE, *WORDS, *ODD, *LONG]), max_size=12).map("".join),
        st.lists(st.sampled_from([*WORDS, " ", " ", " "]), max_size=12).map("".join),
        st.text(max_size=12),
    ),
    max_size=6,
)


@pytest.fixture(scope="module")
def kernels(compiled_loops):
    return compiled_loops(Kernels)


class Dashes(pegboard.PieceTokenizer):
    context_free = True

    def split(self, text):
        return [piece for piece in text.replace("-", " ").split(" ") if piece]


def trained(name, **options):
    options = {"min_frequency": 1, "vocab_size": 400, **options}
    if name == "dashes":
        tokenizer = Dashes(pegboard.TokenizerOptions(**options))
    else:
        tokenizer = pegboard.build_tokenizer(name, **options)
    tokenizer.train(CORPUS)
    return tokenizer


def encoder_of(tokenizer):
    ready = tokenizer._ready
    return getattr(ready, "encoder", ready)


def both(encoder, kernels, blocks):
    """The ids of blocks of texts without the compiled loops, and with them."""
    blocks = [as_arrow(block) for block in blocks]
    return [concatenate(list(encoder._encode_blocks(loops, blocks))).to_pylist() for loops in (None, kernels)]


@pytest.fixture(scope="module")
def tokenizers():
    made = {}

    def tokenizer(name, choice, max_length, special):
        key = name, choice, max_length, special
        if key not in made:
            made[key] = trained(
                name, long_texts=choice, max_length=max_length, special_tokens=special, window_overlap=0
            )
        return made[key]

    return tokenizer


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=150)
@given(
    blocks=st.lists(texts, max_size=3),
    choice=st.sampled_from(CHOICES),
    max_length=st.sampled_from([3, 5, 500]),
    special=st.sampled_from(["none", "cls_sep"]),
    most_units=st.sampled_from([3, 10**6]),
)
def test_ids_are_the_same(tokenizers, kernels, name, blocks, choice, max_length, special, most_units):
    tokenizer = tokenizers(name, choice, max_length, special)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct.DistinctUnits, "most_units", most_units)
        ours, theirs = both(encoder_of(tokenizer), kernels, blocks)
    assert ours == theirs
    if choice == "head" and name != "dashes":
        assert ours == [tokenizer.backend.encode(text).ids for block in blocks for text in block]


def letters(units, *_):
    return from_lists([[ord(letter) for letter in unit if letter not in " -"] for unit in units.to_pylist()])


@settings(max_examples=150)
@given(
    blocks=st.lists(texts, max_size=4),
    where=st.sampled_from(["after_space", "before_space"]),
    max_length=st.integers(0, 6),
    choice=st.sampled_from(CHOICES),
    most_units=st.sampled_from([1, 4, 10**6]),
    around=st.sampled_from([((), ()), ((7,), (8, 9)), ((7, 8), ())]),
)
def test_ids_are_the_same_in_small_tables(kernels, blocks, where, max_length, choice, most_units, around):
    """That have to grow, in which most units stand beside their slot, and of which the units are forgotten."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_units, "_SLOT_BITS", 1)
        patch.setattr(distinct.DistinctUnits, "most_units", most_units)
        encoder = UnitEncoder(Cutter(where), letters, max_length, before=around[0], after=around[1], long_texts=choice)
        ours, theirs = both(encoder, kernels, blocks)
    assert ours == theirs


@pytest.fixture(scope="module")
def clumsy_kernels():
    """Loops that find every unit in the same slot, where all long ones have the same hash."""
    pytest.importorskip("numba")
    source = Path(loops.__file__).read_text()
    for name in ("_M1, _M2", "_FNV_PRIME"):
        assert f"{name} = " in source or f", {name} = " in source
    source += "\n_M1 = _M2 = _FNV_PRIME = np.uint64(0)\n"
    module = types.ModuleType("clumsy_kernels")
    exec(compile(source, "clumsy_kernels.py", "exec"), module.__dict__)
    return Kernels(compiled.compile_loops(module, Kernels.signatures))


@settings(max_examples=100)
@given(blocks=st.lists(texts, max_size=3))
def test_units_of_the_same_hash_are_told_apart(clumsy_kernels, tokenizers, blocks):
    for name in ("word", "bpe", "dashes"):
        ours, theirs = both(encoder_of(tokenizers(name, "head", 500, "none")), clumsy_kernels, blocks)
        assert ours == theirs


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("name", NAMES)
def test_ids_of_long_texts_are_the_same(kernels, tokenizers, name, choice):
    rows = [" ".join(CORPUS) * 700, "x" * 70_000, " " * 70_000, "end " * 9, "", "分类" * 12_000 + " it's"]
    ours, theirs = both(encoder_of(tokenizers(name, choice, 50, "cls_sep")), kernels, [rows, rows[3:]])
    assert ours == theirs


PIECES = ["a", "b", "ab", "##a", "##b", "##ab", "##", "#", "ab" * 7 + "a", "##" + "ab" * 7 + "a", "a##b", "##c" * 9]
short_words = st.lists(st.text("ab#c", min_size=1, max_size=44), max_size=20)


def encoded_both_ways(model, words, kernels, space=""):
    """The ids of words by the library's model, and by `ShortWords`, which leaves the fewest to the library."""

    def by_library(word):
        return [token.id for token in model.tokenize(word.replace(" ", space))]

    def others(long):
        left.extend(long.to_pylist())
        return from_lists([by_library(word) for word in long.to_pylist()])

    left = []
    compiled = ShortWords(model, space, others)
    assert compiled.can_encode
    ids = compiled(pa.array(words, pa.large_string()), kernels).to_pylist()
    assert ids == [by_library(word) for word in words]
    return left


@settings(max_examples=200)
@given(
    words=short_words,
    vocabulary=st.lists(st.sampled_from(PIECES), unique=True),
    prefix=st.sampled_from(["##", "", "a"]),
    longest=st.sampled_from([3, 15, 16, 100]),
)
def test_word_pieces_are_those_of_the_library(kernels, words, vocabulary, prefix, longest):
    vocabulary = {token: i for i, token in enumerate(["[UNK]", *vocabulary])}
    model = tokenizers_library.models.WordPiece(
        vocabulary, unk_token="[UNK]", continuing_subword_prefix=prefix, max_input_chars_per_word=longest
    )
    for word in encoded_both_ways(model, words, kernels):
        assert (
            len(word) > min(40 if max(map(len, vocabulary)) <= 15 else 15, longest) or model.tokenize(word)[0].id == 0
        )


@settings(max_examples=200)
@given(
    words=short_words,
    draws=st.lists(st.integers(0, 10**6), max_size=20),
    prefix=st.sampled_from(["##", ""]),
    space=st.sampled_from(["", "Ġ"]),
)
def test_merged_pairs_are_those_of_the_library(kernels, words, draws, prefix, space):
    tokens = ["[UNK]", "a", "b", space or "c", f"{prefix}a", f"{prefix}b", f"{prefix}c"]
    merges = []
    for draw in draws:
        first, second = tokens[1 + draw % (len(tokens) - 1)], tokens[1 + draw // 7 % (len(tokens) - 1)]
        if second.startswith(prefix) and (first, second) not in merges:
            merges.append((first, second))
            tokens.append(first + second[len(prefix) :])
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    more = {"continuing_subword_prefix": prefix} if prefix else {}
    model = tokenizers_library.models.BPE(vocabulary, merges, unk_token="[UNK]", fuse_unk=True, **more)
    words = [" " + word if space and i % 2 else word for i, word in enumerate(words)]
    for word in encoded_both_ways(model, words, kernels, space):
        assert len(word) > 40 or set(word) & set("# c")


@settings(max_examples=200)
@given(
    words=short_words,
    scores=st.lists(st.floats(-20, 0), min_size=8, max_size=8),
    space=st.sampled_from(["", "▁"]),
    half=st.sampled_from([7, 8]),
)
def test_best_paths_are_those_of_the_library(kernels, words, scores, space, half):
    tokens = ["[UNK]", "a", "b", "ab", "ba", "aba", "ab" * half, space or "c"]
    model = tokenizers_library.models.Unigram(list(zip(tokens, scores, strict=True)), unk_id=0)
    words = [" " + word if space and i % 2 else word for i, word in enumerate(words)]
    for word in encoded_both_ways(model, words, kernels, space):
        assert (len(word) > 15 and half == 8) or set(word) & set("#c")


@pytest.mark.parametrize(
    "settings",
    [{"dropout": 0.5}, {"end_of_word_suffix": "</w>"}, {"byte_fallback": True}, {"ignore_merges": True}],
    ids=lambda settings: next(iter(settings)),
)
def test_models_that_the_loops_do_not_know_are_left_to_the_library(settings):
    model = tokenizers_library.models.BPE({"a": 0, "b": 1}, [], **settings)
    assert not ShortWords(model, "", None).can_encode


@pytest.mark.parametrize("space", ["_", "▁▁"])
def test_a_space_that_is_no_character_of_its_own_is_left_to_the_library(space):
    assert not ShortWords(tokenizers_library.models.BPE({"a": 0}, []), space, None).can_encode


def test_the_units_that_came_first_are_remembered(kernels, monkeypatch):
    """Also where their bytes are those of long ones, and the table grows after."""
    monkeypatch.setattr(compiled_units, "_SLOT_BITS", 1)
    monkeypatch.setattr(distinct.DistinctUnits, "most_units", 5)
    first, more = [f"{'x' * 20 * (i % 2)}{i} " for i in range(6)], [f"{'y' * 17 * (i % 2)}{i} " for i in range(6, 40)]
    for units in (
        distinct.DistinctUnits(Cutter("after_space")),
        compiled_units.CompiledUnits(Cutter("after_space"), kernels),
    ):
        assert units.find(as_arrow(["".join(first)])).places.tolist() == [0, 1, 2, 3, 4, 5]
        found = units.find(as_arrow(["".join([*first, *more])]))
        assert found.known == 3
        assert found.new.to_pylist() == [*first[3:], *more]
        assert found.places.tolist() == list(range(40))


@pytest.mark.parametrize("size", [2**24 - 2, 2**24 + 5])
def test_a_unit_may_be_of_any_length(kernels, size):
    """Also of one that has no room in a key."""

    def sizes(units, *_):
        return from_lists([[len(unit)] for unit in units.to_pylist()])

    encoder = UnitEncoder(Cutter("after_space"), sizes, 10, long_texts="windows")
    text = as_arrow(["a" * size + " b"])
    assert [ids.to_pylist() for ids in encoder._encode_blocks(kernels, [text, text[:0]])] == [[[size + 1, 1]], []]


def test_a_long_text_of_few_units_takes_little_room(kernels):
    units = compiled_units.CompiledUnits(Cutter("after_space"), kernels)
    found = units.find(as_arrow(["to be or not " * 200_000]))
    assert len(found.new) == 4
    assert units._bits == compiled_units._SLOT_BITS


def test_units_of_one_text_may_fill_the_table_again_and_again(kernels, monkeypatch):
    monkeypatch.setattr(compiled_units, "_SLOT_BITS", 1)
    rows = ["a b " * 3, " ".join(str(i) * (1 + i % 20) for i in range(9_000)), "a b " + "9" * 30]
    units = [
        distinct.DistinctUnits(Cutter("after_space")),
        compiled_units.CompiledUnits(Cutter("after_space"), kernels),
    ]
    one, other = (found.find(as_arrow(rows)) for found in units)
    assert one.new.to_pylist() == other.new.to_pylist()
    assert one.places.tolist() == other.places.tolist()


def test_no_thread_is_left_after_an_error(kernels):
    encoder = UnitEncoder(Cutter("after_space"), letters, 10)
    blocks = (as_arrow([text]) for text in ["to be", "or not", "never"] * 20)
    found = compiled_units.CompiledUnits.find

    def fails_later(units, texts):
        return found(units, texts) if texts[0].as_py() != "never" else 1 / 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_units.CompiledUnits, "find", fails_later)
        with pytest.raises(ZeroDivisionError) as raised:
            list(encoder._encode_blocks(kernels, blocks))
    assert not [thread for thread in threading.enumerate() if thread.name == "pegboard-read-ahead"]
    assert raised.value.__traceback__ is not None


def test_units_of_every_length_are_told_apart(kernels):
    rows = [letter * size + end for size in range(41) for letter in "ab" for end in ("", "c", "\0", "d ")]
    encoder = UnitEncoder(Cutter("after_space"), letters, 100)
    ours, theirs = both(encoder, kernels, [rows, rows[::-1]])
    assert ours == theirs


def test_a_block_may_be_a_part_of_an_array(kernels):
    """Its offsets do not begin with 0."""
    whole = as_arrow([*CORPUS, "", *CORPUS])
    for name in ("word", "char", "bpe"):
        encoder = encoder_of(trained(name, max_length=10))
        parts = [whole[2:5], whole[5:], whole[:0], whole[4:]]
        ours, theirs = both(encoder, kernels, parts)
        assert ours == theirs
    assert both(encoder, kernels, [pa.array([], pa.large_string())]) == [[], []]


@pytest.mark.emotion
@pytest.mark.skipif(not EMOTION.is_dir(), reason="the emotion data are not there")
@pytest.mark.parametrize("name", NAMES)
def test_ids_of_the_emotion_data_are_the_same(kernels, tokenizers, name):
    rows = csv.read_csv(EMOTION / "test.csv").column("text").combine_chunks()
    assert len(rows) == 2_000
    ours, theirs = both(encoder_of(tokenizers(name, "head", 20, "cls_sep")), kernels, [rows[:900], rows[900:]])
    assert ours == theirs


@pytest.mark.parametrize(("classes", "compiled"), [(20, True), (40, False)])
def test_of_more_kinds_of_characters_than_a_rule_has_room_for_there_are_no_loops(classes, compiled):
    kinds = bytes([AsciiWords.NOT_PLAIN] * 128 + [2 + i % classes for i in range(128)])
    rules = types.SimpleNamespace(kinds=kinds, normalized=bytes(range(256)))
    assert compiled_units.can_be_compiled(Cutter("after_space", rules)) is compiled


class TestChoosing:
    @pytest.fixture
    def tokenizer(self, monkeypatch):
        monkeypatch.setattr(choosing, "_FROM_BYTES", 50)
        return trained("word", max_length=9)

    def test_what_is_small_is_done_without(self, tokenizer, monkeypatch):
        monkeypatch.setattr(Kernels, "load", lambda: pytest.fail("it is small"))
        assert tokenizer.encode_batch(["to be"]).to_pylist()

    def test_wrong_ids_are_not_served(self, tokenizer, kernels, monkeypatch):
        """They are found in a sample of the texts, and said once."""
        wrong = types.SimpleNamespace(**{name: getattr(kernels, name) for name in Kernels.signatures})

        def fill(*arguments):
            kernels.fill(*arguments)
            arguments[-1][0] += 1

        wrong.fill = fill
        monkeypatch.setattr(Kernels, "load", lambda: wrong)
        rows = CORPUS * 9
        with pytest.warns(pegboard.PegboardWarning, match="not used") as warned:
            twice = [tokenizer.encode_batch(rows).to_pylist() for _ in range(2)]
        assert twice == 2 * [[tokenizer.backend.encode(row).ids for row in rows]]
        assert len(warned) == 1
        assert not tokenizer.threads_suffice

    def test_right_ones_are_used(self, tokenizer, kernels, monkeypatch):
        calls = []
        counted = types.SimpleNamespace(**{name: getattr(kernels, name) for name in Kernels.signatures})
        counted.find = lambda *arguments: calls.append(1) or kernels.find(*arguments)
        monkeypatch.setattr(Kernels, "load", lambda: counted)
        rows = CORPUS * 9
        assert tokenizer.threads_suffice
        assert tokenizer.encode_batch(rows).to_pylist() == [tokenizer.backend.encode(row).ids for row in rows]
        assert len(calls) >= 2

    def test_a_tokenizer_that_sees_whole_texts_has_none(self, monkeypatch):
        monkeypatch.setattr(Kernels, "load", lambda: pytest.fail("there are none"))
        assert not Loops(iter, can_be_compiled=False).compiled


class TestKeeping:
    @pytest.fixture(autouse=True)
    def _anew(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PEGBOARD_CACHE", str(tmp_path))
        monkeypatch.setattr(compiled, "_loaded", {})

    def test_without_numba_there_are_none(self, monkeypatch):
        monkeypatch.setattr(compiled, "find_spec", lambda name: None)
        assert Kernels.load() is None
        assert "pegboard[fast]" in Kernels.why_not()

    @pytest.mark.parametrize(
        "numbers", [np.arange(6, dtype=np.int32), np.arange(12)[::2], np.arange(6.0)], ids=["int32", "gaps", "float"]
    )
    def test_an_array_of_another_kind_is_refused(self, kernels, numbers):
        slots = np.zeros(16, np.uint64)
        with pytest.raises(TypeError, match=r"array of \w+, and needs one of uint64, contiguous"):
            kernels.fill_slots(numbers, 3, slots, 60)

    def test_loops_that_need_other_files_are_refused(self, monkeypatch, tmp_path):
        """Or they would be found as they were before one of these was changed."""
        pytest.importorskip("numba")
        (tmp_path / "loops_of_mine.py").write_text("import numpy as np\nfrom widths import WIDTH\n")
        (tmp_path / "widths.py").write_text("WIDTH = 8\n")
        monkeypatch.syspath_prepend(tmp_path)
        mine = type("Mine", (compiled.CompiledLoops,), {"source": "loops_of_mine", "signatures": {}})
        assert mine.load() is None
        assert "loops_of_mine imports widths: put all" in mine.why_not()

    def test_what_fails_to_compile_is_done_without(self, monkeypatch):
        pytest.importorskip("numba")
        monkeypatch.setattr(compiled, "compile_loops", lambda *_: 1 / 0)
        assert Kernels.load() is None
        assert "ZeroDivisionError" in Kernels.why_not()

    def test_nothing_is_compiled_where_it_can_not_be_kept(self, monkeypatch):
        pytest.importorskip("numba")
        from pegboard.cache import without_cache

        end = without_cache()
        try:
            assert Kernels.load() is None
        finally:
            end()

    def test_a_file_that_others_may_write_is_not_run(self, tmp_path):
        file = tmp_path / "kernels.o"
        file.write_bytes(b"code")
        file.chmod(0o600)
        assert compiled._own_bytes(file) == b"code"
        file.chmod(0o660)
        with pytest.raises(PermissionError, match="somebody else"):
            compiled._own_bytes(file)

    def test_a_damaged_file_is_compiled_again(self, kernels, monkeypatch, tmp_path, capsys):
        code = []
        monkeypatch.setattr(compiled, "compile_loops", lambda *_: code[0])
        code[:] = [b"one"]
        assert compiled._code_of(Kernels) == b"one"
        [file] = tmp_path.glob("code/*/kernels.o")
        file.write_bytes(b"two")
        code[:] = [b"new"]
        assert compiled._code_of(Kernels) == b"new"
        assert "damaged" in capsys.readouterr().err


def test_numba_is_imported_to_compile_only(kernels, tmp_path_factory):
    """Neither small data nor code that was compiled before need it."""
    script = (
        "import sys, pegboard\n"
        "from pegboard.text import choosing\n"
        "tokenizer = pegboard.build_tokenizer('word', min_frequency=1)\n"
        "tokenizer.train(['to be or not'])\n"
        "tokenizer.encode_batch(['to be'])\n"
        "print('llvmlite' in sys.modules)\n"
        "choosing._FROM_BYTES = 1\n"
        "print(tokenizer.threads_suffice, tokenizer.encode_batch(['to be']).to_pylist())\n"
        "print('llvmlite' in sys.modules, 'numba' in sys.modules)\n"
    )
    # Compiled by the fixture, unless a test before it needed them: then the first script compiles them.
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    environment = {**os.environ, "PEGBOARD_CACHE": str(shared / "compiled-loops")}
    for code in ("from pegboard.text.compiled import Kernels; Kernels.load()", script):
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    small, suffice, large = done.stdout.splitlines()
    assert (small, suffice[:5], large) == ("False", "True ", "True False")
