"""Who is let in: a bearer token or a client certificate where either is configured, else this machine alone."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ssl
from pathlib import Path

from worker.endpoint_settings import EndpointSettings, token_fault
from worker.endpoints.requests import Refused, Request
from worker.endpoints.server import Answer
from worker.errors import ClickscoreError

# A browser asks its user by the second: the name does not matter, the token is the password.
CHALLENGE = (("WWW-Authenticate", 'Bearer realm="clickscore"'), ("WWW-Authenticate", 'Basic realm="clickscore: the token is the password", charset="UTF-8"'))
OUTSIDE = Answer(401, b"a token is needed: send it as 'Authorization: Bearer TOKEN', or as the password of Basic\n", fields=CHALLENGE)
UNCERTIFIED = Answer(403, b"a client certificate is needed\n")


class AccessUnusable(ClickscoreError):
    """A file of the endpoint's security that cannot be used."""

    exit_code = 78


class Access:
    """Decides on each request. The token is read once: a worker is restarted to change it."""

    def __init__(self, settings: EndpointSettings) -> None:
        token = settings.token or (_token_of(Path(settings.token_file)) if settings.token_file else "")
        self._digest = _digest(token) if token else b""
        self._certificates = bool(settings.tls_client_ca_file)
        own = settings.host.strip("[]")
        self._names = {"localhost", "127.0.0.1", "::1", own}

    def refusal(self, request: Request, certified: bool) -> Answer | None:
        """What a request is told that is not let in, None for one that is. Raises Refused."""
        if not (self._digest or self._certificates):
            self._check_name(request)
            return None
        if (self._certificates and certified) or (self._digest and self._knows(request.fields.get("authorization", ""))):
            return None
        return OUTSIDE if self._digest else UNCERTIFIED

    def _knows(self, authorization: str) -> bool:
        scheme, _, shown = authorization.partition(" ")
        shown = shown.strip()
        if scheme.lower() == "basic":
            try:
                shown = base64.b64decode(shown, validate=True).decode("utf-8", "replace").partition(":")[2]
            except (binascii.Error, ValueError):
                return False
        elif scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(_digest(shown), self._digest)

    def _check_name(self, request: Request) -> None:
        """Without a token, a page elsewhere whose name was made to mean this machine (DNS rebinding) must not read us through a browser here."""
        host = request.fields.get("host", "localhost")
        name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
        if name.lower() not in self._names:
            raise Refused(421, "this is served to the machine itself: ask for it as localhost, or give the endpoint a token")


def tls_context(settings: EndpointSettings) -> ssl.SSLContext | None:
    """What the server speaks TLS with, None where it speaks none. Raises AccessUnusable."""
    if not settings.tls_certificate_file:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    file = settings.tls_certificate_file
    try:
        context.load_cert_chain(file, settings.tls_key_file, password=_no_password)
        if settings.tls_client_ca_file:
            file = settings.tls_client_ca_file
            context.load_verify_locations(file)
            # Optional, for the probes ask without one; Access refuses everybody else.
            context.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError, ValueError) as error:
        what = f"the endpoint's TLS cannot be set up: {getattr(error, 'reason', None) or getattr(error, 'strerror', None) or error}"
        raise AccessUnusable(what, file, "check that it and its key are PEM files that belong together, without a password, and who may read them") from None
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _token_of(file: Path) -> str:
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AccessUnusable(
            f"the endpoint's token cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}", str(file), "check the path"
        ) from None
    if fault := token_fault(token):
        raise AccessUnusable(f"the endpoint's token cannot be used: {fault.partition(': ')[0]}", str(file), fault.partition(": ")[2])
    return token


def _digest(token: str) -> bytes:
    """Of one length whatever the token's: comparing takes the same time for all."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
