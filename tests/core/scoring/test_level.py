"""The level: finds a change of the rate long before windows close, is still where nothing changed or nothing is known, and goes on from its state."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.drawn_examples import LAYOUT, TABLE_SIZE, TARGET, example, settings
from worker.core.labels.examples import EVENT, SILENCE, Example
from worker.core.labels.tallies import LOOKS_MS, MILLION, Tally
from worker.core.learning.snapshot import Snapshot
from worker.core.learning.trainer import Trainer
from worker.core.scoring.level import LIMIT, OUTCOMES_NEEDED, PRIOR, Level
from worker.core.settings import HOUR_MS

HOUR = 447_000
KNOWN = (100, 50, 50, 200)  # half of what happens is seen by the third look


def tally(hour: int, expected: float = 0.0, seen: int = 0, happened: tuple[int, ...] = (0, 0, 0, 0), **changes: Any) -> Tally:
    """An hour in which decisions were looked at for the first of three times, with `expected` outcomes over the whole window."""
    fields: dict[str, Any] = {"target": TARGET, "partition": 0}
    return Tally(**{**fields, **changes}, hour_ms=hour * HOUR_MS, expected=(round(expected * MILLION), 0, 0), seen=(seen, 0, 0), happened=happened)


def level(*tallies: Tally) -> Level:
    made = Level(3)
    for one in (tally(HOUR, happened=KNOWN), *tallies):
        made.fold(one)
    return made


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_the_shift_comes_to_the_log_of_the_change(factor: float) -> None:
    # 4,000 expected in an hour, a quarter of them by the first look
    made = level(*(tally(HOUR + i, 4_000, round(1_000 * factor)) for i in range(48)))
    assert made.shift == pytest.approx(math.log(factor), abs=0.01)


def test_a_change_is_half_seen_within_a_day() -> None:
    before = [tally(HOUR + i, 4_000, 1_000) for i in range(200)]
    after = [tally(HOUR + 200 + i, 4_000, 2_000) for i in range(24)]
    assert level(*before).shift == pytest.approx(0.0, abs=0.01)
    assert level(*before, *after).shift == pytest.approx(math.log(1.5), abs=0.02)


def test_an_expectation_counts_by_the_share_that_its_look_sees() -> None:
    looks = [Tally(TARGET, 0, (HOUR + 1) * HOUR_MS, expected, (0, 0, 0), (0, 0, 0, 0)) for expected in ((MILLION, 0, 0), (0, MILLION, 0), (0, 0, MILLION))]
    assert [level(look).expected for look in looks] == pytest.approx([0.25, 0.125, 0.125])


def test_few_outcomes_move_little() -> None:
    assert abs(level(tally(HOUR, 4, 3)).shift) < 3 / PRIOR


def test_nothing_moves_until_the_shares_are_known() -> None:
    made = Level(3)
    made.fold(tally(HOUR, happened=(int(OUTCOMES_NEEDED) - 1, 0, 0, 0)))
    made.fold(tally(HOUR, 0, 1_000))
    assert made.shift == 0.0
    made.fold(tally(HOUR, 0, 1_000, happened=(2, 0, 0, 0)))
    assert made.shift > 0.0


def test_the_shift_is_bounded() -> None:
    assert level(tally(HOUR, 0, 10**9)).shift == LIMIT
    assert level(tally(HOUR, 10**9, 0)).shift == -LIMIT


def test_what_was_seen_is_forgotten() -> None:
    made = level(tally(HOUR, 0, 500), tally(HOUR + 24 * 20))
    assert abs(made.shift) < 0.001


@given(st.permutations(range(6)), st.integers(0, 40))
def test_the_order_in_which_partitions_come_hardly_matters(order: list[int], apart: int) -> None:
    tallies = [tally(HOUR + i * apart, 400, 90 + 20 * i, partition=i) for i in range(6)]
    one, other = level(*tallies), level(*(tallies[i] for i in order))
    assert other.shift == pytest.approx(one.shift, abs=1e-9)


def test_the_shares_follow_the_outcomes_of_late() -> None:
    made = level(*(tally(HOUR + i, happened=(500, 0, 0, 500)) for i in range(100)), *(tally(HOUR + 100 + i, happened=(100, 0, 0, 900)) for i in range(30)))
    before = made.expected
    made.fold(tally(HOUR + 129, 1_000))
    assert made.expected - before == pytest.approx(100, abs=5)


def test_a_tally_of_other_looks_is_refused() -> None:
    with pytest.raises(ValueError, match="a tally of 3 looks, where there are 2"):
        Level(2).fold(tally(HOUR))


# ---- in the trainer

SEVEN = len(LOOKS_MS)


def full(hour: int, expected: float, seen: int, happened: int = 0, **changes: Any) -> Tally:
    """A tally of as many looks as the trainer's target has: all that happens is seen by the first of them."""
    none = (0,) * (SEVEN - 1)
    fields: dict[str, Any] = {"target": TARGET, "partition": 0}
    return Tally(
        **{**fields, **changes}, hour_ms=hour * HOUR_MS, expected=(round(expected * MILLION), *none), seen=(seen, *none), happened=(happened, *none, 0)
    )


RECORDS: st.SearchStrategy[list[Example | Tally]] = st.lists(
    st.builds(full, st.integers(HOUR, HOUR + 100), st.floats(0, 500), st.integers(0, 500), st.integers(0, 300))
    | st.builds(example, st.just([1, 2]), st.booleans()),
    max_size=25,
)


def trainer() -> Trainer:
    return Trainer(TARGET, settings(), TABLE_SIZE, LAYOUT)


def test_the_level_raises_scores_at_events_and_no_others() -> None:
    made = trainer()
    made = trainer()
    before = made.scorecard()
    made.learn_many([full(HOUR, 0, 0, happened=300), full(HOUR, 1_000, 2_000)])
    after = made.scorecard()
    margins = np.array([-3.0])
    raised = [np.log(card.p(margins, np.array([EVENT])) / (1 - card.p(margins, np.array([EVENT])))) for card in (before, after)]
    assert raised[1] - raised[0] == pytest.approx(made.level.shift)
    assert after.level == made.level.shift > 0.5
    assert (after.p(margins, np.array([SILENCE])) == before.p(margins, np.array([SILENCE]))).all()
    assert (after.weights == before.weights).all()


def test_every_tally_makes_a_version_of_its_own() -> None:
    made = trainer()
    made = trainer()
    versions = [made.scorecard().version]
    for record in (full(HOUR, 5, 5), example([1]), full(HOUR + 1, 5, 5)):
        made.learn(record)
        versions.append(made.scorecard().version)
    assert versions == [f"{TARGET}@{number}" for number in range(4)]


@pytest.mark.parametrize("wrong", [full(HOUR, 5, 5, target="churn"), tally(HOUR)])
def test_a_tally_of_something_else_is_skipped(wrong: Tally) -> None:
    made = trainer()
    made = trainer()
    made.learn(wrong)
    assert (made.skipped, made.learned, made.level.state()) == (1, 0, Level(SEVEN).state())


@given(RECORDS, st.integers(0, 25))
def test_a_run_continued_from_a_snapshot_is_the_unbroken_one(records: list[Example | Tally], cut: int) -> None:
    whole, first = trainer(), trainer()
    whole.learn_many(records, {0: 25})
    first.learn_many(records[:cut], {0: cut})
    snapshot = Snapshot.decode(first.snapshot().encode())
    assert snapshot.scorecard(3).level == first.level.shift
    assert (snapshot.scorecard(3).calibration == first.scorecard().calibration).all()
    assert snapshot.scorecard(3).version == first.scorecard().version
    again = Trainer.from_snapshot(TARGET, settings(), TABLE_SIZE, LAYOUT, snapshot)
    again.learn_many(records[cut:], {0: 25})
    assert again.snapshot().encode() == whole.snapshot().encode()


def test_a_return_to_the_good_state_folds_the_tallies_again() -> None:
    made, same = trainer(), trainer()
    records: list[Example | Tally] = [example([1]), full(HOUR, 0, 0, happened=300), full(HOUR, 100, 300), example([2])]
    made.learn_many(records)
    same.learn_many([*records, example([1])])
    made.model.weights[1] = np.nan
    made.learn(example([1]))
    assert made.returns == 1
    assert made.level.state() == same.level.state()
    assert made.snapshot().encode() == same.snapshot().encode()
