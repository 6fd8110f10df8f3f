"""A courier and real receivers: what is taken, refused, put off, cut and repeated, by a clock that the test moves."""

from __future__ import annotations

from email.utils import formatdate
from pathlib import Path

import orjson
import pytest

from tests.delivery.receivers import Received, Reply, receiver, unused_port
from tests.delivery.stand import Stand, destination, numbers
from tests.delivery.triggers import secret_of
from worker.delivery.request.signature import signature
from worker.destination.secrets import keys_of
from worker.log.contract import Message
from worker.log.errors import Fenced, LogFull, MemberReplaced


def test_what_fired_is_delivered_and_committed_and_nothing_else_is_sent() -> None:
    with receiver() as shop:
        stand = Stand({"shop": destination(shop)})
        stand.fire((1, "a"), (2, "b"))
        stand.fire((3, "a"), result="suppressed", reason="cap")
        stand.fire((4, "b"), result="held", reason="quiet_hours")
        courier = stand.courier()
        stand.drain(courier)
        assert sorted(numbers(shop)) == [1, 2]
        assert stand.fates() == {"delivered": 2}
        assert stand.gauge("delivery_delay_seconds_count") == 2
        assert stand.gauge("delivery_queue_records") == stand.gauge("delivery_lag_records") == 0
        assert stand.letters() == []
        courier.close()


def test_a_destination_gets_the_triggers_of_its_rules_alone() -> None:
    with receiver() as shop, receiver() as all_of_them:
        stand = Stand({"shop": destination(shop, rules=["back", "hurry"]), "all": destination(all_of_them)})
        for number, rule in enumerate(("hurry", "other", "back")):
            stand.fire((number, f"u{number}"), rule=rule)
        for name in ("shop", "all"):
            courier = stand.courier(name)
            stand.drain(courier, name=name)
            courier.close()
        assert sorted(numbers(shop)) == [0, 2]
        assert sorted(numbers(all_of_them)) == [0, 1, 2]


@pytest.mark.parametrize("trouble", [Reply(500), Reply(502), Reply(401), Reply(307, (("Location", "http://127.0.0.1:1/"),)), Reply(cut="before")])
def test_a_failure_is_tried_again_under_the_same_id_and_others_do_not_wait(trouble: Reply) -> None:
    """Kept connections that are cut are tried anew at once, so that a cut one may be seen twice."""
    failed: list[str] = []

    def answer(_: int, request: Received) -> Reply:
        if request.id.endswith("1") and len(failed) < 3:
            failed.append(request.id)
            return trouble
        return Reply()

    with receiver(answer) as shop:
        stand = Stand({"shop": destination(shop)})
        stand.fire((1, "a"), (2, "a"), (3, "b"))
        courier = stand.courier()
        stand.drain(courier, step_s=0.5)
        of_a = [number for number in numbers(shop) if number != 3]
        assert of_a == [1] * (len(of_a) - 1) + [2]
        assert len(of_a) >= 4
        assert len({one.headers["webhook-signature"] for one in shop.received if one.id.endswith("1")}) >= 1
        assert stand.fates() == {"delivered": 3}
        courier.close()


def test_a_refusal_for_good_is_a_dead_letter_and_the_next_one_goes() -> None:
    with receiver(lambda _, request: Reply(422 if request.id.endswith("1") else 204)) as shop:
        stand = Stand({"shop": destination(shop)})
        stand.fire((1, "a"), (2, "a"))
        courier = stand.courier()
        stand.drain(courier)
        assert numbers(shop) == [1, 2]
        (letter,) = stand.letters()
        headers = {name: content.decode() for name, content in letter.headers}
        assert headers == {
            "__dlq.errors.topic": "clickscore.triggers",
            "__dlq.errors.partition": "0",
            "__dlq.errors.offset": "0",
            "__dlq.errors.message": "HTTP 422",
            "clickscore.reason": "delivery_refused",
            "clickscore.destination": "shop",
        }
        assert (letter.key, orjson.loads(letter.value or b"")["trigger_id"]) == (b"a", f"{1:032x}")
        assert stand.fates() == {"delivered": 1, "refused": 1}
        courier.close()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_kept_by_everything_to_that_destination(status: int, as_date: bool) -> None:
    with receiver() as shop:
        stand = Stand({"shop": destination(shop, concurrency=1)})
        until_s = int(stand.clock.now_ms() / 1000) + 120
        wait = formatdate(until_s, usegmt=True) if as_date else "120"
        shop.answer = lambda number, _: Reply(status, (("Retry-After", wait),)) if number == 0 else Reply()
        stand.fire((1, "a"), (2, "b"))
        courier = stand.courier()
        stand.until(courier, lambda: len(shop.received) == 1 and not courier.under_way)
        stand.clock.at_s += 119
        courier.step(0)
        assert (courier.under_way, len(shop.received)) == (0, 1)
        assert stand.gauge("delivery_circuit_state") == 0
        stand.clock.at_s += 2
        stand.drain(courier)
        assert sorted(numbers(shop)) == [1, 1, 2]
        assert stand.metrics.registry.get_sample_value("clickscore_delivery_retries_total", {"destination": "shop"}) == 1
        courier.close()


def test_what_expires_before_it_could_be_sent_is_a_dead_letter_and_is_never_sent() -> None:
    with receiver(lambda *_: Reply(500)) as shop:
        stand = Stand({"shop": destination(shop)}, breaker_failures=1000)
        stand.fire((1, "a"), (2, "a"))
        courier = stand.courier()
        stand.until(courier, lambda: len(shop.received) == 3 and not courier.under_way, step_s=1)
        shop.answer = lambda *_: Reply()
        stand.clock.at_s += 3_600
        stand.drain(courier)
        assert set(numbers(shop)) == {1}
        assert stand.reasons() == [(1, "delivery_expired"), (2, "delivery_expired")]
        assert dict(stand.letters()[0].headers)["__dlq.errors.message"] == b"expired after 3 tries, the last: HTTP 500"
        courier.close()


def test_a_trigger_that_alone_fails_is_given_up_after_its_tries_and_opens_no_circuit() -> None:
    with receiver(lambda _, request: Reply(500 if request.id.endswith("7") else 204)) as shop:
        stand = Stand({"shop": destination(shop)}, attempts=4, breaker_failures=2)
        stand.fire((7, "a"), (8, "a"))
        courier = stand.courier()
        for number in range(0x100, 0x104):
            stand.until(courier, lambda: not courier.under_way and courier.undecided == 2, step_s=1)
            tries = numbers(shop).count(7)
            stand.until(courier, lambda tries=tries: numbers(shop).count(7) > tries and not courier.under_way, step_s=1)  # type: ignore[misc]
            stand.fire((number, "b"))
        stand.drain(courier, step_s=1)
        assert stand.reasons() == [(7, "delivery_failed")]
        assert numbers(shop).count(7) >= 4
        assert numbers(shop).count(8) == 1
        assert stand.happenings("circuit open") == []
        courier.close()


def test_while_a_destination_is_away_it_is_left_alone_and_nothing_is_given_up() -> None:
    kept, port = unused_port()
    with kept:
        stand = Stand(
            {"shop": destination(f"http://127.0.0.1:{port}/hook", concurrency=1)},
            attempts=6,
            breaker_failures=3,
            breaker_pause="10 s",
            longest_breaker_pause="60 s",
        )
        stand.fire(*((number, f"u{number}") for number in range(10)))
        courier = stand.courier()
        stand.until(courier, lambda: stand.gauge("delivery_circuit_state") == 2, step_s=0.01)
        tries = len(stand.happenings("delivery put off"))
        assert tries == 3
        stand.until(courier, lambda: len(stand.happenings("circuit open")) == 8, step_s=5)
        assert stand.fates() == {}
        retries = stand.metrics.registry.get_sample_value("clickscore_delivery_retries_total", {"destination": "shop"})
        assert retries == tries + 7  # one request for each opening after the first
        assert stand.clock.at_s - 1_000 > 5 + 10 + 20 + 30 * 4
        courier.close()


def test_after_an_outage_one_request_decides_and_everything_is_delivered_in_order() -> None:
    down = [True]
    with receiver(lambda *_: Reply(503 if down[0] else 204)) as shop:
        stand = Stand({"shop": destination(shop)}, breaker_failures=3)
        stand.fire(*((number, f"u{number % 3}") for number in range(12)))
        courier = stand.courier()
        stand.until(courier, lambda: stand.gauge("delivery_circuit_state") == 2 and not courier.under_way, step_s=0.01)
        before = len(shop.received)
        courier.step(0)
        assert (courier.under_way, len(shop.received)) == (0, before)
        down[0] = False
        stand.clock.at_s += 10
        shop.answer = lambda number, _: Reply(held=number == before)
        stand.until(courier, lambda: len(shop.received) > before)
        stand.clock.at_s += 100
        courier.step(0)
        assert (courier.under_way, len(shop.received)) == (1, before + 1)
        assert stand.gauge("delivery_circuit_state") == 1
        shop.let_go.set()
        stand.drain(courier, step_s=0.5)
        assert stand.gauge("delivery_circuit_state") == 0
        taken = numbers(shop)[before:]
        assert sorted(taken) == list(range(12))
        assert all([n for n in taken if n % 3 == user] == [n for n in range(12) if n % 3 == user] for user in range(3))
        courier.close()


def test_nothing_is_committed_above_what_is_undecided_and_a_new_courier_sends_that_again() -> None:
    with receiver(lambda _, request: Reply(held=request.id.endswith("1"))) as shop:
        stand = Stand({"shop": destination(shop)})
        stand.fire((0, "a"), (1, "b"), (2, "c"), (3, "d"))
        first = stand.courier()
        stand.until(first, lambda: first.undecided == 1)
        stand.clock.at_s += 1
        first.step(0)
        assert stand.committed() == {0: 1}
        shop.answer = lambda *_: Reply()
        second = stand.courier()  # the first one is dead, and has committed nothing more
        stand.drain(second)
        assert shop.ids() == {f"{number:032x}": 1 if number == 0 else 2 for number in range(4)}
        shop.let_go.set()
        with pytest.raises(MemberReplaced):
            stand.until(first, lambda: False)
        first.close()
        second.close()


@pytest.mark.parametrize("fault", [LogFull("no room"), Fenced("another has it")])
def test_a_commit_that_fails_loses_nothing_and_a_dead_letter_is_written_once(fault: Exception) -> None:
    with receiver(lambda _, request: Reply(410 if request.id.endswith("2") else 204)) as shop:
        stand = Stand({"shop": destination(shop)})
        stand.fire((1, "a"), (2, "b"), (3, "c"))
        stand.faults["commit"] = [fault, None, fault]
        courier = stand.courier()
        stand.drain(courier)
        stand.fire((4, "a"))
        stand.drain(courier)
        assert set(numbers(shop)) == {1, 2, 3, 4}
        assert stand.reasons() == [(2, "delivery_refused")]
        courier.close()


def test_what_cannot_be_read_is_a_dead_letter_and_holds_nothing_up() -> None:
    with receiver() as shop:
        stand = Stand({"shop": destination(shop)})
        stand.log.append("clickscore.triggers", [Message(b"{", b"u1", (("traceparent", b"00-1-2-01"),))])
        stand.fire((1, "a"))
        courier = stand.courier()
        stand.drain(courier)
        (letter,) = stand.letters()
        assert (letter.value, dict(letter.headers)["clickscore.reason"], dict(letter.headers)["traceparent"]) == (b"{", b"trigger_unreadable", b"00-1-2-01")
        assert stand.fates() == {"delivered": 1, "unreadable": 1}
        courier.close()


def test_secrets_rotate_while_it_runs(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text(secret_of("a"))
    with receiver() as shop:
        stand = Stand({"shop": destination(shop, secret="", secret_file=str(file))})
        courier = stand.courier()
        for number, content in enumerate((secret_of("a"), f"{secret_of('a')}\n{secret_of('b')}\n", "nonsense", secret_of("b"))):
            file.write_text(content)
            stand.fire((number, "u"))
            stand.drain(courier)
        assert [signed_with(one) for one in shop.received] == ["a", "ab", "ab", "b"]
        assert len(stand.happenings("secret read anew")) == 3
        assert "nonsense" not in stand.lines.getvalue()
        assert stand.happenings("secret unusable")[0]["error"].startswith("a secret begins with whsec_")
        courier.close()


def signed_with(request: Received) -> str:
    """Which of the secrets a, b and c a receiver may know to accept the request."""
    time_s = int(request.headers["webhook-timestamp"])
    signed = request.headers["webhook-signature"].split()
    return "".join(letter for letter in "abc" if signature(keys_of(secret_of(letter)), request.id, time_s, request.body) in signed)


def test_a_private_address_is_called_by_nobody() -> None:
    with receiver() as shop:
        stand = Stand({"shop": destination(f"https://localhost:{shop.port}/", networks=[])})
        stand.fire((1, "a"))
        courier = stand.courier()
        stand.until(courier, lambda: bool(stand.happenings("delivery put off")))
        assert stand.happenings("delivery put off")[0]["why"].startswith("address refused: localhost leads to")
        assert shop.connections == 0
        courier.close()
