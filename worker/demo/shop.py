"""The synthetic shop: a seeded stream of events, each with the probabilities that are true of its customer at that moment.

The stream goes through a day of shop time at a step: customers walk (`walk`), see and carry things (`goods`), what they do is written
(`wire`), and some of it arrives late, twice or broken (`flaws`). The same settings give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.demo.behaviour import DAY_MS, KINDS, Floats, after_wait, behaviour, settled
from worker.demo.flaws import BAD, SPOILERS, draw_flaws
from worker.demo.goods import Details, Shoppers, catalogue
from worker.demo.hindsight import look_back
from worker.demo.truth import truth_tables
from worker.demo.walk import Crowd, Ints, Wave
from worker.demo.wire import Wire

_MEAN_AGE_DAYS = 120  # since the first visit of those who know the shop when it opens to us: long enough that trade is steady
_MOBILE_SHARE = 0.55


class Truth(NamedTuple):
    """True probabilities just after an event: of a purchase within 7 days that is not refunded within them, of one within 30 minutes,
    and of no event from 30 minutes to 7 days and 30 minutes later."""

    purchase: float
    intent: float
    churn: float


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """How large a shop. 36,000 users over 45 days make about 380,000 events."""

    users: int = 36_000
    days: int = 45
    seed: int = 1
    start_ms: int = 1_740_960_000_000  # Monday 3 March 2025, 0:00 UTC

    def __post_init__(self) -> None:
        if self.users < 1 or self.days < 1:
            raise ValueError(f"a shop needs at least one user and one day, not {self.users} and {self.days}")


@dataclass(frozen=True, slots=True)
class Chunk:
    """The records that arrive on one day of the shop, in order of arrival: n of each.

    `truth` is float64[n, 3] in the order of `truth.TARGETS`, just after each event; `hindsight` float64[n, 3] and `weight` float64[n] are
    for judging drawn decisions (see `hindsight`). Truth is NaN where a record is BAD. `flaw` int64[n] is one of `flaws`' codes.
    """

    user_ids: list[str]
    event_ids: list[str]
    values: list[bytes]
    time_ms: Ints
    arrival_ms: Ints
    flaw: Ints
    truth: Floats
    hindsight: Floats
    weight: Floats

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: NDArray[np.int64]) -> Chunk:
        """These rows, in this order."""
        order = rows.tolist()
        return Chunk(
            [self.user_ids[row] for row in order],
            [self.event_ids[row] for row in order],
            [self.values[row] for row in order],
            self.time_ms[rows],
            self.arrival_ms[rows],
            self.flaw[rows],
            self.truth[rows],
            self.hindsight[rows],
            self.weight[rows],
        )


class Shop:
    """One run through the shop's days; make another one to see the same again."""

    def __init__(self, settings: ShopSettings | None = None) -> None:
        self.settings = settings or ShopSettings()
        # Streams of their own, so that what is seen or goes wrong never changes who comes and buys.
        lives, goods, way = np.random.default_rng(self.settings.seed).spawn(3)
        kind, state = _population(lives, self.settings)
        prices = catalogue(goods)
        self._crowd, self._shoppers, self._way = Crowd(kind, lives), Shoppers(kind, prices, goods), way
        self._wire = Wire(prices, kind, self._shoppers.country)
        known, new = np.flatnonzero(state >= 0), np.flatnonzero(state < 0)
        start_ms = self.settings.start_ms
        self._crowd.place(known, state[known], np.full(len(known), start_ms))
        first_ms = after_wait(np.full(len(new), start_ms), lives.random(len(new)) * self.settings.days * DAY_MS)
        self._crowd.call(new, np.full(len(new), behaviour().index["fresh/start"]), first_ms)

    def chunks(self) -> Iterator[Chunk]:
        """One chunk a day, and a last one for what arrives after the last day."""
        on_its_way = None
        for day in range(1, self.settings.days + 1):
            end_ms = self.settings.start_ms + day * DAY_MS
            sent = self._sent(end_ms)
            pool = sent if on_its_way is None else _both(on_its_way, sent)
            order = np.argsort(pool.arrival_ms, kind="stable")
            arrived = pool.arrival_ms[order] < end_ms
            yield pool.take(order[arrived])
            on_its_way = pool.take(order[~arrived])
        if on_its_way:
            yield on_its_way

    def stream(self) -> Iterator[tuple[bytes, Truth | None]]:
        """(event, truth), in order of arrival; no truth for a record that is bad."""
        for chunk in self.chunks():
            for value, flaw, truth in zip(chunk.values, chunk.flaw.tolist(), chunk.truth.tolist(), strict=True):
                yield value, None if flaw == BAD else Truth(*truth)

    def _sent(self, end_ms: int) -> Chunk:
        """Everything that is sent up to `end_ms`, in order of event time, copies last."""
        waves, details = [], []
        for wave in self._crowd.waves(end_ms):
            waves.append(wave)
            details.append(self._shoppers.act(wave))
        who, state, time_ms = (np.concatenate([_NONE, *(getattr(wave, name) for wave in waves)]) for name in Wave.__slots__)
        order = np.argsort(time_ms, kind="stable")
        who, state, time_ms = who[order], state[order], time_ms[order]
        seen = Details(*(np.concatenate([_NONE, *(getattr(part, name) for part in details)])[order] for name in Details.__slots__))
        written = list(self._wire.write(who, behaviour().node[state], time_ms, seen))
        users, ids, values = [row[0] for row in written], [row[1] for row in written], [row[2] for row in written]
        _, places, counts = np.unique(who, return_inverse=True, return_counts=True)
        crowd, node = self._crowd, behaviour().node[state]
        truth = truth_tables().at(crowd.kind[who], state, time_ms)
        hindsight = look_back(who, node, time_ms, crowd.kind, crowd.state, end_ms)
        day = Chunk(users, ids, values, time_ms, time_ms, np.zeros(len(who), np.int64), truth, hindsight, 1.0 / np.asarray(counts[places], np.float64))
        return self._spoiled(day)

    def _spoiled(self, day: Chunk) -> Chunk:
        """What becomes of a day's events on the way."""
        flaws = draw_flaws(self._way, len(day))
        sent = day.take(flaws.event)
        bad = flaws.flaw == BAD
        for row in np.flatnonzero(bad).tolist():
            sent.values[row] = SPOILERS[flaws.spoiler[row]](sent.values[row])
        truth, hindsight = (np.where(bad[:, None], np.nan, known) for known in (sent.truth, sent.hindsight))
        return replace(sent, arrival_ms=sent.time_ms + flaws.delay_ms, flaw=flaws.flaw, truth=truth, hindsight=hindsight)


def _population(random: np.random.Generator, settings: ShopSettings) -> tuple[Ints, Ints]:
    """(kind, state), int64[users] each: as many new customers a day as there ever were, those of the past where they are by now (new: -1)."""
    share = np.array([person.share * (_MOBILE_SHARE if device == "mobile" else 1 - _MOBILE_SHARE) for person, device in KINDS])
    here = settled(_MEAN_AGE_DAYS * DAY_MS)
    columns = np.concatenate([here * _MEAN_AGE_DAYS, np.full((len(KINDS), 1), float(settings.days))], axis=1) * share[:, None]
    drawn = random.choice(columns.size, settings.users, p=columns.ravel() / columns.sum())
    kind, state = np.divmod(drawn, columns.shape[1])
    return kind, np.where(state == here.shape[1], -1, state)


_NONE = np.zeros(0, np.int64)


def _both(first: Chunk, second: Chunk) -> Chunk:
    """One chunk of two."""
    columns = (np.concatenate([getattr(first, name), getattr(second, name)]) for name in ("time_ms", "arrival_ms", "flaw", "truth", "hindsight", "weight"))
    return Chunk(first.user_ids + second.user_ids, first.event_ids + second.event_ids, first.values + second.values, *columns)
