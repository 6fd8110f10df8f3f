"""Segments and triggers on a log: sent in the turn's transaction, so that a death, a fault or a move between any two turns changes nothing of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from tests.service.bench import STEP_S, Bench, settings_of, shop_lines
from worker.core.pipeline import Pipeline
from worker.core.scoring.scorecard import Scorecards
from worker.log.errors import Fenced, LogFull
from worker.log.partitioner import partition_of
from worker.service.scoring.models import untrained
from worker.service.topics import TopicsDiffer, create_topics
from worker.settings import Settings

LINES = tuple(line.replace(b'"user_id"', b'"consent":"granted","timezone":"Europe/Berlin","user_id"') for line in shop_lines(150, 6))
ACTION: dict[str, Any] = {
    "segments": {"browsers": {"when": "sessions >= 2"}, "quiet": {"when": "days_since_seen > 0.9"}},
    "triggers": {
        "back": {"when": "!segments.quiet && days_known > 0.5", "cap": 2, "cap_days": 3, "holdout": 0.2},
        "basket": {"when": "cart_value > 20.0", "priority": 3, "expiry": "12 h"},
    },
    "action": {"cap": 2},
}
SEGMENTS, TRIGGERS = "clickscore.segments", "clickscore.triggers"
Written = dict[str, list[tuple[int, bytes | None, bytes | None, Any]]]


def acting(**changed: Any) -> Settings:
    """Models stay untrained, so that outcomes follow from the input alone."""
    return settings_of(**ACTION, **{"service": {"roles": ["scorer"], **changed.pop("service", {})}, **changed})


def finished(faults: dict[str, list[Exception | None]] | None = None, settings: Settings | None = None, restart_every: int = 0) -> Written:
    """All that was written once every event was read."""
    bench = Bench(settings or acting(), partitions=2)
    bench.faults.update(faults or {})
    bench.send(LINES)
    loop = bench.loop()
    for turn in range(500):
        loop.turn()
        bench.clock.at_s += STEP_S
        if sum(bench.log.committed("clickscore", "clickstream.events").values()) == len(LINES):
            return bench.written()
        if restart_every and turn % restart_every == restart_every - 1:
            loop = bench.loop()
    raise AssertionError("not all was read")


@pytest.fixture(scope="module")
def written() -> Written:
    return finished()


def of_action(written: Written) -> dict[str, Any]:
    state = [record for record in written["clickscore.profiles"] if (record[1] or b"").startswith(b"a:")]
    latest = {key: value for _, key, value, _ in state}
    return {"segments": written[SEGMENTS], "triggers": written[TRIGGERS], "state": latest}


def test_they_are_what_the_input_leads_to(written: Written) -> None:
    """One pipeline a partition, all in one turn, knows nothing of the log."""
    settings = acting()
    cards = Scorecards.of([untrained(name, target) for name, target in settings.targets.items()])
    for partition in (0, 1):
        came = [(key, value) for at, key, value, _ in written["clickstream.events"] if at == partition]
        keyless = {number for number, (key, _) in enumerate(came) if key is None}
        pipeline = Pipeline(settings.core, partition, plan=settings.plan)
        turn = pipeline.turn([b"" if n in keyless else value for n, (_, value) in enumerate(came)], range(len(came)), cards, Bench().clock.now_ms())
        for topic, expected in ((SEGMENTS, turn.segments), (TRIGGERS, turn.triggers)):
            found = [(key, value) for at, key, value, _ in written[topic] if at == partition]
            assert Counter(found) == Counter((user.encode(), value) for user, value in expected)
            assert len(found) > 30


def test_every_kind_of_outcome_is_among_them_under_the_users_key(written: Written) -> None:
    records = [json.loads(value or b"") for _, _, value, _ in written[TRIGGERS]]
    assert {record["result"] for record in records} == {"fired", "held", "suppressed"}
    assert {record["rule"] for record in records} == {"back", "basket"}
    for topic in (SEGMENTS, TRIGGERS):
        for partition, key, value, _ in written[topic]:
            assert key is not None
            assert partition == partition_of(key, 2)
            assert value is None or json.loads(value)["user_id"] == key.decode()


def test_each_trigger_fires_once_and_is_settled_once(written: Written) -> None:
    records = [json.loads(value or b"") for _, _, value, _ in written[TRIGGERS]]
    settled = Counter(record["trigger_id"] for record in records if record["result"] != "held")
    assert set(settled.values()) == {1}
    assert {record["trigger_id"] for record in records if record["result"] == "held"} <= set(settled) | still_held(written)


def still_held(written: Written) -> set[str]:
    return {held["trigger_id"] for value in of_action(written)["state"].values() if value for held in json.loads(value)["held"]}


@pytest.mark.parametrize(
    "faults",
    [
        {"commit": [None, Fenced("another"), None, None, LogFull("full"), None, Fenced("another")]},
        {"poll": [None, None, Fenced("another"), None, Fenced("another")], "read": [None, None, LogFull("no")]},
    ],
)
def test_turns_that_were_not_committed_leave_nothing(written: Written, faults: dict[str, list[Exception | None]]) -> None:
    assert of_action(finished(faults)) == of_action(written)


def test_workers_that_take_over_again_and_again_go_on_as_one(written: Written) -> None:
    assert of_action(finished(restart_every=3)) == of_action(written)


def test_without_segments_and_triggers_every_other_topic_is_the_same_and_theirs_are_empty(written: Written) -> None:
    plain = finished(settings=settings_of(service={"roles": ["scorer"]}))
    assert (plain[SEGMENTS], plain[TRIGGERS]) == ([], [])
    for topic in ("clickscore.scores", "clickscore.deadletter"):
        assert plain[topic] == written[topic]
    examples = [re.sub(rb',"treated":[01]', b"", value or b"") for _, _, value, _ in written["clickscore.examples"]]
    assert [value for _, _, value, _ in plain["clickscore.examples"]] == examples
    assert b"treated" not in b"".join(value or b"" for _, _, value, _ in plain["clickscore.examples"])


def test_consent_and_time_zone_are_fields_that_are_known() -> None:
    bench = Bench(acting())
    bench.send([b'{"event":"page_view","user_id":"u","timestamp":1700000000000,"consent":"granted","timezone":"UTC","mood":1}'])
    loop = bench.loop()
    bench.drain(loop)
    assert loop._scorer is not None
    (pipeline,) = loop._scorer.pipelines.values()
    assert pipeline.unknown_fields == {"mood": 1}


def test_an_old_log_gets_the_topics_when_it_is_opened_again() -> None:
    bench = Bench(settings_of())
    assert create_topics(bench.log, acting()) == []
    more = acting(topics={"segments": "s", "triggers": "t"})
    assert create_topics(bench.log, more) == ["s", "t"]
    assert bench.log.topics(["s", "t"])["s"].cleanup == "compact"
    with pytest.raises(TopicsDiffer):
        create_topics(bench.log, more, partitions=5)
