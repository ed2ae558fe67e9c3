"""What a block of rows of fields holds, as far as it is in order."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa


class Layout(NamedTuple):
    """How rows of fields are written.

    Attributes:
        delimiter: the byte that separates fields.
        columns: how many fields a row has.
        text: the number of the text's.
        label: that of the label's; `None` if it is not read.
        quotes: whether a quote is more than a character.
    """

    delimiter: int
    columns: int
    text: int
    label: int | None
    quotes: bool


class Cells(NamedTuple):
    """The values of two columns in the rows at the beginning of a block.

    Attributes:
        end: the bytes that the rows take.
        lines: the lines that end in these.
        texts: Arrow `string`; that it is valid UTF-8 is not checked.
        labels: the same; `None` if they are not read.
        stopped: whether what comes next is not regular, and not just cut off.
    """

    end: int
    lines: int
    texts: pa.StringArray
    labels: pa.StringArray | None
    stopped: bool
