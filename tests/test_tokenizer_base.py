"""The bases of tokenizers: `PieceTokenizer`, `LibraryTokenizer`, and what they share."""

import json
import threading
import unicodedata
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from pegboard import (
    SPECIAL_TOKENS,
    ArtifactError,
    ComponentError,
    DataError,
    LibraryTokenizer,
    PieceTokenizer,
    TokenizerOptions,
    UsageError,
    count_pieces,
    library_normalizer,
    most_frequent,
    read_backend,
)
from pydantic import ValidationError
from tokenizers import decoders, models, pre_tokenizers, processors

TEXTS = ["to be or not to be", "to do is to be", "do be do be do"]


class WordsApart(PieceTokenizer):
    """Keeps the promise of `context_free`, and makes it."""

    context_free = True

    def split(self, text):
        return text.split()


class WordsWhole(WordsApart):
    """Keeps the promise, but does not make it."""

    context_free = False


class Spaced(PieceTokenizer):
    """Its pieces run across spaces."""

    joiner = ""

    def split(self, text):
        return [text[i : i + 3] for i in range(0, len(text), 3)]


class LibraryWords(LibraryTokenizer):
    context_free = True

    def learn(self, texts):
        return most_frequent(count_pieces(texts, library_normalizer(self.options), splitter()), self.options)

    def build(self, vocabulary):
        backend = tokenizers.Tokenizer(models.WordLevel(dict(vocabulary), unk_token="[UNK]"))
        if normalizer := library_normalizer(self.options):
            backend.normalizer = normalizer
        backend.pre_tokenizer = splitter()
        return backend


class LibraryWordsWhole(LibraryWords):
    context_free = False


def splitter():
    return pre_tokenizers.BertPreTokenizer()


def trained(kind, texts=TEXTS, **options):
    tokenizer = kind(TokenizerOptions(**options))
    tokenizer.train(texts)
    return tokenizer


def ids(tokenizer, *texts):
    return tokenizer.encode_batch(list(texts)).to_pylist()


@pytest.fixture(params=[WordsApart, WordsWhole, LibraryWords, LibraryWordsWhole], ids=lambda kind: kind.__name__)
def words(request):
    """Four tokenizers that split at white space, each built another way."""
    return request.param


def saved(tokenizer, folder):
    tokenizer.save(folder)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# Both bases


def test_the_vocabulary_is_special_tokens_then_words_by_frequency(words):
    tokenizer = trained(words)
    assert tokenizer.vocab_size == 11
    assert ids(tokenizer, "be do to is not or") == [[5, 6, 7, 8, 9, 10]]
    assert tokenizer.vocab_info.size == 11
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.vocab_info.pad_id) == (0, 1, 0)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"min_frequency": 2}, ["be", "do", "to"]),
        ({"min_frequency": 5}, ["be"]),
        ({"vocab_size": 7}, ["be", "do"]),
        ({"vocab_size": 6, "min_frequency": 2}, ["be"]),
    ],
)
def test_min_frequency_and_vocab_size_are_honoured(words, options, kept):
    tokenizer = trained(words, **options)
    assert tokenizer.vocab_size == len(SPECIAL_TOKENS) + len(kept)
    assert tokenizer.tokens("be do to is") == [w if w in kept else "[UNK]" for w in ("be", "do", "to", "is")]


def test_all_of_them_agree(words):
    texts = [*TEXTS, "", " ", "  to  be ", "unknown be", "TO BE"]
    assert ids(trained(words), *texts) == ids(trained(WordsWhole), *texts)


@pytest.mark.parametrize(("special", "room"), [("none", 3), ("cls_sep", 1)])
def test_truncation_leaves_room_for_special_tokens(words, special, room):
    tokenizer = trained(words, max_length=3, special_tokens=special)
    full = [5, 6, 7, 8, 9]
    for count in range(6):
        [row] = ids(tokenizer, " ".join(["be", "do", "to", "is", "not"][:count]))
        assert row == ([2, *full[: min(count, room)], 3] if special == "cls_sep" else full[: min(count, room)])
        assert len(row) <= 3


def test_ids_are_ragged_int32_whatever_the_texts_come_in(words):
    tokenizer = trained(words)
    expected = ids(tokenizer, *TEXTS)
    for column in (pa.array(TEXTS), pa.chunked_array([TEXTS[:1], TEXTS[1:]]), tuple(TEXTS), iter(TEXTS)):
        encoded = tokenizer.encode_batch(column)
        assert encoded.type == pa.large_list(pa.int32())
        assert encoded.to_pylist() == expected
    assert tokenizer.encode_batch([]).type == pa.large_list(pa.int32())


def test_tokens_and_decode_go_back(words):
    tokenizer = trained(words, special_tokens="cls_sep")
    assert tokenizer.tokens("to be sure") == ["[CLS]", "to", "be", "[UNK]", "[SEP]"]
    [row] = ids(tokenizer, "to be sure")
    assert tokenizer.decode(row) == "to be [UNK]"
    assert tokenizer.decode(np.array([0, *row, 0, 0], np.int32)) == "to be [UNK]"
    assert tokenizer.decode([]) == ""


@pytest.mark.parametrize(
    ("wrong", "message"), [([5, 11], r"ids\[1\]: id 11 .* ends at 10"), ([-1], r"ids\[0\]: id -1")]
)
def test_ids_outside_the_vocabulary_are_refused(words, wrong, message):
    with pytest.raises(DataError, match=message):
        trained(words).decode(wrong)


@pytest.mark.parametrize("texts", [[], [""], [" ", "\n\t"]])
def test_texts_that_hold_nothing_give_no_vocabulary(words, texts):
    with pytest.raises(DataError, match="give the tokenizer no vocabulary"):
        trained(words, texts)
    with pytest.raises(DataError, match="no piece occurs 9 times"):
        trained(words, TEXTS, min_frequency=9)


def test_training_on_special_tokens_alone_gives_no_vocabulary():
    with pytest.raises(DataError, match="no vocabulary"):
        trained(WordsApart, ["[PAD] [UNK]"], lowercase=False)


@pytest.mark.parametrize("wrong", [None, 7, "\ud800"])
def test_what_is_no_text_is_refused(words, wrong):
    tokenizer = trained(words)
    for use in (tokenizer.encode_batch, tokenizer.train):
        with pytest.raises(DataError, match=r"texts\[1\]"):
            use(["fine", wrong])
    with pytest.raises(DataError):
        tokenizer.tokens(wrong)


def test_an_untrained_tokenizer_says_so(words):
    tokenizer = words(TokenizerOptions())
    for use in (lambda: tokenizer.encode_batch(["a"]), lambda: tokenizer.tokens("a")):
        with pytest.raises(UsageError, match="no vocabulary yet\n  -> train it or load one"):
            use()


def test_a_failed_training_leaves_the_tokenizer_as_it_was(words):
    tokenizer = trained(words)
    before = ids(tokenizer, *TEXTS)
    with pytest.raises(DataError):
        tokenizer.train([""])
    assert ids(tokenizer, *TEXTS) == before


def test_saved_and_loaded_is_the_same(words, tmp_path):
    tokenizer = trained(words, max_length=5, special_tokens="cls_sep")
    tokenizer.save(tmp_path)
    loaded = words.load(tmp_path, tokenizer.options)
    texts = [*TEXTS, "", "[PAD] x"]
    assert ids(loaded, *texts) == ids(tokenizer, *texts)
    assert loaded.vocab_size == tokenizer.vocab_size
    assert loaded.decode([5, 1, 6]) == tokenizer.decode([5, 1, 6])


def test_the_same_texts_in_another_order_give_the_same_bytes(words, tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, texts in zip(folders, [TEXTS, TEXTS[::-1]], strict=True):
        folder.mkdir()
        trained(words, texts).save(folder)
    first, second = ({file.name: file.read_bytes() for file in folder.iterdir()} for folder in folders)
    assert first == second


def test_a_missing_file_is_named(words, tmp_path):
    with pytest.raises(ArtifactError, match=r"(vocab|tokenizer)\.json: is missing"):
        words.load(tmp_path, TokenizerOptions())


def test_threads_encode_at_once(words):
    tokenizer = trained(words)
    texts = [f"{text} {i}" for i in range(200) for text in TEXTS]
    expected, wrong = ids(tokenizer, *texts), []

    def encode():
        for _ in range(5):
            if ids(tokenizer, *texts) != expected:
                wrong.append(1)

    threads = [threading.Thread(target=encode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_options_have_ranges():
    for wrong in (
        {"vocab_size": 5},
        {"min_frequency": 0},
        {"max_length": 2},
        {"normalization": "nfx"},
        {"cased": True},
    ):
        with pytest.raises(ValidationError):
            TokenizerOptions(**wrong)


# PieceTokenizer

odd_text = st.text(st.sampled_from("ab A  \n\té\u0301\u0323ΟΣσ'.İﬁ\u1112\u1161\u11ab한👩\u200d[PAD]"), max_size=20)


@given(
    st.lists(odd_text, min_size=1, max_size=6),
    st.sampled_from(["none", "nfc", "nfd", "nfkc", "nfkd"]),
    st.booleans(),
)
def test_the_promise_of_context_free_changes_nothing_but_speed(texts, form, lowercase):
    options = {"normalization": form, "lowercase": lowercase}
    apart, whole = (trained(kind, [*texts, "a b"], **options) for kind in (WordsApart, WordsWhole))
    assert apart.vocab_size == whole.vocab_size
    assert ids(apart, *texts) == ids(whole, *texts)


def test_a_promise_that_is_not_made_is_not_relied_on():
    tokenizer = trained(Spaced, ["ab cd", "x cd"])
    assert tokenizer.tokens("ab cd") == ["ab ", "cd"]
    assert tokenizer.decode(ids(tokenizer, "ab cd")[0]) == "ab cd"


def test_distinct_words_are_split_once():
    seen = []

    class Watching(WordsApart):
        def split(self, text):
            seen.append(text)
            return super().split(text)

    tokenizer = trained(Watching, ["to be", "to do", "to be"])
    assert sorted(seen) == ["be", "do", "to "]
    seen.clear()
    tokenizer.encode_batch(["be to", "to to to"])
    assert sorted(seen) == ["be ", "to", "to "]


@pytest.mark.parametrize("name", SPECIAL_TOKENS)
def test_a_piece_that_is_spelled_like_a_special_token_is_unknown(name):
    tokenizer = trained(WordsApart, [f"{name} be {name}", "be"], lowercase=False)
    assert tokenizer.vocab_size == 6
    assert ids(tokenizer, f"be {name}") == [[5, 1]]


def test_split_gets_normalized_text_and_never_none_of_it():
    seen = []

    class Watching(PieceTokenizer):
        def split(self, text):
            seen.append(text)
            return text

    with pytest.raises(ComponentError):
        trained(Watching, ["E\u0301 Ａ", ""])
    assert seen == ["é ａ"]
    with pytest.raises(ComponentError):
        trained(Watching, ["", "E\u0301 Ａ"], normalization="nfkd", lowercase=False)
    assert seen[1:] == [unicodedata.normalize("NFKD", "É A")]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (["a", 7], "gave a piece that is not a string but int"),
        ([b"a"], "gave a piece that is not a string but bytes"),
        (["a", ""], "gave an empty piece\n  -> leave empty pieces out"),
        ("abc", "must give a list of pieces, not str"),
        (b"abc", "must give a list of pieces, not bytes"),
        (None, "failed with TypeError"),
        (7, "failed with TypeError"),
    ],
)
def test_a_split_that_gives_something_else_is_named(result, message):
    class Broken(PieceTokenizer):
        def split(self, text):
            return result

    with pytest.raises(ComponentError, match=message) as caught:
        trained(Broken, ["some text"])
    assert caught.value.where == "Broken.split('some text')"


def test_a_split_that_fails_is_named_with_the_beginning_of_its_text(tmp_path):
    class Failing(WordsApart):
        context_free = False

        def split(self, text):
            if len(text) > 40:
                raise ValueError("too long")
            return super().split(text)

    tokenizer = trained(Failing)
    with pytest.raises(ComponentError, match="failed with ValueError: too long") as caught:
        tokenizer.encode_batch(["fine", "x" * 100])
    assert caught.value.where == f"Failing.split('{'x' * 40}…')"
    assert isinstance(caught.value.__cause__, ValueError)


def test_split_may_be_a_generator():
    class Yielding(PieceTokenizer):
        def split(self, text):
            yield from text.split()

    assert ids(trained(Yielding), *TEXTS) == ids(trained(WordsWhole), *TEXTS)


def test_vocab_json_is_the_list_of_pieces(tmp_path):
    saved(trained(WordsApart, ["é 😀 é"]), tmp_path)
    assert json.loads((tmp_path / "vocab.json").read_text("utf-8")) == [*SPECIAL_TOKENS, "é", "😀"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "can't be read"),
        ("[" * 100_000, "can't be read"),
        (b"\xff", "can't be read"),
        ("{}", "not a list that starts with the special tokens"),
        (["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", "a"], "not a list that starts with the special tokens"),
        ([*SPECIAL_TOKENS], "nothing but special tokens"),
        ([*SPECIAL_TOKENS, "a", "a"], "distinct pieces of text"),
        ([*SPECIAL_TOKENS, "[PAD]"], "distinct pieces of text"),
        ([*SPECIAL_TOKENS, ""], "distinct pieces of text"),
        ([*SPECIAL_TOKENS, 7], "distinct pieces of text"),
        ([*SPECIAL_TOKENS, None], "distinct pieces of text"),
        ([*SPECIAL_TOKENS, ["a"]], "distinct pieces of text"),
        ([*SPECIAL_TOKENS, "\ud800"], "can.t be read"),
    ],
)
def test_a_damaged_vocab_json_is_refused(content, message, tmp_path):
    if isinstance(content, list):
        content = json.dumps(content)
    (tmp_path / "vocab.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ArtifactError, match=message) as caught:
        WordsApart.load(tmp_path, TokenizerOptions())
    assert caught.value.where == str(tmp_path / "vocab.json")


# LibraryTokenizer


def test_tokenizer_json_gives_the_same_ids(tmp_path):
    texts = [*TEXTS, "", "  ", "be[SEP]to", "[PAD] [CLS]x", "TO\u00a0be", "unknown"]
    for special in ("none", "cls_sep"):
        tokenizer = trained(LibraryWords, max_length=5, special_tokens=special)
        tokenizer.save(tmp_path)
        library = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
        assert ids(tokenizer, *texts) == [library.encode(text).ids for text in texts]
        assert [tokenizer.tokens(text) for text in texts] == [library.encode(text).tokens for text in texts]


def test_the_library_is_not_asked_for_a_copy_at_each_call(monkeypatch):
    tokenizer = trained(LibraryWords)
    before = ids(tokenizer, *TEXTS)
    monkeypatch.setattr(tokenizers, "Tokenizer", None)
    assert ids(tokenizer, *TEXTS) == before


def test_what_the_post_processor_adds_is_added():
    """A pretrained tokenizer keeps its own way to wrap texts, for its options say nothing of it."""

    class Pretrained(LibraryWords):
        def __init__(self, options):
            self.options, self.max_length, self._trained = None, 4, None

    backend = trained(LibraryWords).backend
    template = {"special_tokens": [("[CLS]", 2), ("[SEP]", 3), ("[MASK]", 4)]}
    for single, before, after in [("$A", [], []), ("[CLS] [MASK] $A", [2, 4], []), ("$A [SEP]", [], [3])]:
        backend.post_processor = processors.TemplateProcessing(single=single, pair="$A $B", **template)
        tokenizer = Pretrained(None)
        tokenizer.use(backend)
        for text in ["", "be", *TEXTS]:
            [row] = ids(tokenizer, text)
            assert row == tokenizer.backend.encode(text).ids
            assert row[: len(before)] == before
            assert row[len(row) - len(after) :] == after


def test_vocabulary_size_covers_every_id():
    backend = tokenizers.Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "be": 90}, unk_token="[UNK]"))
    tokenizer = LibraryWords(TokenizerOptions())
    tokenizer.use(backend)
    assert tokenizer.vocab_size == 91
    assert tokenizer.decode([90, 7, 90]) == "be be"


def test_a_library_tokenizer_without_its_methods_says_which():
    class Nothing(LibraryTokenizer):
        pass

    with pytest.raises(NotImplementedError, match="Nothing has no `learn`"):
        trained(Nothing)


def tamper(document, path, value):
    *parents, last = path
    for key in parents:
        document = document[key]
    if value is KeyError:
        del document[last]
    else:
        document[last] = value


HANG = {"type": "Sequence", "normalizers": [{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}] * 26}
PADDING = {
    "strategy": {"Fixed": 2_000_000_000},
    "direction": "Right",
    "pad_to_multiple_of": None,
    "pad_id": 0,
    "pad_type_id": 0,
    "pad_token": "[PAD]",
}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["model", "vocab"], KeyError, "has no vocabulary"),
        (["model", "vocab"], [], "has no vocabulary"),
        (["model"], 7, "has no vocabulary"),
        (["model", "vocab", "[PAD]"], 5, "gaps or ids that occur twice"),
        (["model", "vocab", "be"], 4_000_000_000, "gaps or ids that occur twice"),
        (["model", "vocab", "be"], -5, "gaps or ids that occur twice"),
        (["model", "vocab", "be"], KeyError, "gaps or ids that occur twice"),
        (["model", "vocab", "be"], 5.0, "no whole number"),
        (["model", "vocab", "be"], True, "no whole number"),
        (["model", "vocab", "\ud800"], 11, "can.t be read"),
        (["model", "vocab"], {"a": 0, "[UNK]": 1, "[CLS]": 2, "[PAD]": 3}, r"tokens \[PAD\], \[SEP\], \[MASK\] have"),
        (["model", "vocab"], {}, "have other ids"),
        (["model", "type"], "WordPiece", "its model is not what the LibraryWords's options make"),
        (["normalizer"], HANG, "its normalizer is not"),
        (["normalizer"], None, "its normalizer is not"),
        (["normalizer"], KeyError, "its normalizer is not"),
        (["padding"], PADDING, "its padding is not"),
        (["truncation"], None, "its truncation is not"),
        (["truncation", "max_length"], 9, "its truncation is not"),
        (["truncation", "direction"], "Left", "its truncation is not"),
        (["added_tokens"], [], "its added_tokens is not"),
        (["added_tokens", 0, "id"], 1, "its added_tokens is not"),
        (["added_tokens", 0, "lstrip"], True, "its added_tokens is not"),
        (["post_processor"], {"type": "ByteLevel"}, "its post_processor is not"),
        (["more"], 1, "its more is not"),
    ],
)
def test_a_tokenizer_json_that_was_tampered_with_is_never_run(path, value, message, tmp_path):
    file = tmp_path / "tokenizer.json"
    trained(LibraryWords).save(tmp_path)
    document = json.loads(file.read_text())
    tamper(document, path, value)
    file.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match=message) as caught:
        LibraryWords.load(tmp_path, TokenizerOptions())
    assert caught.value.where == str(file)


def test_a_tokenizer_json_of_an_older_library_is_taken(tmp_path):
    """A release of `tokenizers` may add a field, which the files of earlier ones lack."""
    file = tmp_path / "tokenizer.json"
    tokenizer = trained(LibraryWords)
    tokenizer.save(tmp_path)
    document = json.loads(file.read_text())
    del document["truncation"]["direction"]
    file.write_text(json.dumps(document))
    assert ids(LibraryWords.load(tmp_path, tokenizer.options), *TEXTS) == ids(tokenizer, *TEXTS)


@pytest.mark.parametrize("content", ["", "[]", "7", "null", "{}", "{", "[" * 100_000, b"\xff"])
def test_a_damaged_tokenizer_json_is_refused(content, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    for use in (
        lambda: LibraryWords.load(tmp_path, TokenizerOptions()),
        lambda: read_backend(tmp_path / "tokenizer.json"),
    ):
        with pytest.raises(ArtifactError) as caught:
            use()
        assert caught.value.where == str(tmp_path / "tokenizer.json")


def test_a_file_that_makes_the_library_panic_is_refused(monkeypatch, tmp_path):
    class PanicException(BaseException):
        pass

    class Panicking:
        @staticmethod
        def from_file(name):
            raise PanicException("index out of bounds")

    (tmp_path / "tokenizer.json").write_text("{}")
    monkeypatch.setattr(tokenizers, "Tokenizer", Panicking)
    with pytest.raises(ArtifactError, match="is not a tokenizer: index out of bounds"):
        read_backend(tmp_path / "tokenizer.json")


# What they share


def test_most_frequent_breaks_ties_by_code_point():
    counts = Counter({"b": 2, "é": 2, "a": 2, "z": 9, "c": 1, "[MASK]": 99})
    assert most_frequent(counts, TokenizerOptions()) == ["z", "a", "b", "é", "c"]
    assert most_frequent(counts, TokenizerOptions(vocab_size=7, min_frequency=2)) == ["z", "a"]


def test_count_pieces_counts_what_the_pre_tokenizer_gives():
    texts = ["To be, or not to be.", "to be", "", "  "]
    words = count_pieces(texts, library_normalizer(TokenizerOptions()), splitter())
    assert words == Counter({"to": 3, "be": 3, ",": 1, "or": 1, "not": 1, ".": 1})
    assert count_pieces(texts, None, None) == Counter("".join(texts))


def test_library_normalizer_is_empty_when_nothing_is_asked_for():
    assert library_normalizer(TokenizerOptions(normalization="none", lowercase=False)) is None


@pytest.mark.parametrize("form", ["nfc", "nfd", "nfkc", "nfkd"])
def test_library_normalizer_is_unicodes(form):
    text = "É e\u0301 ﬁ ㎏ 한 \u1112\u1161\u11ab Å"
    normalizer = library_normalizer(TokenizerOptions(normalization=form, lowercase=False))
    assert normalizer.normalize_str(text) == unicodedata.normalize(form.upper(), text)


def test_decoding_uses_the_librarys_decoder():
    class Characters(LibraryWords):
        def build(self, vocabulary):
            backend = super().build(vocabulary)
            backend.decoder = decoders.Fuse()
            return backend

    tokenizer = trained(Characters)
    assert tokenizer.decode(ids(tokenizer, "to be")[0]) == "tobe"
