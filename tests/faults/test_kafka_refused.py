"""A group that cannot be joined says so: with a session timeout that the brokers do not allow, waiting would be for ever."""

from __future__ import annotations

import pytest

from tests.kafka.clients import CLIENTS, Opened, create, until
from tests.kafka.fixtures import FreshName
from worker.log.errors import LogUnusable
from worker.log.kafka.connection import Timings


@pytest.mark.parametrize("name", CLIENTS)
def test_a_session_timeout_out_of_bounds_is_named(name: str, bootstrap: str, fresh_name: FreshName) -> None:
    topic = fresh_name("topic")
    create(bootstrap, topic)
    opened = Opened(CLIENTS[name], bootstrap, Timings(heartbeat_ms=100, session_ms=500))  # the fixture's broker allows a second and more
    consumer = opened.consumer(fresh_name("group"), "m", [topic])
    with pytest.raises(LogUnusable, match="session timeout"):
        until(lambda: bool(consumer.poll(1, 0.1)), "a refusal")
    opened.close()
