"""The one family of errors: each says what happened, where, and what to do.

The command line prints them without a traceback and exits with their `exit_status`.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "ArtifactError",
    "ComponentError",
    "DataError",
    "PegboardError",
    "PegboardWarning",
    "RecipeError",
    "RunError",
    "UsageError",
    "nearest",
    "one_of",
]


class PegboardError(Exception):
    """Base of all errors that Pegboard raises on purpose.

    Args:
        what: what happened, one sentence.
        where: the place, for example `data.csv, line 12` or `tokenizer.vocab_size`.
        hint: what to do about it.

    Example:
        >>> print(PegboardError("the label is empty", where="data.csv, line 3", hint="fill it in"))
        data.csv, line 3: the label is empty
          -> fill it in
    """

    exit_status = 1

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what, where, hint)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        first = f"{self.where}: {self.what}" if self.where else self.what
        return f"{first}\n  -> {self.hint}" if self.hint else first


class RunError(PegboardError):
    """The work was possible but failed: disk full, a loss that is not a number, an interrupted save."""


class UsageError(PegboardError):
    """The request itself can't be carried out as it stands."""

    exit_status = 2


class RecipeError(UsageError):
    """A recipe, or an option set on the command line, is wrong."""


class DataError(UsageError):
    """The data can't be used as they are; `where` names the file and line."""


class ArtifactError(UsageError):
    """A run folder or a saved model is not one, is damaged, or does not fit."""


class ComponentError(PegboardError):
    """A component or its plugin is missing, ambiguous or broken."""

    exit_status = 3


class PegboardWarning(UserWarning):
    """Something worth attention that does not stop the work; the command line prints it in one line."""


def nearest(name: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """The known names that look most like `name`, best first.

    Example:
        >>> nearest("tokeniser", ["tokenizer", "encoder"])
        ['tokenizer']
    """
    from difflib import get_close_matches

    candidates = sorted(set(known))
    folded = {candidate.casefold(): candidate for candidate in candidates}
    close = get_close_matches(name.casefold(), folded, n=most, cutoff=0.6)
    return [folded[match] for match in close]


def one_of(name: str, known: Iterable[str]) -> str:
    """A hint for an unknown name: the nearest ones if any, else all there are.

    Example:
        >>> one_of("gruu", ["gru", "lstm"])
        'did you mean gru?'
        >>> one_of("xyz", ["gru", "lstm"])
        'known: gru, lstm'
    """
    known = sorted(set(known))
    close = nearest(name, known)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"known: {', '.join(known)}" if known else "there are none"
