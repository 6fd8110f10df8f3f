"""Batches, whose items share one answer, and how many triggers and requests a courier has at a time."""

from __future__ import annotations

import orjson

from tests.delivery.receivers import Received, Receiver, Reply, receiver
from tests.delivery.stand import Stand, destination, numbers


def test_a_full_queue_stops_reading_but_not_polling() -> None:
    with receiver(lambda *_: Reply(held=True)) as shop:
        stand = Stand({"shop": destination(shop, concurrency=2)}, queue=3)
        stand.fire(*((number, f"u{number}") for number in range(8)))
        courier = stand.courier()
        for _ in range(5):
            courier.step(0)
        assert (courier.undecided, stand.gauge("delivery_queue_records"), stand.gauge("delivery_lag_records")) == (3, 3, 5)
        shop.wait_for(2)
        assert shop.most_under_way == 2
        stand.clock.at_s += 16
        courier.step(0)
        courier.step(0)
        assert courier.undecided == 4
        shop.let_go.set()
        stand.drain(courier)
        assert sorted(numbers(shop)) == list(range(8))
        assert shop.most_under_way == 2
        courier.close()


def test_the_rate_of_a_destination_is_kept() -> None:
    with receiver() as shop:
        stand = Stand({"shop": destination(shop, rate=2.0)})
        stand.fire(*((number, f"u{number}") for number in range(12)))
        courier = stand.courier()
        began_s = stand.clock.at_s
        stand.drain(courier, step_s=0.01)
        assert stand.clock.at_s - began_s >= 4.9
        courier.close()


def braze(shop: Receiver) -> Stand:
    return Stand({"shop": destination(shop, form="braze", secret="", token="k", concurrency=1)})


def sent(request: Received) -> list[int]:
    return [int(event["properties"]["trigger_id"], 16) for event in orjson.loads(request.body)["events"]]


def test_braze_is_sent_batches_and_an_answer_that_blames_some_refuses_those() -> None:
    with receiver(lambda *_: Reply(201, body=b'{"message": "success", "errors": [{"type": "bad", "input_array": "events", "index": 2}]}')) as shop:
        stand = braze(shop)
        stand.fire(*((number, f"u{number}") for number in range(100)))
        courier = stand.courier()
        stand.drain(courier)
        assert [len(sent(one)) for one in shop.received] == [75, 25]
        assert stand.reasons() == [(2, "delivery_refused"), (77, "delivery_refused")]
        assert stand.fates() == {"delivered": 98, "refused": 2}
        courier.close()


def test_a_batch_that_is_refused_as_a_whole_is_sent_one_by_one_and_only_the_culprit_dies() -> None:
    with receiver(lambda _, request: Reply(400 if 3 in sent(request) else 201)) as shop:
        stand = braze(shop)
        stand.fire(*((number, f"u{number}") for number in range(6)))
        courier = stand.courier()
        stand.drain(courier)
        assert [sent(one) for one in shop.received] == [[0, 1, 2, 3, 4, 5], [0], [1], [2], [3], [4], [5]]
        assert stand.reasons() == [(3, "delivery_refused")]
        courier.close()
