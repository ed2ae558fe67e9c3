"""What every tokenizer must do."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, ClassVar

from pegboard.contracts.tokenizer import Tokenizer
from pegboard.errors import DataError
from pegboard.testing.conformance import Conformance, NotApplicable, assert_only_data, refused, temporary_folder
from pegboard.testing.texts import TRAINING_TEXTS, UNICODE_TEXTS

__all__ = ["TokenizerConformance"]

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
        rows: Ids = self.tokenizer.encode_batch(list(texts)).to_pylist()
        return rows

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
        assert self.ids(*reversed(TRAINING_TEXTS)) == list(reversed(self.ids(*TRAINING_TEXTS)))

    def test_repeated_texts_are_equal(self) -> None:
        """The same text has the same ids at every place of a batch and at every call.

        State that leaks from one text into the next changes results silently.
        """
        first, _, again = self.ids(TRAINING_TEXTS[0], TRAINING_TEXTS[1], TRAINING_TEXTS[0])
        assert first == again == self.ids(TRAINING_TEXTS[0])[0]

    def test_empty_and_blank_texts_work(self) -> None:
        """Empty and blank texts and an empty batch give rows, not errors.

        Users predict on what comes in.
        """
        assert self.ids() == []
        assert len(self.ids("", " ", "\t\n  ", "a")) == 4

    def test_very_long_text_is_cut(self) -> None:
        """A text of a million characters gives at most `max_length` ids.

        One runaway row must not take down a batch.
        """
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
        if not self.has_option("vocab_size"):
            raise NotApplicable("it has no option vocab_size")
        tokenizer = self.trained(vocab_size=200)
        assert tokenizer.vocab_size <= 200, f"the vocabulary has {tokenizer.vocab_size} entries, 200 were asked for"
        assert all(i < tokenizer.vocab_size for row in tokenizer.encode_batch(TRAINING_TEXTS).to_pylist() for i in row)

    def test_special_ids_are_distinct(self) -> None:
        """`pad_id` and `unk_id` are different entries of the vocabulary.

        If [UNK] were [PAD], unknown words would vanish from the attention mask.
        """
        pad, unknown = self.tokenizer.pad_id, self.tokenizer.unk_id
        assert pad != unknown
        assert {pad, unknown} <= set(range(self.tokenizer.vocab_size))

    def test_unknown_only_for_the_unknown(self) -> None:
        """With a vocabulary that has room for all, no training text contains [UNK].

        An [UNK] for a known piece is lost information that no metric shows.
        """
        if not self.has_option("min_frequency", "vocab_size"):
            raise NotApplicable("its vocabulary is not trained")
        for text, row in zip(TRAINING_TEXTS, self.ids(*TRAINING_TEXTS), strict=True):
            assert self.tokenizer.unk_id not in row, f"[UNK] in a training text: {text!r}"

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
        [whole] = self.trained(max_length=480).encode_batch([long_text]).to_pylist()
        for limit in (8, 9):
            tokenizer = self.trained(max_length=limit)
            rows = tokenizer.encode_batch([*TRAINING_TEXTS, long_text]).to_pylist()
            uncut = self.trained(max_length=480).encode_batch(TRAINING_TEXTS).to_pylist()
            assert len(rows[-1]) == limit, f"max_length={limit} gave {len(rows[-1])} ids"
            beginnings = [whole[: limit - after] + whole[len(whole) - after :] for after in range(3)]
            assert rows[-1] in beginnings, "what is kept is not the text's beginning"
            for row, full in zip(rows, uncut, strict=False):
                if len(full) <= limit:
                    assert row == full, f"a text of {len(full)} ids was changed by max_length={limit}"

    def test_padding_and_mask_are_exact(self) -> None:
        """In a batch the mask is 1 for exactly the ids of each text, and `pad_id` stands everywhere else.

        The id of [PAD] inside a text, or a mask off by one, hides tokens from the model.
        """
        import numpy as np

        from pegboard.tasks.classify import EncodedSplit

        encoded = self.tokenizer.encode_batch(TRAINING_TEXTS)
        split = EncodedSplit(encoded, None, self.tokenizer.pad_id)
        batch = split.collate(np.arange(len(TRAINING_TEXTS)))
        ids, mask = batch["input_ids"], batch["attention_mask"]
        for row, expected in enumerate(encoded.to_pylist()):
            assert ids[row][mask[row] == 1].tolist() == expected
            assert (ids[row][mask[row] == 0] == self.tokenizer.pad_id).all()
            assert self.tokenizer.pad_id not in expected, f"[PAD] inside a text: {TRAINING_TEXTS[row]!r}"

    def test_tokens_match_ids(self) -> None:
        """`tokens` gives one string for each id, `[UNK]` or the like for unknown pieces.

        People debug with what they see.
        """
        for text in TRAINING_TEXTS:
            tokens = self.tokenizer.tokens(text)
            [row] = self.ids(text)
            assert len(tokens) == len(row), f"{len(tokens)} tokens, {len(row)} ids: {text!r}"
            assert all(isinstance(token, str) for token in tokens)

    def test_decode_gives_the_text_back(self) -> None:
        """A tokenizer that declares `lossless` decodes known text to what was encoded, normalized.

        The declaration is what generation and display rely on.
        """
        if not self.tokenizer.lossless:
            raise NotApplicable("it does not declare `lossless`")
        for text in TRAINING_TEXTS:
            [row] = self.ids(text)
            if len(row) < self.tokenizer.max_length:
                assert self.tokenizer.decode(row) == self._normalized(text), f"decode changed {text!r}"

    def test_decode_gives_the_words_back(self) -> None:
        """Decoding keeps the letters of known text in their order, unless it declares `decodes = False`.

        A decode that mixes up ids shows people another text than the model saw.
        """
        if not self.tokenizer.decodes:
            raise NotApplicable("it declares that it can't decode")
        for text in TRAINING_TEXTS:
            [row] = self.ids(text)
            if len(row) < self.tokenizer.max_length and self.tokenizer.unk_id not in row:
                wanted, got = _letters(self._normalized(text)), _letters(self.tokenizer.decode(row))
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
        expected = self.ids(*TRAINING_TEXTS)
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda _: self.ids(*TRAINING_TEXTS), range(8)))
        assert all(result == expected for result in results), "a thread got other ids"

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
        arrived = receiver.poll(30)
        result = receiver.recv() if arrived else None
        child.kill()
        child.join()
        assert arrived, "a forked process hangs"
        assert result == expected, "a forked process got other ids"

    def _normalized(self, text: str) -> str:
        options: Any = self.tokenizer.options
        form: Any = getattr(options, "normalization", "none")
        text = unicodedata.normalize(form.upper(), text) if form != "none" else text
        return text.lower() if getattr(options, "lowercase", False) else text


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalpha())
