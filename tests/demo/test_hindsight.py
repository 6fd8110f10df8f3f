"""What is known at the end of a day, against what then happened, and against the truth of the moment."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.demo.outcomes import MINUTE_MS
from worker.demo.behaviour import DAY_MS, HOUR_MS, KINDS, behaviour
from worker.demo.flow import everything, purchases, silence, week
from worker.demo.hindsight import look_back, work_out_remainders
from worker.demo.truth import TARGETS, truth_tables
from worker.demo.walk import Crowd

MONDAY_MS = 1_740_960_000_000
CUSTOMERS = 20_000
SIGMAS = 4.5


def lived(begin_ms: int, midnight_ms: int, start: str, refunds: float) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(promised, happened, weight) of the first event of many customers that day: [n, 3], [n, 3], [n]."""
    chain = behaviour(refunds)
    kind = np.arange(CUSTOMERS) % len(KINDS)
    crowd = Crowd(kind, np.random.default_rng(begin_ms % 1000 + len(start)), chain)
    crowd.call(np.arange(CUSTOMERS), np.full(CUSTOMERS, chain.index[start]), np.full(CUSTOMERS, begin_ms))
    day = [(wave.who, chain.node[wave.state], wave.time_ms) for wave in crowd.waves(midnight_ms)]
    who, node, time_ms = (np.concatenate(column) for column in zip(*day, strict=True))
    promised = look_back(who, node, time_ms, kind, crowd.state, midnight_ms, work_out_remainders(chain))
    later = [(wave.who, chain.node[wave.state], wave.time_ms) for wave in crowd.waves(begin_ms + 8 * DAY_MS)]
    first = np.flatnonzero(time_ms == begin_ms)
    first = first[np.argsort(who[first])]
    return promised[first], happened(day + later, begin_ms), 1 / np.bincount(who, minlength=CUSTOMERS)


def happened(waves: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]], begin_ms: int) -> NDArray[np.float64]:
    """Outcomes of everyone's event at `begin_ms`, as 0 or 1: float64[customers, 3]."""
    nodes = [name.partition("/")[2] for name in behaviour().names]
    buying, undoing = (int(behaviour().node[nodes.index(name)]) for name in ("purchase", "refund"))
    standing, quiet = np.zeros((CUSTOMERS, 2), np.int64), np.ones(CUSTOMERS, bool)
    since = np.zeros((CUSTOMERS, 2), bool)  # the last purchase falls into the window
    for who, node, time_ms in waves:
        after_ms = time_ms - begin_ms
        quiet[who[(after_ms > 30 * MINUTE_MS) & (after_ms <= 7 * DAY_MS + 30 * MINUTE_MS)]] = False
        for window, length_ms in enumerate((7 * DAY_MS, 30 * MINUTE_MS)):
            within = (after_ms > 0) & (after_ms <= length_ms)
            standing[who[within & (node == buying)], window] += 1
            since[who[within & (node == buying)], window] = True
            standing[who[within & (node == undoing)], window] -= since[who[within & (node == undoing)], window]
    return np.column_stack([standing > 0, quiet]).astype(np.float64)


@pytest.mark.parametrize("refunds", [1.0, 60.0])
@pytest.mark.parametrize("start", ["fresh/start", "known/keen_view", "known/checkout", "known/purchase"])
@pytest.mark.parametrize("hour", [2.0, 20.0, 23.6])
def test_what_the_day_promises_is_kept(hour: float, start: str, refunds: float) -> None:
    """However customers are chosen by what they did that day, as many outcomes as promised."""
    begin_ms = MONDAY_MS + 4 * DAY_MS + int(hour * HOUR_MS)
    promised, seen, weight = lived(begin_ms, MONDAY_MS + 5 * DAY_MS, start, refunds)
    for chosen in (np.ones(CUSTOMERS), weight, (weight < 0.15).astype(float), (weight == 1).astype(float)):
        surprise = (chosen[:, None] * (seen - promised)).sum(axis=0)
        spread = np.sqrt((chosen[:, None] ** 2 * promised * (1 - promised)).sum(axis=0))
        assert np.all(np.abs(surprise) < SIGMAS * spread + 1.5), (dict(zip(TARGETS, surprise, strict=True)), spread)


@pytest.mark.parametrize("half_hour", [0, 17, 40, 46, 47])
@pytest.mark.parametrize("day", [0, 4, 6])
def test_the_end_of_the_day_is_on_the_way_to_the_truth(day: int, half_hour: int) -> None:
    """From the start of any half hour to midnight, and on from there with the remainders, is the whole way: the same to nine digits."""
    chain, slot, tomorrow = behaviour(), day * 48 + half_hour, (day + 1) % 7
    states, known = len(chain.names), work_out_remainders(chain)
    buying, silent = week(purchases(chain).flow), week(silence(chain))
    purchase, quiet = known.purchase[tomorrow, half_hour], known.quiet[tomorrow, min(half_hour + 1, 48)]
    for later in range(day * 48 + 47, slot - 1, -1):
        purchase = (buying.at(later) @ purchase[..., None])[..., 0]
        if later > slot:
            quiet = (silent.at(later) @ quiet[..., None])[..., 0]
    quiet = (week(everything(chain)).at(slot) @ quiet[..., None])[..., 0]
    np.testing.assert_allclose(purchase[:, :states], truth_tables().tables[0, :, :, slot], atol=1e-9)
    np.testing.assert_allclose(quiet, truth_tables().tables[2, :, :, slot], atol=1e-9)


def test_a_day_without_events_is_no_trouble() -> None:
    nobody = np.zeros(0, np.int64)
    assert look_back(nobody, nobody, nobody, np.zeros(3, np.int64), np.zeros(3, np.int64), MONDAY_MS).shape == (0, 3)


@pytest.mark.parametrize("hour", [3, 15, 22])
def test_an_event_with_nothing_after_it_has_the_rest_of_its_window_left(hour: int) -> None:
    """Whoever waits at midnight is promised what the remainders say of the time that is left of each window."""
    chain, known, time_ms = behaviour(), work_out_remainders(behaviour()), MONDAY_MS + hour * HOUR_MS
    kind, state = np.array([4]), np.array([chain.index["known/warm"]])
    promised = look_back(np.zeros(1, np.int64), np.array([chain.node[chain.index["known/view"]]]), np.array([time_ms]), kind, state, MONDAY_MS + DAY_MS)
    assert promised[0].tolist() == pytest.approx([known.purchase[1, 2 * hour, 4, state[0]], 0.0, known.quiet[1, 2 * hour + 1, 4, state[0]]])


def test_what_happened_that_day_is_certain() -> None:
    """A purchase the same day and a visit hours later leave nothing open."""
    chain = behaviour()
    nodes = [chain.node[chain.index[f"known/{name}"]] for name in ("view", "purchase", "start", "home")]
    time_ms = MONDAY_MS + np.array([8 * HOUR_MS, 8 * HOUR_MS + 10 * MINUTE_MS, 12 * HOUR_MS, 12 * HOUR_MS + MINUTE_MS])
    state = np.array([chain.index["known/hot"]])
    promised = look_back(np.zeros(4, np.int64), np.array(nodes), time_ms, np.array([3]), state, MONDAY_MS + DAY_MS)
    np.testing.assert_array_equal(promised[0], [1.0, 1.0, 0.0])
    assert promised[1, 2] == 0.0
    assert 0 < promised[1, 0] < 1
    assert promised[1, 1] == 0.0
    assert 0 < promised[2, 2] < 1
