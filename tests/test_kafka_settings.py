"""The settings of Kafka: what contradicts itself is refused before anything connects."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from worker.kafka_settings import KafkaSettings

SASL = {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"}


def test_the_defaults_fit_together_and_a_file_can_say_all_of_a_connection() -> None:
    plain = KafkaSettings(bootstrap=" a:1, b:2 ")
    assert plain.bootstrap == "a:1,b:2"
    assert plain.connection().sasl is None
    login = KafkaSettings(bootstrap="a:1", security_protocol="SASL_SSL", sasl_username="u", sasl_password="p", tls_ca_file="ca.pem").connection()
    assert (login.protocol, login.tls.ca_file) == ("SASL_SSL", "ca.pem")
    assert login.sasl is not None
    assert (login.sasl.mechanism, login.sasl.username, login.sasl.password) == ("SCRAM-SHA-512", "u", "p")
    assert "p'" not in repr(login)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"bootstrap": "a"}, "host:port"),
        ({"bootstrap": "a:0"}, "host:port"),
        ({"bootstrap": "tcp://a:9092"}, "host:port"),
        ({"request_timeout": "5 s"}, "linger"),
        ({"delivery_timeout": "8 s"}, "delivery"),
        ({"transaction_timeout": "12 s"}, "transaction"),
        ({"watchdog": "10 min"}, "watchdog"),
        ({"heartbeat": "6 s"}, "three heartbeats"),
        ({"tls_key_file": "k.pem"}, "belong together"),
        ({"security_protocol": "SASL_SSL"}, "needs sasl_username"),
        (SASL, "needs either"),
        ({**SASL, "sasl_token_file": "t", "sasl_token_url": "https://a"}, "needs either"),
    ],
)
def test_what_contradicts_itself_is_refused_in_words(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        KafkaSettings(**changed)
