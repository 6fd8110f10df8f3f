"""Waiting for others without missing them: what a waiting poll() stands on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.log.forms import PATIENCE_S
from worker.log.embedded.store import Store


def opened(path: Path | None) -> Store:
    return Store(path, create=True, synchronous="normal", lock_timeout_s=PATIENCE_S, size_limit_bytes=None)


@pytest.fixture(params=["memory", "file, same handle", "file, another handle"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """Who waits, and who writes."""
    waiter = opened(None if request.param == "memory" else tmp_path / "log")
    writer = opened(tmp_path / "log") if request.param == "file, another handle" else waiter
    yield waiter, writer
    waiter.close()
    writer.close()


def write(store: Store) -> None:
    with store.transaction() as db:
        db.execute("INSERT INTO groups SELECT 'group ' || count(*), 0 FROM groups")


def fail_while_writing(store: Store) -> None:
    with store.transaction() as db:
        db.execute("INSERT INTO groups VALUES ('undone', 0)")
        raise ZeroDivisionError


def test_a_commit_changes_the_token_and_nothing_else_does(stores: tuple[Store, Store]) -> None:
    waiter, writer = stores
    seen = waiter.token()
    assert waiter.token() == seen
    with writer.snapshot() as db:
        db.execute("SELECT * FROM groups").fetchall()
    with pytest.raises(ZeroDivisionError):
        fail_while_writing(writer)
    assert waiter.token() == seen
    write(writer)
    assert waiter.token() != seen


def test_a_commit_before_the_waiting_is_not_missed(stores: tuple[Store, Store]) -> None:
    waiter, writer = stores
    seen = waiter.token()
    write(writer)
    waiter.wait(seen, PATIENCE_S)
    assert waiter.token() != seen


def test_a_commit_ends_the_waiting(stores: tuple[Store, Store]) -> None:
    waiter, writer = stores
    waiting = Thread(target=waiter.wait, args=(waiter.token(), 10 * PATIENCE_S), daemon=True)
    waiting.start()
    write(writer)
    waiting.join(PATIENCE_S)
    assert not waiting.is_alive()


def test_waiting_in_vain_ends(stores: tuple[Store, Store]) -> None:
    waiter, _ = stores
    seen = waiter.token()
    waiter.wait(seen, 0.01)
    assert waiter.token() == seen
