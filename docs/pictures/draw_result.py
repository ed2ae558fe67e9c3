"""Draw docs/pictures/result.svg from a run: how good each label is, and what was taken for what.

python docs/pictures/draw_result.py runs/moods-word-rnn
"""

from __future__ import annotations

import json
import sys
from html import escape
from pathlib import Path
from typing import Any

CELL, LEFT, TOP = 58, 520, 112
STYLE = """
  text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif; fill: #3c3226; }
  .title { font-size: 17px; font-weight: 650; }
  .label { font-size: 14px; }
  .small { font-size: 12px; fill: #6f6252; }
  .value { font-size: 13px; font-variant-numeric: tabular-nums; }
"""


def main() -> None:
    """Write the picture."""
    run = Path(sys.argv[1])
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    test = metrics["test"]
    names = list(test["per_class"])
    width, height = LEFT + CELL * len(names) + 40, TOP + CELL * len(names) + 40
    headline = (
        f"{run.name}: test accuracy {test['accuracy']:.3f}, macro F1 {test['macro_f1']:.3f}, {test['rows']:,} texts"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="t">',
        f'<title id="t">{escape(headline)}</title>',
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" rx="18" fill="#f8f3ea"/>',
        f'<text class="title" x="32" y="40">{escape(headline)}</text>',
        *_bars(test["per_class"]),
        *_confusion(names, test["confusion"]),
        "</svg>\n",
    ]
    Path(__file__).with_name("result.svg").write_text("\n".join(parts), encoding="utf-8")


def _bars(per_class: dict[str, Any]) -> list[str]:
    """F1 of each label as a bar."""
    parts = ['<text class="small" x="32" y="84">F1 of each label</text>']
    for row, (name, figures) in enumerate(per_class.items()):
        y = TOP + row * CELL + CELL // 2
        length = 250 * figures["f1"]
        parts += [
            f'<text class="label" x="108" y="{y + 5}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="120" y="{y - 13}" width="250" height="26" rx="5" fill="#ece2d1"/>',
            f'<rect x="120" y="{y - 13}" width="{length:.0f}" height="26" rx="5" fill="#2a6f97"/>',
            f'<text class="value" x="{380}" y="{y + 5}">{figures["f1"]:.2f}</text>',
        ]
    return parts


def _confusion(names: list[str], matrix: list[list[int]]) -> list[str]:
    """True labels in rows, predictions in columns; the darker a cell, the larger its share of the row."""
    middle = LEFT + CELL * len(names) / 2
    parts = [f'<text class="small" x="{middle}" y="84" text-anchor="middle">predicted (rows: true label)</text>']
    for column, name in enumerate(names):
        x = LEFT + column * CELL + CELL / 2
        parts.append(f'<text class="small" x="{x}" y="{TOP - 8}" text-anchor="middle">{escape(name)}</text>')
    for row, (name, counts) in enumerate(zip(names, matrix, strict=True)):
        y = TOP + row * CELL
        parts.append(
            f'<text class="label" x="{LEFT - 10}" y="{y + CELL / 2 + 5}" text-anchor="end">{escape(name)}</text>'
        )
        for column, count in enumerate(counts):
            share = count / max(1, sum(counts))
            colour = "#2d6a4f" if row == column else "#9c4221"
            ink = "#ffffff" if share > 0.45 else "#3c3226"
            x = LEFT + column * CELL
            parts.append(
                f'<rect x="{x + 1}" y="{y + 1}" width="{CELL - 2}" height="{CELL - 2}" rx="5" fill="{colour}"'
                f' fill-opacity="{0.06 + 0.94 * share:.2f}"/>'
            )
            parts.append(
                f'<text class="value" x="{x + CELL / 2}" y="{y + CELL / 2 + 5}" text-anchor="middle"'
                f' style="fill:{ink}">{count}</text>'
            )
    return parts


if __name__ == "__main__":
    main()
