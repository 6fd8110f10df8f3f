"""What the demo says at its end, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from worker.demo.truth import TARGETS
from worker.demo.watch import Watch
from worker.views import figures

_SAYS = {"purchase": "a purchase within 7 days", "intent": "a purchase within 30 minutes", "churn": "no visit within 7 days"}


def what_happened(watch: Watch) -> str:
    """How much, how fast, and what was wrong with some of it."""
    took_s, (median_ms, p99_ms) = watch.scoring_s(), watch.turn_ms()
    text = f"Stopped on day {watch.day()} of {watch.days}. " if watch.stopped else ""
    text += (
        f"{figures.count(watch.read)} events of {figures.count(len(watch.latest))} customers became {figures.count(watch.scores)} scores with reasons "
        f"in {took_s:.0f} s, {figures.count(watch.read / max(took_s, 1e-3))} events a second. "
        f"A turn took {figures.milliseconds(median_ms)} at the median, {figures.milliseconds(p99_ms)} at p99."
    )
    broken, double, late = watch.dead_letters.total(), watch.dropped["duplicate"], watch.dropped["late"]
    aside = [f"{figures.count(number)} {what}" for number, what in ((broken, "broken"), (double, "sent twice"), (late, "too late")) if number]
    return f"{text} Set aside: {', '.join(aside)}." if aside else text


def what_was_learned(watch: Watch) -> Iterator[tuple[str, str]]:
    """(target, sentence) of each target: its loss beside the base rate's and the truth's own, and its calibration."""
    for name in TARGETS:
        verdict, examples = watch.verdict(name), figures.count(watch.learned[name])
        if watch.warming_up(name):
            yield name, f"{_SAYS[name]}: still warming up, too little is known yet ({examples} outcomes)."
            continue
        losses = f"log-loss {figures.loss(verdict.log_loss)} (base rate {figures.loss(verdict.baseline_log_loss)}, truth {figures.loss(verdict.best_log_loss)})"
        learnable, learned = verdict.baseline_log_loss - verdict.best_log_loss, verdict.baseline_log_loss - verdict.log_loss
        way = f"{learned / learnable:.0%} of the way to the truth" if learned > 0 else "no better than the base rate yet"
        yield name, f"{_SAYS[name]}: {losses}, {way}. Said / true {figures.ratio(verdict.calibration_ratio)}. Learned from {examples} outcomes."


READING = (
    "The truth itself is out of reach: it knows what each customer is like, which no event tells. "
    "Said / true is the calibration, 1 at best; like learning, it looks at one event a customer and day."
)
