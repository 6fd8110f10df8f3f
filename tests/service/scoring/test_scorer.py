"""The scorer over a log in memory: what it publishes, and that a death, a fault or a move between any two turns changes nothing of it."""

from __future__ import annotations

from collections import Counter

import orjson
import pytest

from tests.service.bench import STEP_S, Bench, expected_events, settings_of, shop_lines
from worker.core.events import deadletters
from worker.log.contract import Message
from worker.log.errors import Fenced, LogFull, LogUnavailable, MemberReplaced
from worker.log.partitioner import partition_of

LINES = shop_lines()


def last_of_each(scores: list[bytes | None]) -> dict[str, bytes | None]:
    """The last score of every user."""
    return {orjson.loads(value or b"")["user_id"]: value for value in scores}


def finished(partitions: int = 1) -> Bench:
    bench = Bench(partitions=partitions)
    bench.send(LINES)
    bench.drain(bench.loop())
    return bench


def test_every_event_has_one_score_in_its_users_partition_and_the_rest_is_accounted_for() -> None:
    bench = finished(partitions=3)
    events, bad = expected_events(LINES)
    late = int(bench.metric("events_dropped_total", reason="late"))
    assert set(bench.scored_events().values()) == {1}
    assert len(events) - late == len(bench.scored_events()) == bench.metric("events_scored_total")
    for partition, key, value, _ in bench.written()["clickscore.scores"]:
        assert key is not None
        assert (partition, orjson.loads(value or b"")["user_id"]) == (partition_of(key, 3), key.decode())
    assert Counter(value for _, _, value, _ in bench.written()["clickscore.deadletter"]) == Counter(bad)
    assert bench.metric("events_read_total") == len(LINES) == sum(bench.total(name) for name in ("events_scored", "events_dropped", "deadletter"))


def test_scores_of_one_user_come_in_the_order_of_the_events() -> None:
    bench = finished()
    places: dict[str, list[int]] = {}
    for _, _, value, _ in bench.written()["clickscore.scores"]:
        score = orjson.loads(value or b"")
        if score["cause"] == "event":
            places.setdefault(score["user_id"], []).append(int(score["score_id"].split("-")[1]))
    assert len(places) > 50
    assert all(offsets == sorted(offsets) for offsets in places.values())


def test_emission_of_the_latest_publishes_one_score_of_a_user_and_turn_and_learns_the_same() -> None:
    every = finished()
    latest = Bench(settings_of(service={"emission": "latest"}))
    latest.send(LINES)
    latest.drain(latest.loop())
    all_scores, kept = ([value for _, _, value, _ in bench.written()["clickscore.scores"]] for bench in (every, latest))
    assert len(kept) < len(all_scores)
    assert set(kept) <= set(all_scores)
    assert last_of_each(kept) == last_of_each(all_scores)
    assert latest.written()["clickscore.profiles"] == every.written()["clickscore.profiles"]


def test_a_dead_letter_keeps_key_value_and_headers_and_says_where_it_came_from() -> None:
    bench = Bench(partitions=2)
    good = b'{"event":"scroll","user_id":"u","timestamp":1600000000000}'
    odd = [
        Message(good, b"u", partition=1),
        Message(b"{", b"k", (("trace", b"\x00"),), partition=1),
        Message(None, b"k", partition=1),
        Message(good, None, partition=1),
        Message(b"[]", None, partition=1),
        Message(good.replace(b"1600", b"9600"), b"u", partition=1),
    ]
    bench.log.append("clickstream.events", odd)
    bench.drain(bench.loop())
    letters = bench.written()["clickscore.deadletter"]
    told = [{name: content.decode("latin1") for name, content in headers} for _, _, _, headers in letters]
    assert [(partition, key, value) for partition, key, value, _ in letters] == [(1, m.key, m.value) for m in odd[1:]]
    assert [one[deadletters.REASON] for one in told] == ["invalid_json", "null_value", "null_key", "not_an_object", "from_the_future"]
    assert [(one[deadletters.TOPIC], one[deadletters.PARTITION], one[deadletters.OFFSET]) for one in told] == [
        ("clickstream.events", "1", str(n)) for n in range(1, 6)
    ]
    assert told[0]["trace"] == "\x00"
    assert bench.metric("events_scored_total") == 1


@pytest.mark.parametrize("every", [1, 3])
def test_a_worker_that_dies_between_turns_and_starts_anew_publishes_the_bytes_of_an_unbroken_run(every: int) -> None:
    broken = Bench(partitions=2)
    broken.send(LINES)
    loop = broken.loop()
    turns = 0
    while broken.lag():
        loop.turn()
        broken.clock.at_s += STEP_S
        turns += 1
        if turns % every == 0:
            loop = broken.loop()  # the old one is never closed: it was killed
    unbroken = finished(partitions=2)
    assert turns > 10
    assert broken.written() == unbroken.written()


def test_silence_is_scored_on_an_idle_input_and_goes_on_after_a_restart() -> None:
    def idle_for_a_day(restart: bool) -> Bench:
        bench = Bench()
        bench.send(LINES[:200])
        loop = bench.loop()
        bench.drain(loop)
        for _ in range(24):
            bench.clock.at_s += 3_600
            loop.turn()
            loop = bench.loop() if restart else loop
            loop.turn()  # silence counts from here: nobody was there in between
        return bench

    unbroken, broken = idle_for_a_day(restart=False), idle_for_a_day(restart=True)
    silent = [orjson.loads(value or b"") for _, _, value, _ in unbroken.written()["clickscore.scores"] if b'"cause":"silence"' in (value or b"")]
    users = {score["user_id"] for score in silent}
    assert len(users) > 20  # everybody was silent for a day
    assert unbroken.metric("scores_total", cause="silence") == len(silent)
    assert broken.written() == unbroken.written()


def test_idle_turns_write_their_age_once_a_minute_only() -> None:
    bench = Bench()
    bench.send(LINES[:20])
    loop = bench.loop()
    bench.drain(loop)
    before = len(bench.written()["clickscore.profiles"])
    for _ in range(150):
        bench.clock.at_s += 1
        loop.turn()
    assert 1 <= len(bench.written()["clickscore.profiles"]) - before <= 3


@pytest.mark.parametrize("call", ["commit", "poll", "read", "send"])
def test_a_log_that_is_away_is_asked_again_at_growing_intervals_and_nothing_is_lost(call: str) -> None:
    bench = Bench()
    bench.send(LINES)
    bench.faults[call] = [None, *[LogFull("no room")] * 4]
    bench.drain(bench.loop())
    assert bench.clock.slept_s == [0.05, 0.1, 0.2, 0.4]
    assert bench.metric("log_retries_total") == 4
    assert [one["tries"] for one in bench.happenings("log answers again")] == [5]
    scores, unbroken = bench.written()["clickscore.scores"], finished().written()["clickscore.scores"]
    assert scores == unbroken


def test_a_worker_that_was_told_to_stop_does_not_wait_for_the_log() -> None:
    bench = Bench()
    bench.send(LINES)
    loop = bench.loop()
    bench.faults["commit"] = [LogUnavailable("away")]
    bench.stop.asked = True
    with pytest.raises(LogUnavailable):
        loop.turn()
    assert bench.clock.slept_s == []


def test_a_fenced_turn_is_given_up_and_done_again_from_the_committed_state() -> None:
    def scored_alone(faults: list[Exception | None]) -> Bench:
        bench = Bench(settings_of(service={"roles": ["scorer"]}), partitions=2)
        bench.send(LINES)
        bench.faults["commit"] = faults
        loop = bench.loop()
        for _ in range(60):
            loop.turn()
        return bench

    fenced = scored_alone([None, None, Fenced("another has it"), None, Fenced("again")])
    assert fenced.metric("turns_fenced_total", role="scorer") == 2
    assert fenced.metric("events_read_total") == len(LINES)
    assert fenced.written() == scored_alone([]).written()


def test_a_worker_whose_name_was_taken_stops() -> None:
    bench = Bench()
    older = bench.loop()
    older.turn()
    newer = bench.loop()
    newer.turn()
    with pytest.raises(MemberReplaced):
        older.turn()


def test_partitions_move_between_workers_with_their_state() -> None:
    bench = Bench(partitions=4)
    bench.send(LINES)
    a = bench.loop()
    for _ in range(5):
        a.turn()
    b = bench.loop(settings_of(service={"member": "other"}))
    for _ in range(2_000):
        a.turn()
        b.turn()
        bench.clock.at_s += 0.3
        if bench.lag() == 0:
            break
    assert bench.lag() == 0
    assert bench.happenings("partition given up")
    assert set(bench.scored_events().values()) == {1}
    assert len(bench.scored_events()) == len(finished().scored_events())


def test_a_turn_holds_what_fits_and_no_more() -> None:
    bench = Bench(settings_of(service={"turn_events": 25}), partitions=2)
    bench.send(LINES[:100])
    loop = bench.loop()
    loop.turn()
    assert bench.metric("turn_events") == 25


def test_an_outage_of_the_input_is_told_and_what_it_cuts_is_void() -> None:
    minute, day = 60_000, 1_440
    times = [minute * at for at in range(0, 12 * day, 4) if not 8 * day < at < 10 * day]
    events = [orjson.dumps({"event": "page_view", "user_id": f"u{at % 40}", "timestamp": 1_700_000_000_000 + at}) for at in times]
    bench = Bench(settings_of(service={"roles": ["scorer"], "turn_events": 500}))
    bench.send(events)
    loop = bench.loop()
    for _ in range(20):
        loop.turn()
    assert bench.metric("events_read_total") == len(events)
    found = bench.happenings("outage found")
    assert [(line["start"][:10], line["end"][:10]) for line in found] == [("2023-11-22", "2023-11-24")]
    assert bench.metric("outages_total") == 1
    assert bench.metric("outcomes_voided_total") > 0
