"""Patience with a log that cannot be reached for a while: the same call again, at growing intervals, until it goes through."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from worker.log.errors import LogUnavailable, UnknownTopic
from worker.service.clock import Clock
from worker.service.telemetry.happenings import Happenings

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Patience:
    """Repeats calls on the log, for limit_s at most. Once `stopping` says so, the first refusal is final: nobody waits for a worker that was told to end.

    A topic that is not there is waited for as well: it was there when the worker started, and brokers that have just started do not know all of theirs.
    """

    def __init__(
        self, clock: Clock, happened: Happenings, stopping: Callable[[], bool], limit_s: float = math.inf, trying: Callable[[], None] = lambda: None
    ) -> None:
        """`trying` is told before each try: a sign of life of who waits."""
        self._clock = clock
        self._happened = happened
        self._stopping = stopping
        self._limit_s = limit_s
        self._trying = trying

    def of_thread(self, stopping: Callable[[], bool], trying: Callable[[], None]) -> Patience:
        """The same patience for a thread that may have to stop before the process does, and that somebody watches."""
        return Patience(self._clock, self._happened, lambda: self._stopping() or stopping(), self._limit_s, trying)

    def call(self, what: str, action: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """The result of `action` with these arguments; `what` names it in the log.

        Raises LogUnavailable and UnknownTopic when stopping or at the limit, all else at once.
        """
        pause_s, began_s = FIRST_PAUSE_S, self._clock.elapsed_s()
        tries = 1
        while True:
            self._trying()
            try:
                result = action(*args, **kwargs)
            except (LogUnavailable, UnknownTopic) as error:
                if self._stopping() or self._clock.elapsed_s() - began_s + pause_s > self._limit_s:
                    raise
                self._happened.log_unavailable(what, error, pause_s)
                self._clock.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                tries += 1
                continue
            if tries > 1:
                self._happened.log_answered(what, tries, self._clock.elapsed_s() - began_s)
            return result
