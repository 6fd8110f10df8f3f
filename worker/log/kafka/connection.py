"""Where the cluster is, how to log in, and how long anything may take: the same for both clients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS, always with verification of the broker's certificate. Paths of PEM files; an empty one is not used.

    `ca_file` empty takes the system's authorities. `certificate_file` and `key_file` identify this client (mutual TLS).
    `check_hostname` False accepts a certificate of another host name, not one of an unknown authority.
    """

    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    key_password: str = field(default="", repr=False)
    check_hostname: bool = True


@dataclass(frozen=True, slots=True)
class Sasl:
    """A login. PLAIN and SCRAM take `username` and `password`.

    OAUTHBEARER takes a token from `token_file`, read anew for every login, or from `token_url` by OAuth 2.0's client credentials grant
    (RFC 6749, section 4.4) with `username` and `password` as the client's id and secret, and `scope`.
    """

    mechanism: Mechanism
    username: str = ""
    password: str = field(default="", repr=False)
    token_file: str = ""
    token_url: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Timings:
    """How long anything may take, in milliseconds. Each of the chain must be shorter than the next:

    linger + request <= delivery < transaction < watchdog < max_poll_interval, and 3 heartbeat <= session.
    `session`: a member that was not heard of for so long loses its partitions. `transaction`: the broker aborts what was left open for so long;
    shorter than the session, so that who takes over need not wait for it. `watchdog`: bound of every call that has none of its own.
    Raises ValueError where the order does not hold.
    """

    linger_ms: int = 5
    request_ms: int = 4_000
    delivery_ms: int = 5_000
    transaction_ms: int = 8_000
    watchdog_ms: int = 12_000
    max_poll_interval_ms: int = 600_000
    heartbeat_ms: int = 1_000
    session_ms: int = 15_000

    def __post_init__(self) -> None:
        chain = (
            ("linger + request", self.linger_ms + self.request_ms, "delivery", self.delivery_ms + 1),
            ("delivery", self.delivery_ms, "transaction", self.transaction_ms),
            ("transaction", self.transaction_ms, "watchdog", self.watchdog_ms),
            ("watchdog", self.watchdog_ms, "max_poll_interval", self.max_poll_interval_ms),
            ("three heartbeats", 3 * self.heartbeat_ms, "session", self.session_ms + 1),
        )
        for name, value_ms, above, bound_ms in chain:
            if value_ms >= bound_ms:
                raise ValueError(f"{name} ({value_ms} ms) must be shorter than {above}: lower the one or raise the other")


@dataclass(frozen=True, slots=True)
class Connection:
    """One cluster: `bootstrap` is "host:port" or several of them, separated by commas."""

    bootstrap: str
    protocol: Protocol = "PLAINTEXT"
    tls: Tls = Tls()
    sasl: Sasl | None = None
    timings: Timings = Timings()
    largest_record_bytes: int = 16 * 1024 * 1024  # a model's snapshot is the largest; its topic is made to take this much

    @property
    def where(self) -> str:
        """For error messages."""
        return f"Kafka at {self.bootstrap}"
