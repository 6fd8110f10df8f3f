"""The receiver of docker-compose.yml: checks each webhook's signature, prints what it was sent, and answers 204. Of your own it would do something.

python receiver.py PORT SECRET_FILE; needs Python alone. Look at what it prints with `docker compose logs --follow receiver`.
"""

import base64
import hashlib
import hmac
import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Receiver(BaseHTTPRequestHandler):
    """Takes webhooks."""

    protocol_version = "HTTP/1.1"  # connections are kept
    key = b""

    def do_POST(self) -> None:
        """Print what is ours; refuse the rest, so that it is sent again once the secrets agree."""
        body = self.rfile.read(int(self.headers["content-length"]))
        message_id, sent_s = self.headers.get("webhook-id", ""), self.headers.get("webhook-timestamp", "")
        signed = f"{message_id}.{sent_s}.".encode() + body
        expected = "v1," + base64.b64encode(hmac.digest(self.key, signed, hashlib.sha256)).decode()
        if any(hmac.compare_digest(expected, one) for one in self.headers.get("webhook-signature", "").split()):
            fired = json.loads(body)["data"]  # what is done with it: each id once, for it may come again
            print(f"{message_id}: {fired['rule']} for {fired['user_id']} at {fired['local_time']}, because {fired['because']}", flush=True)
            self.send_response(204)
        else:
            print("a stranger's: the signature does not fit", flush=True)
            self.send_response(401)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print webhooks alone."""


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Receiver.key = base64.b64decode(Path(sys.argv[2]).read_text().strip().removeprefix("whsec_"))
    server = ThreadingHTTPServer(("", int(sys.argv[1])), Receiver)
    print(f"listening on port {server.server_port}", flush=True)
    server.serve_forever()
