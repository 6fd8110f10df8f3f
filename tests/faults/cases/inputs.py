"""Records that no shop should send, times that cannot be, and events that contradict each other."""

from __future__ import annotations

import random
from typing import Any

import orjson

from tests.faults.cases.case import Ground, Outcome, case, judged
from tests.faults.inputs import Stream
from tests.faults.stand import Line
from worker.core.events.fields import RECORD_BYTES
from worker.log.partitioner import partition_of

DAY_MS = 86_400_000
START_MS = 1_740_960_000_000  # the shop's first day


def event(user: str, time_ms: object, name: str = "page_view", **more: Any) -> bytes:
    """One event as a shop would write it."""
    return orjson.dumps({"event": name, "user_id": user, "timestamp": time_ms, **more})


def poisoned(time_ms: int) -> list[Line]:
    """One of each kind of record that must not stop anything."""
    good = event("poison", time_ms)
    bare = good[:-1]
    return [
        (b"poison", b"\xff\xfe\xfd" + good),
        (b"poison", good.replace(b"poison", b"\xc3\x28")),
        (b"poison", good[: len(good) // 2]),
        (b"poison", good + b"{}"),
        (b"poison", b""),
        (b"poison", b"   "),
        (b"poison", b"\xef\xbb\xbf" + good),
        (b"poison", b"[1,2]"),
        (b"poison", b'"text"'),
        (b"poison", b"null"),
        (b"poison", b"12"),
        (b"poison", bare + b',"price":NaN}'),
        (b"poison", bare + b',"price":Infinity}'),
        (b"poison", bare + b',"price":-Infinity}'),
        (b"poison", bare + b',"price":1e999}'),
        (b"poison", bare + b',"quantity":' + b"9" * 400 + b"}"),
        (b"poison", bare + b',"quantity":-' + b"9" * 19 + b"}"),
        (b"poison", bare + b',"revenue":"much"}'),
        (b"poison", event("poison", True)),
        (b"poison", event("poison", {"at": 1})),
        (b"poison", orjson.dumps({"event": 7, "user_id": "poison", "timestamp": time_ms})),
        (b"poison", orjson.dumps({"event": "page_view", "user_id": ["poison"], "timestamp": time_ms})),
        (b"poison", orjson.dumps({"event": "page_view", "user_id": "", "timestamp": time_ms})),
        (b"poison", bare + b',"event":"purchase","user_id":"other"}'),
        (b"poison", bare + b',"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}"),
        (b"poison", bare + b',"a":' + b'{"a":' * 2_000 + b"1" + b"}" * 2_000 + b"}"),
        (b"poison", bare + b',"path":"' + b"x" * (RECORD_BYTES + 7) + b'"}'),
        (b"poison", bare + b',"x":"' + b"y" * 3_000_000 + b'"}'),
        (b"poison", bare + b',"event_id":"\\ud800"}'),
        (b"poison", bare + b',"schema":99,"unknown":1}'),
        (b"poison", None),
        (None, good),
        (None, b"\xff"),
        (b"", good),
        (b"\xff\xfe", good),
        (b"poison" * 100, event("poison" * 100, time_ms)),
    ]


@case("input")
def poisoned_input(ground: Ground) -> Outcome:
    """Invalid UTF-8, JSON, types, NaN, Infinity, huge integers, null key or value, over 1 MiB, deep nesting, repeated keys, unknown version."""
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    bad = poisoned(START_MS + 3_600_000) * 2
    lines: list[bytes | Line] = [*stream.take(600)]
    for line in bad:
        lines.insert(ground.chance.randrange(len(lines)), line)
    stand.feed(lines)
    stand.die("scorer", "before commit", 4)
    stand.start()
    stand.feed(bad)
    stand.feed(stream.rest())
    return judged(stand, f"{3 * len(bad) // 2} bad records of {len(bad) // 2} kinds")


@case("input", both=False)
def wrong_partition_for_the_key(ground: Ground) -> Outcome:
    """A part of every user's events lies in the other partition: each partition makes a profile of what it sees."""
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(500))
    stand.start()
    stand.feed(stream.take(300), astray=1)
    stand.feed(stream.rest())
    return judged(stand)


@case("time", both=False)
def times_that_cannot_be(ground: Ground) -> Outcome:
    """1970, 9999, far in the future, years late, in every form of writing, in between good ones."""
    stand, stream, chance = ground.stand(), Stream(ground.chance.randrange(1_000)), ground.chance
    odd = [0, 1, 253_402_300_799_999, 253_402_300_800_000, -1, START_MS - 400 * DAY_MS, START_MS + 4_000 * DAY_MS, "1970-01-01T00:00:00Z"]
    odd += ["9999-12-31T23:59:59.999Z", "10000-01-01T00:00:00Z", "2025-03-03T00:00:00+14:00", "2025-03-03", "yesterday", 1.5, 1e300]
    lines = stream.rest()
    for time_ms in odd * 3:
        lines.insert(chance.randrange(len(lines)), event(f"u{chance.randrange(400):06d}", time_ms))
    stand.feed(lines)
    stand.die("scorer", "after commit", 5)
    stand.start()
    return judged(stand, f"{3 * len(odd)} odd times")


@case("time", both=False)
def clock_set_back(ground: Ground) -> Outcome:
    """The machine's clock jumps back and forth by hours between any two looks at it."""
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(700))
    stand.start(patch="tests.faults.patches:unsteady_clock")
    stand.must_score(100)
    stand.feed(stream.rest())
    return judged(stand)


@case("time")
def idle_partition(ground: Ground) -> Outcome:
    """Pauses in which partitions grow older by the wall clock, with kills in between.

    How much older is in no input: event scores, dead letters, learning, positions and transactions are judged, silences and bytes are not.
    """
    stand, stream = ground.stand(), Stream(ground.chance.randrange(1_000))
    stand.feed(stream.take(500))
    for _ in range(2):
        worker = stand.start(aging=True)
        stand.must_score()
        stand.scores(100_000, 3.0)
        worker.kill()
        stand.feed(stream.take(200))
    stand.start(aging=True)
    stand.feed(stream.rest())
    return Outcome(stand.finish(aged=True), stand.recovered_s, "judged without silences and bytes: ageing follows the wall clock")


@case("meaning", both=False)
def events_that_contradict_each_other(ground: Ground) -> Outcome:
    """The same event id twice, an outcome before its decision, twice, never, after the window; refunds, before the purchase too."""
    stand = ground.stand()
    lines = contradictions(ground.chance)
    half = len(lines) // 2
    stand.feed(lines[:half])
    stand.die("scorer", "before commit", 2)
    stand.die("trainer", "before commit", 1)
    stand.start()
    stand.feed(lines[half:])
    return judged(stand, f"{len(lines)} events")


def contradictions(chance: random.Random) -> list[bytes]:
    """Five days of users each of whom does something that does not fit."""
    found: list[tuple[int, bytes]] = []

    def add(at_ms: int, *args: Any, **more: Any) -> None:
        found.append((at_ms, event(args[0], START_MS + at_ms, *args[1:], **more)))

    for number in range(150):
        user, at = f"m{number:03d}", chance.randrange(3 * DAY_MS)
        add(at, user, event_id=f"{user}-0")
        order = {"order_id": f"o{number}", "revenue": 10.0 + number, "quantity": 1, "currency": "EUR"}
        match number % 8:
            case 0:
                add(at + 1_000, user, event_id=f"{user}-0")  # the same id again, at another time
                found.append(found[-1])
            case 1:
                add(at + 60_000, user, "purchase", **order)
                add(at + 30_000, user, "add_to_cart")  # arrives in order of time, as all here do
            case 2:
                add(at + 60_000, user, "purchase", **order)
                add(at + 61_000, user, "purchase", **order)  # the same order twice
            case 3:
                add(at + 2 * DAY_MS, user, "purchase", **order)  # after the window of a day
            case 4:
                add(at + 60_000, user, "purchase", **order)
                add(at + 120_000, user, "refund", **order)
            case 5:
                add(at + 60_000, user, "refund", **order)
                add(at + 120_000, user, "purchase", **order)
            case 6:
                add(at + DAY_MS, user, "purchase", **order)  # at the very end of the window
            case _:
                add(at, user, "purchase", **order)  # at the same instant
    found += [(5 * DAY_MS + step, event(f"end{step}", START_MS + 5 * DAY_MS + step)) for step in range(20)]
    late = [line for number, (_, line) in enumerate(found) if number % 17 == 0]
    return [line for _, line in sorted(found, key=lambda one: one[0])] + late


@case("meaning", both=False)
def one_very_hot_user(ground: Ground) -> Outcome:
    """Most of the input is one user's."""
    stand, stream, chance = ground.stand(turn_events=150), Stream(ground.chance.randrange(1_000), users=200), ground.chance
    lines: list[bytes] = []
    for line in stream.rest():
        lines.append(line)
        time_ms = _time_of(line)
        lines += [event("hot", time_ms + step, chance.choice(["page_view", "view_item", "add_to_cart", "purchase"])) for step in range(4) if time_ms]
    stand.feed(lines[: len(lines) // 2])
    stand.die("scorer", "after flush", 3)
    stand.start()
    stand.feed(lines[len(lines) // 2 :])
    share = sum(b'"hot"' in line for line in lines) / len(lines)
    return judged(stand, f"{len(lines)} events, {share:.0%} of one user in partition {partition_of(b'hot', 2)}")


def _time_of(line: bytes) -> int:
    try:
        time_ms = orjson.loads(line)["timestamp"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return 0
    return time_ms if isinstance(time_ms, int) and time_ms < START_MS + 30 * DAY_MS else 0
