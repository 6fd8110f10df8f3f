"""The lists of the likeliest users, compared with every score that was published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from tests.endpoints.shop import Shop
from worker.service import likeliest
from worker.service.likeliest import KEPT


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


def test_scores_that_change_no_list_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeliest, "KEPT", 1)  # a list with room takes everybody
    monkeypatch.setattr(likeliest, "AT_ONCE", 20)
    held: list[tuple[str, bytes]] = []

    def count(partition: int, scores: Sequence[tuple[str, bytes]], *columns: Any) -> likeliest._Scores:
        held.extend(scores)
        return whole(partition, scores, *columns)

    whole = likeliest._Scores
    monkeypatch.setattr(likeliest, "_Scores", count)
    shop = Shop().work()
    published = shop.written()[shop.settings.topics.scores]
    assert 0 < len(held) < len(published) / 2
    scores = latest(shop)
    found = [likely for target in shop.settings.targets for likely in shop.watch.likeliest.top(target, 7)]
    assert found
    assert all(orjson.loads(likely.record) == scores[likely.user] for likely in found)


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
