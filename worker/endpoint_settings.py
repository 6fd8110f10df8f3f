"""The settings of the endpoint: where the page, the metrics and the probes are served, and to whom."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from worker.core.settings import Positive, Section, written
from worker.kafka_settings import SECRET

LEAST_TOKEN = 16  # characters: what is shorter can be guessed


def _host(host: str) -> str:
    if not host or re.search(r"[\s/]", host):
        raise ValueError(f"{host!r} is not a host name or address: write one such as '127.0.0.1'")
    return host


def token_fault(token: str) -> str:
    """What is wrong with a bearer token, empty where nothing is; never the token itself."""
    if len(token) < LEAST_TOKEN:
        return f"a token has at least {LEAST_TOKEN} characters: make one with `openssl rand -hex 32`"
    if not re.fullmatch(r"[A-Za-z0-9._~+/=-]+", token):
        return "a token is made of letters, digits and . _ ~ + / = - (RFC 6750)"
    return ""


class EndpointSettings(Section):
    """Where the page, the metrics and the probes are served, and to whom."""

    host: Annotated[str, AfterValidator(_host)] = Field(
        "127.0.0.1", description="Address to serve on. One that is not of the loopback demands a token or mutual TLS."
    )
    port: int = Field(9108, ge=0, le=65535, description="Port to serve on; 0 serves nothing. All roles of a process share it.")
    token: str = Field("", description="Bearer token that the page and the metrics demand.", json_schema_extra=SECRET, repr=False)
    token_file: str = Field("", description="File that holds the token instead.")
    tls_certificate_file: str = Field("", description="PEM file of the server's certificate, with the chain to its authority; with it only TLS is served.")
    tls_key_file: str = Field("", description="PEM file of its private key.")
    tls_client_ca_file: str = Field("", description="PEM file of the authorities whose client certificates are let in (mutual TLS).")
    show_user_ids: bool = Field(False, description="Whether the page shows user ids in full; without it only their first characters.")
    stalled_after_ms: Positive = Field(
        written("2 min"),
        alias="stalled_after",
        description="/livez fails when the loop gave no sign of life for this long, and a worker ends when a destination's thread gave none; "
        "longer than any one step of them takes.",
    )

    @model_validator(mode="after")
    def _fits(self) -> EndpointSettings:
        if bool(self.tls_certificate_file) != bool(self.tls_key_file):
            raise ValueError("tls_certificate_file and tls_key_file belong together: give both or neither")
        if self.tls_client_ca_file and not self.tls_certificate_file:
            raise ValueError("tls_client_ca_file needs tls_certificate_file and tls_key_file: without TLS nobody shows a certificate")
        if self.token and self.token_file:
            raise ValueError("token and token_file both give a token: give one of them")
        if self.token and (fault := token_fault(self.token)):
            raise ValueError(fault)
        if self.port and not self.on_loopback and not (self.token or self.token_file or self.tls_client_ca_file):
            todo = "give token or token_file, or mutual TLS with tls_client_ca_file, or serve on '127.0.0.1'"
            raise ValueError(f"host {self.host!r} can be reached from other machines: {todo}")
        return self

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False  # a name, of who knows what
