"""Dead letters go back to the input once and once only, as they came; over the embedded log and over Kafka with both clients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from worker.core.events.deadletters import REASON, dead_letter, named
from worker.core.privacy.erasure import Erased
from worker.core.privacy.receipts import Receipts
from worker.core.privacy.requests import Request
from worker.log.contract import Log, Message, Record
from worker.log.embedded import EmbeddedLog
from worker.service.clock import SystemClock
from worker.service.privacy.erased import ReceiptsNotOurs
from worker.service.privacy.letters import sweep_letters
from worker.service.reprocessing.deadletters import MOST_REPLAYS, RECEIPT, REPLAYS, ReplayTaken, Wanted, group_of, replay, summarize
from worker.service.topics import connect, create_topics
from worker.settings import Settings

SHORT = ("events", "scores", "profiles", "examples", "models", "deadletter", "privacy", "receipts")
KEY = "k" * 32
FORMS = ("embedded", "kafka-python", "librdkafka")


class Post(NamedTuple):
    """A log with the topics of a test's own, two partitions each."""

    log: Log
    settings: Settings

    def die(self, partition: int, offset: int, reason: str, value: bytes | None = b"{", key: bytes | None = b"u1", **headers: bytes) -> None:
        """A letter about the event at this place."""
        own = tuple((name.replace("_", "."), content) for name, content in headers.items())
        letter = dead_letter(value, key, self.settings.topics.events, partition, offset, reason, "words", own)
        if self.settings.erases_by_compaction:
            letter = named(letter)
        self.log.append(self.settings.topics.deadletter, [Message(letter.value, letter.key, tuple(letter.headers), partition)])

    def undelivered(self, user: str, offset: int) -> None:
        """A letter about a trigger that no destination took."""
        letter = dead_letter(b'{"user_id": "%s"}' % user.encode(), user.encode(), self.settings.topics.triggers, 0, offset, "delivery_expired", "words")
        if self.settings.erases_by_compaction:
            letter = named(letter, "shop")
        self.log.append(self.settings.topics.deadletter, [Message(letter.value, letter.key, tuple(letter.headers), 0)])

    def forget(self, user: str, partition: int, until: int, key: str = KEY, done_ms: int = 2) -> None:
        """A receipt: this user was erased when a partition had been read so far."""
        request, receipts = Request("DELETE", "r", user, 1), Receipts(key.encode())
        value = receipts.receipt(request, Erased(), done_ms, partition, until)
        self.log.append(self.settings.topics.receipts, [Message(value, receipts.key(request, partition), (), 0)])

    def replay(self, **wanted: str | int) -> Counter[str]:
        return sum(replay(self.log, self.settings, Wanted(**wanted), SystemClock()), Counter[str]())  # type: ignore[arg-type]

    def input(self) -> list[Record]:
        topic = self.settings.topics.events
        return [record for partition in range(2) for record in self.log.read(topic, partition)]

    def position(self) -> int:
        return self.log.committed(group_of(self.settings), self.settings.topics.deadletter)[0]

    def in_letters(self) -> list[Record]:
        return [record for partition in range(2) for record in self.log.read(self.settings.topics.deadletter, partition)]


@pytest.fixture(params=FORMS)
def post(request: pytest.FixtureRequest, fresh_name: Callable[[str], str]) -> Iterator[Post]:
    given = {"topics": {short: fresh_name(short) for short in SHORT}, "service": {"group": fresh_name("group")}, "privacy": {"key": KEY}}
    log: Log
    if request.param == "embedded":
        settings = Settings.model_validate(given)
        log = EmbeddedLog(None)
    else:
        settings = Settings.model_validate(given | {"kafka": {"bootstrap": request.getfixturevalue("bootstrap"), "client": request.param}})
        log = connect(settings)
    create_topics(log, settings, 2)
    yield Post(log, settings)
    log.close()


def test_letters_go_back_as_they_came_by_reason_and_never_twice(post: Post) -> None:
    post.die(1, 7, "invalid_json", b"\xff\x00{", None, trace=b"abc")
    post.die(0, 3, "invalid_utf8", b"other", b"u2")
    post.die(1, 9, "invalid_json", b"second", b"u3")
    assert post.replay(reason="invalid_json") == {"invalid_json": 2}
    assert [(r.partition, r.key, r.value, r.headers) for r in post.input()] == [
        (1, None, b"\xff\x00{", (("trace", b"abc"), (REPLAYS, b"1"))),
        (1, b"u3", b"second", ((REPLAYS, b"1"),)),
    ]
    assert post.replay(reason="invalid_json") == {}
    post.die(1, 10, "invalid_json", b"third")
    assert summarize(post.log, post.settings, Wanted()).open == {"invalid_utf8": 1, "invalid_json": 1}
    assert post.replay() == {"invalid_utf8": 1, "invalid_json": 1}
    assert post.replay() == {}
    assert sorted(r.value or b"" for r in post.input()) == [b"other", b"second", b"third", b"\xff\x00{"]
    summary = summarize(post.log, post.settings, Wanted())
    assert (summary.letters, summary.replayed, summary.open) == ({"invalid_json": 3, "invalid_utf8": 1}, {"invalid_json": 3, "invalid_utf8": 1}, {})


def test_the_position_moves_behind_what_is_done_and_waits_before_what_is_left_out(post: Post) -> None:
    for number, reason in enumerate(["a", "a", "b", "a"]):
        post.die(0, number, reason)
    first = next(r.offset for r in post.in_letters())
    post.replay(reason="a")
    left_out = next(r.offset for r in post.in_letters() if dict(r.headers).get(REASON) == b"b")
    assert post.position() == left_out > first
    post.replay(reason="b")
    assert post.position() > max(r.offset for r in post.in_letters() if REASON in dict(r.headers))


def test_what_was_said_without_doing_changes_nothing(post: Post) -> None:
    post.die(0, 1, "a")
    assert summarize(post.log, post.settings, Wanted()).open == {"a": 1}
    assert post.input() == []
    assert len(post.in_letters()) == 1
    assert post.log.committed(group_of(post.settings), post.settings.topics.deadletter) == {}


def test_an_event_that_dies_again_is_replayed_a_bounded_number_of_times(post: Post) -> None:
    post.die(0, 1, "a")
    for time in range(MOST_REPLAYS):
        assert post.replay() == {"a": 1}
        event = post.input()[-1]
        assert dict(event.headers)[REPLAYS] == str(time + 1).encode()
        post.die(event.partition, event.offset, "a", event.value, event.key, **{name.replace(".", "_"): content for name, content in event.headers})
    assert post.replay() == {}
    summary = summarize(post.log, post.settings, Wanted())
    assert (summary.too_often, summary.open) == ({"a": 1}, {})


def test_older_letters_are_left_for_later(post: Post) -> None:
    post.die(0, 1, "old")
    [old] = post.in_letters()
    assert post.replay(since_ms=old.timestamp_ms + 1) == {}
    assert post.replay(since_ms=old.timestamp_ms) == {"old": 1}


def test_letters_of_erased_users_do_not_go_back_and_hold_nothing_back(post: Post) -> None:
    post.die(0, 3, "a", b"before", b"gone")
    post.die(0, 4, "null_key", b'{"user_id": "gone"}', None)
    post.die(0, 2, "a", b'{"user_id": ["gone"]}', b"another")
    post.die(1, 4, "a", b"elsewhere", b"gone")
    post.die(0, 5, "a", b"afterwards", b"gone")
    assert summarize(post.log, post.settings, Wanted()).open == {"a": 4, "null_key": 1}
    post.forget("gone", 0, 5)
    summary = summarize(post.log, post.settings, Wanted())
    assert (summary.erased, summary.open) == ({"a": 1, "null_key": 1}, {"a": 3})
    assert post.replay() == {"a": 3}
    assert sorted(r.value or b"" for r in post.input()) == [b"afterwards", b"elsewhere", b'{"user_id": ["gone"]}']
    assert post.position() > max(r.offset for r in post.log.read(post.settings.topics.deadletter, 0) if REASON in dict(r.headers))


def test_a_letter_without_a_value_goes_back_as_it_came(post: Post) -> None:
    post.die(0, 3, "null_value", None, b"u1")
    assert post.replay() == {"null_value": 1}
    assert [(r.key, r.value) for r in post.input()] == [(b"u1", None)]


def test_a_sweep_covers_the_letters_of_erased_users_and_no_others(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.service.privacy.letters.AT_ONCE", 2)
    post.die(0, 3, "a", b"before", b"gone")
    post.die(0, 4, "null_key", b'{"user_id": "gone"}', None)
    post.die(0, 1, "null_value", None, b"gone")
    post.die(0, 2, "a", b"whose", b"another")
    post.die(0, 5, "a", b"afterwards", b"gone")
    post.undelivered("gone", 7)
    post.undelivered("another", 8)
    unnamed = dead_letter(b"{", b"gone", post.settings.topics.events, 0, 0, "a", "words")  # by a program of before; others stand under that key too
    post.log.append(post.settings.topics.deadletter, [Message(unnamed.value, unnamed.key, tuple(unnamed.headers), 0)])
    assert list(sweep_letters(post.log, post.settings)) == []
    post.forget("gone", 0, 5, done_ms=SystemClock().now_ms())
    swept = list(sweep_letters(post.log, post.settings))
    if not post.settings.erases_by_compaction:  # workers sweep an embedded log
        assert swept == []
        return
    assert swept == [2, 2]
    covered = [r.key for r in post.in_letters() if r.value is None]
    events, triggers = post.settings.topics.events, post.settings.topics.triggers
    assert covered == [name.encode() for name in (f"{events}/0/3", f"{events}/0/4", f"{events}/0/1", f"{triggers}/0/7/shop")]
    assert list(sweep_letters(post.log, post.settings)) == []
    summary = summarize(post.log, post.settings, Wanted())
    assert summary.letters.total() == 8  # tombstones are no letters; those that they cover are there until compaction
    assert post.replay() == {"a": 2}
    assert sorted(r.value or b"" for r in post.input()) == [b"afterwards", b"whose"]


def test_receipts_of_another_key_stop_a_replay_before_anything_is_sent(post: Post) -> None:
    post.die(0, 3, "a")
    post.forget("u9", 0, 1, key="l" * 32)
    with pytest.raises(ReceiptsNotOurs, match="signature"):
        post.replay()
    assert post.input() == []


def test_of_two_at_once_the_second_goes_on_where_the_first_was(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.service.reprocessing.deadletters.AT_ONCE", 2)
    for number in range(9):
        post.die(number % 2, number, "a", b"%d" % number)
    first = replay(post.log, post.settings, Wanted(), SystemClock())
    done = next(first).total()
    assert 0 < done < 9
    assert post.replay().total() == 9 - done
    with pytest.raises(ReplayTaken):
        sum(first, Counter[str]())
    assert sorted(r.value or b"" for r in post.input()) == [b"%d" % number for number in range(9)]


def test_a_receipt_that_another_replay_has_written_meanwhile_counts(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """The position does not tell of it: an older letter, left out by the other, holds it back."""
    monkeypatch.setattr("worker.service.reprocessing.deadletters.AT_ONCE", 1)
    for number, reason in enumerate(["a", "b", "a", "b", "b"]):
        post.die(0, number, reason, b"%d" % number)
    first = replay(post.log, post.settings, Wanted(), SystemClock())
    assert next(first) == {"a": 1}
    assert post.replay(reason="b") == {"b": 3}
    with pytest.raises(ReplayTaken):
        sum(first, Counter[str]())
    assert post.replay() == {"a": 1}
    assert sorted(r.value or b"" for r in post.input()) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_transaction_is_whole_letters_receipt_and_position(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever dies before the commit has done nothing."""
    post.die(0, 1, "a")
    monkeypatch.setattr("worker.service.reprocessing.deadletters._Replay._commit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        post.replay()
    assert (post.input(), len(post.in_letters())) == ([], 1)
    monkeypatch.undo()
    assert post.replay() == {"a": 1}
    assert [dict(r.headers)[RECEIPT] for r in post.in_letters()[1:]] == [b"1"]
