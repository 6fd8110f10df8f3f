"""The sections of the configuration that say where triggers are sent: [destinations.NAME] and [deliver]."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from worker.core.settings import Positive, Section, written
from worker.destination.addresses import Network, is_private_literal
from worker.destination.forms import BODY_VALUES, HEADER_VALUES, TRIGGER_VALUES
from worker.destination.secrets import keys_of, token_of
from worker.destination.templates import json_template, text_template
from worker.kafka_settings import SECRET

_RULE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "webhook-id", "webhook-timestamp", "webhook-signature"})


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"this is no URL ({error}): write one such as 'https://shop.example/hooks/clickscore'") from None
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0 or re.search(r"[\s\x00-\x1f\x7f-\U0010ffff]", text):
        raise ValueError("this is no URL of HTTP: write one such as 'https://shop.example/hooks/clickscore'")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a user name or password does not belong into a URL: give token or token_file")
    if parts.fragment:
        raise ValueError("what follows the # is never sent: take it out")
    return text


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no network ({error}): write one such as '10.20.0.0/16' or '127.0.0.1/32'") from None
    return text


def _rule(name: str) -> str:
    if _RULE.fullmatch(name) is None:
        raise ValueError(f"{name!r} cannot be the name of a rule: write the NAME of a [triggers.NAME]")
    return name


class DestinationSettings(Section):
    """A place that fired triggers are sent to; each has its own queue, pace and circuit breaker."""

    enabled: bool = Field(True, description="false leaves the destination out.")
    url: Annotated[str, AfterValidator(_url)] = Field(
        examples=["https://shop.example/hooks/clickscore"],
        description="Where to send to. Plain http is taken only together with `networks`, and stays within them.",
    )
    form: Literal["webhook", "braze", "klaviyo"] = Field(
        "webhook", description="What is sent: a Standard Webhook, events for Braze's /users/track, or an event for Klaviyo's /api/events."
    )
    rules: tuple[Annotated[str, AfterValidator(_rule)], ...] = Field((), description="The rules whose triggers go there; none named is all of them.")
    secret: str = Field(
        "", description="What webhooks are signed with, whsec_ and base64; several with spaces between while they rotate.", json_schema_extra=SECRET, repr=False
    )
    secret_file: str = Field("", description="File that holds the secrets instead, one a line; read again whenever it changes.")
    token: str = Field("", description="The key that Braze or Klaviyo ask for; `${token}` in headers.", json_schema_extra=SECRET, repr=False)
    token_file: str = Field("", description="File that holds it instead; read again whenever it changes.")
    headers: dict[str, str] = Field({}, description="Further headers, or others than the form's; templates, as is what follows.")
    item: str = Field("", description='One trigger as JSON, in which texts such as "$user_id" name values; empty takes the form\'s.')
    body: str = Field("", description='The body around "$item" or the list "$items"; empty takes the form\'s.')
    batch: int = Field(0, ge=0, le=1000, description="Most triggers of one request; 0 takes the form's: 75 for Braze, else 1.")
    networks: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        (), description="Private networks, as address/bits, in which the destination may lie; without them only public addresses are called."
    )
    ca_file: str = Field("", description="PEM file of the authorities to trust; empty trusts the system's.")
    concurrency: int = Field(4, ge=1, le=64, description="Most requests under way at a time.")
    rate: float = Field(50.0, gt=0, le=10_000, allow_inf_nan=False, description="Most requests a second.")
    timeout_ms: Positive = Field(written("10 s"), alias="timeout", description="A request and its whole answer take at most this long.")

    @model_validator(mode="after")
    def _fits(self) -> DestinationSettings:
        if self.secret and self.secret_file:
            raise ValueError("secret and secret_file both give secrets: give one of them")
        if self.token and self.token_file:
            raise ValueError("token and token_file both give a token: give one of them")
        if self.form == "webhook" and self.enabled and not (self.secret or self.secret_file):
            raise ValueError("a webhook is signed: give secret or secret_file; `echo whsec_$(openssl rand -base64 32)` makes one")
        if self.form != "webhook" and self.enabled and not (self.token or self.token_file):
            raise ValueError(f"{self.form} asks for a key: give token or token_file")
        if self.form == "webhook" and self.batch > 1:
            raise ValueError("a webhook carries one trigger, whose id it bears: leave batch out")
        if self.url.startswith("http:") and not self.networks:
            raise ValueError("http sends in the clear: write https, or name the private networks that it stays within under networks")
        if is_private_literal(urlsplit(self.url).hostname or "", self.allowed):
            raise ValueError("the address in the url may not be called, for it is private, local or reserved: name its network under networks if it is meant")
        return self

    @model_validator(mode="after")
    def _readable(self) -> DestinationSettings:
        if self.secret:
            keys_of(self.secret)
        token_of(self.token)
        if self.item:
            json_template(self.item, TRIGGER_VALUES)
        if self.body:
            json_template(self.body, BODY_VALUES)
        for text in self.headers.values():
            text_template(text, HEADER_VALUES)
        if wrong := [name for name in self.headers if _HEADER_NAME.fullmatch(name) is None]:
            raise ValueError(f"{wrong[0]!r} cannot name a header: use letters, digits and hyphens")
        if taken := [name for name in self.headers if name.lower() in OURS]:
            raise ValueError(f"the header {taken[0]} is written by the program: take it out")
        return self

    @property
    def allowed(self) -> tuple[Network, ...]:
        """The networks, read."""
        return tuple(map(ipaddress.ip_network, self.networks))


class DeliverSettings(Section):
    """How the role `deliver` goes about it, the same for every destination."""

    queue: int = Field(5_000, ge=1, le=1_000_000, description="Undecided triggers that a destination may have in memory; more are read when some are decided.")
    attempts: int = Field(
        20, ge=1, le=1_000, description="Tries for one trigger while the destination takes others; then it is a dead letter. An outage costs none."
    )
    backoff_ms: Positive = Field(written("1 s"), alias="backoff", description="Longest wait before the second try; doubled with every further one.")
    longest_backoff_ms: Positive = Field(written("10 min"), alias="longest_backoff", description="Longest wait before any try.")
    breaker_failures: int = Field(5, ge=1, le=1_000, description="After this many failures in a row a destination is left alone for a while.")
    breaker_pause_ms: Positive = Field(
        written("10 s"), alias="breaker_pause", description="For how long, the first time; doubled while one try after the other fails."
    )
    longest_breaker_pause_ms: Positive = Field(written("5 min"), alias="longest_breaker_pause", description="For how long at most.")
