"""The page's plots as SVG: bars with their numbers written out, readable in light and in dark, without a library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from bench.contenders import others, ours, peers
from bench.core_alone import REST, STEPS, TURN, TURNS
from bench.figures import Run

WIDTH, LEFT, ROW, BAR = 860, 330, 26, 17
COLOURS = ("#2f6fb5", "#3d9a6c", "#c98a1b", "#8c5ab0", "#c0533f", "#77808a")
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.end{text-anchor:end}.small{font-size:12px}rect.bar{fill:#8a94a0}rect.ours{fill:#2f6fb5}"
    "rect.back{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect.back{fill:#0d1117}}"
)


def rate(runs: Mapping[str, Run]) -> str:
    """Events a second of everybody measured over Kafka; of the parts' own runs, so bars of two parts are compared at one's own risk."""
    bars: list[tuple[str, float, bool]] = []
    for part, contenders in (("kafka-rate", [*ours(), *peers()]), ("kafka-rate-others", others())):
        known = {figure.key: figure.value for figure in runs[part].figures} if part in runs else {}
        bars += [(one.label, value, one.key.startswith("clickscore")) for one in contenders if (value := known.get(f"rate.{one.key}"))]
    if not bars:
        return ""
    most, body = max(value for _, value, _ in bars), []
    for number, (label, value, own) in enumerate(sorted(bars, key=lambda bar: -bar[1])):
        y, long = 40 + number * ROW, (WIDTH - LEFT - 90) * value / most
        body.append(f'<text class="end" x="{LEFT - 10}" y="{y + 13}">{escape(label)}</text>')
        body.append(f'<rect class="bar{" ours" if own else ""}" x="{LEFT}" y="{y}" width="{long:.1f}" height="{BAR}"/>')
        body.append(f'<text x="{LEFT + long + 8:.1f}" y="{y + 13}">{value:,.0f}</text>')
    return _svg("Events a second over Kafka, one process each", 50 + len(bars) * ROW, body)


def steps(runs: Mapping[str, Run]) -> str:
    """Where an event's time goes, by the size of a turn; the smallest turns are left out, whose fixed cost would hide all others."""
    known = {figure.key: figure.value for figure in runs["core"].figures} if "core" in runs else {}
    names = [*dict.fromkeys(step for _, _, step in STEPS), REST]
    sizes = [turn for turn, _ in TURNS if turn >= TURN / 50]
    rows = [(turn, [known.get(f"core.generated.{turn}.{name}") or 0.0 for name in names]) for turn in sizes]
    most = max((sum(values) for _, values in rows), default=0.0)
    if not most:
        return ""
    body = []
    for number, (turn, values) in enumerate(rows):
        y, x = 40 + number * ROW, 150.0
        body.append(f'<text class="end" x="140" y="{y + 13}">{turn:,} events a turn</text>')
        for value, colour in zip(values, COLOURS, strict=True):
            long = (WIDTH - 150 - 110) * value / most
            body.append(f'<rect x="{x:.1f}" y="{y}" width="{long:.1f}" height="{BAR}" fill="{colour}"/>')
            x += long
        body.append(f'<text x="{x + 8:.1f}" y="{y + 13}">{sum(values):.1f} µs</text>')
    return _svg("Time an event takes in the core, by step", 80 + len(rows) * ROW, [*body, *_legend(names, 58 + len(rows) * ROW)])


def _legend(names: Sequence[str], y: int) -> list[str]:
    parts, x = [], 20
    for name, colour in zip(names, COLOURS, strict=True):
        parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/><text class="small" x="{x + 17}" y="{y + 11}">{escape(name)}</text>')
        x += 40 + 7 * len(name)
    return parts


def _svg(title: str, height: int, body: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}"><style>{STYLE}</style>'
    back = f'<rect class="back" width="{WIDTH}" height="{height}"/>'
    return f'{head}{back}<text x="20" y="24" font-weight="600">{escape(title)}</text>{"".join(body)}</svg>\n'
