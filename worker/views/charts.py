"""Plots as inline SVG: calibration, histogram, log-loss by day. Colours and type come from the page's style sheet, by class.

Every plot has a title and a description for those who do not see it, and every mark a tooltip. Points that are not finite are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from worker.core.uplift.effects import Effect
from worker.views import figures
from worker.views.report_data import TargetReport

WIDTH, HEIGHT = 400, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 388, 14, 226
_COUNT_TOP = 196  # the strip of counts under the calibration plot reaches from here to the axis
_LOG_BELOW = 0.05  # where a bin lies below this, shares are told apart only on a logarithmic axis
_LEAST = 1e-6
_LARGEST_LOSS = 1e6  # no log-loss of doubles comes near
_CONFIDENCE = 1.96

Say = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from `low` to `high` on pixels from `start` to `end`; on a logarithmic one what is not positive sits at the low end."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value, kept within the axis."""
        low, high, value = (math.log(max(number, self.low)) for number in (self.low, self.high, value)) if self.logarithmic else (self.low, self.high, value)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """A few round values within the axis."""
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.low) + 1e-9), math.ceil(math.log10(self.high) - 1e-9) + 1)
            steps = (1, 3) if len(powers) <= 3 else (1,)
            return [tick for power in powers for step in steps if self.low * 0.999 <= (tick := step * 10.0**power) <= self.high * 1.001]
        step = _round_down((self.high - self.low) / 3)
        first = math.ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def calibration(target: TargetReport) -> str:
    """Mean p of each bin against the rate that came true, with 95 % intervals (Wilson), the diagonal, and a strip of counts."""
    bins = [(p, rate, n) for p, rate, n in target.calibration if n > 0 and 0 <= p <= 1 and 0 <= rate <= 1]
    if not bins:
        return _nothing("Calibration")
    shares = [share for p, rate, _ in bins for share in (p, rate) if share > _LEAST]
    logarithmic = bool(shares) and min(shares) < _LOG_BELOW
    low = _round_down(min(shares)) if logarithmic else 0.0
    high = _round_up(max([*shares, 0.1]))
    x, y = Axis(low, high, LEFT, RIGHT, logarithmic), Axis(low, high, _COUNT_TOP - 8, TOP, logarithmic)
    parts = [*_frame(x, y, ("probability said", "came true"), (_share, _share), _COUNT_TOP - 8)]
    parts.append(_line([(x.at(low), y.at(low)), (x.at(high), y.at(high))], "ideal"))
    most = max(n for _, _, n in bins)
    for p, rate, n in bins:
        below, above = _wilson(rate, n)
        tip = f"said {figures.percent(p)}, came true {figures.percent(rate)}, {figures.count(n)} decisions"
        bar = max(1.0, 26 * n / most)
        parts.append(_rect(x.at(p) - 4, BOTTOM - bar, 8, bar, "count", tip))
        parts.append(_line([(x.at(p), y.at(below)), (x.at(p), y.at(above))], "interval"))
        parts.append(
            f'<circle class="{"mark" if rate > 0 or not logarithmic else "mark none"}" cx="{x.at(p):.1f}" cy="{y.at(rate):.1f}" r="4.5">{_tip(tip)}</circle>'
        )
    parts.append(_text(LEFT - 6, BOTTOM - 2, "count", "tick end"))
    said = f"{len(bins)} bins from {figures.percent(bins[0][0])} to {figures.percent(bins[-1][0])}; on the dashed diagonal what is said comes true."
    return _svg("Calibration", f"Probability said against how often it came true, {said}", parts)


def histogram(target: TargetReport) -> str:
    """How many scores fell into each range of p."""
    ranges = [(left, right, n) for left, right, n in target.histogram if 0 <= left < right <= 1 and n >= 0]
    edges = [edge for left, right, _ in ranges for edge in (left, right) if edge > _LEAST]
    if not edges or not any(n for _, _, n in ranges):
        return _nothing("Scores")
    logarithmic = min(edges) < _LOG_BELOW
    x = Axis(min(edges) if logarithmic else 0.0, max(edges), LEFT, RIGHT, logarithmic)
    most = max(n for _, _, n in ranges)
    y = Axis(0, _round_up(most), BOTTOM, TOP)
    parts = [*_frame(x, y, ("probability said", "scores"), (_share, _short_count), BOTTOM)]
    for left, right, n in ranges:
        start, end = x.at(left), x.at(right)
        if n and end > start:
            tip = f"{figures.percent(left)} to {figures.percent(right)}: {figures.count(n)} scores"
            parts.append(_rect(start + 0.5, y.at(n), max(end - start - 1, 0.8), BOTTOM - y.at(n), "bar", tip))
    if 0 < target.base_rate < 1:
        place = x.at(target.base_rate)
        side, style = (5, "tick") if place < RIGHT - 100 else (-5, "tick end")
        parts.append(_line([(place, TOP), (place, BOTTOM)], "ideal"))
        parts.append(_text(place + side, TOP + 10, f"base rate {figures.percent(target.base_rate)}", style))
    total = figures.count(sum(n for _, _, n in ranges))
    return _svg("Scores", f"How {total} scores spread over the probabilities from {figures.percent(ranges[0][0])} to {figures.percent(ranges[-1][1])}.", parts)


def loss_by_day(target: TargetReport) -> str:
    """Log-loss of each day beside that of the base rate."""
    days = target.log_loss_by_day
    losses = [loss for _, first, second, _ in days for loss in (first, second) if 0 <= loss <= _LARGEST_LOSS]
    if not losses:
        return _nothing("Log-loss by day")
    x, y = Axis(0, max(1, len(days) - 1), LEFT + 6, RIGHT - 6), Axis(0, _round_up(max([*losses, 1e-9])), BOTTOM, TOP)
    parts = [*_frame(None, y, ("day", "log-loss"), (str, _short_count), BOTTOM)]
    place = [x.at(number) if len(days) > 1 else (LEFT + RIGHT) / 2 for number in range(len(days))]
    parts.append(_text(LEFT, BOTTOM + 16, days[0][0], "tick"))
    if len(days) > 1:
        parts.append(_text(RIGHT, BOTTOM + 16, days[-1][0], "tick end"))
    for column, style in ((2, "baseline"), (1, "model")):
        for run in _runs([(place[number], y.at(value)) if 0 <= (value := float(row[column])) <= _LARGEST_LOSS else None for number, row in enumerate(days)]):
            parts.append(_line(run, style) if len(run) > 1 else f'<circle class="dot {style}" cx="{run[0][0]:.1f}" cy="{run[0][1]:.1f}" r="3"></circle>')
    wide = (RIGHT - LEFT) / len(days)
    for number, (day, loss, baseline, n) in enumerate(days):
        tip = f"{day}: {figures.loss(loss)}, base rate {figures.loss(baseline)}, {figures.count(n)} decisions"
        start, end = max(LEFT, place[number] - wide / 2), min(RIGHT, place[number] + wide / 2)
        parts.append(_rect(start, TOP, end - start, BOTTOM - TOP, "touch", tip))
    better = sum(first < second for _, first, second, _ in days)
    return _svg("Log-loss by day", f"Log-loss of {len(days)} days beside that of the base rate; on {better} of them the scores were better.", parts)


def uplift(effects: Sequence[Effect]) -> str:
    """The uplift of each rule with its interval, a line a rule; at the dashed line a rule changes nothing."""
    known = [effect for effect in effects if math.isfinite(effect.low)]
    if not known:
        return _nothing("Uplift")
    room = _round_up(max(abs(side) for effect in known for side in (effect.low, effect.high)))
    x, height = Axis(-room, room, LEFT + 70, RIGHT), 40 + 34 * len(known)
    parts = [_line([(x.at(0), TOP), (x.at(0), height - 30)], "ideal")]
    ticks = {tick: f"{tick * 100:+.3g}".replace("-", "−") if tick else "0" for tick in (-room, -room / 2, 0.0, room / 2, room)}
    parts += [_text(min(x.at(tick), RIGHT - 12), height - 12, text, "tick middle") for tick, text in ticks.items()]
    for number, effect in enumerate(known):
        y = TOP + 16 + 34 * number
        tip = f"{effect.rule}: {effect.uplift * 100:+.2f} points, {effect.low * 100:+.2f} to {effect.high * 100:+.2f}"
        parts.append(_text(LEFT + 60, y + 4, effect.rule[:18], "tick end"))
        parts.append(_line([(x.at(effect.low), y), (x.at(effect.high), y)], "interval"))
        parts.append(f'<circle class="mark" cx="{x.at(effect.uplift):.1f}" cy="{y}" r="4.5">{_tip(tip)}</circle>')
    return _svg("Uplift", f"Uplift of {len(known)} rules in percentage points, with 95 % intervals.", parts, height)


def _frame(x: Axis | None, y: Axis, names: tuple[str, str], say: tuple[Say, Say], floor: float) -> Iterator[str]:
    """Grid lines, tick labels and the names of the axes, x before y; without an x axis the caller labels the bottom."""
    for tick in y.ticks():
        yield _line([(LEFT, y.at(tick)), (RIGHT, y.at(tick))], "grid")
        yield _text(LEFT - 6, y.at(tick) + 4, say[1](tick), "tick end")
    if x is not None:
        for tick in x.ticks():
            yield _line([(x.at(tick), TOP), (x.at(tick), floor)], "grid")
            yield _text(min(x.at(tick), RIGHT - 10), BOTTOM + 16, say[0](tick), "tick middle")
    yield _line([(LEFT, BOTTOM), (RIGHT, BOTTOM)], "axis")
    yield _text((LEFT + RIGHT) / 2, HEIGHT - 8, names[0], "name middle")
    yield f'<text class="name middle" transform="translate(11 {(TOP + floor) / 2:.0f}) rotate(-90)">{escape(names[1])}</text>'


def _svg(title: str, description: str, parts: Sequence[str], height: int = HEIGHT) -> str:
    body = "".join(parts)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{body}</svg>"
    )


def _nothing(title: str) -> str:
    return _svg(title, "Nothing to show yet.", [_text(WIDTH / 2, 34, "nothing to show yet", "name middle")], height=60)


def _line(points: Sequence[tuple[float, float]], style: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{style}" points="{path}"></polyline>'


def _rect(x: float, y: float, width: float, height: float, style: str, tip: str) -> str:
    return f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{max(height, 0):.1f}">{_tip(tip)}</rect>'


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(figures.printable(text))}</text>'


def _tip(text: str) -> str:
    return f"<title>{escape(figures.printable(text))}</title>"


def _runs(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    """Stretches without a gap."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is not None:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _wilson(rate: float, n: int) -> tuple[float, float]:
    """95 % interval of a rate seen in n decisions (Wilson 1927)."""
    square = _CONFIDENCE**2
    centre, spread = rate + square / (2 * n), _CONFIDENCE * math.sqrt(rate * (1 - rate) / n + square / (4 * n * n))
    return max(0.0, (centre - spread) / (1 + square / n)), min(1.0, (centre + spread) / (1 + square / n))


def _round_up(value: float) -> float:
    """A round number at or above a value, never far above: for the top of an axis."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next((step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8) if step * power >= value * 0.999999), 10 * power)


def _share(value: float) -> str:
    """A round share for the side of a plot: 0.1 %, 3 %, 20 %."""
    return f"{value * 100:.6g} %"


def _round_down(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten below a positive value."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (5, 2, 1) if step * power <= value * 1.000001)


def _short_count(value: float) -> str:
    """A round number for the side of a plot: 0.02, 500, 12k, 1.5M."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
