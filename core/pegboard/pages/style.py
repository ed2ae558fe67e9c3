"""The style of every page."""

STYLE = """
:root {
  --paper: #f8f5ef; --card: #fffdf9; --line: #e4dccd; --ink: #2f281f; --soft: #6b6051;
  --bar: #2a6f97; --bar2: #d98a2b; --bar3: #7a9e4f; --track: #efe8da;
  --warn: #a4420f; --warn-bg: #fdf0e4; --warn-line: #eebf95;
  --note: #2a5f86; --note-bg: #ecf4f9; --note-line: #b9d4e5;
  --good: #3f6b28; --good-bg: #eff6e9; --good-line: #bfd9ac;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #1b1916; --card: #24211d; --line: #3d372f; --ink: #ece5d9; --soft: #a89d8c;
    --bar: #5ea3cc; --bar2: #e2a252; --bar3: #9bbf6f; --track: #322e28;
    --warn: #f0a36f; --warn-bg: #33241a; --warn-line: #6b4528;
    --note: #8ec1e2; --note-bg: #1c2930; --note-line: #34505f;
    --good: #a9cf8d; --good-bg: #212a1b; --good-line: #44593a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 2.5rem) 3rem; max-width: 68rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif; }
h1 { margin: .5rem 0 .25rem; font-size: clamp(1.5rem, 1.2rem + 1.6vw, 2.1rem); line-height: 1.2;
  overflow-wrap: anywhere; }
h2 { margin: 0 0 .25rem; font-size: 1.25rem; }
h3 { margin: 0 0 .25rem; font-size: 1rem; }
p { margin: .25rem 0 .75rem; max-width: 75ch; }
a { color: var(--note); }
code { font: .9em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: .35rem .5rem; margin: 1rem 0 0; }
nav a { padding: .1rem .65rem; border: 1px solid var(--line); border-radius: 1rem; background: var(--card);
  color: var(--ink); font-size: .875rem; text-decoration: none; }
nav a:hover, nav a:focus-visible { border-color: var(--bar); }
section { margin: 1.5rem 0 0; padding: 1.25rem clamp(.9rem, 3vw, 1.5rem); border: 1px solid var(--line);
  border-radius: .75rem; background: var(--card); scroll-margin-top: 1rem; }
.summary, .note, .detail, figcaption, caption, footer { color: var(--soft); }
.note { margin: 0 0 1rem; font-size: .925rem; }
footer { margin-top: 2rem; font-size: .85rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.figures > div { padding: .7rem .9rem; border: 1px solid var(--line); border-radius: .6rem; background: var(--card); }
.figures dt { color: var(--soft); font-size: .85rem; }
.figures dd { margin: 0; }
.figures .value { color: var(--ink); font-size: 1.45rem; font-weight: 650; line-height: 1.25;
  font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere; }
.detail { font-size: .825rem; }
.callouts { display: grid; gap: .75rem; margin: .75rem 0; }
.callout { min-width: 0; padding: .8rem 1rem; border: 1px solid var(--warn-line); border-left-width: 5px;
  border-radius: .5rem; background: var(--warn-bg); }
.callout h3 { color: var(--warn); }
.callout.note { margin: 0; border-color: var(--note-line); background: var(--note-bg); color: var(--ink);
  font-size: 1rem; }
.callout.note h3 { color: var(--note); }
.callout.good { border-color: var(--good-line); background: var(--good-bg); }
.callout.good h3 { color: var(--good); }
.callout > :last-child { margin-bottom: 0; }
.scroll { overflow-x: auto; margin: .5rem 0 1rem; }
.scroll:focus-visible { outline: 2px solid var(--bar); }
table { border-collapse: collapse; font-size: .925rem; min-width: min(100%, 24rem); }
caption { padding: 0 0 .35rem; text-align: left; font-size: .875rem; }
th, td { padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; font-size: .85rem; white-space: nowrap; }
td { overflow-wrap: anywhere; min-width: 3.5rem; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.n { min-width: 0; }
td.short { white-space: nowrap; }
td > q { display: block; min-width: 14rem; }
.quotations { display: grid; grid-template-columns: fit-content(16rem) 1fr; gap: .35rem 1rem; margin: .5rem 0 .9rem;
  font-size: .95rem; }
.quotations dt { color: var(--soft); font-size: .875rem; line-height: 1.65; overflow-wrap: anywhere; }
.quotations dt b { color: var(--ink); font-weight: 600; }
.quotations dd { margin: 0; min-width: 0; }
th:last-child, td:last-child { padding-right: 0; }
tbody tr:last-child td { border-bottom: 0; }
q { quotes: none; overflow-wrap: anywhere; white-space: pre-wrap; }
.unseen { padding: 0 .25em; border-radius: .25em; background: var(--warn-line); color: var(--ink); font-size: .8em; }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--note); }
figure { margin: 1rem 0; }
figcaption { margin-bottom: .5rem; font-size: .9rem; }
figcaption b { color: var(--ink); }
svg { display: block; width: 100%; overflow: visible; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .axis { stroke: var(--soft); stroke-width: 1; }
.s1 { fill: var(--bar); background: var(--bar); }
.s2 { fill: var(--bar2); background: var(--bar2); }
.s3 { fill: var(--bar3); background: var(--bar3); }
svg .track { fill: var(--track); }
svg .box { fill: var(--bar); fill-opacity: .3; stroke: var(--bar); stroke-width: 1.5; }
svg .whisker { stroke: var(--bar); stroke-width: 1.5; }
svg .median { stroke: var(--ink); stroke-width: 3; }
svg .mark { stroke: var(--warn); stroke-width: 2; stroke-dasharray: 5 4; }
svg text.marked { fill: var(--warn); font-weight: 600; font-size: 13px; }
.rows { display: grid; grid-template-columns: fit-content(14rem) 1fr auto; gap: .45rem .75rem; align-items: center; }
.rows .label { overflow-wrap: anywhere; line-height: 1.2; font-size: .925rem; }
.rows .amount { color: var(--soft); text-align: right; font-size: .875rem; line-height: 1.3;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.plot { display: grid; grid-template-columns: auto 1fr; gap: .5rem; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 0 0 .6rem; font-size: .875rem; }
.legend i { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: .2em; }
@media (max-width: 34rem) {
  .rows { grid-template-columns: fit-content(6.5rem) 1fr auto; gap: .4rem .5rem; }
  section { border-radius: .5rem; }
  .quotations { grid-template-columns: 1fr; gap: 0; }
  .quotations dd { margin-bottom: .6rem; }
}
@media print { body { background: none; } section { break-inside: avoid; } nav { display: none; } }
"""
