"""Faults that are put into a worker's process from outside, by name in nursery.Order: those of its surroundings, and deliberate ones of the program itself.

The latter break a guarantee on purpose. They are the proof that the verifier would notice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import wraps
from itertools import cycle
from typing import Any

from kafka.structs import ConsumerGroupMetadata

from worker.core.pipeline import Pipeline
from worker.log.contract import TopicPartition
from worker.log.kafka.client import Membership
from worker.log.kafka.kafka_python.publisher import KafkaPythonPublisher
from worker.log.kafka.librdkafka.publisher import LibrdkafkaPublisher
from worker.log.kafka.turns import KafkaTurns
from worker.service.clock import SystemClock
from worker.service.scoring import scorer
from worker.service.scoring.restore import restored_pipeline
from worker.service.training import trainer

HOURS_MS = (0, -3_600_000, -7 * 3_600_000, 3_600_000)
PUBLISHERS: tuple[Any, ...] = (KafkaPythonPublisher, LibrdkafkaPublisher)


def unsteady_clock() -> None:
    """The wall clock jumps back and forth; the monotonic one, as ever, does not."""
    jumps: Iterator[int] = cycle(HOURS_MS)

    def now_ms(_: Any) -> int:
        return time.time_ns() // 1_000_000 + next(jumps)

    setattr(SystemClock, "now_ms", now_ms)  # noqa: B010 - a method of the class


# ---- the program, broken on purpose


def _publish(change: Any) -> None:
    for kind in PUBLISHERS:
        publish = kind.publish

        def changed(self: Any, records: Any, positions: Any, membership: Any, publish: Any = publish) -> None:
            change(lambda *args: publish(self, *args), records, positions, membership)

        kind.publish, kind.begin = wraps(publish)(changed), lambda *_: None  # what is changed must not have been begun as it should be


def positions_after_the_records() -> None:
    """The input's positions are committed in a transaction of their own, after that of the records."""

    def change(publish: Any, records: Any, positions: Any, membership: Any) -> None:
        publish(records, {}, None)
        publish([], positions, membership)

    _publish(change)


def positions_before_the_records() -> None:
    """… and before it."""

    def change(publish: Any, records: Any, positions: Any, membership: Any) -> None:
        publish([], positions, membership)
        publish(records, {}, None)

    _publish(change)


def membership_unchecked() -> None:
    """Commits are made in nobody's name: the broker takes them from a member that was struck off long ago (kafka-python)."""

    def change(publish: Any, records: Any, positions: Any, membership: Any) -> None:
        publish(records, positions, Membership(0, "", ConsumerGroupMetadata(membership.token.group_id, -1, "", None)))

    _publish(change)


def examples_committed_before_they_are_published() -> None:
    """A trainer moves its position with every look at its input, and not with its snapshots only."""
    learn = trainer.Trainers._learn

    def learned(self: Any, partition: int, records: Any) -> None:
        learn(self, partition, records)
        self._turns.commit({TopicPartition(self._settings.topics.examples, partition): records[-1].offset + 1})

    setattr(trainer.Trainers, "_learn", learned)  # noqa: B010


def state_not_read_back() -> None:
    """A partition that is gained begins with nothing."""

    class Forgetful:
        """The log, with nothing in any changelog."""

        def __init__(self, log: Any) -> None:
            self._log = log

        def __getattr__(self, name: str) -> Any:
            return getattr(self._log, name)

        def read(self, *_: Any) -> Iterator[Any]:
            return iter(())

    def restored(log: Any, *others: Any) -> Pipeline:
        return restored_pipeline(Forgetful(log), *others)

    setattr(scorer, "restored_pipeline", restored)  # noqa: B010


def scores_outside_of_the_transaction() -> None:
    """Scores are written at once, whatever becomes of the turn."""
    send = KafkaTurns.send

    def sent(self: Any, topic: str, messages: Any) -> None:
        listed = list(messages)
        if topic.endswith(".scores"):
            if not hasattr(self, "aside"):
                self.aside = self._client.publisher(f"{self._group}.{self._member}.aside")
            from worker.log.kafka.client import Outgoing

            self.aside.publish([Outgoing(topic, one.partition, one.key, one.value, one.headers) for one in listed], {}, None)
        else:
            send(self, topic, listed)

    setattr(KafkaTurns, "send", sent)  # noqa: B010
