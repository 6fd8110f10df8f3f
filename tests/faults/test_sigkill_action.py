"""SIGKILL at any moment with segments and triggers on, on an embedded log: no trigger is lost or there twice, no cap exceeded, judged from the input alone."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

from tests.faults.acting import CONFIGURATION, agreed, assert_each_once_and_no_cap_exceeded
from tests.faults.test_sigkill_worker import EVENTS, PARTITIONS, PATIENCE_S, PROFILES, SCORES, Shopkeeper, chance, records, shopkeeper
from worker.configuration import load
from worker.core.pipeline import Pipeline
from worker.core.scoring.scorecard import Scorecards
from worker.demo.shop import Shop, ShopSettings
from worker.log.embedded import EmbeddedLog
from worker.service.scoring.models import untrained

__all__ = ["chance", "shopkeeper"]  # fixtures
DEATHS = 6
SEGMENTS, TRIGGERS = "clickscore.segments", "clickscore.triggers"


def test_a_scorer_killed_at_random_moments_loses_and_repeats_no_trigger(shopkeeper: Shopkeeper, chance: random.Random) -> None:
    shopkeeper.configuration.write_text(shopkeeper.configuration.read_text().replace("[service]", f'{CONFIGURATION}[service]\nroles = ["scorer"]'))
    shopkeeper.settings = load(shopkeeper.configuration, environ={}).settings
    lines = agreed(value for value, _ in Shop(ShopSettings(users=300, days=6, seed=chance.randrange(1_000))).stream())
    parts = [lines[i * len(lines) // DEATHS : (i + 1) * len(lines) // DEATHS] for i in range(DEATHS)]
    shopkeeper.send(parts[0])
    log = EmbeddedLog(shopkeeper.path, create=False, lock_timeout_s=PATIENCE_S)
    tail = log.tail(SCORES, "earliest")
    for part in parts[1:]:
        worker = shopkeeper.start("run")
        assert tail.poll(chance.randrange(1, 200), PATIENCE_S)
        tail.poll(chance.randrange(1, 300), chance.uniform(0, 0.3))  # the moment: so many scores later, or so much time
        os.kill(worker, signal.SIGKILL)
        assert shopkeeper.wait(worker) == -signal.SIGKILL
        shopkeeper.send(part)
    last, deadline = shopkeeper.start("run"), time.monotonic() + PATIENCE_S
    while log.committed("clickscore", EVENTS) != log.end_offsets(EVENTS):
        assert time.monotonic() < deadline
        tail.poll(1_000, 0.1)
    os.kill(last, signal.SIGTERM)
    assert shopkeeper.wait(last) == 0

    assert_each_once_and_no_cap_exceeded(record.value for record in records(log, TRIGGERS))
    assert_all_is_that_of_one_run(shopkeeper, log)
    log.close()


def assert_all_is_that_of_one_run(shopkeeper: Shopkeeper, log: EmbeddedLog) -> None:
    """Triggers, changes of segments and what is remembered are those of one pipeline that takes the whole input in one turn."""
    settings = shopkeeper.settings
    cards = Scorecards.of([untrained(name, target) for name, target in settings.targets.items()])
    for partition in range(PARTITIONS):
        came = list(log.read(EVENTS, partition))
        keyed = [record for record in came if record.key is not None]
        whole = Pipeline(settings.core, partition, plan=settings.plan)
        turn = whole.turn([record.value for record in keyed], [record.offset for record in keyed], cards, time.time_ns() // 1_000_000)
        for topic, expected in ((TRIGGERS, turn.triggers), (SEGMENTS, turn.segments)):
            found = [(record.key, record.value) for record in log.read(topic, partition)]
            assert len(found) > 50
            assert Counter(found) == Counter((user.encode(), value) for user, value in expected)
        remembered = {key: value for key, value in turn.changes if key.startswith(b"a:")}
        assert {record.key: record.value for record in log.read(PROFILES, partition) if (record.key or b"").startswith(b"a:")} == remembered
