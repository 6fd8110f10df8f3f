"""What a broker is told: its listeners, who may log in, and what suits one node on loopback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
LOOPBACK = "127.0.0.1"
PLAINTEXT, CONTROLLER = "PLAINTEXT", "CONTROLLER"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
SECURITY = "org.apache.kafka.common.security"

# One node has nobody to copy to, and few internal partitions start and are read sooner.
ONE_NODE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": CONTROLLER,
    "inter.broker.listener.name": PLAINTEXT,
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "auto.create.topics.enable": "false",
}


@dataclass(frozen=True, slots=True)
class Listener:
    """An address at which the broker is reached besides PLAINTEXT. `name` in capitals; several may have one protocol.

    `advertised` is the HOST:PORT that the broker tells its clients, where that is not its own (such as a proxy's).
    `certificate` is a PEM file of the broker's key, its certificate and the authorities above; `authority` a PEM file of those whose clients' certificates
    are taken, `client_certificate` whether a client must have one. Both files are for SSL and SASL_SSL only.
    """

    name: str
    protocol: Protocol
    advertised: str = ""
    certificate: Path | None = None
    authority: Path | None = None
    client_certificate: bool = False


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """How a broker differs from a plain one.

    `users` are names and passwords, for PLAIN and SCRAM alike, of every listener with a login; OAUTHBEARER takes any unsecured JSON web token
    (RFC 7515, "alg": "none") that has not expired, its `sub` being the user. `authorizer` True lets only `super_users` do what no access control list
    allows; without a login a client is the user ANONYMOUS, who is one of them, so that tests can set up what others then may not.
    `properties` are added last and win. `short_lived`: Java compiles for a quick start, which is worth it for a broker of a minute or so.
    """

    listeners: tuple[Listener, ...] = ()
    users: Mapping[str, str] = field(default_factory=dict)
    authorizer: bool = False
    super_users: tuple[str, ...] = ("ANONYMOUS",)
    properties: Mapping[str, str] = field(default_factory=dict)
    short_lived: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all listeners that need a port of their own."""
        return (PLAINTEXT, CONTROLLER, *(listener.name for listener in self.listeners))

    @property
    def scram_credentials(self) -> list[str]:
        """The users as `StorageTool format --add-scram` takes them."""
        if not any(listener.protocol.startswith("SASL") for listener in self.listeners):
            return []
        return [f"{mechanism}=[name={name},password={password}]" for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512") for name, password in self.users.items()]


def server_properties(options: BrokerOptions, ports: Mapping[str, int], data: Path, bind: str) -> str:
    """Text of server.properties. `ports` has one by each of `options.names`; `bind` is the address that listeners are bound to."""
    protocols: dict[str, str] = {PLAINTEXT: "PLAINTEXT", CONTROLLER: "PLAINTEXT", **{one.name: one.protocol for one in options.listeners}}
    advertised = {name: f"{LOOPBACK}:{ports[name]}" for name in protocols if name != CONTROLLER}
    advertised |= {one.name: one.advertised for one in options.listeners if one.advertised}
    properties = {
        **ONE_NODE,
        "log.dirs": str(data),
        "controller.quorum.voters": f"1@{LOOPBACK}:{ports[CONTROLLER]}",
        "listeners": ",".join(f"{name}://{bind}:{ports[name]}" for name in protocols),
        "advertised.listeners": ",".join(f"{name}://{address}" for name, address in advertised.items()),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
    }
    for listener in options.listeners:
        properties |= {f"listener.name.{listener.name.lower()}.{key}": value for key, value in _security(listener, options.users)}
    if options.authorizer:
        properties["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
        properties["super.users"] = ";".join(f"User:{name}" for name in options.super_users)
    properties |= options.properties
    return "".join(f"{key}={_escaped(value)}\n" for key, value in properties.items())


def _security(listener: Listener, users: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if listener.protocol.endswith("SSL"):
        yield "ssl.keystore.type", "PEM"
        yield "ssl.keystore.location", str(listener.certificate)
        if listener.authority is not None:
            yield "ssl.truststore.type", "PEM"
            yield "ssl.truststore.location", str(listener.authority)
        yield "ssl.client.auth", "required" if listener.client_certificate else "none"
    if listener.protocol.startswith("SASL"):
        yield "sasl.enabled.mechanisms", ",".join(MECHANISMS)
        passwords = "".join(f' user_{name}="{password}"' for name, password in users.items())
        yield "plain.sasl.jaas.config", f"{SECURITY}.plain.PlainLoginModule required{passwords};"
        for mechanism in ("scram-sha-256", "scram-sha-512"):
            yield f"{mechanism}.sasl.jaas.config", f"{SECURITY}.scram.ScramLoginModule required;"
        # The claim is what the broker would say of itself to another broker; that of a client is checked by the default validator for unsecured tokens.
        yield "oauthbearer.sasl.jaas.config", f'{SECURITY}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'


def _escaped(value: str) -> str:
    """A value as java.util.Properties reads it."""
    return value.replace("\\", "\\\\").replace("\n", "\\n")
