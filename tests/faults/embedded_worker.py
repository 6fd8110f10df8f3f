"""A worker for the SIGKILL test, run as a process of its own: python embedded_worker.py FILE MEMBER LEASE_S [STEP TURN].

It keeps one running hash a partition, the way a scorer keeps profiles: restored from the topic `state` when a partition
is gained, and moved on with every record. Each output names its input and carries the hash so far, so that an input
lost, repeated or out of order shows in every output after it. With STEP, it kills itself there in its TURN-th turn.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from collections.abc import Callable

from worker.log.contract import Message, Polled, TopicPartition
from worker.log.embedded import EmbeddedLog
from worker.log.errors import Fenced

NO_HASH = b"0"

# The steps of a turn; those within the commit are named by the beginning of the SQL statement that is about to run.
STEPS = {
    "after poll": "",
    "after send": "",
    "in commit, before anything": "SELECT epoch",
    "in commit, before the positions": "UPDATE positions",
    "in commit, before the records": "INSERT INTO records",
    "in commit, before the end offsets": "UPDATE partitions",
    "in commit, with everything written": "COMMIT",
    "after commit": "",
}


def moved_on(state: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(state + value, digest_size=8).hexdigest().encode()


class Worker:
    def __init__(self, path: str, member: str, lease_s: float, step: str, turn: int) -> None:
        self.log = EmbeddedLog(path, create=False, lease_s=lease_s, lock_timeout_s=30)
        self.turns = self.log.turns("g", ["in"], member)
        self.states: dict[TopicPartition, bytes] = {}
        self.step, self.turns_left = step, turn
        self.stopping = False

    def run(self) -> None:
        while not self.stopping:
            polled = self.turns.poll(limit=7, timeout_s=0.05)
            try:
                self.take_turn(polled)
            except Fenced:
                self.turns.abort()
                for name in self.states:  # they may be ahead of what was committed
                    self.restore(name)
        self.turns.close()
        self.log.close()

    def take_turn(self, polled: Polled) -> None:
        for name in polled.lost:
            del self.states[name]
        for name in polled.gained:
            self.restore(name)
        if not polled.records:
            self.turns.commit({})
            return
        self.turns_left -= 1
        self.die_at("after poll")
        for name, records in polled.records.items():
            for record in records:
                self.states[name] = moved_on(self.states[name], record.value or b"")
                output = b"%d %s" % (record.offset, self.states[name])
                self.turns.send("out", [Message(output, record.key, partition=name.partition)])
            self.turns.send("state", [Message(self.states[name], b"hash", partition=name.partition)])
        self.die_at("after send")
        if self.turns_left == 0 and STEPS.get(self.step):
            vars(self.log)["_store"].connection.set_trace_callback(self.die_before(STEPS[self.step]))
        self.turns.commit(polled.next_offsets)
        self.die_at("after commit")

    def restore(self, name: TopicPartition) -> None:
        self.states[name] = NO_HASH
        for record in self.log.read("state", name.partition):
            self.states[name] = record.value or NO_HASH

    def die_at(self, step: str) -> None:
        if step == self.step and self.turns_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def die_before(self, statement: str) -> Callable[[str], None]:
        def look(sql: str) -> None:
            if sql.startswith(statement):
                os.kill(os.getpid(), signal.SIGKILL)

        return look

    def stop(self, *_: object) -> None:
        self.stopping = True


if __name__ == "__main__":
    path, member, lease_s, step, turn = [*sys.argv[1:], "", "0"][:5]
    worker = Worker(path, member, float(lease_s), step, int(turn))
    signal.signal(signal.SIGTERM, worker.stop)
    print("started", flush=True)
    worker.run()
