"""Where the plots put things: the laws of the axes, and marks at the places their numbers say."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.views.reports import PURCHASE
from worker.views import charts
from worker.views.charts import Axis

SVG = "{http://www.w3.org/2000/svg}"
logarithmic_axes = st.builds(lambda power, decades: Axis(10.0**power, 10.0 ** (power + decades), 52, 388, True), st.integers(-6, -1), st.integers(1, 5))
plain_axes = st.builds(lambda low, length: Axis(low, low + length, 52, 388), st.floats(-100, 100), st.floats(0.001, 1000))


@given(logarithmic_axes | plain_axes, st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
def test_an_axis_keeps_order_and_bounds(axis: Axis, first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert 52 <= axis.at(low) <= axis.at(high) <= 388
    assert axis.at(axis.low) == pytest.approx(52)
    assert axis.at(axis.high) == pytest.approx(388)


@given(logarithmic_axes | plain_axes)
def test_ticks_are_few_ascending_and_within(axis: Axis) -> None:
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 8
    assert ticks == sorted(set(ticks))
    rounding = 2e-3 * axis.low if axis.logarithmic else 1e-6 * (axis.high - axis.low) + 1e-9
    assert all(axis.low - rounding <= tick <= axis.high + max(rounding, 2e-3 * axis.high * axis.logarithmic) for tick in ticks)


def test_equal_factors_are_equal_steps_on_a_logarithmic_axis() -> None:
    axis = Axis(0.001, 1, 0, 300, True)
    assert [axis.at(value) for value in (0.001, 0.01, 0.1, 1, 0)] == pytest.approx([0, 100, 200, 300, 0])


@given(st.floats(0.001, 1), st.floats(0.001, 1), st.integers(1, 10**6))
def test_a_calibrated_bin_lies_on_the_diagonal_and_another_as_high_as_its_rate(p: float, rate: float, n: int) -> None:
    drawing = ElementTree.fromstring(charts.calibration(replace(PURCHASE, calibration=((p, rate, n), (rate, rate, 10)))))
    (diagonal,) = [element for element in drawing.iter(f"{SVG}polyline") if element.get("class") == "ideal"]
    (x0, y0), (x1, y1) = ([float(number) for number in point.split(",")] for point in str(diagonal.get("points")).split())
    (said, height), (calibrated_x, calibrated_y) = ((float(str(mark.get("cx"))), float(str(mark.get("cy")))) for mark in drawing.iter(f"{SVG}circle"))
    assert calibrated_y == pytest.approx(y0 + (calibrated_x - x0) * (y1 - y0) / (x1 - x0), abs=0.2)
    assert height == pytest.approx(calibrated_y, abs=0.11)
    assert (said <= calibrated_x) if p <= rate else (said >= calibrated_x)


@given(st.floats(0, 1), st.integers(1, 10**6))
def test_intervals_hold_their_rate_and_narrow_with_more_decisions(rate: float, n: int) -> None:
    below, above = charts._wilson(rate, n)
    closer_below, closer_above = charts._wilson(rate, 10 * n)
    assert 0 <= below <= rate + 1e-12
    assert rate - 1e-12 <= above <= 1
    assert closer_above - closer_below < above - below


def test_small_rates_get_a_logarithmic_axis_and_large_ones_a_plain_one() -> None:
    small, large = charts.calibration(PURCHASE), charts.calibration(replace(PURCHASE, calibration=((0.3, 0.31, 50), (0.8, 0.7, 40))))
    assert ">10 %<" in small
    assert ">1 %<" in small
    assert ">20 %<" in large or ">50 %<" in large
    assert ">1 %<" not in large


def test_bars_are_as_high_as_their_counts() -> None:
    drawing = ElementTree.fromstring(charts.histogram(PURCHASE))
    bars = [float(str(bar.get("height"))) for bar in drawing.iter(f"{SVG}rect")]
    feet = [float(str(bar.get("y"))) + float(str(bar.get("height"))) for bar in drawing.iter(f"{SVG}rect")]
    assert feet == pytest.approx([charts.BOTTOM] * len(feet), abs=0.11)
    counts = [n for _, _, n in PURCHASE.histogram[1:]]
    assert [height / bars[-3] for height in bars[-3:]] == pytest.approx([n / counts[0] for n in counts], abs=0.01)


def test_marks_tell_their_numbers() -> None:
    drawing = charts.calibration(PURCHASE)
    assert "said 1.1 %, came true 1.2 %, 4,100 decisions" in drawing
    assert "0.10 % to 1.0 %: 5,321 scores" in charts.histogram(PURCHASE)
    assert "2025-03-02: 0.0310, base rate 0.0500, 900 decisions" in charts.loss_by_day(PURCHASE)
