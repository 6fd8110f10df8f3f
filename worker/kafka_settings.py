"""The settings of Kafka: where the cluster is, how to log in, how long anything may take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic.config import JsonDict

from worker.core.settings import Positive, Section, written
from worker.log.kafka.connection import Connection, Sasl, Timings, Tls

SECRET: JsonDict = {"secret": True}  # config show says that it is set, not what it is


def _addresses(text: str) -> str:
    """Refuse what is no list of addresses, before anything tries to connect to it."""
    for address in filter(None, (part.strip() for part in text.split(","))):
        host, colon, port = address.rpartition(":")
        if not (colon and host and port.isdigit() and 0 < int(port) < 65_536) or "/" in host:
            raise ValueError(f"{address!r} is no address of a broker: write host:port, several separated by commas")
    return ",".join(part.strip() for part in text.split(",") if part.strip())


class KafkaSettings(Section):
    """The cluster, when the log is Kafka."""

    bootstrap: Annotated[str, AfterValidator(_addresses)] = Field(
        "", description="Brokers to ask first, host:port, several separated by commas; empty works on the embedded log."
    )
    client: Literal["auto", "kafka-python", "librdkafka"] = Field(
        "auto", description="Client library; auto takes librdkafka where it is installed (clickscore[fast]), and kafka-python elsewhere."
    )
    replication: int = Field(-1, ge=-1, le=100, description="Replication factor of topics that are created; -1 leaves it to the brokers.")
    on_gap: Literal["stop", "skip"] = Field(
        "stop", description="When retention removed events before they were read: stop and say so, or go on with the oldest and count what is missing."
    )
    on_stop: Literal["leave", "stay"] = Field(
        "leave",
        description="A worker that is stopped leaves its group, and others gain its partitions at once; or it stays, and whoever starts under its name before "
        "session_timeout is over finds them in place.",
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field("PLAINTEXT", description="As the brokers' listener has it.")
    tls_ca_file: str = Field("", description="PEM file of the authorities to trust; empty trusts the system's.")
    tls_certificate_file: str = Field("", description="PEM file of this client's certificate, for mutual TLS.")
    tls_key_file: str = Field("", description="PEM file of its private key.")
    tls_key_password: str = Field("", description="Password of the private key.", json_schema_extra=SECRET, repr=False)
    tls_check_hostname: bool = Field(True, description="Whether the broker's certificate must name the host that was asked; its authority is always checked.")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field("SCRAM-SHA-512", description="How to log in.")
    sasl_username: str = Field("", description="User name; for OAUTHBEARER the client's id.")
    sasl_password: str = Field("", description="Password; for OAUTHBEARER the client's secret.", json_schema_extra=SECRET, repr=False)
    sasl_token_file: str = Field("", description="OAUTHBEARER: file that holds the token, read at every login.")
    sasl_token_url: str = Field("", description="OAUTHBEARER: where to get a token with the client's id and secret (client credentials grant).")
    sasl_scope: str = Field("", description="OAUTHBEARER: scope to ask for.")
    linger_ms: Positive = Field(written("5 ms"), alias="linger", description="A producer waits this long for more records of a batch.")
    request_timeout_ms: Positive = Field(written("4 s"), alias="request_timeout", description="A broker must answer a request within this time.")
    delivery_timeout_ms: Positive = Field(written("5 s"), alias="delivery_timeout", description="A record must be written within this time, retries included.")
    transaction_timeout_ms: Positive = Field(
        written("8 s"), alias="transaction_timeout", description="The broker aborts a transaction that was left open for this long."
    )
    watchdog_ms: Positive = Field(written("12 s"), alias="watchdog", description="Bound of every call to the client that has none of its own.")
    max_poll_interval_ms: Positive = Field(
        written("10 min"),
        alias="max_poll_interval",
        description="A worker that has not polled for this long loses its partitions: longer than a restore takes.",
    )
    heartbeat_ms: Positive = Field(written("1 s"), alias="heartbeat", description="Time between two signs of life to the group.")
    session_timeout_ms: Positive = Field(
        written("15 s"),
        alias="session_timeout",
        description="A worker that gave no sign for this long is dead to the group; one that restarts under its name sooner keeps its place.",
    )

    @model_validator(mode="after")
    def _fits(self) -> KafkaSettings:
        self.timings()
        if bool(self.tls_certificate_file) != bool(self.tls_key_file):
            raise ValueError("tls_certificate_file and tls_key_file belong together: give both or neither")
        if not self.security_protocol.startswith("SASL"):
            return self
        if self.sasl_mechanism != "OAUTHBEARER" and not (self.sasl_username and self.sasl_password):
            raise ValueError(f"{self.sasl_mechanism} needs sasl_username and sasl_password")
        if self.sasl_mechanism == "OAUTHBEARER" and bool(self.sasl_token_file) == bool(self.sasl_token_url):
            raise ValueError("OAUTHBEARER needs either sasl_token_file or sasl_token_url")
        return self

    def timings(self) -> Timings:
        """How long anything may take. Raises ValueError where the times contradict each other."""
        return Timings(
            self.linger_ms,
            self.request_timeout_ms,
            self.delivery_timeout_ms,
            self.transaction_timeout_ms,
            self.watchdog_ms,
            self.max_poll_interval_ms,
            self.heartbeat_ms,
            self.session_timeout_ms,
        )

    def connection(self) -> Connection:
        """The cluster as the log takes it."""
        sasl = Sasl(self.sasl_mechanism, self.sasl_username, self.sasl_password, self.sasl_token_file, self.sasl_token_url, self.sasl_scope)
        tls = Tls(self.tls_ca_file, self.tls_certificate_file, self.tls_key_file, self.tls_key_password, self.tls_check_hostname)
        return Connection(self.bootstrap, self.security_protocol, tls, sasl if self.security_protocol.startswith("SASL") else None, self.timings())
