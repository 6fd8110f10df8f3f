"""The queue of one destination: every user has a line of their own, of which only the head is sent. So a user's order holds, and nobody waits for others."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from worker.delivery.reading.trigger import Trigger
from worker.log.contract import Record

Fate = Literal["delivered", "refused", "expired", "failed", "unreadable", "erased"]


@dataclass(slots=True, eq=False)
class Job:
    """One trigger on its way to one destination. `fate` is empty until it is decided; `detail` says in words what led to it."""

    record: Record
    trigger: Trigger | None  # None only of a record that cannot be read, whose fate is decided at once
    tries: int = 0  # that failed
    held_against: int = 0  # those of them between which the destination took other triggers
    others_taken: int = -1  # by the destination, as of the last failure
    in_flight: bool = False
    alone: bool = False  # a batch with it was refused as a whole: who is to blame shows when each goes by itself
    dropped: bool = False  # its partition is somebody else's by now: what becomes of it is not ours to say
    erased: bool = False  # a tombstone of its user stands behind it: it is not sent again, and nothing more is written of it
    fate: Fate | Literal[""] = ""
    detail: str = ""

    @property
    def over(self) -> bool:
        """Nothing is to be done with it any more."""
        return bool(self.fate) or self.dropped


class Queue:
    """The jobs of one destination that are not decided. Times are seconds of a clock that never goes back, but for expiry, which is Unix time."""

    def __init__(self) -> None:
        self._lines: dict[bytes, deque[Job]] = {}
        self._due: list[tuple[float, int, Job]] = []  # the heads that are not in flight
        self._expiring: list[tuple[int, int, Job]] = []
        self._turn = 0  # among equals, who came first
        self.waiting = 0

    def admit(self, job: Job, now_s: float) -> None:
        """Put a job at the end of its user's line."""
        assert job.trigger is not None
        line = self._lines.setdefault(_line_of(job), deque())
        line.append(job)
        self.waiting += 1
        self._turn += 1
        heapq.heappush(self._expiring, (job.trigger.expires_ms, self._turn, job))
        if len(line) == 1:
            self._push(job, now_s)

    def take(self, most: int, now_s: float) -> list[Job]:
        """Up to `most` heads that are due, in the order in which they became so; one that has to go alone goes alone. They are in flight then."""
        taken: list[Job] = []
        while len(taken) < most and self._next() is not None and self._due[0][0] <= now_s:
            if taken and self._due[0][2].alone:
                break
            job = heapq.heappop(self._due)[2]
            job.in_flight = True
            taken.append(job)
            if job.alone:
                break
        return taken

    def take_least_tried(self, now_s: float) -> list[Job]:
        """Of the heads that are due, the one that has failed least often, as a list of one; it is in flight then. Empty where none is due."""
        due: list[tuple[float, int, Job]] = []
        while self._next() is not None and self._due[0][0] <= now_s:
            due.append(heapq.heappop(self._due))
        best = min(due, key=lambda entry: entry[2].tries, default=None)
        for entry in due:
            if entry is not best:
                heapq.heappush(self._due, entry)
        if best is None:
            return []
        best[2].in_flight = True
        return [best[2]]

    def again(self, job: Job, at_s: float) -> None:
        """A job that was in flight waits until at_s for its next try; the rest of its line waits with it."""
        job.in_flight = False
        if job.over:
            self._leave(job, at_s)
        else:
            self._push(job, at_s)

    def decided(self, job: Job, fate: Fate, detail: str, now_s: float) -> None:
        """A job's fate is known; the next of its line may go."""
        if not job.over:
            self.waiting -= 1
        job.in_flight = False
        job.fate, job.detail = fate, detail
        self._leave(job, now_s)

    def expired(self, now_ms: int) -> Iterator[Job]:
        """The jobs whose expiry is past and that are not in flight. Whoever takes them decides them."""
        kept = []
        while self._expiring and self._expiring[0][0] <= now_ms:
            entry = heapq.heappop(self._expiring)
            if entry[2].in_flight:
                kept.append(entry)  # its answer may still come
            elif not entry[2].over:
                yield entry[2]
        for entry in kept:
            heapq.heappush(self._expiring, entry)

    def drop(self, jobs: list[Job], now_s: float) -> None:
        """Forget jobs. One in flight keeps its place in the line until it comes back: who reads the same trigger again must not overtake it."""
        for job in jobs:
            if not job.over:
                self.waiting -= 1
                job.dropped = True
                if not job.in_flight:
                    self._leave(job, now_s)

    def next_due_s(self) -> float | None:
        """When the next job is due; None while none waits."""
        head = self._next()
        return None if head is None else head[0]

    def first_to_expire(self) -> tuple[int, int] | None:
        """Of the job that expires first, when it fired and when it expires (Unix time); None while there is none."""
        while self._expiring and self._expiring[0][2].over:
            heapq.heappop(self._expiring)
        trigger = self._expiring[0][2].trigger if self._expiring else None
        return None if trigger is None else (trigger.time_ms, trigger.expires_ms)

    def _next(self) -> tuple[float, int, Job] | None:
        while self._due and self._due[0][2].over:
            heapq.heappop(self._due)
        return self._due[0] if self._due else None

    def _push(self, job: Job, at_s: float) -> None:
        self._turn += 1
        heapq.heappush(self._due, (at_s, self._turn, job))

    def _leave(self, job: Job, now_s: float) -> None:
        """Take what is over off the head of a line, and let the next one go."""
        line = self._lines.get(_line_of(job))
        if line is None or (line[0] is not job):
            return  # within the line: it is taken off when its turn comes
        while line and line[0].over and not line[0].in_flight:
            line.popleft()
        if not line:
            del self._lines[_line_of(job)]
        elif not line[0].in_flight:
            self._push(line[0], now_s)


def _line_of(job: Job) -> bytes:
    return job.record.key or b""
