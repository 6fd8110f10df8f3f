"""The referee: who says the truth is found right, and who does not is found out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.demo.flaws import PLAIN
from worker.demo.referee import VIEWS, Referee
from worker.demo.shop import Chunk, Shop, ShopSettings
from worker.demo.truth import TARGETS


@pytest.fixture(scope="module")
def chunks() -> list[Chunk]:
    return list(Shop(ShopSettings(users=1_500, days=10, seed=4)).chunks())


def judged(chunks: list[Chunk], bend: float = 1.0, half_life: int = 10**9, cut: int | None = None) -> Referee:
    """A referee after scores that are the truth, its odds multiplied by `bend`."""
    referee = Referee(half_life)
    for chunk in chunks:
        referee.expect(chunk)
        odds = bend * chunk.truth / (1 - chunk.truth)
        p = odds / (1 + odds)
        for part in np.array_split(np.arange(len(chunk)), cut or 1):
            referee.judge([chunk.event_ids[row] for row in part], p[part])
    return referee


@pytest.mark.parametrize("target", TARGETS)
def test_the_truth_is_right_and_nothing_beats_it(chunks: list[Chunk], target: str) -> None:
    verdict = judged(chunks).verdict(target, "every")
    assert verdict.calibration_ratio == pytest.approx(1)
    assert verdict.log_loss == pytest.approx(verdict.best_log_loss)
    assert verdict.log_loss < verdict.baseline_log_loss
    assert all(p == pytest.approx(true) for p, true, _ in verdict.bins)
    assert judged(chunks, bend=1.4).verdict(target, "every").log_loss > verdict.best_log_loss


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("view", VIEWS)
def test_what_is_said_too_high_shows_as_such(chunks: list[Chunk], target: str, view: str) -> None:
    ratio = {bend: judged(chunks, bend).verdict(target, "drawn" if view == "drawn" else "every").calibration_ratio for bend in (0.5, 1.0, 2.0)}
    assert ratio[0.5] < ratio[1.0] < ratio[2.0]


def test_the_draw_looks_ahead(chunks: list[Chunk]) -> None:
    """What is true of every event is too high for drawn ones, most of all for a purchase within the visit."""
    verdict = judged(chunks).verdict("intent", "drawn")
    assert verdict.calibration_ratio > 1.2
    assert math.isnan(verdict.best_log_loss)


def test_late_doubled_and_bad_records_are_not_judged(chunks: list[Chunk]) -> None:
    referee = Referee()
    for chunk in chunks:
        referee.expect(chunk)
    plain = sum(int((chunk.flaw == PLAIN).sum()) for chunk in chunks)
    assert referee.waiting == plain
    everyone = [event_id for chunk in chunks for event_id in chunk.event_ids]
    assert referee.judge(everyone, np.full((len(everyone), 3), 0.1)) == plain
    assert referee.waiting == 0
    assert referee.judge(everyone, np.full((len(everyone), 3), 0.1)) == 0


def test_before_any_score_nothing_is_known() -> None:
    referee = Referee()
    assert referee.judge(["e1"], np.full((1, 3), 0.5)) == 0
    verdict = referee.verdict("purchase")
    assert verdict.bins == ()
    assert math.isnan(verdict.log_loss)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 7))
def test_it_matters_not_how_scores_are_cut(chunks: list[Chunk], cut: int) -> None:
    whole, parts = judged(chunks).verdict("churn"), judged(chunks, cut=cut).verdict("churn")
    assert parts.log_loss == pytest.approx(whole.log_loss)
    assert np.asarray(parts.bins) == pytest.approx(np.asarray(whole.bins))


def test_old_verdicts_fade(chunks: list[Chunk]) -> None:
    referee = Referee(half_life=100)
    for chunk, p in zip(chunks, [0.9] + [0.3] * len(chunks), strict=False):
        referee.expect(chunk)
        referee.judge(chunk.event_ids, np.full((len(chunk), 3), p))
    ((said, _, _),) = [row for row in referee.verdict("churn", "every").bins if row[2] > 1]
    assert said == pytest.approx(0.3)
    assert referee.verdict("churn", "every").bins[-1][2] < 1e-3


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_any_probability_gives_a_finite_loss(p: list[float]) -> None:
    chunk = next(Shop(ShopSettings(users=40, days=1)).chunks())
    referee = Referee()
    referee.expect(chunk)
    referee.judge(chunk.event_ids, np.tile(p, (len(chunk), 1)))
    assert all(math.isfinite(referee.verdict(target).log_loss) for target in TARGETS)
