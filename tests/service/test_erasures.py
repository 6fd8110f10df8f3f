"""Requests to be forgotten, carried out in the scorer's turns: once, with a receipt, whenever they come, and whatever befalls the worker."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from tests.service.bench import STEP_S, Bench, settings_of, shop_lines
from tests.service.test_action import ACTION
from worker.core.privacy.receipts import Receipts
from worker.core.privacy.requests import Kind, Request
from worker.log.contract import Message
from worker.log.errors import Fenced, LogFull
from worker.log.partitioner import partition_of
from worker.settings import Settings

KEY = "k" * 32
RECEIPTS = Receipts(KEY.encode())
LINES = tuple(line.replace(b'"user_id"', b'"consent":"granted","user_id"') for line in shop_lines(50, 4))
USERS = Counter(json.loads(line)["user_id"] for line in LINES if line.startswith(b'{"') and b'"user_id":"u' in line)
BUSY = [user for user, _ in USERS.most_common(6)]


def erasing(**changed: Any) -> Settings:
    return settings_of(**ACTION, **{"privacy": {"key": KEY}, "service": {"roles": ["scorer"], **changed.pop("service", {})}, **changed})


def ask(bench: Bench, kind: Kind, *users: str, request_id: str = "r", key: bytes | None = None) -> None:
    requests = [Request(kind, request_id, user, bench.clock.now_ms()) for user in users]
    count = bench.log.partition_count(bench.settings.topics.privacy)
    messages = [Message(one.encode(), key or one.key, partition=partition_of(one.user_id.encode(), count)) for one in requests]
    bench.log.append(bench.settings.topics.privacy, messages)


def receipts(bench: Bench) -> list[dict[str, Any]]:
    found = [value for _, _, value, _ in bench.written()["clickscore.receipts"]]
    assert all(RECEIPTS.holds(value or b"") for value in found)
    return [json.loads(value or b"") for value in found]


def live(bench: Bench, topic: str) -> dict[bytes | None, bytes | None]:
    return {key: value for _, key, value, _ in bench.written()[topic]}


def idle(bench: Bench, loop: Any, turns: int = 3) -> None:
    for _ in range(turns):
        bench.clock.at_s += 1
        loop.turn()


@pytest.fixture
def bench() -> Bench:
    bench = Bench(erasing(), partitions=2)
    bench.send(LINES)
    return bench


def drained(bench: Bench, **options: Any) -> Any:
    loop = bench.loop()
    for _ in range(500):
        loop.turn()
        bench.clock.at_s += STEP_S
        if sum(bench.log.committed("clickscore", "clickstream.events").values()) == len(LINES):
            return loop
    raise AssertionError("not all was read")


def test_a_request_on_a_quiet_input_is_carried_out_and_answered_once(bench: Bench) -> None:
    loop = drained(bench)
    user = BUSY[0]
    ask(bench, "DELETE", user, "nobody")
    idle(bench, loop, 8)
    told = {receipt["user"]: receipt for receipt in receipts(bench)}
    assert len(told) == len(receipts(bench)) == 2
    mine, nobodys = told[RECEIPTS.pseudonym(user)], told[RECEIPTS.pseudonym("nobody")]
    assert (mine["erased"]["profile"], nobodys["erased"]["profile"]) == (1, 0)
    assert mine["partition"] == partition_of(user.encode(), 2)
    assert mine["until"] == bench.log.end_offsets("clickstream.events")[mine["partition"]]
    for topic in ("clickscore.scores", "clickscore.segments", "clickscore.triggers", "clickscore.profiles"):
        prefixes = (b"u:", b"a:", b"d:") if topic == "clickscore.profiles" else (b"",)
        assert [
            value for key, value in live(bench, topic).items() if key and key.removeprefix(key[:2] if prefixes[0] else b"") == user.encode() and value
        ] == []
    assert all(value is None for value in live(bench, "clickscore.privacy").values())
    assert bench.metric("privacy_requests_total", request="DELETE") == 2
    assert bench.metric("profile_evictions_total", reason="erased") == 1


def test_a_request_that_waited_for_a_worker_is_carried_out_with_its_first_turn(bench: Bench) -> None:
    drained(bench)
    ask(bench, "SUPPRESS", *BUSY[:3])
    loop = bench.loop()
    loop.turn()
    loop.turn()  # the first may bring the partitions alone
    assert len(receipts(bench)) == 3


def final(bench: Bench) -> dict[str, Any]:
    """What is published in the end, without when: requests come to a turn of chance."""
    said = {receipt["user"]: (receipt["erased"]["profile"], receipt["partition"]) for receipt in receipts(bench)}
    return {"receipts": said, "count": len(receipts(bench)), "answered": live(bench, "clickscore.privacy")}


@pytest.mark.parametrize(
    "faults",
    [
        {"commit": [None, Fenced("another"), None, None, LogFull("full"), None, Fenced("another")]},
        {"send": [None] * 20 + [Fenced("another")], "read": [None, None, LogFull("no")]},
    ],
)
@pytest.mark.parametrize("restart_every", [0, 2])
def test_whatever_befalls_the_worker_each_request_has_one_receipt_and_nobody_comes_back(bench: Bench, faults: Any, restart_every: int) -> None:
    bench.faults.update(faults)
    ask(bench, "DELETE", *BUSY[:2], request_id="before")
    loop = bench.loop()
    for turn in range(60):
        loop.turn()
        bench.clock.at_s += 0.6
        if turn == 10:
            ask(bench, "DELETE", *BUSY[:2], request_id="between")
        if restart_every and turn % restart_every:
            loop = bench.loop()
    assert bench.log.committed("clickscore", "clickstream.events") == bench.log.end_offsets("clickstream.events")
    ask(bench, "DELETE", *BUSY[:2], request_id="after")
    idle(bench, loop, 4)
    assert Counter(receipt["request_id"] for receipt in receipts(bench)) == {"before": 2, "between": 2, "after": 2}
    assert all(value is None for value in live(bench, "clickscore.privacy").values())
    for user in BUSY[:2]:
        assert not {key for key, value in live(bench, "clickscore.profiles").items() if value and user.encode() in (key or b"")}
        assert live(bench, "clickscore.scores")[user.encode()] is None


def test_a_suppressed_user_leaves_no_trace_until_let_in_again_also_after_a_restart(bench: Bench) -> None:
    user = BUSY[0].encode()
    drained(bench)
    ask(bench, "SUPPRESS", BUSY[0])
    idle(bench, bench.loop())
    event = b'{"event":"page_view","user_id":"%s","timestamp":%d}' % (user, bench.clock.now_ms())
    bench.log.append("clickstream.events", [Message(event, user), Message(b"{", user)])
    before = bench.written()
    idle(bench, loop := bench.loop())
    assert bench.metric("events_dropped_total", reason="suppressed") == 2
    assert bench.written()["clickscore.deadletter"] == before["clickscore.deadletter"]
    assert live(bench, "clickscore.scores")[user] is None
    ask(bench, "UNSUPPRESS", BUSY[0], request_id="again", key=user)
    idle(bench, loop)
    bench.log.append("clickstream.events", [Message(event, user)])
    idle(bench, loop)
    assert live(bench, "clickscore.scores")[user]
    assert [(receipt["request"], receipt["until"] > 0) for receipt in receipts(bench)] == [("SUPPRESS", True), ("UNSUPPRESS", False)]
    keys = [key for key in live(bench, "clickscore.profiles") if (key or b"").startswith(b"s:")]
    assert keys == [b"s:" + RECEIPTS.pseudonym(BUSY[0]).encode()]
    assert live(bench, "clickscore.profiles")[keys[0]] is None


def test_what_is_no_request_is_told_without_its_contents_and_holds_nothing_up(bench: Bench) -> None:
    loop = drained(bench)
    partition = partition_of(BUSY[0].encode(), 2)
    bench.log.append("clickscore.privacy", [Message(b'{"user_id":"secret-name"}', b"secret-name", partition=partition)])
    ask(bench, "DELETE", BUSY[0])
    idle(bench, loop, 6)
    assert len(receipts(bench)) == 1
    (line,) = bench.happenings("request refused")
    assert (line["partition"], line["offset"]) == (partition, 0)
    assert "secret-name" not in bench.lines.getvalue()
    assert bench.metric("privacy_requests_refused_total") == 1


def test_more_requests_than_a_turn_takes_are_spread_over_several(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.service.privacy.erasures.IN_A_TURN", 2)
    drained(bench)
    ask(bench, "DELETE", *USERS)
    loop = bench.loop()
    for _ in range(4):
        idle(bench, loop, 1)
        loop = bench.loop()
    idle(bench, loop, len(USERS))
    assert Counter(receipt["user"] for receipt in receipts(bench)) == dict.fromkeys((RECEIPTS.pseudonym(user) for user in USERS), 1)


def shop_with(kind: Kind | None) -> dict[str, dict[str, list[Any]]]:
    """What is published of everybody but three users who ask to be forgotten in the midst of it, by topic and user."""
    bench = Bench(erasing(), partitions=2)
    bench.send(LINES[:150])
    loop = bench.loop()
    idle(bench, loop, 12)
    if kind:
        ask(bench, kind, *BUSY[:3])
    idle(bench, loop, 3)
    bench.send(LINES[150:])
    drained(bench)
    assert len(receipts(bench)) == (3 if kind else 0)
    out: dict[str, dict[str, list[Any]]] = {}
    for topic in ("clickscore.scores", "clickscore.segments", "clickscore.triggers"):
        of = out[topic] = dict[str, list[Any]]()
        for _, key, value, _ in bench.written()[topic]:
            of.setdefault((key or b"").decode(), []).append(value)
        for user in BUSY[:3]:
            of.pop(user, None)
    return out


def test_nobody_elses_scores_segments_and_triggers_change() -> None:
    plain = shop_with(None)
    assert len(plain["clickscore.triggers"]) > 10
    assert shop_with("DELETE") == plain
    suppressed = shop_with("SUPPRESS")["clickscore.scores"]  # silence may be noticed later: their events do not move time any more
    events = [{user: [v for v in of if b'"cause":"event"' in v] for user, of in one.items()} for one in (suppressed, plain["clickscore.scores"])]
    assert events[0] == events[1]


def test_without_a_key_nothing_is_followed_or_needed() -> None:
    bench = Bench(settings_of(service={"roles": ["scorer"]}))
    bench.send(LINES[:50])
    idle(bench, bench.loop())
    assert len(bench.scored_events()) > 30
    assert not {"clickscore.privacy", "clickscore.receipts"} & bench.log.topics().keys()
