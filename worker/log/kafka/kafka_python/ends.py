"""Where partitions end for a reader of committed records, noted from the answers to fetches: nobody is asked for it."""

from __future__ import annotations

from typing import Any

from worker.log.contract import TopicPartition


class Ends:
    """The last stable offset (KIP-98) of each partition that a KafkaConsumer fetches.

    kafka-python is told of it with every answer and drops it. Its highwater() counts what open transactions have written: with a producer that writes
    in long ones, a reader that has everything would seem to be behind.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._ends: dict[TopicPartition, int] = {}
        fetcher = consumer._fetcher
        parse = fetcher._parse_fetched_data

        def noting(fetched: Any) -> Any:
            told = fetched.partition_data
            if told.error_code == 0:
                stable: int = told.last_stable_offset
                self._ends[TopicPartition(*fetched.topic_partition)] = stable if stable >= 0 else told.high_watermark
            return parse(fetched)

        fetcher._parse_fetched_data = noting

    def forget(self, name: TopicPartition) -> None:
        """Know no end of this partition until it is fetched again."""
        self._ends.pop(name, None)

    def lag(self) -> dict[TopicPartition, int]:
        """See client.GroupConsumer. The position is looked up in private attributes: position() would ask the group first."""
        found: dict[TopicPartition, int] = {}
        for place, state in list(self._consumer._subscription.assignment.items()):
            name = TopicPartition(*place)
            if name in self._ends and state.position is not None:
                found[name] = max(0, self._ends[name] - state.position.offset)
        return found
