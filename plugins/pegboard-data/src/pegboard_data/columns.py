"""Find the columns of the text and the label among those that a file has."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from pegboard import DataError

from pegboard_data.options import FilesOptions


def text_and_label(
    names: Sequence[str], options: FilesOptions, where: str, *, hint: str | None = None
) -> tuple[int, int | None]:
    """The places of the text and label columns in `names`; `None` for the label where labels are not read.

    Args:
        names: the columns, or JSON keys.
        options: name the columns to find.
        where: the place for an error.
        hint: takes the place of the usual hint, where more is known.

    Raises:
        DataError: a column is missing or there twice.
    """
    text = _find(names, "text_column", options, where, hint)
    if not options.labelled:
        return text, None
    close = get_close_matches(options.label_column, names, n=1)
    if options.label_column not in names and hint is None and not close:
        hint = "choose a column with --set dataset.label_column=NAME; texts alone: --set dataset.labelled=false"
    return text, _find(names, "label_column", options, where, hint)


def _find(names: Sequence[str], option: str, options: FilesOptions, where: str, hint: str | None) -> int:
    wanted = getattr(options, option)
    if names.count(wanted) > 1:
        raise DataError(f"the column {wanted!r} is there {names.count(wanted)} times", where=where, hint="rename one")
    if wanted in names:
        return names.index(wanted)
    shown = ", ".join(repr(shorten(name)) for name in names[:20]) + (", …" if len(names) > 20 else "")
    close = get_close_matches(wanted, names, n=2)
    if close:
        hint = f"did you mean {' or '.join(close)}? --set dataset.{option}=NAME"
    raise DataError(
        f"there is no column {wanted!r}; there are {shown or 'none'}",
        where=where,
        hint=hint or f"choose a column with --set dataset.{option}=NAME",
    )


def shorten(text: str, most: int = 40) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"
