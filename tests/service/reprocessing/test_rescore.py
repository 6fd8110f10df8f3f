"""A range scored again gives the bytes of the first time, over the embedded log and over Kafka with both clients; what cannot be had is refused in words."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import cache

import orjson
import pytest

from worker.demo.shop import Shop, ShopSettings
from worker.log.contract import Log, Message, Topic
from worker.log.embedded import EmbeddedLog
from worker.service.assembly import build_loop
from worker.service.clock import SystemClock
from worker.service.loop import Stop
from worker.service.reprocessing.first_scores import RescoreRefused, Span
from worker.service.reprocessing.replay import Replay
from worker.service.reprocessing.rescore import Rescore
from worker.service.sender import send_lines
from worker.service.telemetry.happenings import Happenings
from worker.service.telemetry.logging import open_logger
from worker.service.telemetry.metrics import Metrics
from worker.service.topics import connect, create_topics
from worker.settings import Settings

SHORT = ("events", "scores", "profiles", "examples", "models", "deadletter")
FORMS = ("embedded", "kafka-python", "librdkafka")


@cache
def lines() -> list[bytes]:
    return [value for value, _ in Shop(ShopSettings(users=300, days=6, seed=4)).stream()]


@cache
def snapshots(upto: int) -> dict[str, bytes]:
    """The models that learn from the first so many events, by target."""
    replay = Replay(Settings().core)
    replay.take(lines()[:upto])
    return {name: trainer.snapshot().encode() for name, trainer in replay.trainers.items()}


class Works:
    """A log with a scorer whose models a test publishes itself."""

    def __init__(self, log: Log, settings: Settings) -> None:
        self.log, self.settings = log, settings
        create_topics(log, settings, 2)

    def publish(self, upto: int) -> None:
        self.log.append(self.settings.topics.models, [Message(value, name.encode(), partition=0) for name, value in snapshots(upto).items()])

    def score(self, events: list[bytes]) -> None:
        """Send and score them."""
        topic, clock = self.settings.topics.events, SystemClock()
        for _ in send_lines(self.log, topic, events, clock):
            pass
        happened = Happenings(open_logger(self.settings.service, io.StringIO()), Metrics(self.settings.targets), clock)
        loop = build_loop(self.log, self.settings, clock, happened, Stop(happened))
        scorer = loop._scorer
        assert scorer is not None
        until_s, empty, ends = clock.elapsed_s() + 60, 0, self.last_offsets()
        while empty < 2:  # nothing is left when a whole wait brings nothing, twice
            assert clock.elapsed_s() < until_s
            done = all(self.log.committed(self.settings.service.group, topic).get(p, 0) >= end for p, end in ends.items())
            empty += not scorer.turn(0.05) and done
        scorer.close()

    def last_offsets(self) -> dict[int, int]:
        topic = self.settings.topics.events
        return {p: max((r.offset for r in self.log.read(topic, p)), default=-1) + 1 for p in range(2)}

    def first(self) -> list[bytes]:
        return [r.value or b"" for p in range(2) for r in self.log.read(self.settings.topics.scores, p)]

    def again(self, span: Span, **options: str | bool) -> tuple[list[bytes], Rescore]:
        rescore = Rescore(self.log, self.settings, span, **options)  # type: ignore[arg-type]
        return [scored.value for scored in rescore.run()], rescore


@pytest.fixture(params=FORMS)
def works(request: pytest.FixtureRequest, fresh_name: Callable[[str], str]) -> Iterator[Works]:
    given = {
        "topics": {short: fresh_name(short) for short in SHORT},
        "service": {"group": fresh_name("group"), "roles": ["scorer"], "turn_events": 200, "log_level": "error", "log_format": "json"},
    }
    log: Log
    if request.param == "embedded":
        settings = Settings.model_validate(given)
        log = EmbeddedLog(None)
    else:
        settings = Settings.model_validate(given | {"kafka": {"bootstrap": request.getfixturevalue("bootstrap"), "client": request.param}})
        log = connect(settings)
    yield Works(log, settings)
    log.close()


def within(values: list[bytes], start_ms: float, end_ms: float) -> list[bytes]:
    return [value for value in values if start_ms <= orjson.loads(value)["time_ms"] < end_ms]


def test_with_a_fixed_model_all_bytes_are_those_of_the_first_time(works: Works) -> None:
    works.publish(1_000)
    works.score(lines())
    first = works.first()
    again, rescore = works.again(Span(False))
    assert len(first) > len(lines())
    assert again == first
    assert (rescore.outcome.identical, rescore.outcome.different, rescore.outcome.missing, rescore.outcome.unknown) == (len(first), 0, 0, 0)
    start_ms, end_ms = (orjson.loads(lines()[number])["timestamp"] for number in (400, 900))
    ranged, rescore = works.again(Span(True, start_ms, end_ms))
    assert ranged == within(first, start_ms, end_ms)
    assert rescore.outcome.missing == 0
    by_offset, _ = works.again(Span(False, 100, 300))
    assert by_offset == [value for value in first if 100 <= int(orjson.loads(value)["score_id"].partition("-")[2].partition(".")[0]) < 300]


def test_each_score_is_made_with_the_models_that_its_first_one_names(works: Works) -> None:
    works.score(lines()[:500])
    works.publish(700)
    works.score(lines()[500:1_000])
    works.publish(1_000)
    works.score(lines()[1_000:])
    first = works.first()
    assert len({orjson.loads(value)["intent"]["model"] for value in first}) == 3
    again, rescore = works.again(Span(False))
    assert again == first
    assert len(rescore.outcome.models) == 3
    latest, rescore = works.again(Span(False), models="latest")
    assert latest != first
    assert [orjson.loads(value)["score_id"] for value in latest] == [orjson.loads(value)["score_id"] for value in first]
    assert {orjson.loads(value)["intent"]["model"] for value in latest} == {orjson.loads(first[-1])["intent"]["model"]}


# ---- what cannot be had; the embedded log is enough


@pytest.fixture
def embedded(fresh_name: Callable[[str], str]) -> Iterator[Works]:
    settings = Settings.model_validate({"service": {"roles": ["scorer"], "turn_events": 200, "log_level": "error", "log_format": "json"}})
    log = EmbeddedLog(None)
    yield Works(log, settings)
    log.close()


def test_models_that_are_gone_are_named(embedded: Works) -> None:
    embedded.publish(700)
    embedded.score(lines()[:500])
    embedded.publish(1_000)
    embedded.score(lines()[500:])
    embedded.log.cleanup(embedded.settings.topics.models)
    with pytest.raises(RescoreRefused, match=r"models that are gone: .*intent@\d+") as refused:
        embedded.again(Span(False))
    assert "--models latest" in str(refused.value)
    first = [(orjson.loads(value), value) for value in embedded.first()]
    assert embedded.again(Span(False), models="latest")[1].outcome.scores == len(first)
    newest = first[-1][0]["intent"]["model"]
    since = min(score["time_ms"] for score, _ in first if score["intent"]["model"] == newest) + 86_400_000
    assert embedded.again(Span(True, since))[0] == [value for score, value in first if score["time_ms"] >= since] != []


def test_input_that_has_gone_is_refused_unless_asked_for(embedded: Works) -> None:
    embedded.score(lines()[:800])
    topic = embedded.settings.topics.events
    embedded.log.create([Topic(topic, 2, retention_bytes=10_000)])
    assert embedded.log.cleanup(topic, drop_unread=True) > 0
    with pytest.raises(RescoreRefused, match="retention has removed the input before offset"):
        embedded.again(Span(False))
    again, rescore = embedded.again(Span(False), inexact=True)
    assert len(again) > 0
    assert rescore.outcome.missing > 0


def test_a_score_that_compaction_took_has_the_models_of_its_neighbours(embedded: Works) -> None:
    embedded.publish(1_000)
    embedded.score(lines())
    first = embedded.first()
    assert embedded.log.cleanup(embedded.settings.topics.scores) > 0
    left = embedded.first()
    assert len(left) < len(first)
    started = {int(orjson.loads(value)["score_id"][0]): orjson.loads(value)["time_ms"] for value in reversed(left)}
    since = max(started.values())  # from here on each that is gone has a neighbour before it
    again, rescore = embedded.again(Span(True, since))
    assert again == within(first, since, float("inf"))
    assert rescore.outcome.unknown > 0
    assert rescore.outcome.different == 0


def test_where_models_changed_among_scores_that_are_gone_it_is_refused(embedded: Works) -> None:
    embedded.score(lines()[:700])
    embedded.publish(1_000)
    embedded.score(lines()[700:])
    embedded.log.cleanup(embedded.settings.topics.scores)
    with pytest.raises(RescoreRefused, match="when the models changed"):
        embedded.again(Span(False))


def test_a_score_that_is_not_the_same_is_told(embedded: Works) -> None:
    embedded.score(lines()[:400])
    value = embedded.first()[0]
    forged = orjson.dumps(orjson.loads(value) | {"user_id": "somebody else"})
    embedded.log.append(embedded.settings.topics.scores, [Message(forged, b"u", partition=0)])
    _, rescore = embedded.again(Span(False))
    assert (rescore.outcome.different, rescore.outcome.missing) == (1, 0)
