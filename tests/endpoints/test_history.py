"""Figures over time: rates and quantiles out of counters and histograms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.service.bench import Clock
from worker.endpoints.history import KEPT_S, MOST, POINTS, History, quantile
from worker.service.telemetry.metrics import Metrics


def test_rates_are_of_the_last_seconds_and_the_line_goes_back_ten_minutes() -> None:
    metrics, clock = Metrics(["purchase"]), Clock()
    history = History(metrics.registry, clock.elapsed_s)
    assert math.isnan(history.rate(history.sample()))
    for step in range(700):
        history.keep()
        clock.at_s += 2
        metrics.add("events_scored_total", 20 if step < 690 else 200)
    now = history.sample()
    assert history.rate(now) == pytest.approx(100)
    line = history.line(now)
    assert len(line) <= POINTS
    assert len(history._samples) <= MOST
    assert -KEPT_S - 30 <= line[0][0] < -KEPT_S + 60
    assert list(line[-1]) == pytest.approx([0.0, 100])
    assert line[0][1] == pytest.approx(10)


def test_latency_and_dead_letters_are_of_the_last_five_minutes() -> None:
    metrics, clock = Metrics(["purchase"]), Clock()
    history = History(metrics.registry, clock.elapsed_s)
    metrics.observe("end_to_end_latency_seconds", np.full(1_000, 50.0))
    metrics.add("deadletter_total", 9, "invalid_json")
    assert history.latency(history.sample())[2] == 1_000  # all, as nothing was kept before
    history.keep()
    clock.at_s += 200
    metrics.observe("end_to_end_latency_seconds", np.full(100, 0.04))
    metrics.add("deadletter_total", 2, "invalid_json")
    p50_s, p99_s, number = history.latency(history.sample())
    assert 0.035 < p50_s < p99_s <= 0.05
    assert number == 100
    assert history.recent_deadletters(history.sample())["invalid_json"] == 2


@given(st.lists(st.floats(0, 9.9), min_size=1, max_size=50), st.sampled_from([0.5, 0.99]))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(values: list[float], share: float) -> None:
    bounds = [0.1, 0.5, 1.0, 2.5, 10.0, math.inf]
    reached = [(bound, float(sum(value <= bound for value in values))) for bound in bounds]
    true = sorted(values)[math.ceil(share * len(values)) - 1]
    above = next(bound for bound in bounds if true <= bound)
    below = max((bound for bound in [0.0, *bounds] if bound < above), default=0.0)
    assert below - 1e-12 <= quantile(reached, share) <= above + 1e-12


def test_a_quantile_of_nothing_is_none_and_of_what_has_no_bound_the_last_one() -> None:
    assert math.isnan(quantile([], 0.5))
    assert math.isnan(quantile([(1.0, 0.0), (math.inf, 0.0)], 0.5))
    assert quantile([(1.0, 0.0), (math.inf, 3.0)], 0.5) == 1.0
