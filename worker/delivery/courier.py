"""The courier of one destination: reads the triggers as a group of its own, keeps their queue, sends them, and commits what is decided.

A destination has a group, a queue and a thread to itself, so that one that is away holds up nothing but itself. A position is committed only once the fate
of every trigger below it is decided, in one transaction with the dead letters among them: whatever a courier dies of, the next one sends what was not
decided again, under the same id.
"""

from __future__ import annotations

import random
from queue import Empty

from worker.delivery.pacing.backoff import Backoff, retry_after_s
from worker.delivery.pacing.breaker import Breaker
from worker.delivery.pacing.gate import Gate
from worker.delivery.reading.letters import letter_of, tells
from worker.delivery.reading.queue import Job
from worker.delivery.reading.reader import Reader
from worker.delivery.reading.trigger import Trigger
from worker.delivery.request.writing import Writer
from worker.delivery.sending.answers import Answer, blamed_items, meaning
from worker.delivery.sending.callers import Call, Callers
from worker.delivery.sending.exchange import Exchange
from worker.log.contract import Log, Turns
from worker.log.errors import Fenced, MemberReplaced
from worker.service.clock import Clock
from worker.service.patience import Patience
from worker.service.telemetry.happenings import Happenings
from worker.service.telemetry.trace import trace_context
from worker.settings import Settings

COMMIT_EVERY_S = 0.2  # while requests are under way; a crash repeats what was decided since
ALONE_AFTER = 3  # such failures of a trigger in a batch: from then on it goes by itself, for one of the batch may be why


class Courier:
    """One destination's member of its group. For one thread; `step` never waits longer than it is told."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        log: Log,
        turns: Turns,
        exchange: Exchange,
        writer: Writer,
        clock: Clock,
        happened: Happenings,
        patience: Patience,
        chance: random.Random,
    ) -> None:
        destination, deliver = settings.destinations[name], settings.deliver
        self._name, self._settings, self._destination, self._deliver = name, settings, destination, deliver
        self._turns, self._exchange, self._writer = turns, exchange, writer
        self._clock, self._happened, self._patience = clock, happened, patience
        self._reader = Reader(name, settings, log, turns, clock, happened, patience)
        self._queue, self._positions = self._reader.queue, self._reader.positions
        self._backoff = Backoff(deliver.backoff_ms / 1000, deliver.longest_backoff_ms / 1000, chance)
        pause = Backoff(deliver.breaker_pause_ms / 1000, deliver.longest_breaker_pause_ms / 1000, chance)
        self._breaker = Breaker(deliver.breaker_failures, pause)
        self._gate = Gate(destination.rate, destination.concurrency, self._breaker)
        self._callers = Callers(name, destination.concurrency, lambda request: exchange.post(*request))
        self._throttled = 0  # times in a row
        self._taken = 0  # triggers, by the destination
        self._circuit: str = self._breaker.state
        self._committed_s = clock.elapsed_s()

    @property
    def undecided(self) -> int:
        """Triggers in memory whose fate is open."""
        return self._queue.waiting

    @property
    def under_way(self) -> int:
        """Requests under way."""
        return self._gate.in_flight

    def step(self, wait_s: float) -> None:
        """Read, send what may go, take in what came back, commit; waits at most wait_s, for whichever comes first.

        Nothing is sent before it is known whether its user was erased by what the topic holds.

        Raises MemberReplaced; LogUnavailable when stopping, or at the limit of patience.
        """
        try:
            current = self._reader.read(0.0 if self.under_way else self._until_next(wait_s))
        except MemberReplaced:
            raise
        except Fenced as error:
            self._give_up(error)
            current = False
        self._expire()
        if current:
            self._begin()
        if self.under_way or (current and self._reader.full):
            self._collect(self._until_next(wait_s) if current else 0.0)
        self._commit(at_once=not self.under_way)
        self._happened.deliveries_progressed(self._name, self._queue.waiting, sum(self._turns.lag().values()), self._queue.first_to_expire())

    def finish(self, within_s: float) -> None:
        """Wait for what is under way, begin nothing more, and commit."""
        until_s = self._clock.elapsed_s() + within_s
        while self.under_way and (left_s := until_s - self._clock.elapsed_s()) > 0:
            self._collect(left_s)
        self._commit(at_once=True)

    def close(self) -> None:
        """Leave the group. What is not decided is left to the next member."""
        self._callers.close()
        self._exchange.close()
        self._turns.close()

    # ---- sending

    def _expire(self) -> None:
        for job in self._queue.expired(self._clock.now_ms()):
            self._reader.decide(job, "expired", f"expired after {job.tries} tries" + (f", the last: {job.detail}" if job.detail else ""))

    def _begin(self) -> None:
        now_s = self._clock.elapsed_s()
        while self._gate.wait_s(now_s) == 0.0:
            jobs = self._queue.take(self._writer.batch, now_s) if self._breaker.state == "closed" else self._queue.take_least_tried(now_s)
            if not jobs:
                return
            self._look_at_secrets()
            request = self._writer.write(_triggers(jobs), self._clock.now_ms(), trace_context(jobs[0].record.headers))
            probe = self._gate.began(now_s)
            self._tell_circuit("one request decides")
            self._callers.begin(Call(jobs, request, probe, now_s))

    def _look_at_secrets(self) -> None:
        try:
            if self._writer.look():
                self._happened.secret_changed(self._name)
        except (OSError, ValueError) as error:
            self._happened.secret_unusable(self._name, error)

    def _until_next(self, wait_s: float) -> float:
        """How long there is nothing to do but wait, at most wait_s."""
        now_s, due_s = self._clock.elapsed_s(), self._queue.next_due_s()
        if (first := self._queue.first_to_expire()) is not None:
            wait_s = min(wait_s, max(0.001, (first[1] - self._clock.now_ms()) / 1000))
        gate = self._gate.wait_s(now_s)
        if due_s is not None and gate is not None:
            wait_s = min(wait_s, max(gate, due_s - now_s, 0.0))
        return wait_s

    # ---- what came back

    def _collect(self, wait_s: float) -> None:
        """Take in the calls that are over, waiting at most wait_s for the first."""
        try:
            call = self._callers.over.get(timeout=wait_s) if wait_s > 0 else self._callers.over.get_nowait()
            while True:
                self._take(call)
                call = self._callers.over.get_nowait()
        except Empty:
            return

    def _take(self, call: Call) -> None:
        answer = call.answer or Answer(0, trouble="not sent")
        now_s = self._clock.elapsed_s()
        self._gate.ended()
        means = meaning(answer)
        self._happened.request_answered(self._name, means, now_s - call.began_s)
        if means == "failed":
            self._breaker.failed(call.probe, now_s, _triggers(call.jobs)[0].trigger_id)
        else:
            self._breaker.succeeded(call.probe)
        self._throttled = self._throttled + 1 if means == "throttled" else 0
        if means == "delivered":
            self._delivered(call.jobs, answer)
        elif means == "refused":
            self._refused(call.jobs, answer, now_s)
        elif means == "throttled":
            self._put_off(call.jobs, answer, now_s)
        else:
            self._failed(call, answer, now_s)
        self._tell_circuit(answer.in_words)

    def _delivered(self, jobs: list[Job], answer: Answer) -> None:
        blamed = blamed_items(answer, self._writer.blamed)
        for number, job in enumerate(jobs):
            if number in blamed:
                self._reader.decide(job, "refused", blamed[number])
            else:
                self._taken += 1
                self._reader.decide(job, "delivered", "")
        self._happened.triggers_delivered(self._name, [t.time_ms for number, t in enumerate(_triggers(jobs)) if number not in blamed])

    def _refused(self, jobs: list[Job], answer: Answer, now_s: float) -> None:
        if len(jobs) == 1:
            self._reader.decide(jobs[0], "refused", answer.in_words)
            return
        for job in jobs:
            job.alone = True
            self._reader.again(job, now_s)
        self._happened.delivery_put_off(self._name, f"{answer.in_words} to a batch: each goes by itself", len(jobs))

    def _put_off(self, jobs: list[Job], answer: Answer, now_s: float) -> None:
        asked_s = retry_after_s(answer.retry_after, self._clock.now_ms())
        until_s = now_s + (self._backoff.wait_s(self._throttled) if asked_s is None else asked_s)
        self._gate.quiet(until_s)
        for job in jobs:
            job.detail = answer.in_words
            self._reader.again(job, until_s)
        self._happened.delivery_put_off(self._name, answer.in_words, len(jobs))

    def _failed(self, call: Call, answer: Answer, now_s: float) -> None:
        asked_s = retry_after_s(answer.retry_after, self._clock.now_ms()) or 0.0
        for job in call.jobs:
            job.detail = answer.in_words
            job.tries += 1
            if self._taken > job.others_taken:  # while the destination is away, nobody's tries are used up
                job.held_against, job.others_taken = job.held_against + 1, self._taken
            job.alone = job.alone or job.held_against >= ALONE_AFTER
            if job.held_against >= self._deliver.attempts:
                self._reader.decide(job, "failed", f"{job.tries} tries failed, the last: {answer.in_words}")
            else:
                self._reader.again(job, now_s + max(asked_s, self._backoff.wait_s(1 if call.probe else job.tries)))
        self._happened.delivery_put_off(self._name, answer.in_words, len(call.jobs))

    def _tell_circuit(self, why: str) -> None:
        if self._breaker.state != self._circuit:
            self._circuit = self._breaker.state
            self._happened.circuit_changed(self._name, self._circuit, why)

    # ---- positions

    def _commit(self, at_once: bool) -> None:
        moved, passed = self._positions.due()
        now_s = self._clock.elapsed_s()
        if not moved or not (at_once or now_s - self._committed_s >= COMMIT_EVERY_S):
            return
        self._committed_s = now_s
        try:
            letters = [letter_of(job, self._name, under_own_key=self._settings.erases_by_compaction) for job in passed if tells(job)]
            self._patience.call(f"send dead letters of {self._name}", self._turns.send, self._settings.topics.deadletter, letters)
            self._patience.call(f"commit deliveries to {self._name}", self._turns.commit, moved)
        except MemberReplaced:
            raise
        except Fenced as error:
            self._give_up(error)
            return
        self._positions.committed(moved)

    def _give_up(self, error: Fenced) -> None:
        self._turns.abort()
        self._reader.lose_all()
        self._happened.turn_fenced("deliver", error)


def _triggers(jobs: list[Job]) -> list[Trigger]:
    return [job.trigger for job in jobs if job.trigger is not None]
