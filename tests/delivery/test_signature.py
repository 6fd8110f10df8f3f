"""The receiver's own library accepts what was signed, with every secret that is valid at the time, and nothing else."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import standardwebhooks

from tests.delivery.triggers import secret_of, trigger
from worker.delivery.request.writing import Writer
from worker.delivery_settings import DestinationSettings


def writer(**changed: str) -> Writer:
    return Writer(DestinationSettings.model_validate({"url": "https://shop.example/hook", "secret": secret_of("a"), **changed}))


def test_the_receivers_library_accepts_the_signature_of_the_trigger() -> None:
    now_ms = time.time_ns() // 1_000_000
    headers, body = writer().write([trigger(9)], now_ms)
    content = standardwebhooks.Webhook(secret_of("a")).verify(body, headers)
    assert headers["webhook-id"] == f"{9:032x}"
    assert headers["webhook-timestamp"] == str(now_ms // 1000)
    assert (content["type"], content["timestamp"], content["data"]["user_id"]) == ("trigger.fired", "2027-01-15T08:00:00.009Z", "u1")
    assert content["data"]["because"] == {"purchase.p": 0.31, "segments.keen": True, "days_since_purchase": None}


def test_who_changes_body_id_or_time_is_found_out() -> None:
    now_ms = time.time_ns() // 1_000_000
    headers, body = writer().write([trigger()], now_ms)
    receiver = standardwebhooks.Webhook(secret_of("a"))
    for changed in ({"webhook-id": "1" * 32}, {"webhook-timestamp": str(now_ms // 1000 + 1)}):
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            receiver.verify(body, headers | changed)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        receiver.verify(body.replace(b"u1", b"u2"), headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(secret_of("b")).verify(body, headers)


def test_secrets_rotate_by_the_file_and_both_are_valid_meanwhile(tmp_path: Path) -> None:
    file, now_ms = tmp_path / "secrets", time.time_ns() // 1_000_000
    file.write_text(secret_of("a") + "\n")
    one = writer(secret="", secret_file=str(file))
    assert not one.look()
    accepted = []
    for lines in ("a", "ab", "b"):
        file.write_text("".join(secret_of(letter) + "\n" for letter in lines))
        one.look()
        headers, body = one.write([trigger()], now_ms)
        accepted.append("".join(letter for letter in "abc" if accepts(letter, headers, body)))
    assert accepted == ["a", "ab", "b"]


def accepts(letter: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        standardwebhooks.Webhook(secret_of(letter)).verify(body, headers)
    except standardwebhooks.WebhookVerificationError:
        return False
    return True
