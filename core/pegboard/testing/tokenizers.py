"""What every tokenizer must do."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import sys
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, ClassVar

from pegboard.contracts.tokenizer import Tokenizer
from pegboard.errors import DataError
from pegboard.testing.conformance import Conformance, NotApplicable, assert_only_data, refused, temporary_folder
from pegboard.testing.texts import TRAINING_TEXTS, UNICODE_TEXTS, UNSEEN_TEXT

__all__ = ["TokenizerConformance"]

FORK_SECONDS = 30.0
"""A forked process that has not encoded a few texts by then is taken to hang."""

Ids = list[list[int]]


class TokenizerConformance(Conformance):
    """Subclass it, set `component`, and pytest checks your tokenizer.

    Example:
        >>> class TestChar(TokenizerConformance):
        ...     component = "char"
    """

    kind: ClassVar[str] = "tokenizer"

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer with its options, trained on a few dozen texts."""
        return self.trained()

    def trained(self, **more: Any) -> Tokenizer:
        """A tokenizer with more options, trained on the kit's texts."""
        from pegboard.text.segments import as_arrow

        lenient = {"min_frequency": 1} if self.has_option("min_frequency") else {}
        tokenizer: Tokenizer = self.factory(self.checked_options(**{**lenient, **more}))
        tokenizer.train(as_arrow(TRAINING_TEXTS))
        return tokenizer

    def ids(self, *texts: str) -> Ids:
        """Ids as Python lists."""
        return _ids(self.tokenizer, texts)

    def digest(self) -> str:
        """A hash of the saved files and of the ids of many texts."""
        tokenizer = self.trained()
        summary = hashlib.sha256()
        with temporary_folder() as folder:
            tokenizer.save(folder)
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    summary.update(file.name.encode() + file.read_bytes())
        rows = tokenizer.encode_batch([*TRAINING_TEXTS, *UNICODE_TEXTS]).to_pylist()
        summary.update(json.dumps(rows).encode())
        return summary.hexdigest()

    def test_it_is_a_tokenizer(self) -> None:
        """The factory gives a `pegboard.Tokenizer`.

        The pipeline relies on the whole contract, not on a method or two.
        """
        assert isinstance(self.tokenizer, Tokenizer), f"it is a {type(self.tokenizer).__name__}"

    def test_ids_are_ragged_int32(self) -> None:
        """`encode_batch` gives an Arrow `large_list<int32>` with a row for each text.

        Ids go from there into the cache and into batches without becoming Python objects.
        """
        encoded = self.tokenizer.encode_batch(TRAINING_TEXTS)
        assert str(encoded.type).replace("element", "item") == "large_list<item: int32>", f"it gave {encoded.type}"
        assert len(encoded) == len(TRAINING_TEXTS), "it gave another number of rows than texts"
        assert encoded.null_count == 0, "a row is missing"

    def test_batch_equals_single(self) -> None:
        """A text has the same ids alone and in a batch.

        Otherwise a served model sees other input than the one that was measured.
        """
        together = self.ids(*TRAINING_TEXTS)
        for text, row in zip(TRAINING_TEXTS, together, strict=True):
            assert self.ids(text) == [row], f"alone and in a batch differ: {text!r}"

    def test_order_is_kept(self) -> None:
        """Rows come in the order of the texts.

        A row that lands elsewhere gets the label of another text, and nothing fails.
        """
        backwards = self.ids(*reversed(TRAINING_TEXTS))
        assert backwards == self.ids(*TRAINING_TEXTS)[::-1], "the same texts in reverse do not give the rows in reverse"

    def test_repeated_texts_are_equal(self) -> None:
        """The same text has the same ids at every place of a batch and at every call.

        State that leaks from one text into the next changes results silently.
        """
        for text in (TRAINING_TEXTS[0], UNSEEN_TEXT):
            first, _, again = self.ids(text, TRAINING_TEXTS[1], text)
            assert first == again, f"twice in a batch: {first} and {again}"
            assert first == self.ids(text)[0], f"in another call: {self.ids(text)[0]} instead of {first}"

    def test_encoding_learns_nothing(self) -> None:
        """Encoding unseen texts leaves the vocabulary as it was trained.

        The encoder's embedding is as large as the vocabulary was then; an id that is born later has no row in it.
        """
        tokenizer = self.trained()
        before = tokenizer.vocab_size
        tokenizer.encode_batch([UNSEEN_TEXT, *UNICODE_TEXTS])
        assert tokenizer.vocab_size == before, f"the vocabulary grew from {before} to {tokenizer.vocab_size} entries"

    def test_empty_and_blank_texts_work(self) -> None:
        """Empty and blank texts and an empty batch give rows, not errors.

        Users predict on what comes in.
        """
        assert self.ids() == [], "an empty batch gives rows"
        rows = len(self.ids("", " ", "\t\n  ", "a"))
        assert rows == 4, f"4 texts of which 3 are blank gave {rows} rows"

    def test_very_long_text_is_cut(self) -> None:
        """A text of a million characters gives at most `max_length` ids.

        One runaway row must not take down a batch.
        """
        if self.tokenizer.long_texts == "windows":
            raise NotApplicable("it is asked for windows, which are cut from the whole text")
        [row] = self.ids("one two three. " * 70_000)
        assert len(row) <= self.tokenizer.max_length, f"{len(row)} ids, max_length is {self.tokenizer.max_length}"

    def test_every_plane_of_unicode_works(self) -> None:
        """Text of every script and plane is encoded, and decoded to a string.

        Combining marks, joined emoji, right-to-left text and NUL are everyday data.
        """
        for text in UNICODE_TEXTS:
            [row] = self.ids(text)
            assert isinstance(self.tokenizer.decode(row), str), f"decode gave no string for {text!r}"

    def test_lone_surrogates_are_refused(self) -> None:
        """A lone surrogate is refused with a `DataError`.

        It is no Unicode text; what one library replaces another one drops.
        """
        with refused("a lone surrogate was accepted", DataError):
            self.ids("fine", "\ud800 not fine")

    def test_missing_texts_are_refused(self) -> None:
        """`None` is refused with a `DataError`.

        A missing text that becomes an empty one is a wrong row with a right label.
        """
        with refused("None was accepted", DataError):
            self.tokenizer.encode_batch(["fine", None])

    def test_ids_lie_within_the_vocabulary(self) -> None:
        """Every id is at least 0 and below `vocab_size`.

        A larger one makes the encoder's embedding fail, or read another row.
        """
        for row in self.ids(*TRAINING_TEXTS, *UNICODE_TEXTS):
            assert all(0 <= i < self.tokenizer.vocab_size for i in row), f"ids {min(row)} to {max(row)}"

    def test_vocabulary_size_is_honoured(self) -> None:
        """`vocab_size` stays within the option `vocab_size`.

        The size decides the memory of the embedding.
        """
        size = next((size for size in (200, 400) if self.accepts(vocab_size=size)), None)
        if size is None:
            raise NotApplicable("it has no option vocab_size that takes 200 or 400")
        tokenizer = self.trained(vocab_size=size)
        assert tokenizer.vocab_size <= size, f"the vocabulary has {tokenizer.vocab_size} entries, {size} were asked for"
        largest = max(i for row in _ids(tokenizer, TRAINING_TEXTS) for i in row)
        assert largest < tokenizer.vocab_size, f"an id is {largest}, the vocabulary has {tokenizer.vocab_size} entries"

    def test_special_ids_are_distinct(self) -> None:
        """`pad_id` and `unk_id` are different entries of the vocabulary.

        If [UNK] were [PAD], unknown words would vanish from the attention mask.
        """
        pad, unknown = self.tokenizer.pad_id, self.tokenizer.unk_id
        assert pad != unknown, f"both are {pad}"
        assert {pad, unknown} <= set(range(self.tokenizer.vocab_size)), "they lie outside the vocabulary"

    def test_unknown_only_for_the_unknown(self) -> None:
        """With a vocabulary that has room for all, no training text contains [UNK].

        An [UNK] for a known piece is lost information that no metric shows.
        """
        if not self.has_option("min_frequency", "vocab_size"):
            raise NotApplicable("its vocabulary is not trained")
        for text, row in zip(TRAINING_TEXTS, self.ids(*TRAINING_TEXTS), strict=True):
            assert self.tokenizer.unk_id not in row, f"[UNK] in a training text: {text!r}"

    def test_unknown_text_does_not_vanish(self) -> None:
        """Words of letters that were never seen have ids: [UNK] or smaller pieces.

        Text that is dropped makes a sentence mean something else, and nobody sees it.
        """
        word, space = UNSEEN_TEXT.split()[0], " "
        for before in ("", TRAINING_TEXTS[0] + space):
            without, full = self.ids(before, before + word)
            assert len(full) > len(without), f"{word!r} has no ids" + (" after other words" if before else "")

    def test_different_texts_differ(self) -> None:
        """Different words of the training texts have different ids.

        A tokenizer that maps everything to one id passes many other checks.
        """
        rows = {tuple(row) for row in self.ids(*TRAINING_TEXTS)}
        assert len(rows) > len(TRAINING_TEXTS) // 2, f"{len(TRAINING_TEXTS)} texts, {len(rows)} different rows"

    def test_truncation_is_exact(self) -> None:
        """With `max_length` n a long text keeps exactly n ids, and a text of n ids is left alone.

        One too many is an error deep in the encoder, one too few is a word lost at the end of every long text.
        """
        if not self.has_option("max_length"):
            raise NotApplicable("it has no option max_length")
        long_text = " ".join(TRAINING_TEXTS)
        head = {"long_texts": "head"} if self.has_option("long_texts") else {}
        *uncut, whole = _ids(self.trained(max_length=480, **head), [*TRAINING_TEXTS, long_text])
        for limit in (8, 9):
            *rows, cut = _ids(self.trained(max_length=limit, **head), [*TRAINING_TEXTS, long_text])
            assert len(cut) == limit, f"max_length={limit} gave {len(cut)} ids"
            beginnings = [whole[: limit - after] + whole[len(whole) - after :] for after in range(3)]
            assert cut in beginnings, "what is kept is not the text's beginning"
            for row, full in zip(rows, uncut, strict=True):
                if len(full) <= limit:
                    assert row == full, f"a text of {len(full)} ids was changed by max_length={limit}"

    def test_long_texts_are_cut_as_asked(self) -> None:
        """With `long_texts` a long text keeps its end, both ends, or for windows all of it, framed as before.

        Who asks for the end of a text and gets its beginning has another model than the recipe says.
        """
        choices = [choice for choice in ("tail", "both", "windows") if choice in self.tokenizer.long_text_choices]
        asked = [choice for choice in choices if self.accepts(max_length=11, long_texts=choice, window_overlap=1)]
        if not asked:
            raise NotApplicable("it does nothing but head")
        uncut = self.trained(max_length=480, long_texts="head")
        before, after = uncut.frame
        # One that fits whole for the ids to be known, and what it is the end of.
        rows = _ids(uncut, [" ".join(TRAINING_TEXTS)[:size] for size in (400, 200, 100, 50)])
        whole = next((row for row in rows if len(row) < 480), [])
        text = " ".join(TRAINING_TEXTS)[: (400, 200, 100, 50)[rows.index(whole)]]
        inner, room = whole[before : len(whole) - after], 11 - before - after
        first = -(-room // 4)
        wanted = {"tail": inner[-room:], "both": inner[:first] + inner[first - room :], "windows": inner}
        for choice in asked:
            tokenizer = self.trained(max_length=11, long_texts=choice, window_overlap=1)
            row, short = _ids(tokenizer, [text, ""])
            framed = [*whole[:before], *wanted[choice], *whole[len(whole) - after :]]
            assert row == framed, f"long_texts={choice} gave {row} where {framed} was to be left of {whole}"
            assert len(short) == before + after, f"an empty text has {len(short)} ids, `frame` says {before} + {after}"

    def test_special_tokens_frame_every_text(self) -> None:
        """With `special_tokens = "cls_sep"` every text starts with one id and ends with another, cut or not.

        An encoder that pools [CLS] reads something else when it is missing; [SEP] is what cutting tends to lose.
        """
        if not self.accepts(special_tokens="cls_sep", max_length=12):
            raise NotApplicable("it has no such option")
        tokenizer = self.trained(special_tokens="cls_sep", max_length=12)
        plain = _ids(self.trained(special_tokens="none", max_length=10), TRAINING_TEXTS)
        framed = _ids(tokenizer, ["", *TRAINING_TEXTS])
        assert len(framed[0]) == 2, f"an empty text has {len(framed[0])} ids, not the two that frame it"
        first, last = framed[0]
        for text, row, inner in zip(TRAINING_TEXTS, framed[1:], plain, strict=True):
            assert row == [first, *inner, last], f"{text!r} of {len(inner)} ids is not framed by {first} and {last}"

    def test_padding_and_mask_are_exact(self) -> None:
        """In a batch the mask is 1 for exactly the ids of each text, and `pad_id` stands everywhere else.

        The id of [PAD] inside a text, or a mask off by one, hides tokens from the model.
        """
        import numpy as np

        from pegboard.tasks.classify import EncodedSplit

        texts, pad = [*TRAINING_TEXTS, UNSEEN_TEXT], self.tokenizer.pad_id
        encoded = self.tokenizer.encode_batch(texts)
        batch = EncodedSplit(encoded, None, pad).collate(np.arange(len(texts)))
        ids, mask = batch["input_ids"], batch["attention_mask"]
        for row, expected in enumerate(encoded.to_pylist()):
            assert ids[row][mask[row] == 1].tolist() == expected, f"the batch holds other ids for {texts[row]!r}"
            assert (ids[row][mask[row] == 0] == pad).all(), f"the padding of {texts[row]!r} is not {pad}"
            assert pad not in expected, f"[PAD] inside a text: {texts[row]!r}"

    def test_tokens_match_ids(self) -> None:
        """`tokens` gives one string for each id, always the same one: `[UNK]` or the like for unknown pieces.

        People debug with what they see.
        """
        names: dict[int, str] = {}
        for text in (*TRAINING_TEXTS, UNSEEN_TEXT, "", " ".join(TRAINING_TEXTS * 20)):
            tokens = self.tokenizer.tokens(text)
            [row] = self.ids(text)
            assert len(tokens) == len(row), f"{len(tokens)} tokens, {len(row)} ids: {text[:60]!r}"
            for i, token in zip(row, tokens, strict=True):
                assert isinstance(token, str), f"a token is a {type(token).__name__}"
                assert names.setdefault(i, token) == token, f"the id {i} is {names[i]!r} here and {token!r} there"

    def test_decode_gives_the_text_back(self) -> None:
        """A tokenizer that declares `lossless` decodes known text to what was encoded, normalized.

        The declaration is what generation and display rely on.
        """
        if not self.tokenizer.lossless:
            raise NotApplicable("it does not declare `lossless`")
        plain = {"lowercase": False, "normalization": "none"}
        accepted = {name: value for name, value in plain.items() if self.accepts(**{name: value})}
        for tokenizer in (self.tokenizer, self.trained(**accepted)):
            for text, row in zip(TRAINING_TEXTS, _ids(tokenizer, TRAINING_TEXTS), strict=True):
                if len(row) < tokenizer.max_length:
                    got, wanted = tokenizer.decode(row), _normalized(text, tokenizer)
                    assert got == wanted, f"decode gives {got!r} for {wanted!r}"

    def test_decode_gives_the_words_back(self) -> None:
        """Decoding keeps the letters of known text in their order, unless it declares `decodes = False`.

        A decode that mixes up ids shows people another text than the model saw.
        """
        if not self.tokenizer.decodes:
            raise NotApplicable("it declares that it can't decode")
        for text in TRAINING_TEXTS:
            [row] = self.ids(text)
            if len(row) < self.tokenizer.max_length and self.tokenizer.unk_id not in row:
                wanted, got = _letters(_normalized(text, self.tokenizer)), _letters(self.tokenizer.decode(row))
                assert got == wanted, f"decode changed the letters of {text!r}"

    def test_training_twice_gives_the_same_bytes(self) -> None:
        """Two trainings on the same texts write the same files.

        The vocabulary is part of the result; see `same_seed_gives_the_same_bytes`.
        """
        written = []
        for _ in range(2):
            with temporary_folder() as folder:
                self.trained().save(folder)
                written.append({file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()})
        assert written[0] == written[1], "the saved files differ"

    def test_save_and_load_are_equal(self) -> None:
        """A loaded tokenizer gives the ids, sizes and texts of the saved one.

        Ids that shift after a reload turn a good model into a random one.
        """
        with temporary_folder() as folder:
            self.tokenizer.save(folder)
            loaded = type(self.tokenizer).load(folder, self.tokenizer.options)
        texts = [*TRAINING_TEXTS, *UNICODE_TEXTS]
        assert loaded.encode_batch(texts).to_pylist() == self.ids(*texts), "ids differ after a reload"
        for attribute in ("vocab_size", "pad_id", "unk_id", "max_length"):
            assert getattr(loaded, attribute) == getattr(self.tokenizer, attribute), (
                f"{attribute} differs after a reload"
            )
        [row] = self.ids(TRAINING_TEXTS[0])
        assert loaded.decode(row) == self.tokenizer.decode(row), "decode differs after a reload"

    def test_saves_data_only(self) -> None:
        """What it saves is data: JSON, text, safetensors, Arrow; never a pickle.

        A model folder that executes code when it is loaded can't be shared.
        """
        with temporary_folder() as folder:
            self.tokenizer.save(folder)
            assert any(folder.iterdir()), "it saved nothing"
            assert_only_data(folder)

    def test_threads_do_not_disturb_each_other(self) -> None:
        """Several threads that encode at once get the right ids.

        A server does just that.
        """
        expected, patience = self.ids(*TRAINING_TEXTS), sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            with ThreadPoolExecutor(4) as pool:
                results = list(pool.map(self._ids_again_and_again, range(4)))
        finally:
            sys.setswitchinterval(patience)
        assert all(result == expected for several in results for result in several), "a thread got other ids"

    def test_it_survives_a_fork(self) -> None:
        """A forked process gets the right ids, without hanging.

        Data workers are forked.
        """
        if sys.platform == "win32" or "fork" not in multiprocessing.get_all_start_methods():
            raise NotApplicable("this system does not fork")
        expected = self.ids(*TRAINING_TEXTS)
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=lambda: sender.send(self.ids(*TRAINING_TEXTS)))
        child.start()
        arrived = receiver.poll(FORK_SECONDS)
        result = receiver.recv() if arrived else None
        child.kill()
        child.join()
        assert arrived, "a forked process hangs"
        assert result == expected, "a forked process got other ids"

    def _ids_again_and_again(self, thread: int) -> list[Ids]:
        return [self.ids(*TRAINING_TEXTS) for _ in range(25)]


def _ids(tokenizer: Tokenizer, texts: Sequence[str]) -> Ids:
    rows: Ids = tokenizer.encode_batch(list(texts)).to_pylist()
    return rows


def _normalized(text: str, tokenizer: Tokenizer) -> str:
    """What the common options make of a text."""
    form: Any = getattr(tokenizer.options, "normalization", "none")
    text = unicodedata.normalize(form.upper(), text) if form != "none" else text
    return text.lower() if getattr(tokenizer.options, "lowercase", False) else text


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalpha())
