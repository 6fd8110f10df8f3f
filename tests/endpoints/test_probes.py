"""Alive and ready: what each says in which state of a worker."""

from __future__ import annotations

from typing import Any

import orjson

from tests.endpoints.clients import get
from tests.endpoints.shop import Shop, endpoint_settings
from tests.service.bench import Clock, settings_of, shop_lines
from worker.endpoints.probes import alive, ready
from worker.log.errors import Fenced, LogUnavailable
from worker.service.watch import Watch


def asked(shop: Shop, path: str) -> tuple[int, dict[str, Any]]:
    assert shop.endpoint is not None
    status, _, body = get(shop.endpoint.port, path)
    return status, orjson.loads(body)


def test_a_worker_is_alive_at_once_and_ready_when_it_has_come_round() -> None:
    shop = Shop()
    shop.open()
    try:
        status, state = asked(shop, "/readyz")
        assert (status, state["ready"]) == (503, False)
        assert set(state["missing"]) == {"log", "loop", "partitions", "models"}
        assert asked(shop, "/livez")[0] == 200
        shop.send(shop_lines()[:50])
        loop = shop.loop()
        assert set(asked(shop, "/readyz")[1]["missing"]) == {"log", "loop", "partitions"}  # the models are read by now
        loop.turn()
        assert asked(shop, "/readyz") == (200, {"ready": True, "missing": {}, "partitions": [0, 1], "untrained": ["churn", "intent", "purchase"]})
    finally:
        shop.shut()


def test_a_loop_that_stands_still_is_not_alive_for_long() -> None:
    shop = Shop(endpoint_settings(stalled_after="30 s"))
    shop.open()
    try:
        loop = shop.loop()
        loop.turn()
        shop.clock.at_s += 29
        assert asked(shop, "/livez")[0] == 200
        shop.clock.at_s += 2
        assert asked(shop, "/livez") == (503, {"alive": False, "silent_seconds": 31.0, "stalled_after_seconds": 30.0})
        loop.turn()
        assert asked(shop, "/livez")[0] == 200
    finally:
        shop.shut()


def test_a_log_that_is_away_makes_a_worker_unready_but_not_dead() -> None:
    shop = Shop(endpoint_settings(stalled_after="30 s"), partitions=1)
    loop = shop.loop()
    loop.turn()
    seen: list[tuple[dict[str, Any], dict[str, Any]]] = []
    sleep = shop.clock.sleep

    def looked_at(duration_s: float) -> None:
        sleep(duration_s)
        shop.clock.at_s += 20
        seen.append((alive(shop.watch, 30), ready(shop.watch, shop.settings)))

    shop.clock.sleep = looked_at  # type: ignore[method-assign]
    shop.faults["poll"] = [LogUnavailable("the broker has gone")] * 4
    loop.turn()
    assert len(seen) == 4
    assert all(state["alive"] for state, _ in seen)  # 80 s and more, and a sign of life each time
    assert all(set(state["missing"]) == {"log"} and "the broker has gone" in state["missing"]["log"] for _, state in seen)
    assert ready(shop.watch, shop.settings)["ready"]


def test_state_that_is_being_read_back_is_missing_and_says_how_much() -> None:
    settings, clock = settings_of(), Clock()
    watch = Watch(clock, settings.targets)
    watch.models_taken(dict.fromkeys(settings.targets, "x@5"))
    watch.progressed()
    watch.partition_restored(0)
    assert ready(watch, settings) == {"ready": True, "missing": {}, "partitions": [0], "untrained": []}
    clock.at_s += 100
    watch.restore_progressed(1, 1_234_567)
    assert watch.silent_s == 0
    assert ready(watch, settings)["missing"] == {"state": "being read back: partition 1, 1,234,567 records left"}
    watch.partition_restored(1)
    assert ready(watch, settings)["partitions"] == [0, 1]
    watch.partitions_lost([0, 1])
    assert "partitions" in ready(watch, settings)["missing"]


def test_a_fenced_turn_makes_the_worker_unready_until_its_state_is_read_back() -> None:
    shop = Shop(partitions=1).work()
    assert shop.turning is not None
    assert ready(shop.watch, shop.settings)["ready"]
    assert shop.watch.likeliest.top("purchase", 1)
    shop.send(shop_lines()[:20])
    shop.faults["commit"] = [Fenced("another worker")]
    shop.turning.turn()
    assert "partitions" in ready(shop.watch, shop.settings)["missing"]
    assert shop.watch.likeliest.top("purchase", 1) == []  # whose users they are now is not known
    shop.turning.turn()
    assert ready(shop.watch, shop.settings)["ready"]


def test_a_trainer_alone_needs_no_partition_of_the_input() -> None:
    settings = settings_of(service={"roles": ["trainer"]})
    watch = Watch(Clock(), settings.targets)
    assert set(ready(watch, settings)["missing"]) == {"log", "loop"}
    watch.progressed()
    assert ready(watch, settings)["ready"]
