"""Hashes stay what they are: stored profiles and models hold them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.events import hashing
from worker.core.events.hashing import REMEMBERED_LENGTH, hash_column, hash_table, stable_hash, stable_hashes

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=2 * REMEMBERED_LENGTH)


@pytest.mark.parametrize(("text", "number"), [("u1", 3754440896447705), ("é🎩", 948738741979082), ("", 3178858157537802)])
def test_hashes_are_the_ones_of_the_first_version(text: str, number: int) -> None:
    assert stable_hash(text) == number


def test_another_process_with_another_hash_seed_agrees() -> None:
    code = "from worker.core.events.hashing import hash_table; print(sorted(hash_table(['u1', '/hats', None]).values()))"
    run = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(sorted([0, 0, stable_hash("u1"), stable_hash("/hats")]))


@given(st.lists(texts | st.none() | st.just("")))
def test_every_way_to_hash_agrees_and_zero_means_absent(column: list[str | None]) -> None:
    one_by_one = [stable_hash(text) if text else 0 for text in column]
    table = hash_table(column)
    assert hash_column(column).tolist() == [table[text] for text in column] == one_by_one
    assert stable_hashes([text for text in column if text]).tolist() == [number for number in one_by_one if number]
    assert all(0 <= number < 2**52 for number in one_by_one)
    assert all(float(number) == number for number in one_by_one)


def test_a_digest_of_zeros_is_still_present(monkeypatch: pytest.MonkeyPatch) -> None:
    class Zeros:
        def copy(self) -> Zeros:
            return self

        def update(self, data: bytes) -> None:
            assert data

        def digest(self) -> bytes:
            return b"\xff\x0f" + bytes(6)  # all that is left of the 52 bits is zero

    monkeypatch.setattr(hashing, "blake2b", lambda *data, digest_size: Zeros())
    assert stable_hash("x") == 1
    assert stable_hashes(["x", "y"]).tolist() == [1, 1]


def test_texts_by_the_million_are_not_all_remembered() -> None:
    for first in range(0, 3 * hashing.REMEMBERED_TEXTS, 1000):
        assert hash_table(map(str, range(first, first + 1000)))[str(first)] == stable_hash(str(first))
        assert len(hashing._remembered) <= hashing.REMEMBERED_TEXTS
    table = hash_table(str(number) for number in range(hashing.REMEMBERED_TEXTS + 1000))
    assert table["0"] == stable_hash("0")
    assert len(hashing._remembered) <= hashing.REMEMBERED_TEXTS
    hash_table(["x" * (REMEMBERED_LENGTH + 1)])
    assert max(map(len, hashing._remembered), default=0) <= REMEMBERED_LENGTH
