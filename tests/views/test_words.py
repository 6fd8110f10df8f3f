"""Numbers and bins as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.scoring.bin_names import level_text
from worker.core.scoring.slots import SLOTS
from worker.views import figures
from worker.views.bin_words import in_words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("add_to_cart.1d 0.95 – 1.5", "about 1 cart add in 1 d"),
        ("add_to_cart.1d 1.5 – 2.5", "about 2 cart adds in 1 d"),
        ("add_to_cart.1d 2.5 – 4.5", "3–4 cart adds in 1 d"),
        ("view_item.28d 0.3 – 0.6", "item views some time ago (28 d)"),
        ("view_item.28d none", "no item views in 28 d"),
        ("events.28d 130 or more", "130 or more events in 28 d"),
        ("recency.view_item 1 min – 3 min", "item view 1–3 min ago"),
        ("recency.view_item under 1 s", "item view under 1 s ago"),
        ("recency.purchase never", "no purchase yet"),
        ("recency 12 h – 1 d", "seen 12 h – 1 d ago"),
        ("session.view_item 4 – 5", "4–5 item views this visit"),
        ("session.add_to_cart 1", "1 cart add this visit"),
        ("session.length 4 min – 8 min", "4–8 min into the visit"),
        ("session.length never", "no visit now"),
        ("sessions under 2", "first visit"),
        ("sessions 3", "3 visits"),
        ("discount 5% – 10%", "discount 5–10 %"),
        ("country DE", "country DE"),
        ("path /c/tents", "path /c/tents"),
        ("event add_to_cart", "now: add to cart"),
        ("weekday Mon", "on Mon"),
        ("country × medium: DE × email", "country DE, medium email"),
        ("path × sessions: /sale × 2", "path /sale, 2 visits"),
        ("path × sessions: /a × b × 2", "path × sessions: /a × b × 2"),
        ("path × event #1234", "path × event #1234"),
        ("silence: recency 3 d – 5 d", "in silence: seen 3–5 d ago"),
        ("something_new", "something new"),
        ("always", "always"),
        ("country \x1b[31mX", "country �[31mX"),
    ],
)
def test_bins_are_said_in_words(name: str, words: str) -> None:
    assert in_words(name) == words


def test_every_bin_of_the_scorecard_has_words() -> None:
    """No bin is named by underscores, by "none" or "never" alone, and none by another's words within its feature, faded counts apart."""
    for slot in SLOTS:
        if slot.kind in ("count", "ms", "number", "share"):
            names = [f"{slot.name} {level_text(slot, level)}" for level in range(slot.size)]
            words = [in_words(name) for name in names]
            assert all(not set(phrase) & set("_") and not {"none", "never"} & set(phrase.split()) for phrase in words), words
            assert slot.kind == "count" or len(set(words)) == len(words), words


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
