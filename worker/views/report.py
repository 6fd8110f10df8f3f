"""The report of a replay: one HTML page that needs nothing else, neither script nor file nor network.

The page is also well-formed XML. All text from data is escaped, and what cannot be printed is shown as �.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

from worker.views import charts, figures
from worker.views.bin_words import in_words
from worker.views.report_data import Report, TargetReport
from worker.views.report_style import STYLE

__all__ = ["Report", "TargetReport", "render"]

# Even text that were to slip through as markup could run or load nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_BAR_WIDTH = 120


class Markup(str):
    """Text of this module's own that is markup already; every other text is escaped where it enters the page."""


def render(report: Report) -> str:
    """The whole page as text, to be written as UTF-8."""
    title = f"{_clean(report.title)}: how good the scores are"
    return (
        '<!DOCTYPE html>\n<html lang="en" xmlns="http://www.w3.org/1999/xhtml"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"/>'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>"
        f"<header><h1>{title}</h1>{_covers(report)}</header>{_tiles(report)}{_overview(report)}"
        f"{''.join(_target(target, number) for number, target in enumerate(report.targets))}"
        f"<footer>{_clean(report.made_by)}</footer></main></body></html>\n"
    )


def _covers(report: Report) -> str:
    if report.from_ms is None or report.to_ms is None:
        return '<p class="soft">No events.</p>' if not report.events else ""
    days = f"Events from {figures.day(report.from_ms)} to {figures.day(report.to_ms)} (UTC)"
    return f'<p class="soft">{days}, each scored as it came, each outcome learned once it was known.</p>'


def _tiles(report: Report) -> str:
    total = sum(number for _, number in report.dead_letters)
    numbers = [("events", report.events), ("users", report.users), ("examples learned", report.examples), ("dead letters", total), *report.counts]
    return f'<ul class="tiles">{"".join(f"<li><b>{figures.count(number)}</b>{_clean(what)}</li>" for what, number in numbers)}</ul>'


def _overview(report: Report) -> str:
    cards = [card for card in (_summary(report), _dead_letters(report)) if card]
    return f'<div class="grid">{"".join(cards)}</div>' if len(cards) > 1 else "".join(cards)


def _summary(report: Report) -> str:
    """All measures of all targets: targets side by side, so that a phone has room."""
    if not report.targets:
        return ""
    measures: tuple[tuple[str, Callable[[TargetReport], str]], ...] = (
        ("decisions judged", lambda target: figures.count(target.n)),
        ("base rate", lambda target: figures.percent(target.base_rate)),
        ("log-loss", lambda target: figures.loss(target.log_loss)),
        ("log-loss of the base rate", lambda target: figures.loss(target.baseline_log_loss)),
        ("better by", _gain),
        ("calibration: says / came true", lambda target: figures.ratio(target.calibration_ratio)),
        ("calibration error (ECE)", lambda target: figures.loss(target.ece)),
        ("AUC", lambda target: f"{target.auc:.3f}" if math.isfinite(target.auc) else figures.MISSING),
    )
    rows = [(name, *(say(target) for target in report.targets)) for name, say in measures]
    told = "Log-loss: lower is better; the base rate’s is what knowing nothing of a user costs. Says / came true: 1 is calibrated. AUC: 0.5 is chance."
    table = _table(("measure", *(target.name for target in report.targets)), rows)
    return f'<section class="card"><h3>Summary</h3><p class="soft small">{told}</p>{table}</section>'


def _dead_letters(report: Report) -> str:
    """Records that could not be read, by reason."""
    if not report.dead_letters:
        return ""
    most = max(number for _, number in report.dead_letters)
    rows = [(reason.replace("_", " "), figures.count(number), _bar(number, most)) for reason, number in report.dead_letters]
    told = '<p class="soft small">Records that could not be read, kept as they came.</p>'
    return f'<section class="card"><h3>Dead letters by reason</h3>{told}{_table(("reason", "records", ""), rows)}</section>'


def _target(target: TargetReport, number: int) -> str:
    """One target's plots, each with its numbers beside it."""
    says = f"The probability of {_clean(target.says)}. " if target.says else ""
    learned = f"{figures.count(target.examples)} examples learned. " if target.examples else ""
    calibration = [(figures.percent(p), figures.percent(rate), figures.count(n)) for p, rate, n in target.calibration]
    histogram = [(f"{figures.percent(left)} to {figures.percent(right)}", figures.count(n)) for left, right, n in target.histogram]
    days = [(day, figures.loss(loss), figures.loss(baseline), figures.count(n)) for day, loss, baseline, n in target.log_loss_by_day]
    key = '<p class="key"><span><i></i>scores</span><span><i class="dashed"></i>base rate alone</span></p>'
    interval = '<p class="key">Upright lines: 95 % intervals. Dashed: what is said comes true.</p>'
    cards = [
        _card("Calibration", charts.calibration(target), ("said", "came true", "decisions"), calibration, interval),
        _card("Scores", charts.histogram(target), ("probability", "scores"), histogram),
        _card("Log-loss by day", charts.loss_by_day(target), ("day", "scores", "base rate", "decisions"), days, key),
        f'<section class="card"><h3>Strongest bins of the scorecard</h3>{_bins(target)}</section>',
    ]
    told = f"{says}{learned}{figures.count(target.n)} decisions judged."
    return f'<h2 id="target-{number}">{_clean(target.name)}</h2><p class="soft">{told}</p><div class="grid">{"".join(cards)}</div>'


def _card(title: str, chart: str, head: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> str:
    """A plot, and under it the same in numbers."""
    below = f"{note}<details><summary>in numbers</summary>{_table(head, rows)}</details>" if rows else ""
    return f'<section class="card"><h3>{title}</h3>{chart}{below}</section>'


def _bins(target: TargetReport) -> str:
    """Bins by name, points and bar: what speaks for the outcome to the right, what speaks against it to the left."""
    bins = [(name, points) for name, points in target.strongest_bins if math.isfinite(points)]
    if not bins:
        return '<p class="soft">nothing to show yet</p>'
    most = max(abs(points) for _, points in bins)
    rows = [(_bin_name(name), f"{points:+.2f}".replace("-", "−"), _bar(points, most, signed=True)) for name, points in bins]
    told = '<p class="soft small">Points add up on the log-odds: +0.7 doubles the odds, −0.7 halves them.</p>'
    return told + _table(("bin", "points", ""), rows)


def _bin_name(name: str) -> Markup:
    words = _clean(in_words(name))
    return Markup(words if words == _clean(name.replace("_", " ")) else f"{words}<code>{_clean(name)}</code>")


def _bar(value: float, most: float, signed: bool = False) -> Markup:
    """A bar within a table's cell, from the left or, signed, from the middle."""
    zero, room = (_BAR_WIDTH / 2, _BAR_WIDTH / 2) if signed else (0.0, float(_BAR_WIDTH))
    length = room * min(abs(value) / most, 1.0) if most > 0 else 0.0
    start = zero - length if value < 0 else zero
    style = "against" if value < 0 else "for"
    middle = f'<polyline class="zero" points="{zero:.1f},0 {zero:.1f},12"></polyline>' if signed else ""
    return Markup(
        f'<svg viewBox="0 0 {_BAR_WIDTH} 12" preserveAspectRatio="none" aria-hidden="true" xmlns="http://www.w3.org/2000/svg">'
        f'<rect class="{style}" x="{start:.1f}" y="1" width="{length:.1f}" height="10"></rect>{middle}</svg>'
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its first column names the row."""
    names = "".join(f'<th scope="col">{_clean(name)}</th>' if name else '<td aria-hidden="true"></td>' for name in head)
    body = "".join(f'<tr><th scope="row" class="wrap">{_clean(row[0])}</th>{"".join(_cell(cell) for cell in row[1:])}</tr>' for row in rows)
    return f'<div class="scroll"><table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(cell: str) -> str:
    return f'<td class="track">{cell}</td>' if isinstance(cell, Markup) else f"<td>{_clean(cell)}</td>"


def _gain(target: TargetReport) -> str:
    if not (math.isfinite(target.log_loss) and target.baseline_log_loss > 0):
        return figures.MISSING
    return f"{1 - target.log_loss / target.baseline_log_loss:.1%}".replace("%", " %").replace("-", "−")


def _clean(text: str) -> str:
    return text if isinstance(text, Markup) else escape(figures.printable(text))
