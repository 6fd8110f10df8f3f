"""What is refused of a destination before anything is sent, and that no refusal says a secret."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.delivery.triggers import secret_of
from worker.delivery_settings import DestinationSettings

GOOD = {"url": "https://shop.example/hooks?key=1", "secret": secret_of("a")}


def test_a_destination_needs_a_url_and_a_secret() -> None:
    settings = DestinationSettings.model_validate(GOOD)
    assert (settings.form, settings.rules, settings.concurrency, settings.networks) == ("webhook", (), 4, ())
    assert DestinationSettings.model_validate({"url": "http://10.1.2.3:8080/", "networks": ["10.1.0.0/16"], "form": "braze", "token": "k"}).token == "k"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"url": "shop.example/hook"}, "no URL of HTTP"),
        ({"url": "ftp://shop.example/"}, "no URL of HTTP"),
        ({"url": "https:///x"}, "no URL of HTTP"),
        ({"url": "https://shop.example:99999/"}, "no URL"),
        ({"url": "https://shop.example/a b"}, "no URL of HTTP"),
        ({"url": "https://shop.example/\r\nx: y"}, "no URL of HTTP"),
        ({"url": "https://me:pw@shop.example/"}, "give token"),
        ({"url": "https://shop.example/#part"}, "take it out"),
        ({"url": "http://shop.example/"}, "in the clear"),
        ({"url": "https://169.254.169.254/latest"}, "may not be called"),
        ({"url": "https://[::1]/"}, "may not be called"),
        ({"secret": ""}, "a webhook is signed"),
        ({"secret": "s3cret"}, "begins with whsec_"),
        ({"secret_file": "x"}, "give one of them"),
        ({"token": "a\nb"}, "one line"),
        ({"token": "k", "token_file": "x"}, "give one of them"),
        ({"form": "braze"}, "give token or token_file"),
        ({"batch": 5}, "leave batch out"),
        ({"headers": {"x y": "1"}}, "cannot name a header"),
        ({"headers": {"Webhook-Id": "1"}}, "written by the program"),
        ({"headers": {"x-shop": "$nobody"}}, "is no value"),
        ({"item": "{"}, "not JSON"),
        ({"body": '"$password"'}, "is no value"),
        ({"networks": ["10.0.0.1/8"]}, "is no network"),
        ({"rules": ["No Rule"]}, "cannot be the name of a rule"),
        ({"rate": 0}, "greater than 0"),
    ],
)
def test_what_cannot_be_is_refused_in_words(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        DestinationSettings.model_validate(GOOD | changed)
    messages = " ".join(error["msg"] for error in refusal.value.errors())
    assert says in messages
    assert "s3cret" not in messages


def test_secrets_are_in_no_representation() -> None:
    settings = DestinationSettings.model_validate(GOOD | {"token": "k3y"})
    assert secret_of("a") not in repr(settings) + str(settings)
    assert "k3y" not in repr(settings) + str(settings)
