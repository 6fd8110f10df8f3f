"""Why a cluster cannot be reached, where the first failure already says it: a listener that speaks another protocol, a certificate nobody vouches for.

The connection's own error only has the words of the sockets. Held against the settings they tell a person what to change.
"""

from __future__ import annotations

import re

from worker.log.errors import LogError, LogUnavailable, LogUnusable
from worker.settings import Settings

PROTOCOL = "kafka.security_protocol"
_FRAME = re.compile(r"Invalid frame length: (\d+)")
_TLS_ALERT, _TLS_MAJOR = 21, 3  # RFC 8446, section 5.1: the first bytes of a record that is an alert


def explained(error: LogUnavailable, settings: Settings) -> LogError:
    """The same error with what to do about it; LogUnusable where no retry can help."""
    what, where, todo = error.problems[0]
    kafka = settings.kafka
    if _is_tls_alert(what):
        return LogUnusable("the broker's listener speaks TLS, and was spoken to without", where, f"set {PROTOCOL} to SSL or SASL_SSL, or use another port")
    if "CERTIFICATE_VERIFY_FAILED" in what:
        reason = what.partition("certificate verify failed: ")[2].partition(" (_ssl")[0]
        authority = kafka.tls_ca_file or "the system's authorities"
        todo = f"it was held against {authority}: name the PEM file of the broker's authority as kafka.tls_ca_file, and the broker by a name of its certificate"
        return LogUnusable(f"the broker's certificate is not trusted: {reason}", where, todo)
    if re.search(r"ALERT_BAD_CERTIFICATE|CERTIFICATE_REQUIRED|ALERT_UNKNOWN_CA|ALERT_CERTIFICATE", what):
        shown = f"did not take {kafka.tls_certificate_file}" if kafka.tls_certificate_file else "wants a certificate of this client (mutual TLS)"
        return LogUnusable(f"the broker {shown}", where, "set kafka.tls_certificate_file and kafka.tls_key_file to one that its authority has signed")
    if "SSL" in kafka.security_protocol and "Handshake failed" in what:
        return LogUnavailable(
            "the broker hung up while TLS was agreed on: its listener may speak none", where, f"check {PROTOCOL} ({kafka.security_protocol}) and the port"
        )
    if "socket disconnected" in what:
        return LogUnavailable(
            f"the broker hung up on {kafka.security_protocol}: its listener may want TLS or a login", where, f"check {PROTOCOL}, and whether the broker is well"
        )
    return LogUnavailable(what, where, todo)


def _is_tls_alert(what: str) -> bool:
    """Whether an answer began like TLS: plain Kafka takes its first four bytes for a length."""
    found = _FRAME.search(what)
    first = int(found[1]).to_bytes(8, "big")[-4:] if found else b"\0\0"
    return first[0] == _TLS_ALERT and first[1] == _TLS_MAJOR
