"""Writing with librdkafka: a transactional producer. See client.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, Message

from worker.log.contract import TopicPartition
from worker.log.errors import LogError, LogUnavailable
from worker.log.kafka.client import InDoubt, Membership, Outgoing, Position
from worker.log.kafka.connection import Connection
from worker.log.kafka.librdkafka.errors import Troubles, cause, made
from worker.log.kafka.librdkafka.settings import Settings, close_within
from worker.log.kafka.watchdog import Overrun, Watchdog

_FULL_S = 0.05  # so long delivery reports are served when librdkafka's queue is full
_CONSEQUENCES = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT, KafkaError._STATE)  # of an error that was met before


class LibrdkafkaPublisher:
    """client.Publisher over confluent_kafka.Producer."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._troubles = Troubles(connection.where, settings.get("oauth_cb"))
        self._request_s = connection.timings.request_ms / 1000
        self._watchdog_s = connection.timings.watchdog_ms / 1000
        self._deadline = 0.0
        self._begun: Callable[[], None] | None = None  # waits for the positions of the transaction that begin() has begun
        # librdkafka's own time limits have been seen to fail: a call that sent positions to a broker that was frozen meanwhile never came back.
        self._watchdog = Watchdog("librdkafka-publisher", connection.timings.watchdog_ms + connection.timings.request_ms)
        self._producer: confluent_kafka.Producer | None = made(confluent_kafka.Producer, settings, self._troubles)
        try:
            self._take_id()
        except LogError:
            self.close()
            raise

    def _take_id(self) -> None:
        """Get the transactional id. Gives up after request_ms if there was any trouble till then, else after the watchdog's time.

        A cluster that is asked for the first id of all makes itself a topic for them first, and that may take longer than a request.
        """
        self._deadline = time.monotonic() + self._watchdog_s
        while True:
            try:
                return self._live.init_transactions(min(self._request_s, self._left_s()))
            except KafkaException as exception:
                self._hear()
                error = cause(exception)
                if not error.retriable() or self._troubles.any or self._left_s() <= 0:
                    raise self._troubles.explained(error, "getting the transactional id") from None

    def begin(self, positions: Mapping[TopicPartition, Position], membership: Membership) -> None:
        """See client.Publisher: steps 1 and 4 of publish()."""
        with suppress(KafkaException, SystemError, Overrun):  # publish() will meet it again
            self._live.begin_transaction()
            self._begun = self._sending(positions, membership, self._watchdog_s)

    def _sending(self, positions: Mapping[TopicPartition, Position], membership: Membership, within_s: float) -> Callable[[], None]:
        return self._watchdog.start(partial(self._live.send_offsets_to_transaction, _places(positions), membership.token, within_s))

    def publish(self, records: Sequence[Outgoing], positions: Mapping[TopicPartition, Position], membership: Membership | None) -> None:
        """See client.Publisher. The five steps of a transaction (KIP-98, KIP-447); before the fifth, an error means that nothing was published.

        librdkafka poisons a transaction of which a record was lost, and refuses to commit it. That is not relied upon: step 3 counts.
        """
        reports = _Reports()
        self._deadline = time.monotonic() + self._watchdog_s
        try:
            # 1. Begin, if begin() has not. Local: the broker hears of the transaction with its first record, or with the positions.
            if self._begun is None:
                self._live.begin_transaction()
            # 2. Send everything, each record to the partition that was chosen for it.
            for record in records:
                self._send(record, reports)
            # 3. Flush, and check every delivery report: as many good ones as records, none bad, none missing.
            unsent = self._live.flush(self._left_s())
            if unsent or reports.failed is not None or reports.delivered != len(records):
                raise self._undelivered(reports, len(records))
            # 4. The group's positions, in the name of the member and the generation that was noted when the partitions were assigned.
            if membership is not None:
                sent, self._begun = self._begun or self._sending(positions, membership, self._left_s()), None
                sent()
        except (KafkaException, SystemError) as exception:
            raise self._before_commit(cause(exception), reports) from None
        except Overrun as overrun:
            raise LogUnavailable(f"sending the positions: {overrun}", self._troubles.where) from None
        # 5. Commit. Whatever goes wrong from here on, the wish may have reached the broker.
        try:
            self._watchdog.call(partial(self._live.commit_transaction, self._left_s()))
        except Overrun as overrun:
            raise InDoubt(f"committing the transaction: {overrun}", self._troubles.where) from None
        except (KafkaException, SystemError) as exception:
            self._hear()
            error = self._troubles.explained(cause(exception), "committing the transaction")
            raise InDoubt(error.problems[0].what, self._troubles.where) from None

    def _send(self, record: Outgoing, reports: _Reports) -> None:
        """Hand one record to librdkafka. A full queue is waited for, until the watchdog's time."""
        headers: list[tuple[str, str | bytes | None]] | None = list(record.headers) if record.headers else None
        while True:
            try:
                return self._live.produce(record.topic, record.value, record.key, record.partition, reports, headers=headers)
            except BufferError:
                if self._left_s() <= 0:
                    raise LogUnavailable("the records could not be sent in time", self._troubles.where) from None
                self._live.poll(_FULL_S)

    def _undelivered(self, reports: _Reports, wanted: int) -> LogError:
        """Why step 3 found less than it should."""
        if reports.failed is not None:
            return self._before_commit(reports.failed, reports)
        return LogUnavailable(f"only {reports.delivered} of {wanted} records were confirmed in time", self._troubles.where)

    def _before_commit(self, error: KafkaError, reports: _Reports) -> LogError:
        """The error that began it: after a first one, librdkafka says of every call and record only that the transaction has failed."""
        self._hear()
        if error.code() in _CONSEQUENCES and reports.failed is not None:
            error = reports.failed
        if error.code() in _CONSEQUENCES and self._begun is not None:
            # The positions that begin() sent are still under way, and librdkafka serves one call of a transaction at a time.
            sent, self._begun = self._begun, None
            try:
                sent()
            except (KafkaException, SystemError) as exception:
                error = cause(exception)
            except Overrun as overrun:
                return LogUnavailable(f"sending the positions: {overrun}", self._troubles.where)
        if error.code() in _CONSEQUENCES:
            try:
                self._live.begin_transaction()  # changes nothing inside of a transaction, and is refused with the transaction's error
            except KafkaException as exception:
                error = cause(exception)
        return self._troubles.explained(error, "writing the transaction")

    def _hear(self) -> None:
        """Let librdkafka tell what it has met in the background, such as a refused login. A fatal error it raises, each time."""
        with suppress(KafkaException, SystemError):
            self._live.poll(0)

    @property
    def _live(self) -> confluent_kafka.Producer:
        """The producer. No frame keeps it in a variable: an error's traceback would then keep it alive after close()."""
        if self._producer is None:
            raise LogUnavailable("this publisher was closed: make a new one", self._troubles.where)
        return self._producer

    def _left_s(self) -> float:
        """Of the watchdog's time. Never below zero, which librdkafka takes for without end."""
        return max(0.0, self._deadline - time.monotonic())

    def close(self) -> None:
        """See client.Publisher. What is still queued or under way is purged; the broker aborts what was left open when the id is taken again."""
        self._begun = None
        self._watchdog.close()
        producer, self._producer = self._producer, None
        if producer is not None:
            dropped = [producer]
            del producer
            close_within(self._request_s, lambda: _drop(dropped))


def _drop(dropped: list[confluent_kafka.Producer]) -> None:
    """Purge and let go of the last reference: Producer.close() would wait for deliveries without end."""
    producer = dropped.pop()
    producer.purge()
    producer.poll(0)


def _places(positions: Mapping[TopicPartition, Position]) -> list[confluent_kafka.TopicPartition]:
    return [confluent_kafka.TopicPartition(name.topic, name.partition, position.offset, position.metadata) for name, position in positions.items()]


class _Reports:
    """The delivery reports of one transaction: how many records arrived, and the first error that is not only the consequence of another."""

    __slots__ = ("delivered", "failed")

    def __init__(self) -> None:
        self.delivered = 0
        self.failed: KafkaError | None = None

    def __call__(self, error: KafkaError | None, _message: Message) -> None:
        """The report of one record; runs inside of calls to librdkafka, and must not raise."""
        if error is None:
            self.delivered += 1
        elif self.failed is None or self.failed.code() in _CONSEQUENCES:
            self.failed = error
