"""Draw docs/pictures/board.svg: the board, its four pegs, and what hangs beside them.

python docs/pictures/draw_board.py
"""

from __future__ import annotations

from html import escape
from pathlib import Path

WIDTH, HEIGHT = 960, 430
PEGS = [
    ("dataset", "moods", ["files", "hub"], "#2a6f97"),
    ("tokenizer", "word", ["char", "wordpiece", "pretrained", "yours"], "#2d6a4f"),
    ("encoder", "rnn", ["bert", "yours"], "#9c4221"),
    ("trainer", "accelerate", ["yours"], "#6b4c9a"),
]
STYLE = """
  text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; }
  .kind { font-size: 15px; fill: #5b4a36; letter-spacing: .04em; }
  .on { font-size: 21px; font-weight: 650; fill: #ffffff; }
  .off { font-size: 15px; fill: #3c3226; }
  .code { font-family: ui-monospace, 'SF Mono', Menlo, Consolas, monospace; font-size: 15px; fill: #f3ede4; }
  .dim { fill: #b9ad9c; }
"""


def main() -> None:
    """Write the picture."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t d">',
        '<title id="t">A board with four pegs: dataset, tokenizer, encoder, trainer</title>',
        '<desc id="d">One component hangs on each peg, others wait below it; a command names the choice.</desc>',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="18" fill="#e9dcc7"/>',
        *_holes(),
    ]
    for column, (kind, chosen, others, colour) in enumerate(PEGS):
        parts += _peg(48 + column * 224, kind, chosen, others, colour)
    parts += _terminal()
    parts.append("</svg>\n")
    Path(__file__).with_name("board.svg").write_text("\n".join(parts), encoding="utf-8")


def _holes() -> list[str]:
    """The board's holes, on a grid."""
    return [
        f'<circle cx="{x}" cy="{y}" r="2.6" fill="#d3c2a6"/>'
        for y in range(22, HEIGHT - 100, 24)
        for x in range(24, WIDTH - 12, 24)
    ]


def _peg(x: int, kind: str, chosen: str, others: list[str], colour: str) -> list[str]:
    """A peg with its tag, and the tags that could hang there instead."""
    middle = x + 96
    tag = (
        f"M{x} 108 h192 a10 10 0 0 1 10 10 v44 a10 10 0 0 1 -10 10 h-192 a10 10 0 0 1 -10 -10 v-44 a10 10 0 0 1 10 -10z"
    )
    parts = [
        f'<rect x="{middle - 62}" y="24" width="124" height="26" rx="13" fill="#f6efe3"/>',
        f'<text class="kind" x="{middle}" y="42" text-anchor="middle">{kind}</text>',
        f'<line x1="{middle}" y1="74" x2="{middle}" y2="112" stroke="#8a7a62" stroke-width="2"/>',
        f'<circle cx="{middle}" cy="72" r="9" fill="#8a5a2b"/>',
        f'<circle cx="{middle - 2}" cy="69" r="3.4" fill="#c08a55"/>',
        f'<path d="{tag}" fill="{colour}"/>',
        f'<text class="on" x="{middle}" y="147" text-anchor="middle">{escape(chosen)}</text>',
    ]
    for row, name in enumerate(others):
        top = 190 + row * 33
        dash = ' stroke-dasharray="5 4"' if name == "yours" else ""
        parts.append(
            f'<rect x="{x + 26}" y="{top}" width="140" height="26" rx="7" fill="#fbf6ee" stroke="{colour}"'
            f' stroke-opacity=".55"{dash}/>'
        )
        parts.append(f'<text class="off" x="{middle}" y="{top + 18}" text-anchor="middle">{escape(name)}</text>')
    return parts


def _terminal() -> list[str]:
    """The command that makes this choice."""
    command = "pegboard train --dataset moods --tokenizer word --encoder rnn --trainer accelerate"
    return [
        f'<rect x="0" y="{HEIGHT - 96}" width="{WIDTH}" height="96" fill="#2b2620"/>',
        f'<rect x="0" y="{HEIGHT - 30}" width="{WIDTH}" height="30" rx="18" fill="#2b2620"/>',
        f'<text class="code" x="40" y="{HEIGHT - 54}"><tspan class="dim">$ </tspan>{command}</text>',
        f'<text class="code dim" x="40" y="{HEIGHT - 26}"># every part is a package of its own, chosen by name</text>',
    ]


if __name__ == "__main__":
    main()
