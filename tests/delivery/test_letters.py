"""Dead letters of deliveries fit the schema and the page, are listed with the others, and never go back to the input."""

from __future__ import annotations

import json
import re
from pathlib import Path

from jsonschema import Draft202012Validator

from tests.delivery.receivers import Reply, receiver
from tests.delivery.stand import Stand, destination
from worker.core.events.deadletters import dead_letter
from worker.delivery.reading.letters import MEANINGS, REASONS
from worker.delivery.reading.queue import Fate
from worker.log.contract import Message
from worker.service.clock import SystemClock
from worker.service.reprocessing.deadletters import Wanted, group_of, replay, summarize

ROOT = Path(__file__).parents[2]


def test_letters_fit_the_schema_and_the_page_says_what_each_reason_means() -> None:
    with receiver(lambda *_: Reply(404)) as shop:
        stand = Stand({"shop": destination(shop)})
        stand.fire((1, "a"), (2, "b"))
        courier = stand.courier()
        stand.drain(courier)
        courier.close()
    schema = json.loads((ROOT / "schemas" / "deadletter.schema.json").read_text())
    headers = [{name: content.decode() for name, content in letter.headers} for letter in stand.letters()]
    assert len(headers) == 2
    assert [error.message for one in headers for error in Draft202012Validator(schema).iter_errors(one)] == []
    page = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", (ROOT / "docs" / "delivery.md").read_text(), re.MULTILINE))
    assert {reason: page.get(reason) for reason in MEANINGS} == MEANINGS
    assert set(REASONS) | {"delivered", "erased"} == set(Fate.__args__)  # type: ignore[attr-defined]
    assert set(REASONS.values()) == set(MEANINGS)


def test_a_replay_of_dead_letters_sends_back_events_alone_and_is_not_held_up() -> None:
    with receiver(lambda *_: Reply(404)) as shop:
        stand = Stand({"shop": destination(shop)})
        topics = stand.settings.topics
        stand.fire((1, "a"))
        courier = stand.courier()
        stand.drain(courier)
        courier.close()
    letter = dead_letter(b"{", b"u1", topics.events, 0, 5, "invalid_json", "words")
    stand.log.append(topics.deadletter, [Message(letter.value, letter.key, tuple(letter.headers), 0)])
    before = summarize(stand.log, stand.settings, Wanted())
    assert (before.letters, before.open) == ({"delivery_refused": 1, "invalid_json": 1}, {"invalid_json": 1})
    assert list(replay(stand.log, stand.settings, Wanted(), SystemClock())) == [{"invalid_json": 1}]
    assert [record.value for record in stand.log.read(topics.events, 0)] == [b"{"]
    assert stand.log.committed(group_of(stand.settings), topics.deadletter)[0] >= 2
    after = summarize(stand.log, stand.settings, Wanted())
    assert (after.replayed, after.no_events, after.open) == ({"invalid_json": 1}, {"delivery_refused": 1}, {})
