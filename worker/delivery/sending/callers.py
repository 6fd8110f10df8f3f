"""The threads that wait for one destination, and hand back what came of each request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue

from worker.delivery.reading.queue import Job
from worker.delivery.request.writing import Request
from worker.delivery.sending.answers import Answer


@dataclass(slots=True)
class Call:
    """One request with the jobs that it carries. `probe`: the circuit breaker learns from it alone. `began_s` is of a clock that never goes back.

    `answer` is there once it is over.
    """

    jobs: list[Job]
    request: Request
    probe: bool
    began_s: float
    answer: Answer | None = None


class Callers:
    """Daemon threads: a process that ends waits for none of them, and whatever they were about is sent again by the next one."""

    def __init__(self, name: str, threads: int, post: Callable[[Request], Answer]) -> None:
        self._post = post
        self._asked: SimpleQueue[Call | None] = SimpleQueue()
        self.over: SimpleQueue[Call] = SimpleQueue()
        """Calls with their answers, as they come in."""
        self._threads = [threading.Thread(target=self._work, name=f"deliver-{name}-{number}", daemon=True) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def begin(self, call: Call) -> None:
        """Make a call as soon as a thread is free."""
        self._asked.put(call)

    def close(self) -> None:
        """Let the threads end once they have nothing to do."""
        for _ in self._threads:
            self._asked.put(None)

    def _work(self) -> None:
        while (call := self._asked.get()) is not None:
            try:
                call.answer = self._post(call.request)
            except Exception as error:  # noqa: BLE001 - a thread that dies of something unforeseen would leave its triggers undecided for ever
                call.answer = Answer(0, trouble=f"not sent: {type(error).__name__}")
            self.over.put(call)
