"""Compaction, watched on a real broker: what tombstones of an erased user cover is gone from the log, and the tombstones after it.

The topics are those of `clickscore topics create`. Only how long the broker waits is changed, for the test not to last for days: segments are closed at once,
and cleaned as soon as they may be. What is there is read by a plain consumer from the beginning.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.commands.kafka_commands import SHORT, run
from tests.commands.test_privacy import CONFIGURATION, LINES, USER
from tests.faults import readback
from worker.configuration import load
from worker.demo.broker import Broker
from worker.log.contract import Message
from worker.log.kafka.administration import Administration
from worker.service.assembly import build_loop
from worker.service.clock import SystemClock
from worker.service.loop import Stop
from worker.service.sender import send_lines
from worker.service.telemetry.happenings import Happenings
from worker.service.telemetry.logging import open_logger
from worker.service.telemetry.metrics import Metrics
from worker.service.topics import open_log

PATIENCE_S = 60.0  # only reached when something is broken
ERASABLE = ("scores", "segments", "triggers", "profiles", "privacy", "deadletter")
IMPATIENT = {"segment.ms": "100", "min.cleanable.dirty.ratio": "0.0", "min.compaction.lag.ms": "0", "max.compaction.lag.ms": "1", "delete.retention.ms": "0"}


def test_what_is_left_of_an_erased_user_is_nothing(broker: Broker, tmp_path: Path, fresh_name: Callable[[str], str]) -> None:
    file, lines, clock = tmp_path / "clickscore.toml", io.StringIO(), SystemClock()
    names = "".join(f'{short} = "{fresh_name(short)}"\n' for short in (*SHORT, "privacy", "receipts"))
    file.write_text(f"{CONFIGURATION}[topics]\n{names}[endpoint]\nport = 0\n".replace('member = "m"', 'member = "m"\nroles = ["scorer"]'))
    settings = load(file, (), {"--bootstrap": ("kafka.bootstrap", broker.bootstrap)}, environ={}).settings
    assert run("topics", "create", "--bootstrap", broker.bootstrap, "--config", file) == 0
    erasable = [getattr(settings.topics, short) for short in ERASABLE]

    def naming(topic: str) -> tuple[int, int]:
        """How many records name the user, and how many there are."""
        found = readback.read(broker.bootstrap, topic).all()
        said = [b" ".join([record.key or b"", record.value or b"", *(content for _, content in record.headers)]) for record in found]
        return sum(USER.encode() in text for text in said), len(found)

    deadline_s = time.monotonic() + PATIENCE_S
    with closing(open_log(settings)) as log, closing(Administration(settings.kafka.connection())) as cluster:
        happened = Happenings(open_logger(settings.service, lines), Metrics(settings.targets), clock)
        stop = Stop(happened)
        loop = build_loop(log, settings, clock, happened, stop)
        list(send_lines(log, settings.topics.events, LINES, clock))
        log.append(settings.topics.events, [Message(b"{", USER.encode()), Message(b"{", USER.encode())])
        while any(
            log.committed(settings.service.group, settings.topics.events).get(p, 0) < end - 1 for p, end in log.end_offsets(settings.topics.events).items()
        ):
            loop.turn()
        assert run("privacy", "delete", USER, "--bootstrap", broker.bootstrap, "--config", file) == 0
        while not log.end_offsets(settings.topics.receipts)[0]:
            loop.turn()
            assert time.monotonic() < deadline_s, lines.getvalue()[-2_000:]
        stop.asked = True
        loop.run()
        assert run("privacy", "sweep", "--bootstrap", broker.bootstrap, "--config", file) == 0
        before = {topic: naming(topic) for topic in erasable}
        assert all(theirs > 1 for theirs, _ in before.values()), before

        for topic in erasable:
            cluster.configure(topic, IMPATIENT)
        left = before
        while left:
            assert time.monotonic() < deadline_s, left
            for topic in left:  # a segment is closed by the record that comes after its time, and only then cleaned
                log.append(topic, [Message(b"{}", b"other", partition=p) for p in range(log.partition_count(topic))])
            now = {topic: naming(topic) for topic in left}
            assert all(others > 0 for _, others in now.values())
            left = {topic: counts for topic, counts in now.items() if counts[0]}
        assert naming(settings.topics.events)[0] > 0  # the input is not ours
