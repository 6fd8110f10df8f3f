"""Law 3, addition: a record's base, its reasons and the rest add up to the log-odds of its raw probability."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from tests.core.runs import DEFAULTS, run, scorecards
from tests.core.shops import shop
from worker.core.scoring.bin_names import BinNames
from worker.core.scoring.features import HASHED_COLUMNS
from worker.core.scoring.records import ScoreRecords
from worker.core.scoring.slots import SLOTS

VALUES = shop(11, 300)
ROUNDED = 0.5e-4  # each number of a record has four decimals


@pytest.mark.parametrize("reasons", [1, 3, 20])
@pytest.mark.parametrize("seed", [0, 1])
def test_base_reasons_and_rest_add_up_to_the_log_odds(reasons: int, seed: int) -> None:
    settings = DEFAULTS.model_copy(update={"reasons": reasons})
    done = run(VALUES, settings=settings, cards=scorecards(seed=seed, spread=0.2))
    compared = 0
    for user in done.scores:
        for record in map(json.loads, done.scores[user]):
            for target in settings.targets:
                score = record[target]
                total = score["base"] + score["rest"] + sum(points for _, points in score["reasons"])
                tolerance = ROUNDED * (len(score["reasons"]) + 2) + 4e-8 / (score["raw"] * (1 - score["raw"]))
                assert total == pytest.approx(math.log(score["raw"] / (1 - score["raw"])), abs=tolerance)
                compared += len(score["reasons"]) == reasons
    assert compared > 500


def test_reasons_are_the_largest_points_in_falling_size_and_of_bins_that_are_active() -> None:
    cards = scorecards(seed=3)
    done = run(VALUES, cards=cards)
    records = {record["score_id"]: record for user in done.scores for record in map(json.loads, done.scores[user])}
    for scored in done.scored:
        for row in range(len(scored.row)):
            mark = int(scored.mark[row])
            record = records[f"0-{scored.offset[row]}" if mark < 0 else f"0-{scored.offset[row]}.{mark + 1}"]
            for number, target in enumerate(cards.targets):
                sign = -1.0 if target == "churn" else 1.0
                points = sign * cards.weights[number][scored.bins[row]]
                largest = points[np.argsort(-np.abs(points), kind="stable")[: DEFAULTS.reasons]]
                assert [value for _, value in record[target]["reasons"]] == pytest.approx(largest.tolist(), abs=ROUNDED * 1.01)


def test_with_every_slot_asked_for_nothing_is_left_to_the_rest() -> None:
    cards = scorecards(seed=4)
    done = run(VALUES[:60], cards=cards)
    scored = next(scored for scored in done.scored if len(scored.row))
    count, points = len(scored.row), cards.points(scored.bins, len(SLOTS))
    encoder = ScoreRecords(cards, [False, False, True], BinNames(done.pipeline.state.labels), len(SLOTS), 0)
    texts = encoder.encode(scored, {name: np.zeros(count, dtype=np.int64) for name in HASHED_COLUMNS}, points, ["u"] * count, [None] * count)
    for row, record in enumerate(map(json.loads, texts)):
        for number, target in enumerate(cards.targets):
            score = record[target]
            assert score["rest"] == 0
            assert len(score["reasons"]) == int((scored.bins[row] > 0).sum())
            sign = -1 if target == "churn" else 1
            assert score["base"] + sum(points for _, points in score["reasons"]) == pytest.approx(sign * points.margins[row, number], abs=ROUNDED * 90)


def test_no_reasons_are_published_where_none_are_asked_for() -> None:
    done = run(VALUES[:60], settings=DEFAULTS.model_copy(update={"reasons": 0}))
    records = [json.loads(record) for user in done.scores for record in done.scores[user]]
    assert len(records) > 30
    assert all(set(record[target]) == {"p", "raw", "lift", "model"} for record in records for target in DEFAULTS.targets)
