"""A call to librdkafka that never comes back is given up, and the next publisher publishes what it left."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.kafka.clients import CLIENTS, HASTY, Opened, create, joined, read, texts, values
from tests.kafka.fixtures import FreshName
from worker.log.errors import LogUnavailable
from worker.log.kafka.client import InDoubt


class Stuck:
    """A producer of which one method never returns, before it has done anything."""

    def __init__(self, producer: Any, method: str) -> None:
        self._producer, self._method = producer, method
        self.released = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return self._wait if name == self._method else getattr(self._producer, name)

    def _wait(self, *_: object) -> None:
        self.released.wait()


@pytest.mark.parametrize(("method", "raised"), [("send_offsets_to_transaction", LogUnavailable), ("commit_transaction", InDoubt)])
def test_a_call_that_never_comes_back_has_an_end(bootstrap: str, fresh_name: FreshName, method: str, raised: type[Exception]) -> None:
    topic, group, name = (fresh_name(what) for what in ("topic", "group", "id"))
    create(bootstrap, topic)
    opened = Opened(CLIENTS["librdkafka"], bootstrap, HASTY)
    consumer = opened.consumer(group, "m", [topic])
    (assignment,) = joined(consumer)
    publisher = opened.publisher(name)
    stuck = Stuck(vars(publisher)["_producer"], method)
    vars(publisher)["_producer"] = stuck
    with pytest.raises(raised):
        publisher.publish(texts(topic, ["lost"]), {}, assignment.membership)
    publisher.close()
    opened.publisher(name).publish(texts(topic, ["published"]), {}, None)
    assert values(read(opened.reader(topic, {0: 0}), 1)) == ["published"]
    stuck.released.set()
    opened.close()
