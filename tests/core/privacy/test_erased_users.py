"""Which events and examples a receipt erases: those of its user, from its partition, before its offset."""

from __future__ import annotations

import orjson
import pytest

from tests.core.drawn_examples import example
from worker.core.labels.tallies import Tally
from worker.core.privacy.erased_users import ErasedUsers, ReceiptRefused
from worker.core.privacy.erasure import Erased
from worker.core.privacy.receipts import Receipts
from worker.core.privacy.requests import Kind, Request

KEY = b"0123456789abcdef0123456789abcdef"
RECEIPTS = Receipts(KEY)
WHO = RECEIPTS.pseudonym("u1")


def receipt(partition: int, until: int, kind: Kind = "DELETE") -> bytes:
    return RECEIPTS.receipt(Request(kind, "r-1", "u1", 1), Erased(), 2, partition, until)


@pytest.mark.parametrize(
    ("decision_id", "user", "gone"),
    [
        ("3-0", WHO, True),
        ("3-99", WHO, True),
        ("3-100", WHO, False),
        ("3-99.2", WHO, True),
        ("3-100.2", WHO, False),
        ("2-99", WHO, False),
        ("33-9", WHO, False),
        ("3-9", RECEIPTS.pseudonym("u2"), False),
    ],
)
def test_an_example_is_erased_where_its_decision_came_before(decision_id: str, user: str, gone: bool) -> None:
    erased = ErasedUsers(KEY)
    erased.take(receipt(3, 100))
    assert erased.has_example(example([1], decision_id=decision_id, user=user)) is gone


def test_an_event_is_erased_where_it_came_before() -> None:
    erased = ErasedUsers(KEY)
    erased.take(receipt(3, 100))
    assert [erased.has_record(user, written_ms) for user, written_ms in (("u1", 2), ("u1", 60_002), ("u1", 60_003), ("u2", 2))] == [True, True, False, False]
    places = [("u1", 3, 0), ("u1", 3, 99), ("u1", 3, 100), ("u1", 2, 99), ("u2", 3, 99)]
    assert [erased.has_event(*place) for place in places] == [True, True, False, False, False]


def test_receipts_add_up_in_any_order_and_letting_somebody_in_again_erases_nothing() -> None:
    erased = ErasedUsers(KEY)
    for value in (receipt(0, 50), receipt(0, 20), receipt(1, 5), receipt(0, 50), receipt(2, 900, "UNSUPPRESS")):
        erased.take(value)
    assert len(erased) == 1
    assert [erased.has_example(example([1], decision_id=name, user=WHO)) for name in ("0-49", "0-50", "1-4", "1-5", "2-1")] == [True, False, True, False, False]
    assert not erased.has_example(Tally("purchase", 0, 0, (), (), (0,)))


def test_what_was_not_written_with_the_key_erases_nothing() -> None:
    erased, record = ErasedUsers(KEY), orjson.loads(receipt(0, 50))
    for value in (orjson.dumps({**record, "until": 60}), Receipts(KEY[::-1]).receipt(Request("DELETE", "r", "u1", 1), Erased(), 2, 0, 9), b"", b"[]"):
        with pytest.raises(ReceiptRefused, match="signature"):
            erased.take(value)
    assert len(erased) == 0
