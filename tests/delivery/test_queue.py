"""The queue of a destination and the positions it commits: a user's order holds, nobody else waits, and nothing undecided is passed over."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.delivery.triggers import DAY_MS, NOW_MS, job, numbers, trigger_value
from worker.delivery.reading.positions import Positions
from worker.delivery.reading.queue import Job, Queue
from worker.delivery.reading.trigger import TriggerUnreadable, read_trigger
from worker.log.contract import TopicPartition

NAME = TopicPartition("clickscore.triggers", 0)


def queue_of(*jobs: Job) -> Queue:
    queue = Queue()
    for one in jobs:
        queue.admit(one, 0.0)
    return queue


def test_only_the_first_of_a_user_goes_and_others_do_not_wait_for_it() -> None:
    queue = queue_of(job(0, "a"), job(1, "a"), job(2, "b"), job(3, "c"))
    first = queue.take(10, 0.0)
    assert numbers(first) == [0, 2, 3]
    assert queue.take(10, 9.0) == []
    queue.again(first[0], 60.0)
    queue.decided(first[1], "delivered", "", 1.0)
    assert queue.take(10, 59.0) == []
    assert numbers(queue.take(10, 60.0)) == [0]
    queue.decided(first[0], "delivered", "", 61.0)
    assert numbers(queue.take(10, 61.0)) == [1]
    assert queue.waiting == 2


def test_a_job_that_must_go_alone_does() -> None:
    jobs = [job(0, "a"), job(1, "b"), job(2, "c")]
    jobs[1].alone = True
    queue = queue_of(*jobs)
    assert [numbers(queue.take(10, 0.0)) for _ in range(3)] == [[0], [1], [2]]


def test_who_has_failed_least_is_tried_first_where_one_decides() -> None:
    jobs = [job(0, "a"), job(1, "b"), job(2, "c")]
    jobs[0].tries, jobs[2].tries = 3, 1
    queue = queue_of(*jobs)
    assert [numbers(queue.take_least_tried(0.0)) for _ in range(4)] == [[1], [2], [0], []]


def test_what_expires_is_found_wherever_it_stands_and_in_flight_it_is_not_touched() -> None:
    queue = queue_of(job(0, "a", expires_ms=NOW_MS + 5), job(1, "a", expires_ms=NOW_MS + 3), job(2, "b", expires_ms=NOW_MS + 4), job(3, "a"))
    (flying,) = queue.take(1, 0.0)
    assert queue.first_to_expire() == (NOW_MS + 1, NOW_MS + 3)
    gone = list(queue.expired(NOW_MS + 10))
    assert numbers(gone) == [1, 2]
    for one in gone:
        queue.decided(one, "expired", "", 1.0)
    assert list(queue.expired(NOW_MS + 10)) == []
    queue.again(flying, 0.0)
    assert numbers(list(queue.expired(NOW_MS + 10))) == [0]
    queue.decided(flying, "expired", "", 2.0)
    assert numbers(queue.take(10, 2.0)) == [3]


def test_who_reads_a_trigger_again_does_not_overtake_the_request_under_way() -> None:
    old = job(0, "a")
    queue = queue_of(old, job(1, "a"))
    queue.take(1, 0.0)
    queue.drop([old], 0.0)
    again = job(0, "a")
    queue.admit(again, 0.0)
    assert queue.take(10, 9.0) == []
    queue.decided(old, "delivered", "", 9.0)
    assert numbers(queue.take(10, 9.0)) == [1]


def test_positions_stop_at_the_oldest_that_is_not_decided() -> None:
    jobs, positions = [job(3), job(5), job(6)], Positions()
    positions.read(NAME, 8, jobs)
    assert positions.due() == ({NAME: 3}, [])
    jobs[1].fate = "refused"
    assert positions.due() == ({NAME: 3}, [])
    positions.committed({NAME: 3})
    assert positions.due() == ({}, [])
    jobs[0].fate = "delivered"
    assert positions.due() == ({NAME: 6}, jobs[:2])
    positions.committed({NAME: 6})
    jobs[2].fate = "delivered"
    assert positions.due() == ({NAME: 8}, jobs[2:])
    positions.read(NAME, 20, [])
    assert positions.due() == ({NAME: 20}, jobs[2:])
    assert numbers(positions.lose_all()) == [6]
    assert positions.due() == ({}, [])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=20), st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_every_trigger_ends_once_and_each_user_in_order(users: list[tuple[str, int]], chance: object) -> None:
    """`users`: whose each trigger is, and how often its sending fails first."""
    queue, positions, ended, failing = Queue(), Positions(), [], {}
    for number, (user, fails) in enumerate(users):
        one = job(number, user)
        failing[number] = fails
        queue.admit(one, 0.0)
        positions.read(NAME, number + 1, [one])
    now_s, flying = 0.0, []
    while queue.waiting:
        now_s += 1.0
        flying += queue.take(2, now_s)
        one = flying.pop(chance.randrange(len(flying)))  # type: ignore[attr-defined]
        if failing[one.record.offset]:
            failing[one.record.offset] -= 1
            queue.again(one, now_s)
        else:
            queue.decided(one, "delivered", "", now_s)
            ended.append(one.record.offset)
        moved, passed = positions.due()
        assert moved.get(NAME, 0) <= min(set(range(len(users) + 1)) - set(ended))
        positions.committed(moved)
        assert all(each.fate for each in passed)
    assert sorted(ended) == list(range(len(users)))
    for user in "abc":
        of_user = [number for number in ended if users[number][0] == user]
        assert of_user == sorted(of_user)


def test_a_trigger_is_what_fired() -> None:
    assert read_trigger(None) is None
    assert read_trigger(trigger_value(result="held", reason="quiet_hours")) is None
    assert read_trigger(trigger_value(result="suppressed", reason="cap")) is None
    trigger = read_trigger(trigger_value(7))
    assert trigger is not None
    assert (trigger.trigger_id, trigger.rule, trigger.user_id, trigger.expires_ms) == (f"{7:032x}", "hurry", "u1", NOW_MS + 7 + DAY_MS)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"[]",
        trigger_value(schema=2),
        trigger_value(result="sent"),
        trigger_value(rule=None),
        trigger_value(expires_ms="x"),
        trigger_value(time_ms=-1),
    ],
)
def test_what_is_no_trigger_is_refused(value: bytes) -> None:
    with pytest.raises(TriggerUnreadable):
        read_trigger(value)
