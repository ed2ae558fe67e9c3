"""Several tokenizers on one data set, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from pegboard.console import Console, silent
from pegboard.errors import DataError
from pegboard.pipeline.tokens import new_tokenizer
from pegboard.text.texts import Texts
from pegboard.tokenizing.choose import NamedTokenizer, each_that_works
from pegboard.tokenizing.measure import TokenizerFigures, measure, train_timed
from pegboard.tokenizing.show import ShownTokens, show_texts
from pegboard.tokenizing.words import Corpus, count_words

if TYPE_CHECKING:
    from pegboard.pipeline.data import LabelledData
    from pegboard.plugins.registry import Registry

__all__ = ["ComparedTokenizer", "SplitSize", "TokenizerComparison", "compare", "sample_sentences"]

_FIRST_SENTENCE = "Tokenizing text is a core task of NLP."
_SENTENCES = 3
_GOOD_LENGTHS = range(40, 121)
_LOOKED_AT = 10_000


@dataclass(frozen=True)
class SplitSize:
    """How much text a split holds; words are what white space separates."""

    rows: int
    bytes: int
    characters: int
    words: int
    distinct_words: int

    @classmethod
    def of(cls, corpus: Corpus) -> SplitSize:
        """The size of texts that were counted."""
        return cls(corpus.rows, corpus.bytes, corpus.characters, corpus.words, len(corpus.distinct))


@dataclass(frozen=True)
class ComparedTokenizer:
    """One tokenizer of a comparison.

    Attributes:
        name: as it was asked for: `wordpiece`, or `wordpiece:vocab_size=4000`.
        facts: its component, version and options.
        figures: what was measured.
        sentences: the example sentences as it sees them, each without padding.
    """

    name: str
    facts: dict[str, Any]
    figures: TokenizerFigures
    sentences: tuple[ShownTokens, ...]

    def to_dict(self) -> dict[str, Any]:
        """All of it, as a document holds it."""
        shown = [batch.texts[0] for batch in self.sentences]
        return {
            **self.facts,
            "figures": self.figures.to_dict(),
            "sentences": [
                {"text": text.text, "tokens": list(text.tokens), "input_ids": list(text.input_ids)} for text in shown
            ],
        }


@dataclass(frozen=True)
class TokenizerComparison:
    """Several tokenizers, each trained on the train split and measured on the test split.

    Attributes:
        dataset: the data set's name or path.
        fingerprint: a hash of the data.
        train: what they were trained on.
        test: what they were measured on.
        tokenizers: in the order in which they were asked for.
    """

    dataset: str
    fingerprint: str
    train: SplitSize
    test: SplitSize
    tokenizers: tuple[ComparedTokenizer, ...]

    def to_dict(self) -> dict[str, Any]:
        """All of it, as a document holds it."""
        return {
            "dataset": self.dataset,
            "fingerprint": self.fingerprint,
            "train": asdict(self.train),
            "test": asdict(self.test),
            "tokenizers": [tokenizer.to_dict() for tokenizer in self.tokenizers],
        }

    def html(self) -> str:
        """All of it as one page, to be written to a file as UTF-8; it needs nothing else to be seen."""
        from pegboard.tokenizing.page import comparison_page

        return comparison_page(self)


def compare(
    data: LabelledData,
    dataset: str,
    tokenizers: Sequence[NamedTokenizer],
    registry: Registry,
    *,
    sentences: Sequence[str] = (),
    max_length: int | None = None,
    asked_for: bool = True,
    console: Console = silent,
) -> TokenizerComparison:
    """Train each tokenizer on train and measure it on test; nothing comes from a cache, so that the speed is measured.

    Args:
        data: with the splits train and test.
        dataset: what to call the data.
        tokenizers: which ones.
        registry: the installed components.
        sentences: texts to show token by token; by default a fixed one and two of the test split.
        max_length: what counts as truncated; by default each tokenizer's own maximum.
        asked_for: whether these tokenizers were named; else one that fails is left out.
        console: where a person reads along.

    Raises:
        DataError: a split is missing, or train gives a tokenizer nothing to learn from.
        ComponentError: a tokenizer is broken.
    """
    for split in ("train", "test"):
        if split not in data.splits:
            raise DataError(f"there is no {split} split", where=dataset)
    train, test = (Texts.of(data.splits[split].texts) for split in ("train", "test"))
    learned, measured = count_words(train), count_words(test)
    sentences = list(sentences) or sample_sentences(test)

    def measured_one(named: NamedTokenizer) -> ComparedTokenizer:
        console.note(f"{named.name}: training on {learned.rows:,} texts, measuring on {measured.rows:,}")
        tokenizer = new_tokenizer(named.choice, registry)
        with console.progress(f"{named.name}: training", len(train)) as progress:
            training = train_timed(tokenizer, named.choice, train.watched(progress.advance), learned.bytes)
        with console.progress(f"{named.name}: measuring", len(test)) as progress:
            figures = measure(
                tokenizer,
                named.choice,
                test.watched(progress.advance),
                measured,
                training=training,
                more=train,
                max_length=max_length,
            )
        shown = tuple(show_texts(named, tokenizer, [sentence]) for sentence in sentences)
        return ComparedTokenizer(named.name, named.facts(), figures, shown)

    compared = each_that_works(tokenizers, measured_one, console.warn, asked_for=asked_for)
    return TokenizerComparison(
        dataset, data.fingerprint, SplitSize.of(learned), SplitSize.of(measured), tuple(compared)
    )


def sample_sentences(texts: Texts) -> list[str]:
    """A fixed sentence, and the first texts that are neither very short nor very long."""
    found: list[str] = []
    for text in islice(texts, _LOOKED_AT):
        if len(text) in _GOOD_LENGTHS:
            found.append(text)
        if len(found) == _SENTENCES - 1:
            break
    return [_FIRST_SENTENCE, *found]
