"""What metrics say of a destination: how long requests take and what their answers meant, how near undelivered triggers are to their expiry, who hangs."""

from __future__ import annotations

import pytest

from tests.delivery.receivers import Received, Reply, receiver
from tests.delivery.stand import Stand, destination
from worker.service.telemetry.specification import ANSWERS

HOUR_S = 3_600  # what a trigger of the stand is worth sending for
ANSWER = {1: Reply(500), 2: Reply(400), 3: Reply(429, (("Retry-After", "1"),))}  # to the first try of these triggers; else 204


def test_requests_are_counted_by_what_their_answers_meant() -> None:
    seen: set[str] = set()

    def answer(_: int, request: Received) -> Reply:
        first = request.id not in seen
        seen.add(request.id)
        return ANSWER.get(int(request.id, 16), Reply()) if first else Reply()

    with receiver(answer) as shop:
        stand = Stand({"shop": destination(shop)})
        stand.fire(*((number, f"u{number}") for number in range(5)))
        courier = stand.courier()
        stand.drain(courier, step_s=1.0)
        courier.close()
    counted = {
        meant: stand.metrics.registry.get_sample_value("clickscore_delivery_request_duration_seconds_count", {"destination": "shop", "answer": meant})
        for meant in ANSWERS
    }
    assert counted == {"delivered": 4, "refused": 1, "throttled": 1, "failed": 1}
    assert stand.gauge("delivery_retries_total") == 2


def test_a_request_is_timed_to_its_answer() -> None:
    with receiver(lambda *_: Reply(held=True)) as shop:
        stand = Stand({"shop": destination(shop)})
        stand.fire((1, "a"))
        courier = stand.courier()
        stand.until(courier, lambda: len(shop.received) == 1)
        stand.clock.at_s += 7
        shop.let_go.set()
        stand.drain(courier)
        courier.close()
    spent = stand.metrics.registry.get_sample_value("clickscore_delivery_request_duration_seconds_sum", {"destination": "shop", "answer": "delivered"})
    assert spent == pytest.approx(7)


def test_it_shows_how_near_to_its_expiry_the_first_undelivered_trigger_is_also_while_the_thread_hangs() -> None:
    with receiver(lambda *_: Reply(500)) as shop:
        stand = Stand({"shop": destination(shop)})
        courier = stand.courier()
        courier.step(0.0)
        assert stand.gauge("delivery_nearest_expiry_ratio") == 0
        now_ms = stand.clock.now_ms()
        stand.fire((1, "a"))
        stand.fire((2, "b"), expires_ms=now_ms + 10 * HOUR_S * 1000)
        stand.until(courier, lambda: stand.gauge("delivery_queue_records") == 2)
        stand.clock.at_s += HOUR_S / 2  # and nobody steps
        assert stand.gauge("delivery_nearest_expiry_ratio") == pytest.approx(0.5, abs=0.01)
        stand.clock.at_s += HOUR_S
        assert stand.gauge("delivery_nearest_expiry_ratio") == 1
        stand.until(courier, lambda: stand.fates() == {"expired": 1})
        courier.step(0.0)
        assert stand.gauge("delivery_nearest_expiry_ratio") == pytest.approx(0.15, abs=0.01)  # of the second one
        shop.answer = lambda *_: Reply()
        stand.drain(courier, step_s=30)
        courier.step(0.0)
        assert stand.gauge("delivery_nearest_expiry_ratio") == 0
        courier.close()


def test_a_destination_whose_thread_does_not_come_round_stands_still() -> None:
    with receiver() as shop, receiver() as other:
        stand = Stand({"shop": destination(shop), "other": destination(other)})
        began_s = stand.clock.now_ms() / 1000
        courier = stand.courier()
        stand.clock.at_s += 60
        courier.step(0.0)
        assert stand.gauge("delivery_last_progress_timestamp_seconds") == pytest.approx(began_s + 60)
        assert stand.gauge("delivery_last_progress_timestamp_seconds", "other") == pytest.approx(began_s)
        courier.close()
