"""Key -> partition, as Kafka's default partitioner does it, so that every form of the log puts a user in the same place."""

from __future__ import annotations

from functools import lru_cache

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
