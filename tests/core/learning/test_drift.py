"""The population stability index: nothing for equal samples, something for others, and a bounded memory of eight days."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from worker.core.learning.drift import FEATURES, LEAST_BEFORE, LEAST_NOW, PIECE_MS, PIECES_BEFORE, PIECES_NOW, Drift, psi
from worker.core.scoring.slots import SLOT_OF, SLOTS

PIECES = PIECES_NOW + PIECES_BEFORE
counts = arrays(np.int64, 12, elements=st.integers(0, 10_000))


@given(counts)
def test_equal_samples_have_not_drifted(sample: np.ndarray) -> None:
    index = psi(sample, sample.copy())
    assert math.isnan(index) if not sample.sum() else index == 0.0


@given(counts, counts)
def test_the_index_is_the_same_both_ways_and_never_negative(one: np.ndarray, other: np.ndarray) -> None:
    there, back = psi(one, other), psi(other, one)
    assert there == pytest.approx(back, nan_ok=True)
    assert not there < 0


def test_what_chance_gives_is_taken_off_and_a_change_is_not() -> None:
    rng = np.random.default_rng(3)
    cells = rng.dirichlet(np.ones(20))
    chance = [psi(rng.multinomial(500, cells), rng.multinomial(3_000, cells)) for _ in range(200)]
    assert np.mean(chance) < 0.01
    moved = np.roll(cells, 5)
    assert psi(rng.multinomial(500, moved), rng.multinomial(3_000, cells)) > 0.25


def bins_of(rows: int, **levels: int) -> np.ndarray:
    """Everything on its reference bin but for the named features."""
    bins = np.zeros((rows, len(SLOTS)), dtype=np.int32)
    for name, level in levels.items():
        bins[:, [slot.name for slot in SLOTS].index(name)] = SLOT_OF[name].base + level
    return bins


def taken(*parts: tuple[int, int, int, float]) -> Drift:
    """(piece, rows, bin of `events`, p) …"""
    drift = Drift(1)
    for piece, rows, level, p in parts:
        drift.observe(bins_of(rows, events=level), np.full((rows, 1), p), np.full(rows, piece * PIECE_MS, dtype=np.int64))
    return drift


def test_the_feature_that_moved_is_named_and_the_others_are_not() -> None:
    drift = taken((0, 1_000, 2, 0.02), (20, 1_000, 2, 0.02), (PIECES, 500, 5, 0.02))
    assert drift.samples() == (500, 1_000)  # the first piece is too old
    found = drift.features()
    assert found["events"] > 1
    assert {name for name, index in found.items() if index > 0.01} == {"events"}
    assert drift.scores() == [0.0]


def test_probabilities_that_moved_are_seen() -> None:
    assert taken((0, 1_000, 2, 0.02), (10, 500, 2, 0.3)).scores()[0] > 1


def test_nothing_is_said_of_too_few() -> None:
    assert taken((0, LEAST_BEFORE - 1, 2, 0.1), (10, LEAST_NOW, 2, 0.1)).features() == {}
    assert taken((0, LEAST_BEFORE, 2, 0.1), (10, LEAST_NOW - 1, 2, 0.1)).scores() == []
    assert taken((0, LEAST_BEFORE, 2, 0.1), (10, LEAST_NOW, 2, 0.1)).scores() == [0.0]


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 30)), max_size=40), st.integers(0, 39))
def test_memory_is_bounded_and_the_cut_does_not_matter(parts: list[tuple[int, int]], cut: int) -> None:
    piece = np.repeat(np.array([piece for piece, _ in parts], dtype=np.int64), [rows for _, rows in parts])
    piece = np.maximum.accumulate(piece) if len(piece) else piece
    whole, halves = Drift(1), Drift(1)
    bins, p = bins_of(len(piece), events=3), np.full((len(piece), 1), 0.5)
    whole.observe(bins, p, piece * PIECE_MS)
    for part in (slice(0, cut), slice(cut, None)):
        halves.observe(bins[part], p[part], piece[part] * PIECE_MS)
    assert whole.samples() == halves.samples()
    assert len(whole._pieces) <= PIECES


def test_no_feature_of_the_calendar_is_watched() -> None:
    assert "weekday" not in FEATURES
    assert len(FEATURES) == len(set(FEATURES)) > 60
