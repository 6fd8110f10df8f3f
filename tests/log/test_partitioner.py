from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.log.partitioner import murmur2, partition_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # kafka-python reads its schemas in a way that Python retires
    from kafka.partitioner.default import murmur2 as kafka_murmur2

# as Kafka's own tests have them (clients, UtilsTest), where the hash is a signed integer
KNOWN = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("key", KNOWN)
def test_known_hashes(key: bytes) -> None:
    assert murmur2(key) == KNOWN[key] % 2**32


@given(key=st.binary(max_size=64), partitions=st.integers(1, 1_000))
def test_keys_go_where_kafka_python_sends_them(key: bytes, partitions: int) -> None:
    assert murmur2(key) == kafka_murmur2(key) % 2**32
    assert partition_of(key, partitions) == (kafka_murmur2(key) & 0x7FFFFFFF) % partitions
