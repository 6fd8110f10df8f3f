"""The lists of the likeliest users, compared with every score that was published."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from tests.endpoints.shop import Shop
from worker.core.labels.decisions import Scored
from worker.core.pipeline import Turn
from worker.service import likeliest
from worker.service.likeliest import KEPT
from worker.settings import Settings


def latest(shop: Shop) -> dict[str, dict[str, Any]]:
    """Each user's latest score record."""
    scores = [orjson.loads(value or b"") for _, _, value, _ in shop.written()[shop.settings.topics.scores]]
    return {score["user_id"]: score for score in scores}


@pytest.fixture(scope="module")
def worked() -> Shop:
    return Shop().work()


@pytest.mark.parametrize("target", ["purchase", "intent", "churn"])
def test_they_are_those_with_the_highest_latest_scores(worked: Shop, target: str) -> None:
    settings = worked.settings.targets[target]
    scores = latest(worked)
    now_ms = max(score["time_ms"] for score in scores.values())
    current = [score for score in scores.values() if score["time_ms"] >= now_ms - settings.delay_ms - settings.horizon_ms]
    expected = sorted((-score[target]["p"], score["user_id"]) for score in current)[:10]
    found = worked.watch.likeliest.top(target, 10)
    assert [(likely.user, orjson.loads(likely.record)) for likely in found] == [(user, scores[user]) for _, user in expected]
    assert [likely.p for likely in found] == pytest.approx([-p for p, _ in expected], rel=1e-5)


def test_no_more_are_kept_than_the_bound(worked: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(worked.watch.likeliest.top("purchase", 1_000)) <= KEPT
    monkeypatch.setattr(likeliest, "KEPT", 7)
    small = Shop().work()
    kept = [small.watch.likeliest.top(target, 1_000) for target in small.settings.targets]
    assert max(map(len, kept)) == 7
    scores = latest(small)  # who fell is not listed by the score before
    assert all(orjson.loads(likely.record) == scores[likely.user] for likeliest in kept for likely in likeliest)


def a_turn(*scores: tuple[str, float], at_ms: int = 0) -> Turn:
    """These users with these probabilities, one after the other."""
    p = np.array([[p] for _, p in scores])
    time_ms = at_ms + np.arange(len(scores), dtype=np.int64)
    zeros = np.zeros(len(scores), dtype=np.int64)
    scored = Scored(zeros, time_ms, zeros, zeros, np.zeros((len(scores), 0), dtype=np.int32), p, p, ("purchase@1",), (0.0,))
    return Turn(scores=[(user, f"{user} {p}".encode()) for user, p in scores], scored=scored)


@pytest.mark.parametrize("at_once", [1, 7])
def test_who_rises_and_falls_within_a_turn_is_not_listed_by_the_peak(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeliest, "KEPT", 2)
    monkeypatch.setattr(likeliest, "AT_ONCE", at_once)
    lists = likeliest.Likeliest({"purchase": Settings().targets["purchase"]})
    lists.take(0, a_turn(("a", 0.5), ("b", 0.6), ("c", 0.1)))
    lists.take(0, a_turn(("d", 0.9), ("e", 0.7), ("d", 0.2), ("c", 0.3)))
    assert [(likely.user, likely.p) for likely in lists.top("purchase", 9)] == [("e", 0.7), ("b", 0.6)]
    lists.take(0, a_turn(("e", 0.3), ("c", 0.1)))
    assert [(likely.user, likely.p) for likely in lists.top("purchase", 9)] == [("b", 0.6), ("e", 0.3)]


def test_who_holds_no_more_is_not_shown_and_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeliest, "KEPT", 2)
    monkeypatch.setattr(likeliest, "AT_ONCE", 2)
    target = Settings().targets["purchase"]
    lists, later_ms = likeliest.Likeliest({"purchase": target}), target.delay_ms + target.horizon_ms + 10
    lists.take(0, a_turn(("a", 0.5), ("b", 0.6)))
    assert [likely.user for likely in lists.top("purchase", 9)] == ["b", "a"]
    lists.take(0, a_turn(*[("c", 0.1)] * 5, at_ms=later_ms - 9))
    assert lists.top("purchase", 9) == []
    lists.take(0, a_turn(("c", 0.1), ("d", 0.2), at_ms=later_ms))
    assert [(likely.user, likely.p) for likely in lists.top("purchase", 9)] == [("d", 0.2), ("c", 0.1)]


def test_a_list_that_holds_no_more_is_made_anew_from_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeliest, "KEPT", 2)
    monkeypatch.setattr(likeliest, "AT_ONCE", 5)
    target = Settings().targets["purchase"]
    lists, later_ms = likeliest.Likeliest({"purchase": target}), target.delay_ms + target.horizon_ms + 10
    lists.take(0, a_turn(("a", 0.5), ("b", 0.6), ("c", 0.1), ("d", 0.1), ("e", 0.1)))
    for _ in range(4):
        lists.take(0, a_turn(("c", 0.1), ("d", 0.2), ("e", 0.3), at_ms=later_ms))
        assert lists._state[1] == []  # all of them are below the list's last
    lists.take(0, a_turn(("c", 0.1), ("d", 0.2), ("e", 0.3), at_ms=later_ms))
    assert lists._state[1] == []  # taken in already: what comes next would wait for it otherwise, whoever it is
    lists.take(0, a_turn(("f", 0.15), at_ms=later_ms))
    assert lists._state[1] == []
    assert [(likely.user, likely.p) for likely in lists.top("purchase", 9)] == [("e", 0.3), ("d", 0.2)]


@pytest.mark.parametrize("at_once", [1, 150])
def test_it_does_not_matter_how_many_scores_wait(worked: Shop, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeliest, "AT_ONCE", at_once)
    other = Shop().work().watch.likeliest
    assert len(other._state[1]) < at_once
    for target in worked.settings.targets:
        assert [(one.user, one.record) for one in other.top(target, 10)] == [(one.user, one.record) for one in worked.watch.likeliest.top(target, 10)]


def test_users_of_partitions_that_were_given_up_are_forgotten(worked: Shop) -> None:
    partitions = {likely.partition for likely in worked.watch.likeliest.top("churn", KEPT)}
    assert partitions == {0, 1}
    worked.watch.partitions_lost([0])
    assert {likely.partition for likely in worked.watch.likeliest.top("churn", KEPT)} == {1}
    worked.watch.partitions_lost([1])
    assert worked.watch.likeliest.top("churn", KEPT) == []
