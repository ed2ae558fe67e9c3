"""One correct tokenizer, and variations of it that have one realistic fault each."""

import json
import pickle
import random
import re
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pegboard
import pyarrow as pa
from pegboard.text.segments import as_arrow

SPECIALS = len(pegboard.SPECIAL_TOKENS)


class Correct(pegboard.PieceTokenizer):
    """Words, marks and single spaces."""

    joiner = ""
    lossless = True

    def split(self, text):
        return re.findall(r"\s|\w+|[^\w\s]", text)

    def ids(self):
        return {piece: i for i, piece in enumerate(self._pieces)}


class Rewriting(Correct):
    """The base of those whose ids go wrong after they were right."""

    def encode_batch(self, texts):
        rows = [self.rewritten(row) for row in super().encode_batch(texts).to_pylist()]
        return pa.array(rows, pa.large_list(pa.int32()))

    def rewritten(self, row):
        return row


class CutsOneTooLate(Correct):
    """`<=` for `<`."""

    def _set_vocabulary(self, pieces):
        self.max_length += 1
        super()._set_vocabulary(pieces)
        self.max_length -= 1


class CutsOneTooEarly(Rewriting):
    """Leaves room for a special token that is not added."""

    def rewritten(self, row):
        return row[: self.max_length - 1]


class CutsWhatFits(Rewriting):
    """`>=` for `>`: a text of exactly max_length ids loses its last."""

    def rewritten(self, row):
        return row[:-1] if len(row) == self.max_length and row[-1] % 2 else row


class KeepsTheEnd(Correct):
    """`row[-n:]` for `row[:n]`."""

    def _set_vocabulary(self, pieces):
        limit, self.max_length = self.max_length, 10**7
        super()._set_vocabulary(pieces)
        self.max_length = limit

    def encode_batch(self, texts):
        rows = super().encode_batch(texts).to_pylist()
        return pa.array([row[-self.max_length :] for row in rows], pa.large_list(pa.int32()))


class KeepsTheBeginning(Rewriting):
    """Cuts for itself, and never asks what is to be kept."""

    def __init__(self, options):
        super().__init__(options.model_copy(update={"max_length": 10**6, "long_texts": "head"}))
        self.max_length = 10**6
        self.limit = options.max_length

    def rewritten(self, row):
        return row[: self.limit]


class WindowsTooSoon(Rewriting):
    """Gives the first window for the whole text."""

    def rewritten(self, row):
        return row[: self.max_length]


class ForgetsItsFrame(Correct):
    """Puts special tokens around texts that it does not tell of."""

    frame = (0, 0)

    def __init__(self, options):
        super().__init__(options.model_copy(update={"special_tokens": "cls_sep"}))


class CutsTheSeparator(Rewriting):
    """Frames a text and cuts it afterwards."""

    def encode_batch(self, texts):
        rows = [[i for i in row if i not in (2, 3)] for row in super().encode_batch(texts).to_pylist()]
        if self.options.special_tokens == "cls_sep":
            rows = [[2, *row, 3][: self.max_length] for row in self._unframed(texts)]
        return pa.array(rows, pa.large_list(pa.int32()))

    def _unframed(self, texts):
        ids, unknown = self.ids(), self.unk_id
        return [[ids.get(piece, unknown) for piece in self._pieces_of(text)] for text in texts]


class ShiftsAfterReload(Rewriting):
    """Loading counts the special tokens twice."""

    shift = 0

    @classmethod
    def load(cls, folder, options):
        tokenizer = super().load(folder, options)
        tokenizer.shift = 1
        return tokenizer

    def rewritten(self, row):
        return [i + self.shift for i in row]


class SortsOnReload(Correct):
    """Saved as a set of pieces, which are sorted when they are read."""

    @classmethod
    def load(cls, folder, options):
        tokenizer = super().load(folder, options)
        tokenizer._set_vocabulary(sorted(tokenizer._pieces[SPECIALS:]))
        return tokenizer


class ForgetsItsLength(Correct):
    """A loaded one truncates by a constant."""

    @classmethod
    def load(cls, folder, options):
        tokenizer = super().load(folder, options)
        tokenizer.max_length = 512
        return tokenizer


class PadsForUnknown(Rewriting):
    """`ids.get(piece, 0)`."""

    def rewritten(self, row):
        return [0 if i == self.unk_id else i for i in row]


class StartsAtZero(Rewriting):
    """Counts the vocabulary without the special tokens, so that the most frequent piece is padding."""

    def rewritten(self, row):
        return [0 if i == SPECIALS else i for i in row]


class LosesAKnownPiece(Rewriting):
    """The last entry of the vocabulary is never found."""

    def rewritten(self, row):
        return [self.unk_id if i == self.vocab_size - 1 else i for i in row]


class UnknownForTheRare(Correct):
    """A piece that occurs once is left out, whatever `min_frequency` says."""

    def train(self, texts):
        super().train(texts)
        self._set_vocabulary(self._pieces[SPECIALS : self.vocab_size // 3])


class DropsTheUnknown(Rewriting):
    """`if piece in ids`."""

    def rewritten(self, row):
        return [i for i in row if i != self.unk_id]


class OneIdForAll(Rewriting):
    """A lookup that always finds the same."""

    def rewritten(self, row):
        return [SPECIALS] if row else []


class LosesTheOrder(Correct):
    """Sorts a batch by length and does not sort it back."""

    def encode_batch(self, texts):
        return super().encode_batch(sorted(as_arrow(texts).to_pylist(), key=len))


class LeaksIntoTheNextText(Rewriting):
    """What a text ended with is put before the next one."""

    carried = None

    def rewritten(self, row):
        carried, self.carried = self.carried, row[-1:]
        return (carried or []) + row


class LearnsWhileEncoding(Correct):
    """`ids.setdefault(piece, len(ids))`."""

    def encode_batch(self, texts):
        texts = as_arrow(texts)
        for text in texts.to_pylist():
            for piece in self._pieces_of(text):
                if piece not in self._pieces:
                    self._set_vocabulary([*self._pieces[SPECIALS:], piece])
        return super().encode_batch(texts)


class DependsOnItsBatch(Rewriting):
    """Cuts every text to the mean length of its batch."""

    def encode_batch(self, texts):
        rows = super().encode_batch(texts).to_pylist()
        mean = sum(map(len, rows)) // max(1, len(rows))
        return pa.array([row[:mean] for row in rows], pa.large_list(pa.int32()))


class OrderFromASet(Correct):
    """The vocabulary in the order of a set, which is another one in each process."""

    def train(self, texts):
        super().train(texts)
        self._set_vocabulary(list(set(self._pieces[SPECIALS:])))


class OrderByChance(Correct):
    """Ties are broken by an unseeded generator."""

    def train(self, texts):
        super().train(texts)
        self._set_vocabulary(random.sample(self._pieces[SPECIALS:], self.vocab_size - SPECIALS))


class SavesTheTime(Correct):
    """Writes when it was saved."""

    def save(self, folder):
        super().save(folder)
        (folder / "about.json").write_text(json.dumps({"saved": time.time_ns()}))


class SpecialsOnTop(Correct):
    """`vocab_size` pieces and the special tokens besides."""

    def train(self, texts):
        more = {**self.options.model_dump(), "vocab_size": self.options.vocab_size + SPECIALS}
        options, self.options = self.options, type(self.options)(**more)
        super().train(texts)
        self.options = options


class SizeWithoutSpecials(Correct):
    """Tells the number of pieces and forgets the special tokens."""

    @property
    def vocab_size(self):
        return super().vocab_size - SPECIALS


class TakesNone(Correct):
    """`text or ""`."""

    def encode_batch(self, texts):
        return super().encode_batch([text or "" for text in texts])


class ReplacesSurrogates(Correct):
    """`errors="replace"`."""

    def encode_batch(self, texts):
        if not isinstance(texts, pa.Array):
            texts = [text if text is None else text.encode(errors="replace").decode() for text in texts]
        return super().encode_batch(texts)


class FailsOnNul(Correct):
    """Hands texts to a C string."""

    def split(self, text):
        if "\0" in text:
            raise ValueError("embedded null character")
        return super().split(text)


class DropsEmptyTexts(Correct):
    """Rows without ids are filtered out."""

    def encode_batch(self, texts):
        rows = [row for row in super().encode_batch(texts).to_pylist() if row]
        return pa.array(rows, pa.large_list(pa.int32()))


class WideIds(Correct):
    """Python's integers become int64."""

    def encode_batch(self, texts):
        return pa.array(super().encode_batch(texts).to_pylist(), pa.large_list(pa.int64()))


class Pickles(Correct):
    """Saves itself."""

    def save(self, folder):
        super().save(folder)
        (folder / "cache.txt").write_bytes(pickle.dumps(self._pieces, protocol=0))


class SharesABuffer(Correct):
    """Collects rows in an attribute."""

    def encode_batch(self, texts):
        self.rows, ids = [], self.ids()
        for text in as_arrow(texts).to_pylist():
            self.rows.append([ids.get(piece, self.unk_id) for piece in self._pieces_of(text)])
        return pa.array([row[: self.max_length] for row in self.rows], pa.large_list(pa.int32()))


class KeepsAThreadPool(Correct):
    """A pool's threads are gone in a forked process, which waits for them."""

    def __init__(self, options):
        super().__init__(options)
        self.pool = ThreadPoolExecutor(1)

    def encode_batch(self, texts):
        return self.pool.submit(super().encode_batch, texts).result()


class LowersAlways(Correct):
    """Folds case although the options say not to."""

    def split(self, text):
        return super().split(text.lower())


class FoldsAccents(Correct):
    """Declares `lossless` and strips the marks."""

    def split(self, text):
        marks = [c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)]
        return super().split("".join(marks))


class DecodesTheNext(Correct):
    """Decodes each id as the one after it."""

    lossless = False

    def decode(self, ids):
        return super().decode([min(i + 1, self.vocab_size - 1) for i in ids])


class ShowsPiecesNotTokens(Correct):
    """`tokens` gives what was split, known or not, cut or not."""

    def tokens(self, text):
        return self._pieces_of(text)


class LaxOptions(pegboard.TokenizerOptions, strict=False):
    """Options that make a number of text."""


class Lax(Correct):
    """Its options are not strict."""


@pegboard.hookimpl
def pegboard_tokenizers():
    for mutant in list(globals().values()):
        if isinstance(mutant, type) and issubclass(mutant, Correct) and mutant is not Rewriting:
            name = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=A)(?=[A-Z][a-z])", "-", mutant.__name__).lower()
            options = f"{__name__}:LaxOptions" if mutant is Lax else "pegboard:TokenizerOptions"
            factory = f"{__name__}:{mutant.__name__}"
            yield pegboard.ComponentSpec(name=name, factory=factory, options=options, summary=mutant.__doc__)
