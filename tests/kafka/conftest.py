"""What the tests over every client library share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kafka.clients import CLIENTS, Opened, create


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, bootstrap: str) -> Iterator[Opened]:
    opened = Opened(CLIENTS[request.param], bootstrap)
    yield opened
    opened.close()


@pytest.fixture
def topic(bootstrap: str, topic_name: str) -> str:
    """With two partitions."""
    create(bootstrap, topic_name, 2)
    return topic_name
