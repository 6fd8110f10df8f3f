"""The transactional producer over kafka-python.

Its publish() is one function on purpose, to be checked step by step against what the library does not promise: a record may be lost and the
transaction still be committed, flush() reports nothing, and a commit may return without a commit, or never.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

from kafka import KafkaProducer, OffsetAndMetadata
from kafka import TopicPartition as Partition
from kafka.errors import KafkaError, KafkaTimeoutError, UnknownError

from worker.log.contract import TopicPartition
from worker.log.errors import Fenced, LogError, LogUnavailable, RecordRefused
from worker.log.kafka.client import InDoubt, Membership, Outgoing, Position
from worker.log.kafka.connection import Connection
from worker.log.kafka.failures import POLL_AGAIN
from worker.log.kafka.kafka_python.batches import BATCH_BYTES, Batch, enqueue
from worker.log.kafka.kafka_python.connection import opened, raise_refused, require_topics, translated
from worker.log.kafka.watchdog import Overrun, Watchdog

SPLIT_LOOK_S = 0.05  # so often it is looked whether a batch was split


class KafkaPythonPublisher:
    """A Publisher: see client.py. kafka-python's calls without a time limit run under a watchdog."""

    def __init__(self, connection: Connection, transactional_id: str) -> None:
        self._connection, self._transactional_id = connection, transactional_id
        timings = connection.timings
        self._where = f"{connection.where}, transactional id {transactional_id}"
        self._producer, self._network = opened(
            KafkaProducer,
            connection,
            transactional_id,
            transactional_id=transactional_id,
            enable_idempotence=True,
            acks="all",
            transaction_timeout_ms=timings.transaction_ms,
            delivery_timeout_ms=timings.delivery_ms,
            max_block_ms=timings.transaction_ms,
            linger_ms=timings.linger_ms,
            retry_backoff_ms=5,  # slept before every transaction that begins while the last one's markers are being written
            batch_size=BATCH_BYTES,
            max_request_size=connection.largest_record_bytes,
        )
        self._begun: Callable[[], None] | None = None  # waits for the positions of the transaction that begin() has begun
        self._watchdog = Watchdog(f"kafka-publisher-{transactional_id}", timings.watchdog_ms)
        try:
            self._watchdog.call(self._producer.init_transactions)
        except (KafkaError, Overrun) as error:
            self.close()
            raise_refused(transactional_id, self._where)
            raise translated(error, self._where) from error
        except BaseException:
            self.close()
            raise

    def begin(self, positions: Mapping[TopicPartition, Position], membership: Membership) -> None:
        """See client.py: steps 1 and 4 of publish(), on the watchdog's thread."""
        with suppress(KafkaError, Overrun):  # publish() will meet it again
            self._producer.begin_transaction()
            self._begun = self._watchdog.start(partial(self._send_positions, positions, membership))

    def _send_positions(self, positions: Mapping[TopicPartition, Position], membership: Membership) -> None:
        offsets = {Partition(*name): OffsetAndMetadata(offset, metadata, -1) for name, (offset, metadata) in positions.items()}
        self._producer.send_offsets_to_transaction(offsets, membership.token)

    def publish(self, records: Sequence[Outgoing], positions: Mapping[TopicPartition, Position], membership: Membership | None) -> None:
        """See client.py. Up to step 5 nothing can have been published: the broker aborts what no EndTxn request has ended."""
        if membership is not None and membership.generation < 0:  # the broker would not look at it any further, and take the positions
            raise Fenced("this member is not in its group any more", self._where, POLL_AGAIN)
        require_topics(self._network, {record.topic for record in records}, self._connection)
        producer, bounded = self._producer, self._watchdog.call
        try:
            # 1 begin, if begin() has not
            if self._begun is None:
                producer.begin_transaction()
            # 2 send everything, each record to its partition, in the order given
            batches = enqueue(producer, records)
            # 3 flush, and check EVERY batch: a record that was lost does not keep the library from committing the others
            bounded(partial(_settle, producer, batches))
            self._raise_any(error for batch in batches for error in batch.errors())
            # 4 the group's positions, under the membership that was pinned when its partitions were assigned
            if self._begun is not None:
                self._positions_sent()
            elif membership is not None and positions:
                bounded(partial(self._send_positions, positions, membership))
        except ValueError as error:
            raise RecordRefused(str(error), self._where) from error
        except (KafkaError, LogError, Overrun) as error:
            self._raise_told(error)
        # 5 commit: from here on, whatever goes wrong, the transaction may have been committed
        try:
            bounded(producer.commit_transaction)
        except Exception as error:
            raise InDoubt(f"the commit was not confirmed ({error})", self._where, "the group's committed position tells what happened") from error

    def _positions_sent(self) -> None:
        """Wait for what begin() has begun."""
        if self._begun is not None:
            wait, self._begun = self._begun, None
            wait()

    def _raise_told(self, error: Exception) -> NoReturn:
        """Raise what keeps the transaction from being committed. Positions that were refused make the records fail too, which can only say so."""
        if self._begun is not None and not isinstance(error, Overrun):
            try:
                self._positions_sent()
            except (KafkaError, Overrun) as first:
                error = first
        raise_refused(self._transactional_id, self._where)
        raise error if isinstance(error, LogError) else translated(error, self._where) from error

    def _raise_any(self, errors: Iterable[Exception | None]) -> None:
        """Raise the most telling of the errors: one record that is refused takes others with it, that can only say so."""
        found = [translated(error or KafkaError("a record has no outcome"), self._where) for error in errors]
        if found:
            raise next((error for error in found if type(error) is not LogUnavailable), found[0])

    def close(self) -> None:
        """See client.py."""
        self._begun = None
        self._watchdog.close()
        try:
            self._producer.close(timeout=0)
        except (KafkaTimeoutError, UnknownError):
            # close() flushes first and gives up when that fails, with the sender still at work: it knows no way to drop what it has. Were it left
            # so, the garbage collection of the producer would try again, and raise where nobody can catch it.
            self._producer._sender.force_close()
            threading.Thread(target=_bury, args=(self._producer, self._connection.timings.request_ms), name="kafka-producer-close", daemon=True).start()


def _settle(producer: Any, batches: Sequence[Batch]) -> None:
    """Wait until every record has its outcome. flush() returns early when a batch is split that is too large for its topic."""
    with suppress(KafkaTimeoutError, UnknownError):
        producer.flush()
    for batch in batches:
        while unknown := batch.unknown():
            unknown[0].wait(SPLIT_LOOK_S)


def _bury(producer: Any, request_ms: int) -> None:
    """Close a producer whose sender was told to end. The sender may wait for one connection until then."""
    with suppress(KafkaTimeoutError, UnknownError):
        producer.close(timeout=2 * request_ms / 1000)
