"""A time limit for calls that have none of their own.

A Python thread cannot be interrupted from outside, so the call runs on another thread and its caller stops waiting. What it leaves behind then is
one daemon thread, that ends with the call or with the program, and does not hold up its exit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")


class Overrun(Exception):
    """The call did not return in time. It may go on, and may still have its effect."""


class _Call:
    """One call on its way through the thread, and what came of it."""

    def __init__(self, action: Callable[[], Any]) -> None:
        self._action = action
        self._result: Any = None
        self._error: BaseException | None = None
        self.done = threading.Event()

    def run(self) -> None:
        try:
            self._result = self._action()
        except BaseException as error:  # noqa: BLE001 - the caller raises it
            self._error = error
        self.done.set()

    def outcome(self) -> Any:
        if self._error is not None:
            error, self._error = self._error, None  # an error that is kept holds on to everything that its stack frames name
            raise error
        return self._result


class Watchdog:
    """Runs calls one after the other on one thread, and waits for each no longer than `limit_ms`. For callers of one thread.

    `name` is the thread's. After an overrun nothing can be called any more: the thread belongs to the call that is stuck.
    """

    def __init__(self, name: str, limit_ms: float) -> None:
        self._limit_s = limit_ms / 1000
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._open = 0  # calls whose outcome nobody has had; one stays so for ever if its caller is interrupted while it waits
        self._stuck = False
        self._thread = threading.Thread(target=_serve, args=(self._calls,), name=name, daemon=True)
        self._thread.start()

    def call(self, action: Callable[[], Result]) -> Result:
        """What `action` returns or raises. Raises Overrun when it takes longer than the limit, and at once after an overrun."""
        return self.start(action)()

    def start(self, action: Callable[[], Result]) -> Callable[[], Result]:
        """Run `action` while the caller does something else. What is returned waits for the end, at most the limit from then on; call it once.

        Raises Overrun at once after an overrun.
        """
        if self._stuck:
            raise Overrun("an earlier call has not returned yet")
        call = _Call(action)
        self._open += 1
        self._calls.put(call)

        def outcome() -> Result:
            if not call.done.wait(self._limit_s):
                self._stuck = True
                raise Overrun(f"no end after {self._limit_s:g} s")
            self._open -= 1
            result: Result = call.outcome()
            return result

        return outcome

    def close(self) -> None:
        """Let the thread end: at once, or when what it is at returns, which is not waited for."""
        self._calls.put(None)
        if not self._open:
            self._thread.join()


def _serve(calls: SimpleQueue[_Call | None]) -> None:
    while (call := calls.get()) is not None:
        call.run()
        del call  # or it would be kept, with all that it holds, until the next one comes
