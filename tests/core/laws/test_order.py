"""Law 4, order: events of one user within the allowed lateness leave the same decayed counters in whatever order they come."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.core.reading import HALF_LIVES_MS, Reading
from tests.core.runs import run
from tests.core.shops import DAY_MS, NAMES, START_MS, Value, shop, shops
from worker.core.pipeline import Pipeline
from worker.core.profiles import layout as at
from worker.core.settings import CoreSettings

# One user's events alone; repeated lines of an order depend on what came first, so orders have no ids here.
CLOSED = tuple(name for name in NAMES if name != "refund")
events = st.lists(st.tuples(st.integers(0, DAY_MS), st.sampled_from(CLOSED)), min_size=2, max_size=25)


def counters(pipeline: Pipeline, user: str) -> NDArray[np.float64]:
    """A user's decayed counters, kinds x half-lives."""
    row = pipeline.profiles.rows[pipeline.profiles.row_of[user]]
    out: NDArray[np.float64] = row[at.COUNTERS : at.COUNTERS + at.N_KINDS * at.N_HALF_LIVES].reshape(at.N_KINDS, at.N_HALF_LIVES)
    return out


def stream(parts: list[tuple[int, str]]) -> list[Value]:
    first = [b'{"event":"page_view","user_id":"%b","timestamp":%d}' % (user, START_MS) for user in (b"u0", b"u1")]
    return [*first, *(b'{"event":"%b","user_id":"u1","timestamp":%d}' % (name.encode(), START_MS + after_ms) for after_ms, name in parts)]


@settings(max_examples=40)
@given(events, st.randoms(use_true_random=False))
def test_any_order_within_the_allowed_lateness_leaves_the_same_counters(parts: list[tuple[int, str]], chance: random.Random) -> None:
    shuffled = parts[:]
    chance.shuffle(shuffled)
    straight, crooked = run(stream(sorted(parts))), run(stream(shuffled))
    assert straight.counts["late"] == crooked.counts["late"] == 0
    np.testing.assert_allclose(counters(crooked.pipeline, "u1"), counters(straight.pipeline, "u1"), rtol=1e-9, atol=1e-300)


@settings(max_examples=40)
@given(shops())
def test_counters_are_the_sum_over_all_events_there_were(values: list[Value]) -> None:
    assert_counted(values, run(values).pipeline)


@pytest.mark.parametrize("seed", [7])
def test_counters_over_a_longer_stream(seed: int) -> None:
    values = shop(seed, 1500)
    assert_counted(values, run(values, [50] * 30).pipeline)


def assert_counted(values: list[Value], pipeline: Pipeline) -> None:
    reading = Reading(values, CoreSettings())
    assert pipeline.profiles.row_of.keys() == reading.users.keys()
    for name, user in reading.users.items():
        expected = reading.counters(user)
        found = counters(pipeline, name)
        for number, kind in enumerate(at.KINDS):
            wanted = expected.get(kind, [0.0] * len(HALF_LIVES_MS))
            np.testing.assert_allclose(found[number], wanted, rtol=1e-9, atol=1e-300, err_msg=f"{kind} of {name}")
