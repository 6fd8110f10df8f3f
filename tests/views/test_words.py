"""Numbers and bins as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.views import figures
from worker.views.bin_words import in_words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("add_to_cart.1h 1–2", "1–2 cart adds in 1 h"),
        ("view_item.5min 1", "1 item view in 5 min"),
        ("events.28d 8–13", "8–13 events in 28 d"),
        ("recency.view_item <1 min", "item view <1 min ago"),
        ("recency 3–5 d", "seen 3–5 d ago"),
        ("session.view_item 4", "4 item views this visit"),
        ("session.length 4–8 min", "4–8 min into the visit"),
        ("country DE", "country DE"),
        ("path /c/tents_2", "path /c/tents 2"),
        ("event add_to_cart", "now: add to cart"),
        ("sessions 3", "3 visits"),
        ("event × session.length view_item × 2–4 min", "event × session.length view item × 2–4 min"),
        ("something_new", "something new"),
        ("cause", "cause"),
        ("country \x1b[31mX", "country �[31mX"),
    ],
)
def test_bins_are_said_in_words(name: str, words: str) -> None:
    assert in_words(name) == words


@given(st.text(min_size=1))
def test_any_name_gives_words_that_can_be_printed(name: str) -> None:
    words = in_words(name)
    assert words or not name.strip()
    assert words.isprintable()


@pytest.mark.parametrize(
    ("share", "text"),
    [
        *[(0.62, "62 %"), (0.031, "3.1 %"), (0.0042, "0.42 %"), (0.00001, "<0.01 %"), (0, "0 %"), (1, "100 %")],
        *[(0.0995, "10 %"), (0.09949, "9.9 %"), (0.00995, "1.0 %"), (0.995, "99.5 %"), (0.99999, ">99.99 %")],
        *[(float("nan"), "–"), (float("inf"), "–")],
    ],
)
def test_percentages_keep_two_digits_that_mean_something(share: float, text: str) -> None:
    assert figures.percent(share) == text
    assert figures.percent(share, sign=False) == text.removesuffix(" %")


@given(st.floats(0, 1), st.floats(0, 1))
def test_percentages_keep_the_order(first: float, second: float) -> None:
    low, high = (float(figures.percent(share, sign=False).lstrip("<>")) for share in sorted((first, second)))
    assert low <= high + 0.011


@given(st.floats())
def test_every_number_can_be_said(number: float) -> None:
    for say in (figures.count, figures.percent, figures.loss, figures.ratio, figures.lift, figures.milliseconds, figures.span):
        assert say(number).isprintable()
        assert len(say(number)) > 0


@pytest.mark.parametrize(
    ("length_ms", "text"), [(0, "0 s"), (1_500, "2 s"), (59_000, "59 s"), (90_000, "2 min"), (3_600_000, "1 h"), (86_400_000 * 3, "3 d"), (float("nan"), "–")]
)
def test_spans(length_ms: float, text: str) -> None:
    assert figures.span(length_ms) == text


def test_times_are_utc() -> None:
    assert figures.moment(1_740_960_000_000) == "Mon 03 Mar 00:00"
    assert figures.day(1_740_960_000_000) == "2025-03-03"


@pytest.mark.parametrize(("value", "text"), [(12_345_678, "12.3 M"), (9_812, "9,812"), (0, "0"), (float("nan"), "–")])
def test_counts(value: float, text: str) -> None:
    assert figures.count(value) == text


@pytest.mark.parametrize(("value", "text"), [(19.4, "19×"), (3.94, "3.9×"), (0.42, "0.4×")])
def test_lifts(value: float, text: str) -> None:
    assert figures.lift(value) == text


@pytest.mark.parametrize(("value_ms", "text"), [(0.42, "0.4 ms"), (41.2, "41 ms"), (2_345, "2.3 s")])
def test_short_durations(value_ms: float, text: str) -> None:
    assert figures.milliseconds(value_ms) == text
