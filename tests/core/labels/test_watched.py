"""Which profile column remembers which outcome, over changes of the configuration: no name reads another's times."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.core.runs import COMPLETE, restored, run, scorecards
from tests.core.shops import DAY_MS, HOUR_MS, START_MS, Value
from worker.core.labels.watched import Watched, watched_events
from worker.core.profiles import layout as at
from worker.core.settings import CoreSettings, TargetSettings
from worker.core.state.changelog import PARTITION_KEY, StateRefused


def settings(**outcomes: str) -> CoreSettings:
    """Targets by name and outcome, each with two days' time, and nothing else."""
    return COMPLETE.model_copy(update={"targets": {name: TargetSettings(outcome=outcome, horizon="2 d") for name, outcome in outcomes.items()}})


def event(name: str, after_ms: int) -> bytes:
    return json.dumps({"event": name, "user_id": "u", "timestamp": START_MS + after_ms}).encode()


def others(*events: bytes) -> list[Value]:
    """The events, each behind one of somebody else at its time: time has come so far."""
    return [one for value in events for one in (json.dumps(json.loads(value) | {"event": "page_view", "user_id": "other"}).encode(), value)]


def judged(before: CoreSettings, first: list[Value], after: CoreSettings, then: list[Value]) -> dict[str, bool]:
    """What became of the decision at the first event, where the worker was started anew with other settings on the way."""
    done = run(first, settings=before, finish=False)
    done.pipeline = restored(done, after)
    if then:
        done.take(done.pipeline.turn(then, range(100, 100 + len(then)), scorecards(after)))
    done.pipeline = restored(done, after)  # once more: the changelog has rows of both
    for _ in range(4):
        done.take(done.pipeline.idle(DAY_MS, scorecards(after)))
    return {example.target: example.outcome for example in done.examples if example.decision_id == "0-1"}


def test_a_name_keeps_its_column_when_another_comes_before_it() -> None:
    seen = others(event("page_view", 0), event("search", 25 * HOUR_MS))
    assert watched_events(settings(found="search", cart="add_to_cart").targets) == ("add_to_cart", "search")
    assert judged(settings(found="search"), seen, settings(found="search", cart="add_to_cart"), [])["found"]


def test_what_a_column_holds_of_another_name_does_not_count() -> None:
    seen = others(event("page_view", 0), event("search", 25 * HOUR_MS))
    before, after = settings(goal="search"), settings(goal="add_to_cart", wish="add_to_wishlist")
    later = others(event("page_view", 28 * HOUR_MS))
    assert judged(before, seen, after, later) == {"goal": False}  # what is looked for is another now, and it did not come
    assert judged(before, seen, after, [*others(event("add_to_cart", 27 * HOUR_MS)), *later]) == {"goal": True}


def test_names_take_the_columns_that_nobody_needs() -> None:
    watched = Watched.first(("search",)).for_names(("add_to_cart", "search"), 50)
    assert watched.names == ("search", "add_to_cart")
    assert watched.since_ms == (-1, 50)
    assert watched.for_names(("add_to_cart",), 60) == watched  # who is not needed stays, until somebody else needs the place
    moved = watched.for_names(("add_to_cart", "view_item"), 70)
    assert moved.names == ("view_item", "add_to_cart")
    assert Watched.of_state(moved.state()) == moved
    assert Watched.first(()).state() == []
    rows = np.zeros((2, at.WIDTH))
    rows[:, at.OUTCOME], rows[:, at.OUTCOME + 1] = (70, 71), (50, 51)
    moved.clear(rows)
    assert rows[:, at.OUTCOME].tolist() == [0, 71]
    assert rows[:, at.OUTCOME + 1].tolist() == [0, 51]


@pytest.mark.parametrize("written", [[["search", -1]], [["search", -1], ["scroll", "now"]], 7, [["search", -1], [4, 0]]])
def test_columns_that_cannot_be_read_are_refused(written: object) -> None:
    done = run([event("page_view", 0)], settings=settings(found="search"))
    record = json.loads(done.changelog[PARTITION_KEY])
    assert record["watched"] == [["search", -1], ["", -1]]
    done.changelog[PARTITION_KEY] = json.dumps(record | {"watched": written}).encode()
    with pytest.raises(StateRefused, match="which outcomes were watched"):
        restored(done)


def test_a_record_that_does_not_say_had_them_in_the_order_of_names() -> None:
    done = run([event("page_view", 0), event("search", HOUR_MS)], settings=settings(found="search"))
    record = json.loads(done.changelog[PARTITION_KEY])
    del record["watched"]
    done.changelog[PARTITION_KEY] = json.dumps(record).encode()
    pipeline = restored(done)
    assert pipeline.state.watched == Watched.first(("search",))
    assert pipeline.profiles.rows[pipeline.profiles.row_of["u"], at.OUTCOME] == START_MS + HOUR_MS
