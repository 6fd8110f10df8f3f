"""`clickscore run` as a process: its page in a browser, its endpoint behind a token, and a planted secret that must appear nowhere."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from tests.commands.service_files import ENVIRONMENT, clickscore, shop_lines
from tests.endpoints.browser import Browser
from tests.endpoints.clients import DEADLINE_S, connected, get
from tests.endpoints.test_access import basic
from worker.log.embedded import EmbeddedLog

SECRET = "planted-secret-9f8e7d6c5b4a"
CONFIGURATION = """\
[targets.purchase]
horizon = "1 d"
[service]
member = "shop-1"
turn_events = 100
snapshot_examples = 20
[kafka]
sasl_password = "planted-secret-of-kafka"
tls_key_password = "planted-secret-of-a-key"
[privacy]
key = "planted-secret-of-pseudonyms-1234567890"
[destinations.crm]
form = "klaviyo"
url = "https://a.klaviyo.com/api/events"
token = "planted-secret-of-klaviyo"
"""


@dataclass
class Running:
    """A worker's process, its port, its folder and what it logs."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    def logged(self) -> str:
        return (self.folder / "run.txt").read_text()


@contextmanager
def running(folder: Path, *more: str, **environment: str) -> Iterator[Running]:
    """A worker over the log in this folder, once it listens."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = int(place.getsockname()[1])
    command = [sys.executable, "-m", "worker", "run", "--embedded", "shop.db", "--endpoint-port", str(port), *more]
    with (folder / "run.txt").open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, env={**ENVIRONMENT, **environment}, stdout=out, stderr=out)
    worker = Running(process, port, folder)
    log = EmbeddedLog(folder / "shop.db", create=False)
    try:
        tail = log.tail("clickscore.scores", "earliest")
        while log.committed("clickscore", "clickstream.events") != log.end_offsets("clickstream.events"):
            assert process.poll() is None, worker.logged()
            tail.poll(1_000, 0.1)
        yield worker
    finally:
        log.close()
        process.kill()
        process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clickscore.toml").write_text(CONFIGURATION)
    (tmp_path / "events.jsonl").write_bytes(b"\n".join([*shop_lines(), b"not json"]))
    assert clickscore("send", "events.jsonl", "--embedded", "shop.db", cwd=tmp_path).returncode == 0
    return tmp_path


def test_a_real_worker_shows_itself_and_its_end(browser: Browser, folder: Path) -> None:
    with running(folder) as worker:
        assert f'"endpoint": "http://127.0.0.1:{worker.port}/"' in worker.logged()
        assert orjson.loads(get(worker.port, "/readyz")[2])["ready"]
        browser.driver.get(f"http://127.0.0.1:{worker.port}/")
        browser.until(lambda: browser.text("#state-words") == "Ready")
        assert browser.text("h1") == "clickscore shop-1"
        metrics = get(worker.port, "/metrics")[2].decode()
        scored = re.search(r"^clickscore_events_scored_total (\d+)\.0$", metrics, re.MULTILINE)
        assert scored is not None
        assert 'clickscore_destination_enabled{destination="crm"} 1.0\n' in metrics  # told by who does not deliver, too: so that it shows where nobody does
        assert "clickscore_delivery_last_progress_timestamp_seconds{" not in metrics
        assert browser.text("#rate-note").startswith(f"{int(scored[1]):,} scored of ")
        assert browser.text("#deadletters-rows").startswith("invalid json")
        assert browser.text("#users-rows th").startswith("user#")
        browser.until(lambda: browser.script("return document.querySelectorAll('#plots svg circle').length"))  # its own trainer has judged
        assert re.search(r"\d\.\d{4} beside \d\.\d{4} of the base rate", browser.text("#plots"))
        assert browser.complaints() == []
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(DEADLINE_S) == 0
        browser.until(lambda: browser.text("#state-words").startswith("The worker does not answer"))


def test_a_planted_secret_appears_nowhere_and_the_page_opens_with_it_as_password(browser: Browser, folder: Path) -> None:
    (folder / "token").write_text(SECRET)
    with running(folder, "--set", "endpoint.host=0.0.0.0", CLICKSCORE_ENDPOINT__TOKEN_FILE=str(folder / "token")) as worker:
        seen = [get(worker.port, path)[2] for path in ("/livez", "/readyz")]
        for path in ("/", "/page.js", "/metrics", "/status", "/version", "/nothing"):
            status, fields, body = get(worker.port, path)
            assert status == 401
            seen += [body, repr(fields).encode()]
            status, fields, body = get(worker.port, path, Authorization=f"Bearer {SECRET}")
            assert status == (404 if path == "/nothing" else 200)
            seen += [body, repr(fields).encode()]
        browser.driver.get(f"http://reader:{SECRET}@127.0.0.1:{worker.port}/")
        browser.until(lambda: browser.text("#state-words") == "Ready")
        seen += [browser.script("return document.documentElement.outerHTML").encode(), *(line.encode() for line in browser.complaints())]
        assert get(worker.port, "/metrics", Authorization=basic(f"x:{SECRET}"))[0] == 200
        seen.append(worker.logged().encode())
        seen.append(Path(f"/proc/{worker.process.pid}/cmdline").read_bytes() if sys.platform == "linux" else b"")
    for arguments in (("config", "show"), ("run", "--embedded", "shop.db", "--set", "endpoint.port=x"), ("run", "--embedded", "none/shop.db")):
        said = subprocess.run(
            [sys.executable, "-m", "worker", *arguments],
            cwd=folder,
            env={**ENVIRONMENT, "CLICKSCORE_ENDPOINT__TOKEN": SECRET, "CLICKSCORE_TRACEBACK": "1"},
            check=False,
            capture_output=True,
        )
        seen += [said.stdout, said.stderr]
    assert all(seen[:4])
    assert [text for text in seen if b"planted-secret" in text] == []


def test_slow_and_huge_clients_do_not_hold_up_scoring(folder: Path) -> None:
    with running(folder) as worker:
        stop = threading.Event()

        def besiege() -> None:
            """Opens connections that never finish asking, as fast as they are taken, with some that send megabytes."""
            held: list[socket.socket] = []
            while not stop.is_set():
                try:
                    client = connected(worker.port)
                    held.append(client)
                    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + (b"a" * 1_000_000 if len(held) % 10 == 0 else b""))
                except OSError:
                    pass
                if len(held) > 200:
                    held.pop(0).close()
            for client in held:
                client.close()

        siege = [threading.Thread(target=besiege) for _ in range(2)]
        for thread in siege:
            thread.start()
        try:
            sent = clickscore("send", "events.jsonl", "--embedded", "shop.db", cwd=folder)
            assert sent.returncode == 0
            log = EmbeddedLog(folder / "shop.db", create=False)
            tail = log.tail("clickscore.scores", log.end_offsets("clickscore.scores"))
            while log.committed("clickscore", "clickstream.events") != log.end_offsets("clickstream.events"):
                assert worker.process.poll() is None
                tail.poll(1_000, 0.1)
            log.close()
            assert get(worker.port, "/livez")[0] in (200, 0)  # 0: its place went to another; a probe asks again
            if sys.platform == "linux":
                assert len(os.listdir(f"/proc/{worker.process.pid}/fd")) < 100  # noqa: PTH208 - the folder of a process
                assert len(os.listdir(f"/proc/{worker.process.pid}/task")) < 40  # noqa: PTH208
        finally:
            stop.set()
            for thread in siege:
                thread.join()
        assert orjson.loads(get(worker.port, "/livez")[2])["alive"]
        assert "endpoint failed" not in worker.logged()
