"""What comes in for one destination: triggers from its group into the queue, and tombstones, that take the triggers of erased users out of it again."""

from __future__ import annotations

from collections.abc import Iterator

from worker.delivery.reading.ahead import Ahead
from worker.delivery.reading.positions import Positions
from worker.delivery.reading.queue import Fate, Job, Queue
from worker.delivery.reading.trigger import TriggerUnreadable, read_trigger
from worker.log.contract import Log, Polled, Record, TopicPartition, Turns
from worker.service.clock import Clock
from worker.service.patience import Patience
from worker.service.telemetry.happenings import Happenings
from worker.settings import Settings

AT_ONCE = 500  # records of one poll
FULL_POLL_S = 15.0  # a full queue reads one record in this time, for who does not poll at all loses the partitions
BEHIND_WAIT_S = 0.05  # for records that are known to be there


class Reader:
    """Reads as a member of the destination's group, decides what is not to be sent, and keeps the rest in the queue. For the courier's thread."""

    def __init__(self, name: str, settings: Settings, log: Log, turns: Turns, clock: Clock, happened: Happenings, patience: Patience) -> None:
        self._name, self._room, self._rules = name, settings.deliver.queue, frozenset(settings.destinations[name].rules)
        self._turns, self._clock, self._happened, self._patience = turns, clock, happened, patience
        self._ahead = Ahead(log, settings.topics.triggers, settings.deliver.queue)
        self.queue, self.positions = Queue(), Positions()
        self._polled_s = clock.elapsed_s()

    @property
    def full(self) -> bool:
        """Whether the queue has no room."""
        return self.queue.waiting >= self._room

    def read(self, wait_s: float) -> bool:
        """Read what there is room for, waiting at most wait_s; whether everything was seen that the topic holds: nobody may be sent to before.

        Where there is no room, the rest is looked through for tombstones. Raises Fenced: everything is to be forgotten then.
        """
        if not self.full or self._clock.elapsed_s() - self._polled_s >= FULL_POLL_S:
            self._poll(wait_s)
        if not self.full:
            return not self._behind()
        ends = {name: end for name, end in self.positions.ends.items() if name in self._turns.assignment()}
        return self._patience.call(f"look ahead for {self._name}", self._ahead.look, ends, self._clock.elapsed_s(), self._erase)

    def lose_all(self) -> None:
        """Everything goes back to the committed positions."""
        for name in list(self.positions.ends):
            self._ahead.lose(name)
        self.queue.drop(self.positions.lose_all(), self._clock.elapsed_s())

    def decide(self, job: Job, fate: Fate, detail: str) -> None:
        """What became of a job. Of who was erased meanwhile nothing but that is told, unless the destination has taken it."""
        if job.erased and fate != "delivered":
            fate, detail = "erased", ""
        if job.trigger is None:
            job.fate, job.detail = fate, detail
        else:
            self.queue.decided(job, fate, detail, self._clock.elapsed_s())
        if fate == "erased":
            self._happened.trigger_erased(self._name)
        elif fate != "delivered":
            self._happened.trigger_undelivered(self._name, fate, detail, job.trigger.trigger_id if job.trigger else "")

    def again(self, job: Job, at_s: float) -> None:
        """A job that was under way waits for its next try, unless its user was erased meanwhile."""
        if job.erased and not job.over:
            self.decide(job, "erased", "")
        else:
            self.queue.again(job, at_s)

    # ---- reading

    def _behind(self) -> bool:
        """Whether there are records that were not read, or may be."""
        lag = self._turns.lag()
        return any(lag.get(name, 1) for name in self._turns.assignment())

    def _poll(self, wait_s: float) -> None:
        room = max(1, min(AT_ONCE, self._room - self.queue.waiting))
        if self.full:
            wait_s = 0.0
        elif self._behind():
            wait_s = BEHIND_WAIT_S
        polled = self._patience.call(f"poll triggers for {self._name}", self._turns.poll, room, wait_s)
        self._polled_s = now_s = self._clock.elapsed_s()
        self._follow(polled, now_s)
        for name, records in polled.records.items():
            self._take(name, records, now_s)

    def _follow(self, polled: Polled, now_s: float) -> None:
        if polled.lost or polled.gained:
            self._happened.rebalanced("deliver", len(polled.gained), len(polled.lost))
        for name in polled.lost | polled.gained:
            self.queue.drop(self.positions.lose(name), now_s)
            self._ahead.lose(name)
        for name, offsets in polled.skipped.items():
            self._happened.input_skipped("deliver", name.topic, name.partition, offsets)

    def _take(self, name: TopicPartition, records: list[Record], now_s: float) -> None:
        jobs = list(self._jobs(records))
        self.positions.read(name, records[-1].offset + 1, jobs)
        for job in jobs:
            if not job.over:
                self.queue.admit(job, now_s)
        self._forget(name, {record.key: record.offset for record in records if record.value is None and record.key is not None})
        for job in jobs:
            if self._ahead.erased_at(name, job.record.key) > job.record.offset:
                self._withdraw(job)
        self._ahead.read(name, records[-1].offset + 1)

    def _jobs(self, records: list[Record]) -> Iterator[Job]:
        for record in records:
            try:
                trigger = read_trigger(record.value)
            except TriggerUnreadable as error:
                job = Job(record, None)
                self.decide(job, "unreadable", str(error))
                yield job
                continue
            if trigger is not None and (not self._rules or trigger.rule in self._rules):
                yield Job(record, trigger)

    # ---- tombstones

    def _erase(self, name: TopicPartition, key: bytes, offset: int) -> None:
        self._forget(name, {key: offset})

    def _forget(self, name: TopicPartition, erased: dict[bytes, int]) -> None:
        """Take out what stands before the tombstones of these users in one partition."""
        if erased:
            for job in self.positions.jobs(name):
                if job.record.key is not None and job.record.offset < erased.get(job.record.key, -1):
                    self._withdraw(job)

    def _withdraw(self, job: Job) -> None:
        """Not sent any more, and no dead letter. What is under way may finish."""
        if not job.erased:
            job.erased = True
            if not job.over and not job.in_flight:
                self.decide(job, "erased", "")
