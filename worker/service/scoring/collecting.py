"""What a scorer's turn works on, and when it begins.

Where events come singly, turns begin service.turn_wait apart, and each asks once for all that has come meanwhile: asked for at once again, every few
events would be fetched on their own, which costs more than to score them. Where many come, a turn follows the other and takes all that is there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from worker.log.contract import Polled, Record, TopicPartition
from worker.service.clock import Clock
from worker.settings import ServiceSettings

FEW = 0.1  # of a full turn: fewer than this have come singly
NAP_S = 0.05  # at most between two polls: who naps takes no part in a rebalance, and hears of no signal to end
FETCH_S = 0.005  # so long a poll may take to bring what is there already


class Collector:
    """The records of turn after turn, each at most service.turn_events."""

    def __init__(self, poll: Callable[[int, float], Polled], clock: Clock, service: ServiceSettings) -> None:
        """`poll` takes how many records there is room for and how many seconds to wait."""
        self._poll, self._clock = poll, clock
        self._limit, self._apart_s = service.turn_events, service.turn_wait_ms / 1000
        self._came = 0  # records of the latest turn
        self._ended_s = -math.inf  # when the latest that was not empty had all of its records

    def collect(self, wait_s: float) -> Polled:
        """The records of the next turn. After a turn that found none, waits wait_s for the first."""
        room, due_s = self._limit, self._ended_s + self._apart_s
        singly = 0 < self._came < FEW * self._limit
        wait_s = FETCH_S if self._came else wait_s
        polls: list[Polled] = []
        while room > 0:
            nap_s = min(NAP_S, due_s - self._clock.elapsed_s()) if singly else 0.0
            if nap_s > 0:
                self._clock.sleep(nap_s)
                wait_s = FETCH_S
            polls.append(self._poll(room, wait_s))
            found = sum(map(len, polls[-1].records.values()))
            room, singly, wait_s = room - found, found < FEW * self._limit, 0.0
            if singly and (nap_s <= 0 or self._clock.elapsed_s() >= due_s):
                break
        self._came = self._limit - room
        if self._came:
            self._ended_s = self._clock.elapsed_s()
        return polls[0] if len(polls) == 1 else _joined(polls)


def _joined(polls: Sequence[Polled]) -> Polled:
    """Several polls of one turn as one."""
    records: dict[TopicPartition, list[Record]] = {}
    skipped: Counter[TopicPartition] = Counter()
    for polled in polls:
        for name, found in polled.records.items():
            records[name] = [*records.get(name, []), *found]
        skipped.update(polled.skipped)
    gained, lost = (frozenset[TopicPartition]().union(*sets) for sets in ((p.gained for p in polls), (p.lost for p in polls)))
    return Polled(records, gained, lost, dict(skipped))
