"""Law 7, account: scored + dead-lettered + dropped + still waiting = read, for any bytes whatever; and every event that counts has one score."""

from __future__ import annotations

import json
import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.event_records import doubtful_records, encodings
from tests.core.reading import Reading
from tests.core.runs import DEFAULTS, Run, run
from tests.core.shops import Value, cuts, shop, shops

anything = st.one_of(st.none(), st.binary(max_size=40), encodings(doubtful_records()))


def assert_accounted(done: Run) -> None:
    counts = done.counts
    waiting = len(done.pipeline.state.held)
    assert counts["read"] == counts["events"] + counts["dead"] + counts["late"] + counts["duplicate"] + waiting
    assert counts["dead"] == len(done.dead_letters)
    records = [json.loads(record) for user in done.scores for record in done.scores[user]]
    assert Counter(record["cause"] for record in records) == Counter(event=counts["events"], silence=counts["silent"])
    assert len({record["score_id"] for record in records}) == len(records)
    assert all(record["user_id"] for record in records)


@settings(max_examples=40)
@given(st.lists(anything, max_size=12), shops(25), st.randoms(use_true_random=False), st.booleans())
def test_whatever_was_read_is_accounted_for(strange: list[Value], usual: list[Value], chance: random.Random, finish: bool) -> None:
    values = [*strange, *usual]
    chance.shuffle(values)
    done = run(values, cuts(chance, len(values), 9), finish=finish)
    assert done.counts["read"] == len(values)
    assert_accounted(done)
    assert not (finish and done.pipeline.state.held)


def test_a_longer_stream_is_accounted_for_as_a_plain_reading_says() -> None:
    values = shop(10, 1500)
    done, reading = run(values, [60] * 25), Reading(values, DEFAULTS)
    assert_accounted(done)
    counts = done.counts
    assert (counts["events"], counts["late"], counts["duplicate"]) == (len(reading.counted), reading.late, reading.duplicates)
    assert Counter(letter.reason for letter in done.dead_letters)["from_the_future"] == reading.future
    assert min(counts["late"], counts["duplicate"], reading.future, counts["dead"] - reading.future) > 5
    offsets = {int(json.loads(record)["score_id"][2:]) for user in done.scores for record in done.scores[user] if b'"cause":"event"' in record}
    assert offsets == {event.offset for event in reading.counted}
    assert all(letter.value == values[letter.offset] for letter in done.dead_letters)
