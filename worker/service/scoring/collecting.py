"""What a scorer's turn works on: as many polls as the turn has room and its oldest event has time for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from worker.log.contract import Polled, Record, TopicPartition
from worker.service.clock import Clock
from worker.settings import ServiceSettings

FEW = 0.1  # of a full turn: where a poll finds fewer, events come singly, and each would be fetched on its own if it were asked for at once
NAP_S = 0.05  # at most between two such polls: who naps takes no part in a rebalance, and hears of no signal to end
ROUND_TRIP_S = 0.002  # what is left for the last polls, in which the records come that have arrived during the nap


def collect(poll: Callable[[int, float], Polled], clock: Clock, service: ServiceSettings, wait_s: float) -> Polled:
    """The records of one turn, at most service.turn_events; waits wait_s for the first of them, and service.turn_wait for more.

    `poll` takes how many records there is room for and how many seconds to wait.
    """
    polls, room = [poll(service.turn_events, wait_s)], service.turn_events
    until_s = clock.elapsed_s() + service.turn_wait_ms / 1000
    while found := sum(map(len, polls[-1].records.values())):  # a poll without any has waited long enough
        room -= found
        if found < FEW * service.turn_events and (nap_s := min(NAP_S, until_s - clock.elapsed_s() - ROUND_TRIP_S)) > 0:
            clock.sleep(nap_s)
        left_s = until_s - clock.elapsed_s()
        if room <= 0 or left_s <= 0:
            break
        polls.append(poll(room, left_s))
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
