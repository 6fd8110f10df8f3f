"""A replay told to a person: as lines for the terminal, and as the data of the report page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from worker import __version__
from worker.core.learning.evaluation import Summary
from worker.core.scoring.bin_names import bin_name, value_names
from worker.core.scoring.scorecard import Scorecard
from worker.core.scoring.slots import BINS_PER_CAUSE
from worker.core.settings import TargetSettings
from worker.service.reprocessing.replay import Judged, Replay
from worker.views import figures
from worker.views.report_data import Report, TargetReport

STRONGEST = 24  # bins of each scorecard that the report shows


def summary_lines(replay: Replay) -> Iterator[str]:
    """What happened to the records, and how good each target's scores were."""
    dead = sum(replay.dead_letters.values())
    yield f"{replay.read:,} records: {replay.events:,} events scored, {dead:,} dead letters, {sum(replay.dropped.values()):,} dropped{_counts(replay.dropped)}"
    if dead:
        yield f"dead letters by reason{_counts(replay.dead_letters)}"
    yield f"{len(replay.pipeline.profiles):,} users, {replay.silent:,} scores of silence"
    yield f"{replay.examples:,} examples learned, {replay.voided:,} outcomes voided by outages"
    unknown = replay.pipeline.unknown_fields
    if unknown:
        yield f"unknown fields ignored{_counts(unknown)}"
    yield ""
    yield f"{'target':12}{'at':9}{'decisions':>10}{'rate':>9}{'log-loss':>10}{'base rate':>11}{'ratio':>8}{'AUC':>7}"
    for name, judged in replay.judged().items():
        target = replay.targets[name]
        for cause, summary in (("events", judged.events), ("silence", judged.silence)):
            yield _row(name, cause, summary, target.absence)
        if judged.scorecard.warming_up:
            yield f"{name}: fewer than {target.abstain_below} outcomes of each kind are known yet, so its scores still abstain (warming_up)"


def _counts(counter: dict[str, int]) -> str:
    known = [f"{what} {number:,}" for what, number in sorted(counter.items(), key=lambda item: -item[1]) if number]
    return f" ({', '.join(known)})" if known else ""


def _row(name: str, cause: str, summary: Summary, absence: bool) -> str:
    rate, ratio, auc = published(summary, absence)
    return (
        f"{name:12}{cause:9}{summary.n:>10,}{figures.percent(rate):>9}{figures.loss(summary.log_loss):>10}"
        f"{figures.loss(summary.baseline_log_loss):>11}{figures.ratio(ratio):>8}{_number(auc):>7}"
    )


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def published(summary: Summary, absence: bool) -> tuple[float, float, float]:
    """Rate, calibration ratio and AUC in the published direction: of the outcome's absence where that is what p speaks of."""
    if not absence:
        return summary.base_rate, summary.calibration_ratio, summary.auc
    rate = 1.0 - summary.base_rate
    said = 1.0 - summary.calibration_ratio * summary.base_rate
    return rate, said / rate if rate else math.nan, summary.auc  # the order of both turns round, so the area stays


def replay_report(replay: Replay, title: str) -> Report:
    """The data of the report page."""
    names = value_names(replay.pipeline.profiles.rows, replay.pipeline.state.labels)
    return Report(
        title=title,
        events=replay.events,
        users=len(replay.pipeline.profiles),
        examples=replay.examples,
        dead_letters=tuple(replay.dead_letters.most_common()),
        targets=tuple(_target(name, replay.targets[name], judged, names) for name, judged in replay.judged().items()),
        from_ms=replay.first_ms,
        to_ms=replay.last_ms,
        counts=(
            *((f"{what} events dropped", number) for what, number in replay.dropped.items() if number),
            ("scores of silence", replay.silent),
            ("outcomes voided by outages", replay.voided),
        ),
        made_by=f"clickscore {__version__}",
    )


def _target(name: str, target: TargetSettings, judged: Judged, names: Mapping[int, str]) -> TargetReport:
    summary = judged.events
    rate, ratio, auc = published(summary, target.absence)
    turn = target.absence
    return TargetReport(
        name=name,
        n=summary.n,
        base_rate=rate,
        log_loss=summary.log_loss,
        baseline_log_loss=summary.baseline_log_loss,
        calibration_ratio=ratio,
        ece=summary.ece,
        auc=auc,
        calibration=tuple(sorted((1.0 - p, 1.0 - y, n) if turn else (p, y, n) for p, y, n in summary.calibration)),
        histogram=tuple(sorted((1.0 - right, 1.0 - left, n) if turn else (left, right, n) for left, right, n in summary.histogram)),
        log_loss_by_day=summary.log_loss_by_day,
        strongest_bins=strongest_bins(judged.scorecard, target.absence, names),
        examples=judged.learned,
        says=says(target),
    )


def says(target: TargetSettings) -> str:
    """What p is the probability of, in words."""
    what = "any event" if target.outcome == "any" else f"a {target.outcome}"
    window = f"within {figures.span(target.horizon_ms)}" + (f" after {figures.span(target.delay_ms)}" if target.delay_ms else "")
    return f"no event {window}" if target.absence and target.outcome == "any" else f"{'no ' if target.absence else ''}{what} {window}"


def strongest_bins(scorecard: Scorecard, absence: bool, names: Mapping[int, str]) -> tuple[tuple[str, float], ...]:
    """The bins of scores at events with the most points, up or down."""
    weights = scorecard.weights[:BINS_PER_CAUSE]
    strongest = np.argsort(-np.abs(weights), kind="stable")[:STRONGEST]
    sign = -1.0 if absence else 1.0
    return tuple((names.get(int(bin_)) or bin_name(int(bin_)), sign * float(weights[bin_])) for bin_ in strongest if weights[bin_])
