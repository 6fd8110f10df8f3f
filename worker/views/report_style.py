"""The report's style sheet: one for light and dark, screen and phone, by the reader's own preference."""

STYLE = """
:root { color-scheme: light dark; --page: #f7f7f5; --card: #ffffff; --ink: #16181d; --soft: #555a64; --line: #dfe0dc; --grid: #ebebe8;
  --model: #1f63c4; --wash: #1f63c426; --other: #6b6f78; --against: #b4501a; }
@media (prefers-color-scheme: dark) { :root { --page: #14161a; --card: #1c1f25; --ink: #f1f2f4; --soft: #b2b7c1; --line: #363b45; --grid: #2a2e36;
  --model: #6ea8ff; --wash: #6ea8ff33; --other: #a0a6b1; --against: #f0a06a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 44px 0 2px; }
h3 { font-size: 1rem; margin: 0 0 6px; }
p { margin: 0 0 10px; }
.soft { color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px; margin: 20px 0; padding: 0; list-style: none; }
.tiles li, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; }
.tiles b { display: block; font-size: clamp(1.1rem, 5vw, 1.5rem); line-height: 1.2; font-weight: 650; font-variant-numeric: tabular-nums; }
.grid { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; margin-top: 14px; }
.card { margin: 0 0 16px; min-width: 0; }
.grid .card { margin: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 0.92rem; }
th, td { padding: 5px 10px 5px 0; text-align: right; border-bottom: 1px solid var(--grid); vertical-align: top; white-space: nowrap; }
tr > :last-child { padding-right: 0; }
th { color: var(--soft); font-weight: 550; }
tbody th { color: var(--ink); }
tr > :first-child { text-align: left; }
tbody tr:last-child > * { border-bottom: 0; }
th.wrap { white-space: normal; overflow-wrap: break-word; }
td.track { width: 40%; min-width: 90px; }
.small { font-size: 0.88rem; }
details { margin-top: 8px; font-size: 0.92rem; }
summary { cursor: pointer; color: var(--soft); }
summary:focus-visible { outline: 2px solid var(--model); outline-offset: 2px; }
code { font: 0.85em ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace; color: var(--soft); display: block; overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; max-width: 520px; margin: 0 auto; }
td svg { max-width: none; height: 12px; margin-top: 5px; }
svg text { font: 12.5px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .middle { text-anchor: middle; }
svg .end { text-anchor: end; }
svg polyline { fill: none; }
svg .grid { stroke: var(--grid); stroke-width: 1; }
svg .axis { stroke: var(--line); stroke-width: 1; }
svg .ideal { stroke: var(--other); stroke-width: 1.2; stroke-dasharray: 4 4; }
svg .interval { stroke: var(--model); stroke-width: 1.6; opacity: 0.55; }
svg .mark { fill: var(--model); stroke: var(--card); stroke-width: 1.5; }
svg .mark.none { fill: var(--card); stroke: var(--model); }
svg .bar { fill: var(--model); }
svg .count { fill: var(--other); opacity: 0.55; }
svg .model { stroke: var(--model); stroke-width: 2.2; stroke-linejoin: round; }
svg .baseline { stroke: var(--other); stroke-width: 1.8; stroke-dasharray: 5 4; stroke-linejoin: round; }
svg .dot.model { fill: var(--model); }
svg .dot.baseline { fill: var(--other); }
svg .touch { fill: transparent; }
svg .touch:hover { fill: var(--wash); }
svg .for { fill: var(--model); }
svg .against { fill: var(--against); }
svg .zero { stroke: var(--other); stroke-width: 1; }
.key { font-size: 0.88rem; color: var(--soft); display: flex; gap: 18px; flex-wrap: wrap; margin: 4px 0 0; }
.key i { display: inline-block; width: 22px; vertical-align: middle; margin-right: 6px; border-top: 2.5px solid var(--model); }
.key i.dashed { border-top: 2px dashed var(--other); }
footer { margin-top: 48px; color: var(--soft); font-size: 0.88rem; overflow-wrap: anywhere; }
@media (max-width: 720px) { main { padding: 18px 12px 40px; } .grid { grid-template-columns: minmax(0, 1fr); } .card { padding: 12px; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
@media print { body { background: none; } .card { break-inside: avoid; } }
"""
