"""Asking for users to be forgotten, and reading the receipts that say so: what the commands do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from worker.core.privacy.receipts import Receipts
from worker.core.privacy.requests import MOST_USER_ID, Kind, Request
from worker.errors import ClickscoreError
from worker.log.contract import Log, Message
from worker.log.partitioner import partition_of
from worker.service.clock import Clock
from worker.service.topics import MISSING, create_topics, place
from worker.settings import Settings

AT_ONCE = 1_000  # requests in one transaction
LOOK_S = 0.5


class ErasureOff(ClickscoreError):
    """The configuration has no key: nobody can be erased, and no receipt be checked."""

    exit_code: ClassVar[int] = 78

    def __init__(self) -> None:
        todo = "set privacy.key for this command and for every worker; `openssl rand -base64 32` makes one"
        super().__init__("nobody can be erased: privacy.key is not set", "the configuration", todo)


@dataclass(frozen=True, slots=True)
class Found:
    """A receipt as it was read: its fields, where it stands, and whether it was written with our key and not changed since."""

    fields: dict[str, Any]
    partition: int
    offset: int
    good: bool


def receipts_of(settings: Settings) -> Receipts:
    """What writes and checks receipts. Raises ErasureOff."""
    if settings.privacy.key_bytes is None:
        raise ErasureOff
    return Receipts(settings.privacy.key_bytes)


def checked_users(users: Iterable[str]) -> list[str]:
    """User ids as given, each once; raises ClickscoreError for what no event can bear."""
    listed = list(dict.fromkeys(users))
    for number, user in enumerate(listed, 1):
        if not 1 <= len(user) <= MOST_USER_ID:
            raise ClickscoreError(f"the user id at place {number} has {len(user)} characters", "", f"an id has 1 to {MOST_USER_ID}")
    return listed


class Asking:
    """One request for some users, and its receipts. `everywhere` puts it to every partition, for events whose producer spreads users in its own way."""

    def __init__(self, log: Log, settings: Settings, clock: Clock, *, everywhere: bool = False) -> None:
        """An embedded log gets the topics where it has none. Raises ErasureOff; ClickscoreError where they are missing on Kafka."""
        self._log, self._settings, self._clock = log, settings, clock
        self._receipts = receipts_of(settings)
        if not settings.kafka.bootstrap:
            create_topics(log, settings)
        names = (settings.topics.privacy, settings.topics.receipts)
        there = log.topics(names)
        if missing := [name for name in names if name not in there]:
            raise ClickscoreError(MISSING, f"{place(settings)}, topic {missing[0]}", "clickscore topics create, with privacy.key set, makes it")
        self._partitions, self._everywhere = there[settings.topics.privacy].partitions, everywhere
        self._before = log.end_offsets(settings.topics.receipts)
        self._due: set[tuple[str, str, int]] = set()  # request id, pseudonym and partition of the receipts that are not there yet

    def ask(self, kind: Kind, users: Sequence[str], request_id: str) -> None:
        """Write the requests; they are in the log for good then. Raises LogUnavailable."""
        for start in range(0, len(users), AT_ONCE):
            messages = []
            for user in users[start : start + AT_ONCE]:
                request = Request(kind, request_id, user, self._clock.now_ms())
                for partition in range(self._partitions) if self._everywhere else [partition_of(user.encode(), self._partitions)]:
                    messages.append(Message(request.encode(), request.key, partition=partition))
                    self._due.add((request_id, self._receipts.pseudonym(user), partition))
            self._log.append(self._settings.topics.privacy, messages)

    def wait(self, timeout_s: float) -> int:
        """Wait until all receipts are there, at most so long; returns how many are not."""
        until_s = self._clock.elapsed_s() + timeout_s
        tail = self._log.tail(self._settings.topics.receipts, self._before)
        try:
            while self._due and (left_s := until_s - self._clock.elapsed_s()) > 0:
                for record in tail.poll(AT_ONCE, min(LOOK_S, left_s)):
                    if record.value is not None and self._receipts.holds(record.value):
                        fields = orjson.loads(record.value)
                        self._due.discard((fields["request_id"], fields["user"], fields["partition"]))
        finally:
            tail.close()
        return len(self._due)


def read_receipts(log: Log, settings: Settings, request_id: str = "", user: str = "") -> Iterator[Found]:
    """The receipts of a request, of a user, or all. Raises ErasureOff, UnknownTopic."""
    receipts = receipts_of(settings)
    pseudonym = receipts.pseudonym(user) if user else ""
    for partition in range(log.partition_count(settings.topics.receipts)):
        for record in log.read(settings.topics.receipts, partition):
            if record.value is None:
                continue
            try:
                fields = orjson.loads(record.value)
            except orjson.JSONDecodeError:
                fields = None
            fields = fields if isinstance(fields, dict) else {}
            if request_id in ("", fields.get("request_id")) and pseudonym in ("", fields.get("user")):
                yield Found(fields, record.partition, record.offset, receipts.holds(record.value))
