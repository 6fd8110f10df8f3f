"""Who was erased further on in the topic, where the queue has no room to read to its end: only the tombstones of what lies ahead are kept.

Memory stays within that of the queue: at most as many names are held as the queue has places. Of those beyond, what is in the queue hears at once, and for what
comes into it later the rest of the topic is looked through again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from worker.log.contract import Log, Record, TopicPartition

LOOK_EVERY_S = 1.0
PIECE = 2_000  # records of one step: who looks for longer does not poll meanwhile


class Ahead:
    """Looks ahead in the partitions of one member, without a group. For one thread."""

    def __init__(self, log: Log, topic: str, most: int) -> None:
        """`most`: names that may be held."""
        self._log, self._topic, self._most = log, topic, most
        self._names: dict[tuple[int, bytes], int] = {}  # by partition and user: the offset of the last tombstone
        self._seen: dict[int, int] = {}  # by partition: the offset up to which was looked
        self._unheld: dict[int, int] = {}  # by partition: the first tombstone that found no room
        self._left: list[tuple[int, Iterator[Record], int]] = []  # what is still to be looked through: partition, records, end
        self._looked_s = -math.inf

    def erased_at(self, name: TopicPartition, key: bytes | None) -> int:
        """The offset of a tombstone ahead that is known for a user; -1 where none is."""
        return self._names.get((name.partition, key or b""), -1)

    def read(self, name: TopicPartition, position: int) -> None:
        """The member itself has read up to here."""
        passed = [entry for entry, offset in self._names.items() if entry[0] == name.partition and offset < position]
        for entry in passed:
            del self._names[entry]
        if (unheld := self._unheld.pop(name.partition, None)) is not None:
            self._left = [one for one in self._left if one[0] != name.partition]
            self._seen[name.partition] = unheld
            self._looked_s = -math.inf

    def lose(self, name: TopicPartition) -> None:
        """A partition is somebody else's, or begins anew."""
        self._names = {entry: offset for entry, offset in self._names.items() if entry[0] != name.partition}
        self._left = [one for one in self._left if one[0] != name.partition]
        self._seen.pop(name.partition, None)
        self._unheld.pop(name.partition, None)

    def look(self, positions: Mapping[TopicPartition, int], now_s: float, tell: Callable[[TopicPartition, bytes, int], None]) -> bool:
        """Look a piece further from where the member has read to; whether everything was seen that was there a second ago.

        `tell` hears of every tombstone: partition, user, offset. Raises LogUnavailable; the next call then looks at the same again.
        """
        behind = any(position > self._seen.get(name.partition, -1) for name, position in positions.items())
        if not self._left and (behind or now_s - self._looked_s >= LOOK_EVERY_S):
            self._begin(positions)
            self._looked_s = now_s
        while self._left:
            partition, records, end = self._left[0]
            name, looked = TopicPartition(self._topic, partition), 0
            try:
                for record in islice(records, PIECE):
                    looked += 1
                    self._seen[partition] = record.offset + 1
                    if record.value is None and record.key is not None:
                        self._take(partition, record.key, record.offset)
                        tell(name, record.key, record.offset)
            except BaseException:
                self._left.clear()
                self._looked_s = -math.inf
                raise
            if looked == PIECE:
                return False
            self._seen[partition] = max(end, self._seen.get(partition, 0))
            self._left.pop(0)
        return True

    def _begin(self, positions: Mapping[TopicPartition, int]) -> None:
        ends = self._log.end_offsets(self._topic)
        for name, position in positions.items():
            start, end = max(position, self._seen.get(name.partition, 0)), ends[name.partition]
            self._seen[name.partition] = start
            if start < end:
                self._left.append((name.partition, self._log.read(self._topic, name.partition, start), end))

    def _take(self, partition: int, key: bytes, offset: int) -> None:
        if (partition, key) in self._names or len(self._names) < self._most:
            self._names[partition, key] = offset
        else:
            self._unheld.setdefault(partition, offset)
