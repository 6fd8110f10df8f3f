"""What the drill delivers: triggers that fire without a pause, and a receiver of webhooks that can be made to fail."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

TRIGGERS, SECRET = "clickscore.triggers", "whsec_b25lIGRyaWxsIGlzIG5vIHNlY3JldCBhdCBhbGw="
EVERY_S, WORTH_S = 0.25, 60.0


class Receiver:
    """Takes everything, unless `failing` or `refusing` says otherwise: then it answers 503 to all, or 400 to every third."""

    def __init__(self) -> None:
        self.failing = self.refusing = False
        self._asked = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def status(self) -> int:
        """The answer to the next request."""
        self._asked += 1
        return 503 if self.failing else 400 if self.refusing and self._asked % 3 == 0 else 204

    def close(self) -> None:
        """Listen no longer."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(owner.status())
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        return Handler


class Firing:
    """Puts triggers of now on their topic, each worth sending for a minute, in a thread: the shop's own days are long past."""

    def __init__(self, bootstrap: str, partitions: int) -> None:
        self._partitions = partitions
        self._producer = patient_producer(bootstrap)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._fire, daemon=True)
        self._thread.start()

    def _fire(self) -> None:
        number = 0
        while not self._over.wait(EVERY_S):
            number += 1
            user = f"u{number}"
            try:
                self._producer.send(TRIGGERS, json.dumps(_trigger(number, user)).encode(), user.encode(), partition=number % self._partitions)
            except KafkaError:  # the broker is away: what cannot be sent is not sent
                continue

    def close(self) -> None:
        """Fire no more."""
        self._over.set()
        self._thread.join()
        with contextlib.suppress(KafkaError):  # what the broker did not take is not missed
            self._producer.close(timeout=5)


def patient_producer(bootstrap: str) -> KafkaProducer:
    """A producer that goes on after the broker was away. It is not idempotent: such a one gives up for good where that takes longer than a delivery may."""
    return KafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=False, linger_ms=5, delivery_timeout_ms=5_000, request_timeout_ms=4_000, max_block_ms=1_000
    )


def _trigger(number: int, user: str) -> dict[str, Any]:
    """As schemas/trigger.schema.json has it."""
    now_ms = time.time_ns() // 1_000_000
    return {
        "schema": 1,
        "trigger_id": f"{number:032x}",
        "rule": "drill",
        "user_id": user,
        "time_ms": now_ms,
        "local_time": "2026-01-01T00:00:00+00:00",
        "result": "fired",
        "score_id": f"0-{number}",
        "crossed_ms": now_ms,
        "expires_ms": now_ms + round(1000 * WORTH_S),
        "priority": 0,
        "because": {},
    }
