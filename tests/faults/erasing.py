"""Where a worker dies that carries requests to be forgotten out: functions that the nursery calls in its process first (nursery.Order, `patch`)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import wraps
from typing import Any

from worker.log.embedded.turns import EmbeddedTurns
from worker.log.kafka.turns import KafkaTurns
from worker.service.privacy.erasures import Erasures
from worker.service.scoring.scorer import Scorer

_open: list[Erasures] = []  # those whose turn has carried something out


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _opened() -> bool:
    return any(done.requests for erasures in _open for done in erasures._open.values())


def _around(kind: Any, name: str, before: Callable[[Any], None] = lambda _: None, after: Callable[[Any], None] = lambda _: None) -> None:
    method = getattr(kind, name)

    @wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        before(self)
        result = method(self, *args, **kwargs)
        after(self)
        return result

    setattr(kind, name, wrapper)


def _watch() -> None:
    _around(Erasures, "carry_out", after=_open.append)


def after_the_erasure() -> None:
    _watch()
    _around(Erasures, "carry_out", after=lambda _: _die())


def after_send() -> None:
    _watch()
    _around(Scorer, "_send", after=lambda _: _die() if _opened() else None)


def in_commit(statement: str) -> None:
    """On an embedded log: before this statement of the commit."""
    _watch()

    def look(turns: EmbeddedTurns) -> None:
        if _opened():
            turns._store.connection.set_trace_callback(lambda sql: _die() if sql.startswith(statement) else None)

    _around(EmbeddedTurns, "commit", before=look)


def before_the_records() -> None:
    in_commit("INSERT INTO records")


def with_everything_written() -> None:
    in_commit("COMMIT")


def after_commit() -> None:
    """Nobody was told of it yet."""
    _watch()
    for kind in (EmbeddedTurns, KafkaTurns):
        _around(kind, "commit", after=lambda _: _die() if _opened() else None)


STEPS = (after_the_erasure, after_send, before_the_records, with_everything_written, after_commit)
