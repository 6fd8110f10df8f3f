"""Topics, sending, reading scores back, and keeping the log small."""

from __future__ import annotations

import random
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.service.bench import Bench, Clock, settings_of, shop_lines
from worker.log.contract import Message, Topic
from worker.log.embedded import EmbeddedLog
from worker.log.errors import LogFull, LogMissing
from worker.service.housekeeping import Housekeeping
from worker.service.queries.scores import latest_score, latest_scores
from worker.service.sender import AT_ONCE, send_lines
from worker.service.topics import TopicsDiffer, create_topics, full_name, open_existing, open_log


def test_the_first_to_open_creates_all_topics_and_the_next_one_takes_them_as_they_are(tmp_path: Path) -> None:
    settings = settings_of(embedded={"path": str(tmp_path / "shop.db")})
    with pytest.raises(LogMissing):
        open_existing(settings)
    open_log(settings, partitions=3).close()
    log = open_log(settings)
    made = {name: (topic.partitions, topic.cleanup) for name, topic in log.topics().items()}
    log.close()
    assert made == {
        "clickstream.events": (3, "delete"),
        "clickscore.scores": (3, "compact,delete"),
        "clickscore.profiles": (3, "compact"),
        "clickscore.examples": (3, "delete"),
        "clickscore.models": (1, "compact"),
        "clickscore.segments": (3, "compact"),
        "clickscore.triggers": (3, "delete"),
        "clickscore.deadletter": (3, "delete"),
    }
    with pytest.raises(TopicsDiffer, match="3 partitions of events, asked for were 4"):
        open_log(settings, partitions=4)


def test_a_log_made_for_fewer_targets_is_refused() -> None:
    bench = Bench()
    more = settings_of(targets={"cart": {"outcome": "add_to_cart", "horizon": "1 d"}})
    with pytest.raises(TopicsDiffer, match="made for 3 targets, and 4 are configured"):
        create_topics(bench.log, more)


def test_short_names_stand_for_the_configured_topics() -> None:
    settings = settings_of(topics={"scores": "shop.scores"})
    assert full_name(settings, "scores") == "shop.scores"
    assert full_name(settings, "shop.scores") == "shop.scores"


def test_lines_are_sent_in_order_under_their_users_keys_and_bad_ones_as_they_are() -> None:
    bench = Bench(partitions=2)
    odd = [b"", b"{", b"\xff", b"[1]", b'{"user_id":7}', b'{"user_id":""}', b'{"user_id":"u\xc3\xa9"}']
    *_, sent = send_lines(bench.log, "clickstream.events", [*odd, *shop_lines()], bench.clock)
    found = {p: list(bench.log.read("clickstream.events", p)) for p in range(2)}
    assert sent.lines == len(odd) + len(shop_lines()) == sum(map(len, found.values()))
    keys = {record.value: record.key for records in found.values() for record in records}
    assert [keys[line] for line in odd] == [None, None, None, None, None, None, "ué".encode()]
    bare = sum(record.key is None for records in found.values() for record in records)
    assert sent.bare == bare
    for user in {key for key in keys.values() if key}:
        mine = [line for line in shop_lines() if keys[line] == user]
        assert [record.value for records in found.values() for record in records if record.key == user and record.value in mine] == mine


def test_a_rate_is_kept_over_the_whole_of_a_file() -> None:
    bench = Bench()
    began_s = bench.clock.at_s
    for sent in send_lines(bench.log, "clickstream.events", shop_lines()[:300], bench.clock, rate=40):
        assert sent.lines <= 40 * (bench.clock.at_s - began_s) + 2.01
    assert bench.clock.at_s - began_s == pytest.approx(300 / 40, abs=0.1)


def test_what_was_yielded_is_in_the_log_when_sending_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    append, calls = bench.log.append, iter(range(10))

    def fail_at_third(topic: str, messages: list[Message]) -> None:
        if next(calls) == 2:
            raise LogFull("no room")
        append(topic, messages)

    monkeypatch.setattr(bench.log, "append", fail_at_third)
    lines = [b"%d" % number for number in range(3 * AT_ONCE)]
    counts: list[int] = []
    with pytest.raises(LogFull):
        counts.extend(sent.lines for sent in send_lines(bench.log, "clickstream.events", lines, Clock()))
    assert counts[-1] == 2 * AT_ONCE == bench.log.end_offsets("clickstream.events")[0]


@given(st.lists(st.sampled_from("abcdefg"), max_size=60), st.integers(1, 7))
def test_latest_scores_are_those_that_reading_everything_finds(writes: list[str], window: int) -> None:
    log = EmbeddedLog(None)
    log.create([Topic("s", 3)])
    for number, user in enumerate(writes):
        log.append("s", [Message(b"%d" % number, user.encode(), partition=ord(user) % 3)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.service.queries.scores.FIRST_WINDOW", window)
        newest = {user: b"%d" % number for number, user in enumerate(writes)}
        assert {(record.key or b"").decode(): record.value for record in latest_scores(log, "s")} == newest
        for user in "abcdefgh":
            found = latest_score(log, "s", user)
            assert (found and found.value) == newest.get(user)
    log.close()


def test_the_changelog_is_compacted_once_it_has_grown_and_restores_the_same() -> None:
    bench = Bench()
    bench.send(shop_lines())
    bench.drain(bench.loop())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.service.housekeeping.LEAST_RECORDS", 100)
        housekeeping = Housekeeping(bench.log, ["clickscore.profiles"], bench.clock, bench.happened)
        before = {r.key: r.value for r in bench.log.read("clickscore.profiles", 0)}
        housekeeping.look()
        kept = list(bench.log.read("clickscore.profiles", 0))
        housekeeping.look()
    assert {r.key: r.value for r in kept if r.value is not None} == {key: value for key, value in before.items() if value is not None}
    assert len({r.key for r in kept}) == len(kept)
    assert len(bench.happenings("topic cleaned")) == 1  # the second look found nothing worth it


def test_cleaning_that_cannot_be_done_now_is_put_off(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    monkeypatch.setattr("worker.service.housekeeping.LEAST_RECORDS", 0)

    def full(topic: str) -> int:
        raise LogFull("no room")

    monkeypatch.setattr(bench.log, "cleanup", full)
    Housekeeping(bench.log, ["clickscore.profiles"], bench.clock, bench.happened).look()
    assert [line["error"] for line in bench.happenings("cleaning put off")] == ["no room"]


def test_scores_read_back_are_those_of_the_users_last_events() -> None:
    bench = Bench(partitions=3)
    bench.send(shop_lines())
    bench.drain(bench.loop())
    everybody = {(record.key or b"").decode(): orjson.loads(record.value or b"") for record in latest_scores(bench.log, "clickscore.scores")}
    some = random.Random(1).sample(sorted(everybody), 10)
    for user in some:
        found = latest_score(bench.log, "clickscore.scores", user)
        assert found is not None
        assert orjson.loads(found.value or b"") == everybody[user]
