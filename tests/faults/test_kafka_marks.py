"""The text of a committed position comes back to the byte: it is the only witness of a commit whose answer was lost."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.kafka.clients import CLIENTS, Opened, create, joined
from tests.kafka.fixtures import FreshName
from worker.log.contract import TopicPartition
from worker.log.kafka.client import MARK_END, Position
from worker.log.kafka.librdkafka.consumer import text_of

MARK = "07c34544.1" + MARK_END


@pytest.mark.parametrize("name", CLIENTS)
def test_a_mark_comes_back_as_it_was_written(name: str, bootstrap: str, fresh_name: FreshName) -> None:
    topic, group = fresh_name("topic"), fresh_name("group")
    create(bootstrap, topic)
    opened = Opened(CLIENTS[name], bootstrap)
    consumer, publisher = opened.consumer(group, "m", [topic]), opened.publisher(fresh_name("id"))
    (assignment,) = joined(consumer)
    place = TopicPartition(topic, 0)
    for length in (0, 10, 11, 15, 16, 23, 24, 40, 56):
        position = Position(0, "x" * length + MARK_END)
        publisher.publish([], {place: position}, assignment.membership)
        assert consumer.committed([place]) == {place: position}
    opened.close()


class Answer:
    """A position as librdkafka has given it: with what lay behind the text in memory. The library decodes it when it is looked at."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    @property
    def metadata(self) -> str:
        return self._raw.decode()


@pytest.mark.parametrize("behind", [b"", b"1", b"\xbf\xc7\x7f", b"\xe2\x82", b";;x", b"\x01\x02"])
def test_what_lies_behind_a_mark_in_memory_is_cut_off(behind: bytes) -> None:
    assert text_of(cast("Any", Answer(MARK.encode() + behind))) == MARK


def test_a_text_of_another_program_is_taken_as_it_comes() -> None:
    assert [text_of(cast("Any", Answer(raw))) for raw in (b"", b"note")] == ["", "note"]
