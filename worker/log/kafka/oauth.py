"""Access tokens for SASL/OAUTHBEARER (KIP-255), from a file or from an OAuth 2.0 server: the same for both clients."""

from __future__ import annotations

import base64
import binascii
import http.client
import ipaddress
import json
import math
import time
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from pathlib import Path
from typing import IO, Any

from worker.log.errors import LogUnavailable
from worker.log.kafka.connection import Sasl
from worker.log.kafka.failures import LoginRefused

_LIFE_S = 3_600.0  # of a token that does not say how long it holds
_WAIT_S = 10.0  # for the whole answer of a token server
_LARGEST_ANSWER_BYTES = 1024 * 1024


def access_token(sasl: Sasl) -> tuple[str, float]:
    """A token, and the Unix time in seconds until which it holds.

    That time is the server's expires_in, else the token's own `exp` where it is a JWT (RFC 7519, section 4.1.4), else an hour from now.
    Raises LoginRefused where a person must act, LogUnavailable where the token server may answer later.
    """
    if sasl.token_file:
        return _token_of_file(Path(sasl.token_file))
    if sasl.token_url:
        return _token_of_server(sasl)
    raise LoginRefused("OAUTHBEARER needs a token", todo="set kafka.sasl_token_file or kafka.sasl_token_url")


def _token_of_file(path: Path) -> tuple[str, float]:
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise LoginRefused(f"the token file cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}", str(path)) from None
    if not token:
        raise LoginRefused("the token file is empty", str(path))
    expiry = _expiry_of(token)
    if expiry <= time.time():
        raise LogUnavailable("the token in the file has expired, and no newer one was put there", str(path))
    return token, expiry


def _expiry_of(token: str) -> float:
    """Unix time in seconds. The token is the broker's to judge: whatever cannot be read here holds an hour."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        expiry = float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return time.time() + _LIFE_S
    return expiry if math.isfinite(expiry) else time.time() + _LIFE_S


def _token_of_server(sasl: Sasl) -> tuple[str, float]:
    """The client credentials grant: RFC 6749, section 4.4; the client identifies itself as in section 2.3.1."""
    where = sasl.token_url
    _check_url(where)
    form = {"grant_type": "client_credentials"} | ({"scope": sasl.scope} if sasl.scope else {})
    login = ":".join(urllib.parse.quote_plus(part) for part in (sasl.username, sasl.password))
    request = urllib.request.Request(where, urllib.parse.urlencode(form).encode(), method="POST")
    request.add_header("Content-Type", "application/x-www-form-urlencoded")
    request.add_header("Accept", "application/json")
    request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    answer = _answer(request, where)
    try:
        fields = json.loads(answer)
        token, life_s = fields["access_token"], fields.get("expires_in")
        if not isinstance(token, str) or not token.isascii() or not token.strip():
            raise TypeError
        expiry = _expiry_of(token) if life_s is None else time.time() + float(life_s)
        if not math.isfinite(expiry):
            raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError):
        raise LoginRefused("the token server's answer holds no access token", where, "check kafka.sasl_token_url") from None
    return token, expiry


def _check_url(url: str) -> None:
    """The request carries the client's secret: it goes out encrypted, or not beyond this machine."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and _on_this_machine(parts.hostname):
        return
    raise LoginRefused("a token server is asked over https only, or over http on this machine", url, "set kafka.sasl_token_url to an https address")


def _on_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are not followed: the client's secret is meant for the address that was configured."""

    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message[str, str], newurl: str) -> None:
        return None


def _answer(request: urllib.request.Request, where: str) -> bytes:
    """The body of a good answer, read until _WAIT_S have passed."""
    deadline = time.monotonic() + _WAIT_S
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_WAIT_S) as response:
            return _body(response, deadline)
    except urllib.error.HTTPError as error:
        with error:
            what = f"the token server answered {error.code} {error.reason}{_said(error, deadline)}"
        if error.code >= 500 or error.code in (408, 429):
            raise LogUnavailable(what, where) from None
        raise LoginRefused(what, where, "check kafka.sasl_username, kafka.sasl_password and kafka.sasl_scope") from None
    except urllib.error.URLError as error:
        raise LogUnavailable(f"the token server cannot be reached: {error.reason}", where) from None
    except (OSError, http.client.HTTPException) as error:
        raise LogUnavailable(f"the token server did not answer in full: {str(error) or type(error).__name__}", where) from None


def _body(response: Any, deadline: float) -> bytes:
    """All of the answer, in pieces: a socket's timeout bounds each piece, not their sum."""
    body = b""
    while piece := response.read1(64 * 1024):
        body += piece
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {_WAIT_S:g} s")
        if len(body) > _LARGEST_ANSWER_BYTES:
            raise http.client.HTTPException("the answer is too long")
    return body


def _said(error: urllib.error.HTTPError, deadline: float) -> str:
    """The server's reason (RFC 6749, section 5.2), on one line, if it gave one."""
    try:
        fields = json.loads(_body(error, deadline))
        words = [str(fields[name]) for name in ("error", "error_description") if name in fields]
    except (OSError, http.client.HTTPException, TypeError, ValueError):
        return ""
    return f": {' '.join(' '.join(words).split())[:200]}" if words else ""
