"""The picture fits its terminal, whatever there is to show, and shows what it must."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.views.states import EMPTY, FULL, states
from worker.views.live_state import Band, Customer, LiveState, TargetState
from worker.views.screen import fewer_bands, picture

SEEN = (
    *("14,532 events/s", "41 ms, p99 88 ms", "Mon 03 Mar 00:00 UTC", "9,812 users", "80 dead letters", "missing field 55"),
    *("8,120", "0.1314", "0.1717", "23 %", "1.02", "1.31", "warming up"),
    *("u000000", "90 %", "24×", "1–2 cart adds in 1 h", "u000100", "4 purchases, seen 3 d ago", "CALIBRATION", "q ends"),
)


def text(state: LiveState, width: int, height: int) -> str:
    return "\n".join(line.plain for line in picture(state, width, height))


@settings(max_examples=50)
@given(states, st.integers(1, 240), st.integers(1, 80))
def test_a_picture_fits_its_terminal(state: LiveState, width: int, height: int) -> None:
    lines = picture(state, width, height)
    assert len(lines) == max(height, 4)
    assert all(line.cell_len <= max(width, 20) for line in lines)
    assert all(character.isprintable() for line in lines for character in line.plain)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
def test_what_must_be_seen_is_seen(size: tuple[int, int]) -> None:
    shown = text(FULL, *size)
    assert [word for word in SEEN if word not in shown] == []


def test_wide_terminals_show_a_chart_for_every_target_that_has_bands() -> None:
    shown = text(FULL, 160, 50)
    assert [target in shown for target in ("CALIBRATION of purchase", "CALIBRATION of churn")] == [True, True]
    assert "○" in shown
    assert "●" in shown


def test_nothing_moves_when_the_first_customers_are_known() -> None:
    before, after = text(EMPTY, 80, 24).splitlines(), text(FULL, 80, 24).splitlines()
    heading = "LIKELY TO BUY"
    assert len(before) == len(after) == 24
    assert [line.startswith("nobody yet") for line in before].count(True) == 2
    assert [line.startswith(heading) for line in after].count(True) == 1


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_long_title_gives_way_to_the_time(width: int) -> None:
    first = text(replace(FULL, title="a shop with a very long name " * 5), width, 24).splitlines()[0]
    assert first.startswith("clickscore")
    assert "Mon 03 Mar 00:00 UTC" in first
    assert "40%" in first


def test_what_speaks_for_a_customer_comes_first() -> None:
    reasons = (("country PL", -0.9), ("session.add_to_cart 1", 0.8), ("medium social", -0.5), ("purchases 2", 0.4))
    shown = text(replace(EMPTY, buyers=(Customer("u1", 0.4, 9.0, reasons),)), 160, 24)
    (line,) = [line for line in shown.splitlines() if line.startswith("u1")]
    places = [line.index(words) for words in ("+0.8 1 cart add", "+0.4 2 purchases", "−0.9 country PL", "−0.5 medium social")]
    assert places == sorted(places)


def test_colour_is_never_alone_in_saying_something() -> None:
    """A bar that is full, half full and empty differs without colour too."""
    bars = {progress: text(LiveState("s", 0, progress=progress), 100, 24).splitlines()[0] for progress in (0.0, 0.5, 1.0)}
    assert len({line.split("UTC")[1].replace("%", "").rstrip("0123456789 ") for line in bars.values()}) == 3


@given(st.lists(st.builds(Band, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1e6)), max_size=30), st.integers(-3, 12))
def test_bands_are_taken_together_without_losing_any(bands: list[Band], most: int) -> None:
    """However few are shown, they hold as many scores as all, and say the same on average."""
    fewer = fewer_bands(bands, most)
    assert len(fewer) <= max(1, most)
    assert sum(band.number for band in fewer) == pytest.approx(sum(band.number for band in bands))
    for what in ("said", "true"):
        shown, given_ = (sum(getattr(band, what) * band.number for band in some) for some in (fewer, bands))
        assert shown == pytest.approx(given_, rel=1e-9, abs=1e-9)


def test_a_mark_sits_where_its_share_is() -> None:
    band = (Band(0.001, 1.0, 5),)
    shown = text(LiveState("s", 0, targets=(TargetState("purchase", 1, 0.1, 0.2, 1.0, band),)), 200, 50)
    (row,) = [line for line in shown.splitlines() if "──────────────" in line and "○" in line and "●" in line]
    assert row.index("○") < row.index("●")
    assert "·" not in row[row.index("○") : row.index("●")]
