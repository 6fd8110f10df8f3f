"""Key -> partition, as Kafka's default partitioner does it, so that every form of the log puts a user in the same place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from worker.log.contract import Message, Topic
from worker.log.errors import RecordRefused

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995
_SEED = 0x9747B28C


def murmur2(data: bytes) -> int:
    """32-bit MurmurHash2 with Kafka's seed, as an unsigned integer.

    Source: Austin Appleby's MurmurHash2; the seed and the reading of words as little-endian are those of Kafka's
    Java client (org.apache.kafka.common.utils.Utils.murmur2), which returns the same bits as a signed int.
    """
    length = len(data)
    h = _SEED ^ length
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        h = h * _M & _MASK ^ k
    if whole < length:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


@lru_cache(maxsize=1 << 17)  # a hash costs some microseconds, and most records are of users seen a moment ago
def partition_of(key: bytes, partitions: int) -> int:
    """The partition, 0 <= p < partitions, that Kafka's default partitioner gives a record with this key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def placed(topic: Topic, messages: Iterable[Message], keyless: Iterator[int], where: str) -> list[tuple[int, Message]]:
    """Each message with its partition, in order; those without key and partition go around with the numbers of `keyless`.

    Raises RecordRefused for a message that the topic cannot take.
    """
    found = []
    for message in messages:
        value, key, _, named = message
        if key is None and value is None:
            raise RecordRefused("a record needs a key or a value", f"{where}, topic {topic.name}", "give it one: empty bytes will do")
        if key is None and topic.compacted:
            raise RecordRefused("a record without a key cannot be kept in a compacted topic", f"{where}, topic {topic.name}", "give it a key")
        if named is None:
            partition = partition_of(key, topic.partitions) if key is not None else next(keyless) % topic.partitions
        elif 0 <= named < topic.partitions:
            partition = named
        else:
            remedy = f"name one of 0 to {topic.partitions - 1}, or none"
            raise RecordRefused(f"there is no partition {named}", f"{where}, topic {topic.name}", remedy)
        found.append((partition, message))
    return found
