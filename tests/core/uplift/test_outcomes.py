"""Outcomes of assigned users, from events through the pipeline's triggers to totals, beside what a shop knows of its own users."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.core.uplift.shop_with_messages import CONVERSION, HOLDOUT, MessagedShop
from worker.core.action.guards.guards import REASONS, Verdict, assigns
from worker.core.settings import HOUR_MS
from worker.core.uplift.assignments import Assignment, Experiment, Experiments, Totals
from worker.core.uplift.effects import effect_of

Ints = NDArray[np.int64]
EXPERIMENT = Experiment("hurry", 6 * HOUR_MS, HOLDOUT, 0)
WINDOW_MS = EXPERIMENT.window_ms


def test_totals_are_what_the_shop_knows() -> None:
    shop = MessagedShop(seed=1, users=1_200, effect=0.2, refused=0.3, capped=True).run()
    treated = {user for user, reason in shop.crossed.items() if user != "clock" and reason in ("", "cap_of_all", "cap")}
    holdout = {user for user, reason in shop.crossed.items() if user != "clock" and reason == "holdout"}
    assert set(shop.crossed.values()) == {"", "cap_of_all", "holdout", "consent_denied", "consent_unknown"}
    assert treated - shop.fired  # who was capped is treated all the same
    assert shop.looks[-1] == Totals(
        treated=len(treated),
        holdout=len(holdout),
        judged_treated=len(treated),
        judged_holdout=len(holdout),
        converted_treated=len(treated & shop.bought),
        converted_holdout=len(holdout & shop.bought),
        messaged=len(shop.fired),
    )


@pytest.mark.parametrize(("effect", "capped"), [(0.15, False), (0.2, True), (0.0, False)])
def test_the_interval_of_a_simulated_shop_covers_the_true_effect_at_every_look(effect: float, capped: bool) -> None:
    misses = wins = 0
    for seed in range(2):
        shop = MessagedShop(seed, 1_000, effect, capped=capped).run()
        looks = [effect_of(EXPERIMENT, totals) for totals in shop.looks]
        true = effect * shop.looks[-1].messaged / shop.looks[-1].judged_treated
        misses += any(look.low > true or look.high < true for look in looks)
        wins += any(look.low > 0 for look in looks)
        assert math.isfinite(looks[-1].low)
        assert all(look.sample_ratio_p > 0.01 for look in looks)
        assert looks[-1].rate_holdout == pytest.approx(CONVERSION, abs=0.08)
    assert misses == 0
    assert wins == 0 or effect > 0


def test_lasting_guards_keep_a_user_out_of_both_arms_and_all_others_do_not() -> None:
    kept_out = {reason for reason in REASONS if not assigns(Verdict("suppressed", reason))}
    assert kept_out == {"consent_unknown", "consent_denied", "unsubscribed", "suppression_list"}
    assert assigns(Verdict("fired"))
    assert assigns(Verdict("held", "quiet_hours", 5))


def test_what_decides_about_the_arms_makes_another_experiment() -> None:
    others = (replace(EXPERIMENT, rule="later"), replace(EXPERIMENT, window_ms=1), replace(EXPERIMENT, holdout=0.1), replace(EXPERIMENT, seed=1))
    assert len({EXPERIMENT.id, replace(EXPERIMENT, mark="0a").id, *(other.id for other in others)}) == 6
    assert len(EXPERIMENT.id) == 8


def test_records_come_back() -> None:
    for assignment in (Assignment("00ff00ff", 5, holdout=True), Assignment("00ff00ff", 7, holdout=False, messaged=True)):
        assert Assignment.of_record(json.loads(json.dumps(assignment.record()))) == assignment
    assert not Assignment.of_record(Assignment("00ff00ff", 5, holdout=True, open=False).record()).open
    totals = Totals(7, 6, 5, 4, 3, 2, 1)
    assert Totals.of_record(totals.record(EXPERIMENT)) == totals
    for wrong in ({"treated": -1}, {"holdout": 1.5}, {"schema": 2}):
        with pytest.raises(ValueError, match="not those of this program"):
            Totals.of_record({**totals.record(EXPERIMENT), **wrong})


@pytest.mark.parametrize(
    ("totals", "holdout", "finding"),
    [
        (Totals(950, 50, 900, 45, 90, 4), 0.05, "too_few"),
        (Totals(900, 0, 900, 0, 90, 0), 0.0, "no_holdout"),
        (Totals(8_000, 2_000, 8_000, 2_000, 800, 200), 0.2, "open"),
        (Totals(8_000, 2_000, 8_000, 2_000, 1_200, 200), 0.2, "helps"),
        (Totals(8_000, 2_000, 8_000, 2_000, 500, 200), 0.2, "harms"),
        (Totals(7_000, 2_000, 7_000, 2_000, 1_200, 200), 0.2, "mismatch"),
    ],
)
def test_findings(totals: Totals, holdout: float, finding: str) -> None:
    assert effect_of(replace(EXPERIMENT, holdout=holdout), totals).finding == finding


def closed(experiments: Experiments, assigned: list[Assignment], bought_ms: int, before_ms: int) -> list[int]:
    """Let a watermark come to `before_ms`; the user in row 4 bought last at `bought_ms`."""
    return experiments.close(lambda _: assigned, lambda rows, _: np.full(len(rows), bought_ms), before_ms)


@pytest.mark.parametrize(("bought_ms", "converted"), [(0, 0), (999, 0), (1_000, 0), (1_001, 1)])
def test_only_a_purchase_after_the_assignment_counts(bought_ms: int, converted: int) -> None:
    experiments, assigned = Experiments([EXPERIMENT]), list[Assignment]()
    experiments.cross(assigned, 4, "hurry", 1_000, held_out=True)
    assert closed(experiments, assigned, bought_ms, 1_000 + WINDOW_MS) == []  # what happens at the end itself may still come
    assert closed(experiments, assigned, bought_ms, 1_001 + WINDOW_MS) == [4]
    assert experiments.totals[EXPERIMENT.id] == Totals(holdout=1, judged_holdout=1, converted_holdout=converted)


def test_a_second_crossing_assigns_nobody_also_after_the_window() -> None:
    experiments, assigned = Experiments([EXPERIMENT]), list[Assignment]()
    experiments.cross(assigned, 4, "hurry", 1_000, held_out=False)
    experiments.cross(assigned, 4, "hurry", 2_000, held_out=False)
    closed(experiments, assigned, 0, 2_001 + WINDOW_MS)
    experiments.cross(assigned, 4, "hurry", 3_000 + WINDOW_MS, held_out=False)
    assert closed(experiments, assigned, 0, 10 * WINDOW_MS) == []
    assert experiments.totals[EXPERIMENT.id] == Totals(treated=1, judged_treated=1)


@pytest.mark.parametrize(("after_ms", "messaged"), [(0, 1), (WINDOW_MS, 1), (WINDOW_MS + 1, 0)])
def test_a_message_after_the_window_is_none(after_ms: int, messaged: int) -> None:
    experiments, assigned = Experiments([EXPERIMENT]), list[Assignment]()
    experiments.cross(assigned, 4, "hurry", 1_000, held_out=False)
    experiments.fire(assigned, "hurry", 1_000 + after_ms)
    closed(experiments, assigned, 0, 10 * WINDOW_MS)
    assert experiments.totals[EXPERIMENT.id].messaged == messaged


def test_who_is_forgotten_is_judged_by_what_was_known_in_the_window() -> None:
    asked: list[int] = []

    def purchases(rows: Ints, time_ms: Ints) -> Ints:
        asked.extend(time_ms.tolist())
        return np.full(len(rows), 1_500)

    experiments, assigned = Experiments([EXPERIMENT]), list[Assignment]()
    experiments.cross(assigned, 4, "hurry", 1_000, held_out=False)
    experiments.end(4, assigned, purchases, 5_000)
    assigned.clear()
    experiments.cross(assigned, 4, "hurry", 6_000, held_out=False)
    experiments.end(4, assigned, purchases, 10 * WINDOW_MS)
    assert asked == [4_999, 6_000 + WINDOW_MS]
    assert experiments.totals[EXPERIMENT.id] == Totals(treated=2, judged_treated=2, converted_treated=1)


def test_arms_side_by_side() -> None:
    assert Totals(7, 6, 5, 4, 3, 2, 1).arms == {"treated": (7, 5, 3), "holdout": (6, 4, 2)}
