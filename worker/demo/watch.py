"""Who watches the demo: takes what the workers publish and report, holds it against the truth, and keeps the picture for the live view."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from heapq import nlargest
from typing import Any

import numpy as np
import orjson

from worker.demo.flaws import PLAIN
from worker.demo.referee import Referee, Verdict
from worker.demo.shop import Chunk, ShopSettings
from worker.demo.truth import TARGETS
from worker.demo.workers import LearnedReport, Report, TurnReport
from worker.log.contract import Record
from worker.views import figures
from worker.views.live_state import Band, Customer, LiveState, TargetState

DAY_MS = 86_400_000
RATE_OVER_S = 4.0
LISTS_EVERY_S = 1.0  # people do not read faster
LISTED = 40
GOOD_ORDERS = 2  # from so many orders on a customer is a good one
QUIET_MS = (2 * DAY_MS, 14 * DAY_MS)  # going quiet: away for longer than the one, not yet longer than the other
TURNS_KEPT = 500
_PURCHASE = b'"event":"purchase"'


class Watch:
    """All that is known of the demo. Probabilities are judged in two views (see `referee`): losses over every event, calibration over drawn ones."""

    def __init__(self, shop: ShopSettings) -> None:
        self._shop = shop
        self._referee = Referee()
        self._reads: deque[tuple[float, int]] = deque()
        self._turns_ms: deque[float] = deque(maxlen=TURNS_KEPT)
        self._chances: dict[str, tuple[float, float]] = {}  # by user: of a purchase, of churn
        self._orders: Counter[str] = Counter()
        self._seen_ms: dict[str, int] = {}
        self._warming = dict.fromkeys(TARGETS, True)
        self._lists: tuple[tuple[Customer, ...], tuple[Customer, ...]] = ((), ())
        self._lists_due_s = 0.0
        self._began_s = self._ended_s = time.monotonic()  # of the scoring, once there is any
        self.reached_ms = shop.start_ms
        self.stopped = False
        """Whether someone ended it before its time."""
        self.latest: dict[str, Record] = {}
        """The last score record of every user."""
        self.read = 0
        """Records that the scorer has taken in."""
        self.scores = 0
        self.learned: Counter[str] = Counter()
        self.dead_letters: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()

    # ---- what happens

    def sent(self, chunk: Chunk) -> None:
        """A day's records are about to be sent."""
        self._referee.expect(chunk)
        for user_id, value, flaw in zip(chunk.user_ids, chunk.values, chunk.flaw.tolist(), strict=True):
            if flaw == PLAIN and _PURCHASE in value:
                self._orders[user_id] += 1

    def reported(self, reports: Iterable[Report]) -> None:
        """The workers tell of their turns."""
        for report in reports:
            if isinstance(report, TurnReport):
                self._ended_s = time.monotonic()
                self._began_s = self._began_s if self.read else self._ended_s - report.took_ms / 1000
                self.read += report.read
                self.dead_letters.update(report.dead_letters)
                self.dropped.update(report.dropped)
                if report.read:
                    self._turns_ms.append(report.took_ms)
            elif isinstance(report, LearnedReport):
                self.learned[report.target] += report.examples

    def published(self, records: Sequence[Record]) -> None:
        """Score records, in the order of the log."""
        event_ids: list[str] = []
        said: list[tuple[float, ...]] = []
        for record in records:
            score = orjson.loads(record.value or b"")
            user_id, p = score["user_id"], tuple(score[target]["p"] for target in TARGETS)
            self.latest[user_id] = record
            self._chances[user_id] = p[0], p[2]
            if score["cause"] == "event":
                event_ids.append(score.get("event_id", ""))
                said.append(p)
                self.reached_ms = max(self.reached_ms, score["time_ms"])
                self._seen_ms[user_id] = max(self._seen_ms.get(user_id, 0), score["time_ms"])
        if records:
            self._warming = {target: "abstain" in score[target] for target in TARGETS}
            self.scores += len(records)
        if event_ids:
            self._referee.judge(event_ids, np.array(said))

    # ---- what is known of it

    def verdict(self, target: str) -> Verdict:
        """Losses over every event, the truth's own beside them; calibration over drawn events, which is what is learned."""
        every, drawn = self._referee.verdict(target, "every"), self._referee.verdict(target, "drawn")
        return Verdict(every.log_loss, every.baseline_log_loss, every.best_log_loss, drawn.calibration_ratio, drawn.bins)

    def warming_up(self, target: str) -> bool:
        """Whether the last scores abstained."""
        return self._warming[target]

    def scoring_s(self) -> float:
        """From the first turn to the last."""
        return self._ended_s - self._began_s

    def day(self) -> int:
        """The shop's day that was reached, the first being 1."""
        return min(self._shop.days, (self.reached_ms - self._shop.start_ms) // DAY_MS + 1)

    @property
    def days(self) -> int:
        """The shop's days in all."""
        return self._shop.days

    def turn_ms(self) -> tuple[float, float]:
        """Median and p99 of the time that a turn takes; nan before the first."""
        return tuple(np.quantile(self._turns_ms, (0.5, 0.99)).tolist()) if self._turns_ms else (np.nan, np.nan)

    def score_of(self, user_id: str) -> dict[str, Any]:
        """A user's last score."""
        score: dict[str, Any] = orjson.loads(self.latest[user_id].value or b"")
        return score

    def example(self) -> str:
        """A user worth explaining: the likeliest to buy of those here now, whose last score came of an event, or of all if nobody is."""
        here = [user_id for user_id, record in self.latest.items() if b'"cause":"event"' in (record.value or b"")]
        return max(here or self.latest, key=lambda user_id: self._chances[user_id][0])

    def buyers(self) -> tuple[Customer, ...]:
        """The users likeliest to buy; none while that is anybody's guess."""
        if self._warming["purchase"]:
            return ()
        likeliest = nlargest(LISTED, self._chances.items(), key=lambda item: item[1][0])
        return tuple(self._customer(user_id, "purchase") for user_id, _ in likeliest)

    def quiet(self) -> tuple[Customer, ...]:
        """Good customers who have been away for some days, the likeliest to stay away first."""
        if self._warming["churn"]:
            return ()
        least, most = QUIET_MS
        away = ((user_id, self._orders[user_id], self.reached_ms - self._seen_ms.get(user_id, 0)) for user_id in self._orders)
        good = [(user_id, orders, span_ms) for user_id, orders, span_ms in away if orders >= GOOD_ORDERS and least <= span_ms <= most]
        likeliest = nlargest(LISTED, good, key=lambda customer: self._chances.get(customer[0], (0.0, 0.0))[1])
        return tuple(self._customer(user_id, "churn", f"{orders} orders, seen {figures.span(span_ms)} ago") for user_id, orders, span_ms in likeliest)

    def _customer(self, user_id: str, target: str, note: str = "") -> Customer:
        mine = self.score_of(user_id)[target]
        return Customer(user_id, mine["p"], mine["lift"], tuple((name, points) for name, points in mine.get("reasons", ())), note)

    def state(self) -> LiveState:
        """The picture of now."""
        now_s = time.monotonic()
        if now_s >= self._lists_due_s:
            self._lists = self.buyers(), self.quiet()
            self._lists_due_s = now_s + LISTS_EVERY_S
        median_ms, p99_ms = self.turn_ms()
        return LiveState(
            title=f"synthetic shop, {self._shop.days} days",
            shop_time_ms=self.reached_ms,
            progress=(self.reached_ms - self._shop.start_ms) / (self._shop.days * DAY_MS),
            events=self.read,
            events_per_s=self._rate(now_s),
            latency_p50_ms=median_ms,
            latency_p99_ms=p99_ms,
            users=len(self.latest),
            dead_letters=tuple(self.dead_letters.most_common()),
            targets=tuple(map(self._target, TARGETS)),
            buyers=self._lists[0],
            quiet=self._lists[1],
            counts=(("scores", self.scores), *sorted(self.dropped.items())),
        )

    def _rate(self, now_s: float) -> float:
        """Events a second over the last few."""
        self._reads.append((now_s, self.read))
        while len(self._reads) > 2 and self._reads[1][0] <= now_s - RATE_OVER_S:
            self._reads.popleft()
        since_s, before = self._reads[0]
        return (self.read - before) / (now_s - since_s) if self.read and now_s > since_s else np.nan

    def _target(self, target: str) -> TargetState:
        verdict = self.verdict(target)
        bands = tuple(Band(said, true, weight) for said, true, weight in verdict.bins)
        warming = self.warming_up(target)
        return TargetState(
            target, self.learned[target], verdict.log_loss, verdict.baseline_log_loss, verdict.calibration_ratio, () if warming else bands, warming
        )
