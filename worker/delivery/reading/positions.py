"""Which positions may be committed: up to the oldest trigger whose fate is not decided, partition by partition."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from worker.delivery.reading.queue import Job
from worker.log.contract import TopicPartition


class Positions:
    """What was read of the partitions of one member, in the order of offsets."""

    def __init__(self) -> None:
        self._jobs: dict[TopicPartition, deque[Job]] = {}
        self._read: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}

    def read(self, name: TopicPartition, next_offset: int, jobs: Iterable[Job]) -> None:
        """Records up to `next_offset` were read; these of them have a fate to wait for."""
        self._read[name] = next_offset
        self._jobs.setdefault(name, deque()).extend(jobs)

    @property
    def ends(self) -> dict[TopicPartition, int]:
        """By partition, the offset up to which was read."""
        return self._read

    def jobs(self, name: TopicPartition) -> Iterable[Job]:
        """The jobs of a partition that are not committed, in the order of offsets."""
        return self._jobs.get(name, ())

    def due(self) -> tuple[dict[TopicPartition, int], list[Job]]:
        """The positions that have moved since the last commit, and the decided jobs that lie below them and above those committed before."""
        moved, passed = {}, []
        for name, end in self._read.items():
            jobs = self._jobs[name]
            undecided = next((number for number, job in enumerate(jobs) if not job.fate), len(jobs))
            position = jobs[undecided].record.offset if undecided < len(jobs) else end
            if position > self._committed.get(name, -1):
                moved[name] = position
                passed += [jobs[number] for number in range(undecided)]
        return moved, passed

    def committed(self, positions: dict[TopicPartition, int]) -> None:
        """These positions were committed."""
        for name, position in positions.items():
            self._committed[name] = position
            jobs = self._jobs[name]
            while jobs and jobs[0].record.offset < position:
                jobs.popleft()

    def lose(self, name: TopicPartition) -> list[Job]:
        """A partition is somebody else's; the jobs that were not committed."""
        self._read.pop(name, None)
        self._committed.pop(name, None)
        return list(self._jobs.pop(name, ()))

    def lose_all(self) -> list[Job]:
        """Everything goes back to the committed positions; the jobs that were not committed."""
        return [job for name in list(self._read) for job in self.lose(name)]
