"""The picture of a LiveState in a given number of columns and rows: lines of text, no more and no wider than fit.

Narrow or low terminals get one column, the others two: people on the left, calibration on the right. Colour says only what words say too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rich.text import Text

from worker.views import figures
from worker.views.bin_words import in_words
from worker.views.live_state import Band, Customer, LiveState, TargetState

TWO_COLUMNS = (110, 30)
_HEADING, _FAINT, _NUMBER, _GOOD, _POOR = "bold", "dim", "bold cyan", "green", "yellow"
_LEAST_P = 1e-3
Lines = list[Text]


def picture(state: LiveState, width: int, height: int) -> Lines:
    """At most `height` lines of at most `width` cells each."""
    width, height = max(width, 20), max(height, 4)
    head, foot = _header(state, width), _footer(width)
    room = height - len(head) - 2
    if width >= TWO_COLUMNS[0] and height >= TWO_COLUMNS[1]:
        left = width * 5 // 8
        body = _beside(_people(state, left, room), _charts(state, width - left - 4, room), left, 4)
    else:
        body = [*_people(state, width, room - 4), Text(), *_bands_table(state, width)] if room >= 15 else _people(state, width, room)
    lines = [*head, Text(), *body[:room]]
    lines += [Text()] * (height - 1 - len(lines))
    return [_fit(line, width) for line in [*lines[: height - 1], foot]]


def _header(state: LiveState, width: int) -> Lines:
    """What runs and how fast, in three lines."""
    name = Text.assemble(("clickscore", _HEADING), "  ", figures.printable(state.title))
    time = Text(f"{figures.moment(state.shop_time_ms)} UTC")
    if math.isfinite(state.progress):
        time.append("  ").append_text(_bar(state.progress, 12 if width < 100 else 30)).append(f" {max(0.0, min(1.0, state.progress)):4.0%}")
    speed = Text.assemble((figures.count(state.events_per_s), _NUMBER), " events/s")
    parts = [
        speed,
        Text(f"turn {figures.milliseconds(state.latency_p50_ms)}, p99 {figures.milliseconds(state.latency_p99_ms)}"),
        Text(f"{figures.count(state.events)} events"),
        Text(f"{figures.count(state.users)} users"),
        *(Text(f"{figures.count(number)} {figures.printable(what)}") for what, number in state.counts),
    ]
    total = sum(number for _, number in state.dead_letters)
    letters = [Text(f"{figures.count(total)} dead letter{'' if total == 1 else 's'}")]
    letters += [Text(f"{figures.printable(reason).replace('_', ' ')} {figures.count(number)}", _FAINT) for reason, number in state.dead_letters]
    name = _fit(name, max(10, width - time.cell_len - 2))  # how far it is says more than a long title
    return [_ends(name, time, width), _joined(parts, width), _joined(letters, width, more=" · …")]


def _footer(width: int) -> Text:
    return _ends(Text("q ends", _FAINT), Text("+ speaks for it, − against it", _FAINT), width)


def _people(state: LiveState, width: int, room: int) -> Lines:
    """What has been learned, and whom it speaks of."""
    learned = _learning(state, width)
    left = room - len(learned) - 1
    if left < 3:
        return learned[:room]
    quiet = 0 if left < 8 else max(3, left * 2 // 5)
    buyers = left - quiet - (1 if quiet else 0)
    lines = [*learned, Text(), *_customers(state.buyers_title, state.buyers, width, buyers)]
    if quiet:
        lines += [Text(), *_customers(state.quiet_title, state.quiet, width, quiet)]
    return lines


def _learning(state: LiveState, width: int) -> Lines:
    """One line a target: examples, log-loss beside the base rate's, calibration."""
    lines = [Text(f"{'LEARNED':<10}{'examples':>10}{'log-loss':>10}{'base rate':>11}{'better by':>11}{'says/' + state.truth_word:>13}", _FAINT)]
    for target in state.targets:
        line = Text(f"{figures.printable(target.name)[:9]:<10}{figures.count(target.examples):>10}")
        if target.warming_up:
            line.append("   warming up: too few outcomes yet", _FAINT)
        else:
            line.append(f"{figures.loss(target.log_loss):>10}", _NUMBER).append(f"{figures.loss(target.baseline_log_loss):>11}")
            line.append(f"{_gain(target):>11}").append(f"{figures.ratio(target.calibration_ratio):>13}", _judged(target.calibration_ratio))
        lines.append(line)
    return lines


def _gain(target: TargetState) -> str:
    """How much less is lost than by saying the base rate to everyone."""
    if not (math.isfinite(target.log_loss) and target.baseline_log_loss > 0):
        return figures.MISSING
    return f"{1 - target.log_loss / target.baseline_log_loss:.0%}".replace("%", " %")


def _judged(ratio: float) -> str:
    return "" if not math.isfinite(ratio) else _GOOD if 0.95 <= ratio <= 1.05 else "" if 0.8 <= ratio <= 1.25 else _POOR


def _customers(title: str, customers: Sequence[Customer], width: int, rows: int) -> Lines:
    """A heading and one line a customer, always `rows` lines, so that nothing below moves when more are known."""
    names = max([8, *(len(figures.printable(customer.user_id)) for customer in customers)])
    names = min(names, 12 if width < 100 else 24)
    chart = width >= 90
    lines = [_ends(Text(figures.printable(title), _FAINT), Text("p, times the base rate, why", _FAINT), width)]
    if not customers:
        lines.append(Text("nobody yet", _FAINT))
    for customer in customers[: rows - 1]:
        line = _fit(Text(figures.printable(customer.user_id)), names)
        line.pad_right(names - line.cell_len)
        line.append(f" {figures.percent(customer.p):>7}", _NUMBER)
        if chart:
            line.append("  ").append_text(_bar(customer.p, 8))
        line.append(f"{figures.lift(customer.lift):>6}  ")
        line.append_text(_because(customer, width - line.cell_len, points=chart))
        lines.append(line)
    return [*lines, *[Text()] * rows][:rows]


def _because(customer: Customer, width: int, points: bool) -> Text:
    """The note and as many reasons as fit, those that count against it fainter."""
    parts = [Text(figures.printable(customer.note))] if customer.note else []
    for name, value in customer.why():
        sign = "+" if value >= 0 else "−"
        parts.append(Text(f"{sign}{abs(value):.1f} {in_words(name)}" if points else f"{sign} {in_words(name)}", "" if value >= 0 else _FAINT))
    return _joined(parts, width)


def _bands_table(state: LiveState, width: int) -> Lines:
    """Calibration of the first target in two rows of numbers, in percent."""
    target = next((target for target in state.targets if target.bands), None)
    if target is None:
        return [Text("CALIBRATION  nothing to compare yet", _FAINT)]
    bands = fewer_bands(target.bands, (width - 18) // 6)
    head = Text(f"CALIBRATION of {figures.printable(target.name)}, in % (a score of p should come true p of the time)", _FAINT)
    said, true = Text(f"{'says':<18}"), Text(f"{state.truth_word:<18}")
    for band in bands:
        said.append(f"{figures.percent(band.said, sign=False):>6}")
        true.append(f"{figures.percent(band.true, sign=False):>6}", _NUMBER)
    return [head, said, true]


def _charts(state: LiveState, width: int, room: int) -> Lines:
    """Calibration of every target that there is room for: one row a band, a mark for what is said and one for what is true."""
    lines: Lines = []
    for target in state.targets:
        bands = fewer_bands(target.bands, max(3, (room + 1) // max(1, len(state.targets)) - 3))
        chart = [
            _ends(
                Text(f"CALIBRATION of {figures.printable(target.name)}", _FAINT),
                Text.assemble(("○ says  ", _FAINT), ("● ", "cyan"), (state.truth_word, _FAINT)),
                width,
            )
        ]
        chart += [_band(band, width) for band in bands] or [Text("nothing to compare yet", _FAINT)]
        if lines and len(lines) + 1 + len(chart) > room:
            break
        lines += [Text()] * bool(lines) + chart
    return lines[:room]


def _band(band: Band, width: int) -> Text:
    """says 3.1 % ──○─●─── 3.4 %, on a logarithmic track from 0.1 % to 100 %."""
    track = max(10, width - 18)
    said, true = (_place(share, track) for share in (band.said, band.true))
    line = Text(f"{figures.percent(band.said):>7}  ")
    for cell in range(track):
        if cell == true:
            line.append("◉" if cell == said else "●", "cyan")
        elif cell == said:
            line.append("○")
        else:
            line.append("─" if min(said, true) < cell < max(said, true) else "·", "" if min(said, true) < cell < max(said, true) else _FAINT)
    return line.append(f"  {figures.percent(band.true):>7}", _NUMBER)


def _place(share: float, track: int) -> int:
    """The cell of a share on the logarithmic track."""
    if not math.isfinite(share):
        return 0
    return round((track - 1) * (1 - math.log(min(max(share, _LEAST_P), 1.0)) / math.log(_LEAST_P)))


def fewer_bands(bands: Sequence[Band], most: int) -> list[Band]:
    """At most `most` bands: neighbours with the fewest scores are taken together."""
    chosen = [band for band in bands if band.number > 0]
    while len(chosen) > max(1, most):
        place = min(range(len(chosen) - 1), key=lambda number: chosen[number].number + chosen[number + 1].number)
        first, second = chosen[place : place + 2]
        number = first.number + second.number
        said, true = ((getattr(first, name) * first.number + getattr(second, name) * second.number) / number for name in ("said", "true"))
        chosen[place : place + 2] = [Band(said, true, number)]
    return chosen


def _bar(share: float, cells: int) -> Text:
    """A bar filled to a share."""
    filled = round(cells * min(max(share, 0.0), 1.0)) if math.isfinite(share) else 0
    return Text.assemble(("━" * filled, "cyan"), ("─" * (cells - filled), "bright_black"))


def _joined(parts: Iterable[Text], width: int, more: str = "") -> Text:
    """Parts with a dot between them: as many as fit (then `more`, if there is room), and of the first as much as fits."""
    line = Text()
    for part in parts:
        addition = Text.assemble((" · ", _FAINT), part) if line else part
        if line and line.cell_len + addition.cell_len > width:
            line.append(more if line.cell_len + len(more) <= width else "", _FAINT)
            break
        line.append_text(addition)
    return _fit(line, width)


def _ends(left: Text, right: Text, width: int) -> Text:
    """One text at each end of a line; where there is no room, the left one alone."""
    line = Text().append_text(left)
    if left.cell_len + right.cell_len + 2 <= width:
        line.append(" " * (width - left.cell_len - right.cell_len)).append_text(right)
    return line


def _beside(left: Lines, right: Lines, width: int, gap: int) -> Lines:
    """Two columns, the left one `width` cells wide."""
    rows = max(len(left), len(right))
    lines = []
    for first, second in zip([*left, *[Text()] * (rows - len(left))], [*right, *[Text()] * (rows - len(right))], strict=True):
        line = Text().append_text(_fit(first, width))
        line.append(" " * (width + gap - line.cell_len)).append_text(second)
        lines.append(line)
    return lines


def _fit(line: Text, width: int) -> Text:
    """A copy that is no wider than `width` cells."""
    fitted = line.copy()
    fitted.truncate(max(width, 1), overflow="ellipsis")
    return fitted
