"""Segments and triggers in a person's words: summaries of dry runs, and portraits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from worker.service.reprocessing.dry_run import DryRun
from worker.views.figures import MISSING, count, day, lift, moment, percent, printable

_FORMS = {"own": "", "ga4": " in GA4's consent mode", "segment": " in Segment's consent preferences"}


def trigger_lines(run: DryRun) -> Iterator[str]:
    """What became of each rule's crossings: a row a rule, and under it why some were suppressed."""
    yield from _read(run)
    yield f"{'rule':24}{'crossings':>10}{'held':>8}{'fired':>8}{'users':>8}{'suppressed':>12}{'waiting':>9}"
    for name, tally in run.rules.items():
        suppressed = tally.suppressed.total()
        figures = (tally.crossings, tally.held, tally.fired, len(tally.users))
        yield f"{name:24}{figures[0]:>10,}" + "".join(f"{number:>8,}" for number in figures[1:]) + f"{suppressed:>12,}{tally.waiting:>9,}"
        for reason, number in sorted(tally.suppressed.items(), key=lambda item: (-item[1], item[0])):
            yield f"  {reason:22}{number:>54,}"


def segment_lines(run: DryRun) -> Iterator[str]:
    """Who came and went, a row a segment."""
    yield from _read(run)
    yield f"{'segment':24}{'entered':>10}{'left':>10}{'members':>10}"
    for name, membership in run.segments.items():
        yield f"{name:24}{membership.entered:>10,}{membership.left:>10,}{len(membership.members):>10,}"


def _read(run: DryRun) -> Iterator[str]:
    replay = run.replay
    dead, users = sum(replay.dead_letters.values()), len(replay.pipeline.profiles)
    yield f"{replay.read:,} records: {replay.events:,} events and {replay.silent:,} silences scored, {dead:,} dead letters, {users:,} users"
    if warming := run.warming_up:
        yield f"still warming up: {', '.join(warming)}; what speaks of them held for nobody"


def portrait_lines(portrait: Mapping[str, Any]) -> Iterator[str]:
    """A portrait, a line a thing that is known."""
    fields = portrait["fields"]
    yield f"{printable(portrait['user_id'])}  as of {moment(portrait['time_ms'])} UTC"
    yield ""
    yield _row("stage", f"{fields['stage'].replace('_', ' ')}; known for {_days(fields['days_known'])}, last seen {_ago(fields['days_since_seen'])}")
    yield _row("visits", f"{count(fields['sessions'])} on {count(fields['active_days'])} days, mostly around {fields['usual_hour']:.0f}:00 UTC")
    bought = f"{count(fields['purchases'])} for {fields['spend']:,.2f}, {fields['average_order']:,.2f} each, the latest {_ago(fields['days_since_purchase'])}"
    yield _row("purchases", bought if fields["purchases"] else "none")
    if fields["price_level"]:
        yield _row("prices", f"around {fields['price_level']:,.2f}, {percent(fields['discount_share'])} off")
    if portrait["categories"]:
        yield _row("likes", ", ".join(f"{printable(name) or 'unknown'} {percent(share)}" for name, share in portrait["categories"]))
    where = [printable(fields[name]) for name in ("device", "country", "medium") if fields[name]]
    yield _row("comes by", ", ".join(where) or MISSING)
    said = portrait["consent"]
    yield _row("consent", f"{said['state']}, said {day(said['time_ms'])}{_FORMS[said['source']]}" if "time_ms" in said else "unknown: nothing is sent")
    yield _row("segments", ", ".join(portrait["segments"]) or "none")
    for name, score in portrait["scores"].items():
        yield _row(name, f"{percent(score['p'])}, {lift(score['lift'])} the average user" + (", still warming up" if "abstain" in score else ""))


def _row(title: str, text: str) -> str:
    return f"  {title:12}{text}"


def _days(days: float | None) -> str:
    return MISSING if days is None else f"{days:,.0f} d" if days >= 1.5 else f"{days * 24:,.0f} h"


def _ago(days: float | None) -> str:
    return "never" if days is None else f"{_days(days)} ago"
