"""Users who were erased while their triggers waited: nothing is sent to them any more, and nothing is written of them."""

from __future__ import annotations

import pytest

from tests.delivery.receivers import Reply, receiver
from tests.delivery.stand import Stand, destination, numbers
from worker.delivery.reading import ahead
from worker.log.errors import LogUnavailable


def away(*_: object) -> Reply:
    return Reply(500)


def test_what_waits_for_its_next_try_is_dropped_and_others_go_on() -> None:
    with receiver(away) as shop:
        stand = Stand({"shop": destination(shop)}, breaker_failures=1_000)
        stand.fire((1, "ada"), (2, "ada"), (3, "bob"))
        courier = stand.courier()
        stand.until(courier, lambda: len(shop.received) >= 4 and not courier.under_way, step_s=1)
        shop.answer = lambda *_: Reply()
        before = len(shop.received)
        stand.erase("ada")
        stand.fire((4, "ada"))  # came back
        stand.drain(courier, step_s=1)
        assert sorted(numbers(shop)[before:]) == [3, 4]
        assert stand.fates() == {"delivered": 2, "erased": 2}
        assert stand.letters() == []
        assert len(stand.happenings("trigger of an erased user dropped")) == 2
        assert "ada" not in stand.lines.getvalue()
        assert courier.undecided == 0
        courier.close()


@pytest.mark.parametrize("status", [204, 500, 422, 429])
def test_a_request_under_way_may_finish_and_is_not_made_again(status: int) -> None:
    with receiver(lambda *_: Reply(status, held=True)) as shop:
        stand = Stand({"shop": destination(shop, concurrency=1)})
        stand.fire((1, "ada"), (2, "ada"))
        courier = stand.courier()
        stand.until(courier, lambda: len(shop.received) == 1)
        stand.erase("ada")
        stand.until(courier, lambda: stand.fates() == {"erased": 1})
        assert courier.under_way == 1
        shop.let_go.set()
        stand.drain(courier, step_s=1)
        assert numbers(shop) == [1]
        assert stand.fates() == ({"delivered": 1, "erased": 1} if status == 204 else {"erased": 2})
        assert stand.letters() == []
        courier.close()


def test_a_decided_trigger_that_was_not_committed_becomes_no_dead_letter_once_its_user_is_erased() -> None:
    with receiver(lambda _, request: Reply(422, held=request.id.endswith("1")) if not request.id.endswith("3") else Reply()) as shop:
        stand = Stand({"shop": destination(shop)})
        stand.fire((1, "bob"), (2, "ada"), (3, "eve"))
        courier = stand.courier()
        stand.until(courier, lambda: stand.fates() == {"delivered": 1, "refused": 1})
        assert stand.committed() == {0: 0}
        stand.erase("ada")
        shop.let_go.set()
        stand.drain(courier)
        assert stand.reasons() == [(1, "delivery_refused")]
        courier.close()


def test_a_new_courier_reads_to_the_end_before_it_sends_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.delivery.reading.reader.AT_ONCE", 3)
    with receiver() as shop:
        stand = Stand({"shop": destination(shop)})
        stand.fire(*((number, f"u{number}") for number in range(10)))
        stand.erase("u0", "u4")
        stand.fire((10, "u4"))
        courier = stand.courier()
        stand.drain(courier)
        assert sorted(numbers(shop)) == [1, 2, 3, *range(5, 11)]
        assert stand.fates() == {"delivered": 9, "erased": 2}
        courier.close()


@pytest.mark.parametrize("piece", [1, 2, 1_000])
@pytest.mark.parametrize("erased", [2, 9])
def test_where_the_queue_has_no_room_the_rest_of_the_topic_is_looked_through_first(erased: int, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine erased users are more than there is room for: only so many names are held at once."""
    monkeypatch.setattr(ahead, "PIECE", piece)
    with receiver() as shop:
        stand = Stand({"shop": destination(shop, concurrency=2)}, queue=3)
        stand.fire(*((number, f"u{number}") for number in range(20)))
        stand.erase(*(f"u{2 * number}" for number in range(erased)))
        courier = stand.courier()
        stand.drain(courier)
        assert sorted(numbers(shop)) == sorted(set(range(20)) - {2 * number for number in range(erased)})
        assert stand.fates() == {"delivered": 20 - erased, "erased": erased}
        courier.close()


def test_a_full_queue_hears_of_who_is_erased_while_its_destination_is_away() -> None:
    with receiver(away) as shop:
        stand = Stand({"shop": destination(shop)}, queue=3, breaker_failures=2)
        stand.fire(*((number, f"u{number}") for number in range(6)))
        courier = stand.courier()
        stand.until(courier, lambda: stand.gauge("delivery_circuit_state") == 2 and not courier.under_way, step_s=0.01)
        stand.erase("u1", "u5")
        stand.until(courier, lambda: stand.fates() == {"erased": 1}, step_s=0.01 + ahead.LOOK_EVERY_S / 10)
        shop.answer = lambda *_: Reply()
        before = len(shop.received)
        stand.drain(courier, step_s=1)
        assert sorted(numbers(shop)[before:]) == [0, 2, 3, 4]
        courier.close()


def test_where_looking_ahead_fails_nothing_is_sent_until_it_does_not() -> None:
    with receiver() as shop:
        stand = Stand({"shop": destination(shop)}, queue=2)
        stand.fire(*((number, f"u{number}") for number in range(4)))
        stand.erase("u0")
        stand.faults["read"] = [LogUnavailable("away"), LogUnavailable("away")]
        courier = stand.courier()
        stand.drain(courier)
        assert sorted(numbers(shop)) == [1, 2, 3]
        assert stand.faults["read"] == []
        courier.close()
