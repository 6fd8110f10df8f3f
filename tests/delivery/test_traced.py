"""A trigger's trace goes on in its webhook (W3C Trace Context), as it came with the event or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.delivery.receivers import Reply, receiver
from tests.delivery.stand import Stand, destination, numbers
from worker.log.contract import Headers

PARENT, STATE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", b"vendor=x,other=y z"
TRACED: Headers = (("traceparent", PARENT), ("tracestate", STATE))


def sent(traced: Headers, **changed: Any) -> list[dict[str, str | None]]:
    """The trace headers of the requests for one trigger with these headers, whose first try fails."""
    with receiver(lambda number, _: Reply(500 if number == 0 else 204)) as shop:
        stand = Stand({"shop": destination(shop, **changed)})
        stand.fire((1, "a"), headers=traced)
        courier = stand.courier()
        stand.drain(courier, step_s=1.0)
        courier.close()
        return [{name: value for name, value in one.headers.items() if name.startswith("trace")} for one in shop.received]


def test_a_webhook_carries_on_the_trace_of_its_trigger_in_every_try() -> None:
    assert sent(TRACED) == [{"traceparent": PARENT.decode(), "tracestate": STATE.decode()}] * 2


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("tracestate", STATE),),
        (("traceparent", PARENT.upper()), ("tracestate", STATE)),
        (("traceparent", PARENT), ("traceparent", PARENT)),
        (("traceparent", b"01" + PARENT[2:] + b"-\r\nx-evil: 1"),),  # a later version may hold more, and no header may hold this
    ],
)
def test_what_is_no_trace_context_is_not_passed_on(headers: Headers) -> None:
    assert sent(headers) == [{}] * 2


def test_where_the_configuration_writes_trace_headers_they_alone_go() -> None:
    assert sent(TRACED, headers={"Traceparent": "mine"}) == [{"traceparent": "mine"}] * 2


def test_who_is_sent_batches_of_many_traces_gets_none() -> None:
    with receiver() as crm:
        stand = Stand({"crm": {"url": crm.url, "networks": ["127.0.0.1/32"], "form": "braze", "token": "key"}})
        stand.fire((1, "a"), (2, "b"), headers=TRACED)
        courier = stand.courier("crm")
        stand.drain(courier, name="crm")
        courier.close()
        assert [one.headers.get("traceparent") for one in crm.received] == [None]


def test_a_dead_letter_keeps_the_trace() -> None:
    with receiver(lambda *_: Reply(400)) as shop:
        stand = Stand({"shop": destination(shop)})
        stand.fire((1, "a"), headers=TRACED)
        courier = stand.courier()
        stand.drain(courier)
        courier.close()
        assert numbers(shop) == [1]
        assert [dict(letter.headers)["traceparent"] for letter in stand.letters()] == [PARENT]
