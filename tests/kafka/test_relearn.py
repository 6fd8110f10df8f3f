"""`clickscore relearn` on a real broker, by somebody who may do just what the list of permissions says: what the running trainer goes on from is to the bit
the model of a trainer that never saw the erased.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tests.commands.kafka_commands import run
from tests.deploy.test_kafka_access import PATIENCE_S, Ground
from tests.kafka.fixtures import SecureBroker
from tests.service.bench import shop_lines
from worker.core.labels.examples import Example
from worker.core.learning.relearned import is_relearned
from worker.core.learning.snapshot import Snapshot
from worker.core.learning.trainer import Trainer
from worker.core.privacy.erased_users import ErasedUsers
from worker.core.scoring.slots import LAYOUT, TABLE_SIZE
from worker.log.contract import Log
from worker.service.assembly import build_loop, trainer_group
from worker.service.clock import SystemClock
from worker.service.loop import Loop, Stop
from worker.service.sender import send_lines
from worker.service.telemetry.happenings import Happenings
from worker.service.telemetry.logging import open_logger
from worker.service.telemetry.metrics import Metrics
from worker.settings import Settings

SHARED = """\
member = "m"
snapshot_examples = 1
log_level = "debug"
turn_wait = "1 ms"
[privacy]
key = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
[targets.purchase]
horizon = "1 d"
[targets.churn]
horizon = "1 d"
[endpoint]
port = 0
"""
LINES = shop_lines(40, 4)
EARLY = json.loads(LINES[0])["user_id"]  # windows of decisions have closed by the end


def remaining(log: Log, settings: Settings) -> dict[str, bytes]:
    """What a trainer learns of all examples that are there, who never saw those of the erased."""
    erased, topic, models = ErasedUsers(settings.privacy.key.encode()), settings.topics.examples, {}
    for record in log.read(settings.topics.receipts, 0):
        erased.take(record.value or b"")
    for number, target in enumerate(settings.targets):
        trainer, position, seen = Trainer(target, settings.targets[target], TABLE_SIZE, LAYOUT), 0, []
        for record in log.read(topic, number):
            position = record.offset + 1
            if not is_relearned(record.key):
                seen.append(Example.decode(record.value or b"", settings.pseudonyms))
        left = [example for example in seen if not erased.has_example(example)]
        assert len(left) < len(seen)
        trainer.learn_many(left, {number: position})
        models[target] = trainer.snapshot().encode()
    return models


def in_force(log: Log, settings: Settings) -> dict[str, bytes]:
    """The latest model of each target but for where it stands in the topic and what was added to its name: a mark takes offsets, and markers do."""
    out: dict[str, bytes] = {}
    for record in log.read(settings.topics.models, 0):
        if not is_relearned(record.key):
            one = Snapshot.decode(record.value or b"")
            out[(record.key or b"").decode()] = replace(one, numbers={name: each for name, each in one.numbers.items() if name != "named_before"}).encode()
    return out


def turn_until(loop: Loop, done: Callable[[], bool], lines: io.StringIO) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not done():
        loop.turn()
        assert time.monotonic() < deadline_s, lines.getvalue()[-3_000:]


def test_a_running_trainer_takes_over_what_never_saw_the_erased(secure_broker: SecureBroker, tmp_path: Path, fresh_name: Callable[[str], str]) -> None:
    ground = Ground(secure_broker, tmp_path, fresh_name, SHARED)
    settings, topics, lines, clock = ground.settings, ground.settings.topics, io.StringIO(), SystemClock()
    happened = Happenings(open_logger(settings.service, lines), Metrics(settings.targets), clock)
    stop = Stop(happened)
    with closing(ground.log()) as log:
        loop = build_loop(log, settings, clock, happened, stop)
        list(send_lines(log, topics.events, LINES, clock))
        turn_until(loop, lambda: bool(log.committed(trainer_group(settings), topics.examples)) and all_scored(log, settings), lines)
        assert run("privacy", "delete", EARLY, "--bootstrap", ground.open, "--config", ground.owners) == 0
        turn_until(loop, lambda: log.end_offsets(topics.receipts)[0] > 0, lines)

        ground.allow(ground.access("clickscore-relearner"))
        command = ground.command("relearn", "--wait", f"{PATIENCE_S:.0f} s")
        try:
            turn_until(loop, lambda: command.poll() is not None, lines)
            told = command.communicate(timeout=PATIENCE_S)[0]
        finally:
            command.kill()
        assert command.returncode == 0, told
        assert "Taken over by the trainer: purchase, intent, churn" in told, told
        stop.asked = True
        loop.run()
        assert in_force(log, settings) == remaining(log, settings)


def all_scored(log: Log, settings: Settings) -> bool:
    """Whether all events were scored."""
    name = settings.topics.events
    return sum(log.committed(settings.service.group, name).values()) >= sum(log.end_offsets(name).values()) - 1
