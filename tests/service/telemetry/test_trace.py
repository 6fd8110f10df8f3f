"""Trace context: what is valid goes on to the score record of its event, on every form of the log; what is not goes nowhere."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tests.log.forms import EMBEDDED, FORMS, Form, Kafka
from tests.service.bench import Bench, settings_of, shop_lines
from worker.log.contract import Headers, Message
from worker.service.assembly import build_loop
from worker.service.clock import SystemClock
from worker.service.loop import Stop
from worker.service.telemetry.happenings import Happenings
from worker.service.telemetry.logging import open_logger
from worker.service.telemetry.metrics import Metrics
from worker.service.telemetry.trace import trace_context
from worker.service.topics import create_topics

PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
STATE = b"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"
VALID: Headers = (("traceparent", PARENT), ("tracestate", STATE))


@pytest.mark.parametrize(
    "parent",
    [
        b"",
        PARENT.upper(),
        PARENT + b"-more",
        PARENT[:-1],
        b"ff" + PARENT[2:],
        b"00-" + b"0" * 32 + PARENT[35:],
        PARENT[:36] + b"0" * 16 + b"-01",
        PARENT.replace(b"-", b"_"),
        b"\xff" * 55,
        b"01" + PARENT[2:] + b"-" + b"x" * 1_000,
    ],
)
def test_an_invalid_parent_is_dropped_with_its_state(parent: bytes) -> None:
    assert trace_context((("traceparent", parent), ("tracestate", STATE))) == ()


@pytest.mark.parametrize(
    "state", [b"", b"no value", b"UPPER=1", b"a=1,a=2", b"a=" + b"x" * 257, b"a=1\x00", b",".join(b"k%d=v" % n for n in range(33)), b"a=" + b"1" * 511]
)
def test_an_invalid_state_is_dropped_and_the_parent_stays(state: bytes) -> None:
    assert trace_context((("traceparent", PARENT), ("tracestate", state))) == (("traceparent", PARENT),)


def test_what_is_valid_goes_on_as_it_came() -> None:
    assert trace_context((("x", b"y"), *VALID)) == VALID
    later = b"01" + PARENT[2:] + b"-what a later version adds"
    assert trace_context((("traceparent", later),)) == (("traceparent", later),)
    several = (("tracestate", b"a=1"), ("traceparent", PARENT), ("tracestate", b"0t@b=2, c=3"))
    assert trace_context(several) == (("traceparent", PARENT), ("tracestate", b"a=1,0t@b=2, c=3"))
    assert trace_context((("traceparent", PARENT), ("traceparent", PARENT))) == ()
    assert trace_context((("tracestate", STATE),)) == ()


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Form:
    if request.param in EMBEDDED:
        return EMBEDDED[request.param](tmp_path)
    fresh_name: Callable[[str], str] = request.getfixturevalue("fresh_name")
    return Kafka(request.getfixturevalue("bootstrap"), request.param, fresh_name("trace"))


@pytest.mark.parametrize("emission", ["every", "latest"])
def test_the_score_of_an_event_bears_its_trace_context(form: Form, emission: str) -> None:
    if emission == "latest" and isinstance(form, Kafka):
        emission = "every"  # the same on every form: once is enough for a broker's time
    settings = settings_of(service={"roles": ["scorer"], "emission": emission, "turn_events": 500})
    log = form.open()
    create_topics(log, settings, 1)
    lines = [line for line in shop_lines()[:40] if b'"user_id"' in line and b'"event_id"' in line]
    events = [orjson.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}")]
    sent: dict[str, Headers] = {}
    for number, event in enumerate(events):
        headers: Headers = ((), VALID, (("traceparent", b"broken"), ("tracestate", STATE)))[number % 3]
        sent.setdefault(event["event_id"], trace_context(headers))
        log.append(settings.topics.events, [Message(orjson.dumps(event), event["user_id"].encode(), headers)])
    happened = Happenings(open_logger(settings.service, io.StringIO()), Metrics(settings.targets), SystemClock())
    loop = build_loop(log, settings, SystemClock(), happened, Stop(happened))
    for _ in range(300):
        loop.turn()
        scores = list(log.read(settings.topics.scores, 0))
        if log.committed(settings.service.group, settings.topics.events).get(0) and len(scores) >= 5:
            break
    found = {score["event_id"]: record.headers for record in scores if "event_id" in (score := orjson.loads(record.value or b""))}
    assert {event_id: headers for event_id, headers in found.items() if headers != sent[event_id]} == {}
    assert set(map(bool, found.values())) == {True, False}
    assert all(not record.headers for record in scores if b'"cause":"silence"' in (record.value or b""))
    form.close()


def is_json(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def test_a_trigger_bears_the_context_of_the_event_that_crossed_its_line() -> None:
    bench = Bench(settings_of(triggers={"seen": {"when": "sessions >= 1", "cap": 100}, "quiet": {"when": "days_since_seen > 0.1"}}))
    lines = [line for line in shop_lines() if is_json(line)][:400]
    for number, line in enumerate(lines):
        event = {**orjson.loads(line), "consent": "granted"}
        given: Headers = ((), VALID)[number % 2]
        bench.log.append(bench.settings.topics.events, [Message(orjson.dumps(event), str(event.get("user_id")).encode(), given, 0)])
    bench.drain(bench.loop())
    written, topics = bench.written(), bench.settings.topics
    of_score = {orjson.loads(value or b"")["score_id"]: told for _, _, value, told in written[topics.scores]}
    first: dict[str, tuple[str, Headers]] = {}  # what was settled later is of another turn
    for _, _, value, told in written[topics.triggers]:
        record = orjson.loads(value or b"")
        first.setdefault(record["trigger_id"], (record["score_id"], told))
    assert [(score_id, told) for score_id, told in first.values() if told != of_score[score_id]] == []
    assert {bool(told) for score_id, told in first.values() if "." not in score_id} == {True, False}
    in_silence = [told for score_id, told in first.values() if "." in score_id]
    assert in_silence
    assert not any(in_silence)
