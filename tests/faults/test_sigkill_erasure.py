"""SIGKILL at the steps of a turn that carries requests to be forgotten out, on an embedded log: each is carried out once, and has one receipt."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

import orjson

from tests.faults import erasing
from tests.faults.acting import CONFIGURATION, agreed
from tests.faults.test_sigkill_worker import EVENTS, PARTITIONS, PATIENCE_S, PROFILES, SCORES, Shopkeeper, chance, records, shopkeeper
from worker.configuration import load
from worker.core.events.decoding import decode
from worker.core.privacy.receipts import Receipts
from worker.demo.shop import Shop, ShopSettings
from worker.log.embedded import EmbeddedLog
from worker.service.clock import SystemClock
from worker.service.privacy.asking import Asking
from worker.service.privacy.scanning import scan

__all__ = ["chance", "shopkeeper"]  # fixtures
KEY = "k" * 32
PRIVACY, RECEIPTS = "clickscore.privacy", "clickscore.receipts"


def test_a_scorer_killed_as_it_erases_carries_each_request_out_once(shopkeeper: Shopkeeper, chance: random.Random) -> None:
    more = f'{CONFIGURATION}[privacy]\nkey = "{KEY}"\n[service]\nroles = ["scorer"]'
    shopkeeper.configuration.write_text(shopkeeper.configuration.read_text().replace("[service]", more))
    shopkeeper.settings = settings = load(shopkeeper.configuration, environ={}).settings
    lines = agreed(value for value, _ in Shop(ShopSettings(users=80, days=5, seed=chance.randrange(1_000))).stream())
    named = Counter(decode(lines)[0].user_id)  # some lines of a shop are no events
    users = [user for user, _ in named.most_common(2 * len(erasing.STEPS))]
    parts = [lines[i * len(lines) // len(erasing.STEPS) : (i + 1) * len(lines) // len(erasing.STEPS)] for i in range(len(erasing.STEPS))]
    log = None
    for number, (step, part) in enumerate(zip(erasing.STEPS, parts, strict=True)):
        shopkeeper.send(part)
        log = log or EmbeddedLog(shopkeeper.path, create=False, lock_timeout_s=PATIENCE_S)
        Asking(log, settings, SystemClock()).ask("SUPPRESS" if number % 2 else "DELETE", users[2 * number : 2 * number + 2], step.__name__)
        run = ["run", "--embedded", str(shopkeeper.path), "--config", str(shopkeeper.configuration)]
        worker = shopkeeper.order({"arguments": run, "patch": f"tests.faults.erasing:{step.__name__}"})
        shopkeeper.alive.add(worker)
        assert shopkeeper.wait(worker) == -signal.SIGKILL
    assert log is not None
    last, tail, deadline = shopkeeper.start("run"), log.tail(SCORES, "earliest"), time.monotonic() + PATIENCE_S
    while log.committed("clickscore", EVENTS) != log.end_offsets(EVENTS) or len(records(log, RECEIPTS)) < len(users):
        assert time.monotonic() < deadline
        tail.poll(1_000, 0.1)
    os.kill(last, signal.SIGTERM)
    assert shopkeeper.wait(last) == 0

    receipts = [orjson.loads(record.value or b"") for record in records(log, RECEIPTS)]
    assert all(Receipts(KEY.encode()).holds(record.value or b"") for record in records(log, RECEIPTS))
    assert Counter((one["request_id"], one["user"]) for one in receipts) == dict.fromkeys(
        ((erasing.STEPS[number // 2].__name__, Receipts(KEY.encode()).pseudonym(user)) for number, user in enumerate(users)), 1
    )
    answered = Counter(record.key for record in records(log, PRIVACY) if record.value is None)
    assert set(answered.values()) <= {1}  # none where the last worker has swept the log by now
    for number, user in enumerate(users):
        if number // 2 % 2:  # suppressed: whatever came later is dropped
            assert [one for one in scan(log, settings, user) if one.live and one.topic in (SCORES, PROFILES, PRIVACY, RECEIPTS)] == []
    assert log.partition_count(PRIVACY) == PARTITIONS
    log.close()
