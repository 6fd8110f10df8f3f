"""What clients and brokers of a test show of themselves: certificates by openssl, valid for a day and never committed, and unsecured tokens."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from worker.errors import ClickscoreError

AUTHORITY = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
HOLDER = (
    "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
)
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
LOOPBACK_NAMES = ("IP:127.0.0.1", "DNS:localhost")


class OpensslMissing(ClickscoreError):
    """There is no openssl command to make certificates with."""


class Certificate(NamedTuple):
    """Paths of PEM files: the certificate, its key, and one with both, as Kafka wants it."""

    certificate_file: Path
    key_file: Path
    bundle_file: Path


class Authority:
    """A certificate authority of one test run, trusted by whoever is told so. Its files lie in `folder`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        openssl = shutil.which("openssl")
        if openssl is None:
            raise OpensslMissing("no openssl on the PATH to make certificates with", todo="install openssl")
        self._openssl, self._folder = openssl, folder
        self.certificate_file, self._key_file = folder / f"{name}.crt", folder / f"{name}.key"
        self._request(
            folder / f"{name}.cnf",
            "req",
            "-x509",
            "-days",
            "1",
            *KEY,
            "-nodes",
            "-keyout",
            str(self._key_file),
            "-out",
            str(self.certificate_file),
            extensions=AUTHORITY,
        )

    def issue(self, name: str, hosts: tuple[str, ...] = LOOPBACK_NAMES, password: str = "") -> Certificate:
        """A certificate of CN=`name`, valid for `hosts` (each IP:… or DNS:…); with a password, the key is encrypted."""
        folder = Path(tempfile.mkdtemp(prefix=name, dir=self._folder))  # several may have one name
        certificate, key, request, bundle = (folder / f"{name}.{ending}" for ending in ("crt", "key", "csr", "pem"))
        protection = ("-passout", f"pass:{password}") if password else ("-nodes",)
        self._request(folder / f"{name}.cnf", "req", *KEY, *protection, "-keyout", str(key), "-out", str(request), extensions="")
        extensions = folder / f"{name}.ext"
        extensions.write_text(f"{HOLDER}subjectAltName={','.join(hosts)}\n")
        signed = ("-CA", str(self.certificate_file), "-CAkey", str(self._key_file), "-CAcreateserial", "-extfile", str(extensions))
        self._run("x509", "-req", "-in", str(request), "-days", "1", *signed, "-out", str(certificate))
        bundle.touch(mode=0o600)
        bundle.write_text(key.read_text() + certificate.read_text() + self.certificate_file.read_text())
        return Certificate(certificate, key, bundle)

    def _request(self, configuration: Path, *arguments: str, extensions: str) -> None:
        section = f"x509_extensions=extensions\n[extensions]\n{extensions}" if extensions else ""
        # The system's own configuration is not to be relied on.
        configuration.write_text(f"[req]\nprompt=no\ndistinguished_name=name\n{section}[name]\nCN={configuration.stem}\n")
        self._run(*arguments, "-config", str(configuration))

    def _run(self, *arguments: str) -> None:
        done = subprocess.run([self._openssl, *arguments], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def unsecured_token(subject: str, valid_s: float = 3_600) -> str:
    """A JSON web token without a signature (RFC 7519, section 6), as brokers take it that know no issuer of tokens; `valid_s` may be negative."""
    now = time.time()
    header, claims = {"alg": "none"}, {"sub": subject, "iat": now, "exp": now + valid_s}
    return ".".join(_packed(part) for part in (header, claims)) + "."


def _packed(part: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
