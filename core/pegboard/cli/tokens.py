"""How tokens look on a terminal: columns of tokens, ids and mask, or one after another in colour."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import click

from pegboard.tokenizing.visible import visible

if TYPE_CHECKING:
    from pegboard.tokenizing.show import ShownText, ShownTokens

__all__ = ["table_of_special_tokens", "terminal_width", "token_grid", "token_line"]

_WIDTH_OF_A_FILE = 100
_MOST_TOKENS = 200
_ALTERNATING = ("cyan", "yellow")


def terminal_width() -> int:
    """Columns of the terminal; what is not a terminal has some, too."""
    return max(40, shutil.get_terminal_size((_WIDTH_OF_A_FILE, 24)).columns)


def token_grid(batch: ShownTokens, text: ShownText, *, width: int, indent: str = "  ") -> str:
    """Tokens with their ids and the attention mask in columns, in as many blocks of lines as the width demands."""
    from rich.cells import cell_len

    names = [visible(token) for token in text.tokens[:_MOST_TOKENS]]
    widths = [max(cell_len(name), len(str(i))) for name, i in zip(names, text.input_ids, strict=False)]
    head = ("tokens  ", "ids     ", "mask    ")
    blocks, start = [], 0
    while start < len(names):
        end, used = start + 1, len(indent) + len(head[0]) + widths[start]
        while end < len(names) and used + 2 + widths[end] <= width:
            used += 2 + widths[end]
            end += 1
        lines: list[list[str]] = [[], [], []]
        for place in range(start, end):
            space = widths[place]
            name, i, mask = names[place], str(text.input_ids[place]), str(text.attention_mask[place])
            lines[0].append(" " * (space - cell_len(name)) + _styled(batch, name, text.input_ids[place], place))
            lines[1].append(i.rjust(space))
            lines[2].append(mask.rjust(space) if mask == "1" else click.style(mask.rjust(space), dim=True))
        blocks.append("\n".join(f"{indent}{name}{'  '.join(cells)}" for name, cells in zip(head, lines, strict=True)))
        start = end
    more = len(text.tokens) - len(names)
    if more > 0:
        blocks.append(f"{indent}… and {more:,} more (--json has all)")
    return "\n\n".join(blocks) if blocks else f"{indent}no tokens"


def token_line(batch: ShownTokens, text: ShownText, *, width: int, indent: str = "  ") -> str:
    """Tokens one after another, in colours that alternate, with a space between them."""
    from rich.cells import cell_len

    lines: list[list[str]] = [[]]
    used = len(indent)
    for place, (token, i) in enumerate(zip(text.tokens[:_MOST_TOKENS], text.input_ids, strict=False)):
        name = visible(token)
        if lines[-1] and used + 1 + cell_len(name) > width:
            lines.append([])
            used = len(indent)
        used += cell_len(name) + bool(lines[-1])
        lines[-1].append(_styled(batch, name, i, place))
    more = len(text.tokens) - _MOST_TOKENS
    if more > 0:
        lines.append([f"… and {more:,} more (--json has all)"])
    return "\n".join(indent + " ".join(line) for line in lines) if lines[0] else f"{indent}no tokens"


def table_of_special_tokens(batch: ShownTokens) -> str:
    """`[PAD] 0, [UNK] 1, …`."""
    return ", ".join(f"{visible(token)} {i}" for token, i in batch.special_tokens.items())


def _styled(batch: ShownTokens, name: str, i: int, place: int) -> str:
    if i == batch.unk_id:
        return click.style(name, fg="white", bg="red", bold=True)
    if i in batch.special_tokens.values():
        return click.style(name, dim=True)
    return click.style(name, fg="black", bg=_ALTERNATING[place % len(_ALTERNATING)])
