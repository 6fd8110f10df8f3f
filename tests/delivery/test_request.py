"""What is sent: every form fits its schema, templates fill in what they name, and secrets are never said."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from tests.delivery.triggers import NOW_MS, secret_of, trigger
from worker.delivery.request.secrets import Secret
from worker.delivery.request.signature import signature
from worker.delivery.request.writing import Writer
from worker.delivery_settings import DestinationSettings
from worker.destination.secrets import keys_of, token_of
from worker.destination.templates import json_template, text_template

SCHEMAS = Path(__file__).parents[2] / "schemas" / "sent"
FORMS = ("webhook", "braze", "klaviyo")


def writer(**changed: Any) -> Writer:
    return Writer(DestinationSettings(**{"url": "https://shop.example/hook", "secret": secret_of("a"), **changed}))


def vendor(form: str, **changed: Any) -> Writer:
    return Writer(DestinationSettings(**{"url": "https://shop.example/hook", "form": form, "token": "key-123", **changed}))


def test_the_signature_is_that_of_the_specification() -> None:
    """Worked out with the specification's own library."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    signed = signature(keys_of(f"{secret} {secret}"), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_file_that_cannot_be_used_leaves_the_secret_as_it_was_until_it_can(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    secret = Secret("", str(file), token_of)
    file.write_text("two\nlines\n")
    for _ in range(2):
        with pytest.raises(ValueError, match="a token is one line"):
            secret.look()
        assert secret.value == "one"
    file.unlink()
    with pytest.raises(OSError, match="No such file"):
        secret.look()
    file.write_text("three")
    assert secret.look()
    assert secret.value == "three"


def test_secrets_are_never_said() -> None:
    good = secret_of("s3cret")
    settings = DestinationSettings(url="https://shop.example/", secret=good, token="s3cret-token")
    assert good not in repr(settings)
    assert "s3cret-token" not in repr(settings)
    assert "s3cret" not in repr(Secret("s3cret", "", token_of))
    for wrong in ("s3cret", "whsec_s3cret!", "whsec_" + base64.b64encode(b"s3cret").decode(), ""):
        with pytest.raises(ValueError, match=r"secret|whsec_") as refusal:
            keys_of(wrong)
        assert not wrong or wrong not in str(refusal.value)


def test_braze_is_given_a_batch_of_events_with_the_key() -> None:
    one = vendor("braze")
    assert one.batch == 75
    headers, body = one.write([trigger(number, user=f"u{number}") for number in range(3)], NOW_MS)
    events = orjson.loads(body)["events"]
    assert headers["authorization"] == "Bearer key-123"
    assert "webhook-signature" not in headers
    assert [event["external_id"] for event in events] == ["u0", "u1", "u2"]
    assert events[2]["name"] == "clickscore_hurry"
    assert events[2]["properties"]["trigger_id"] == f"{2:032x}"
    assert events[2]["properties"]["because"] == "purchase.p = 0.31, segments.keen = true, days_since_purchase = null"


def test_klaviyo_is_given_an_event_that_counts_once() -> None:
    headers, body = vendor("klaviyo").write([trigger(4)], NOW_MS)
    attributes = orjson.loads(body)["data"]["attributes"]
    assert headers["authorization"] == "Klaviyo-API-Key key-123"
    assert headers["content-type"] == "application/vnd.api+json"
    assert attributes["profile"]["data"]["attributes"] == {"external_id": "u1"}
    assert attributes["unique_id"] == f"{4:032x}"
    assert attributes["time"] == "2027-01-15T08:00:00.004Z"


def faults(form: str, content: Any) -> list[str]:
    schema = json.loads((SCHEMAS / f"{form}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    return [error.message for error in Draft202012Validator(schema).iter_errors(content)]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_sent_fits_its_schema_and_the_schemas_example_is_what_is_sent(form: str) -> None:
    one = writer() if form == "webhook" else vendor(form)
    assert faults(form, orjson.loads(one.write([trigger(3, user='"ü"\n')], NOW_MS).body)) == []
    (example,) = json.loads((SCHEMAS / f"{form}.schema.json").read_text())["examples"]
    assert orjson.loads(one.write([trigger(9)], NOW_MS).body) == example


@pytest.mark.parametrize("form", FORMS)
def test_the_schemas_of_what_is_sent_refuse_what_lacks_a_part_or_has_one_too_many(form: str) -> None:
    (example,) = json.loads((SCHEMAS / f"{form}.schema.json").read_text())["examples"]
    wrong = list(mutilated(example))
    assert len(wrong) > 5
    assert [one for one in wrong if not faults(form, one)] == []


def mutilated(content: Any) -> Iterator[Any]:
    """The content with one key less or one more, at every place but among what a condition read."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield {name: other for name, other in content.items() if name != key}
            if key != "because":
                yield from ({**content, key: changed} for changed in mutilated(value))
        yield {**content, "more": 1}
    if isinstance(content, list):
        yield from ([changed] for changed in mutilated(content[0]))


def test_templates_of_the_configuration_take_the_place_of_the_forms() -> None:
    one = vendor(
        "braze",
        item='{"who": "$user_id", "p": ["$priority", 2, null]}',
        body='{"all": "$items"}',
        headers={"X-Rule": "r=${rule}", "Authorization": "Key $token"},
    )
    headers, body = one.write([trigger()], NOW_MS)
    assert orjson.loads(body) == {"all": [{"who": "u1", "p": [5, 2, None]}]}
    assert headers == {"content-type": "application/json", "authorization": "Key key-123", "x-rule": "r=hurry"}


def test_what_a_trigger_holds_cannot_break_out_of_a_body_or_a_header() -> None:
    evil = 'u"},\r\nx-evil: 1 ${token} $token'
    one = vendor("braze", item='{"who": "for $user_id"}', headers={"x-user": "$user_id"})
    headers, body = one.write([trigger(user_id=evil)], NOW_MS)
    assert orjson.loads(body) == {"events": [{"who": f"for {evil}"}]}
    assert headers["x-user"] == 'u"},??x-evil: 1 ${token} $token'


def test_templates_say_what_they_do_not_know() -> None:
    assert text_template("5 $$ for ${a}-$a", ["a"])({"a": 1}) == "5 $ for 1-1"
    assert json_template('{"$a": ["${a}", "$$a", 7]}', ["a"])({"a": {"b": 1}}) == {"{'b': 1}": [{"b": 1}, "$a", 7]}
    with pytest.raises(ValueError, match=r"\$b is no value: a template may name a"):
        json_template('"$b"', ["a"])
    with pytest.raises(ValueError, match="names nothing"):
        text_template("5 $ more", ["a"])
    with pytest.raises(ValueError, match="not JSON"):
        json_template("{", ["a"])
