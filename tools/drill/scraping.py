"""A Prometheus of one test or drill: on a loopback port, with its data in a folder of its own, gone with it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, cast

PATIENCE_S = 60.0  # only reached when something is broken


def free_port() -> int:
    """A port that nobody has, for now."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


class Prometheus:
    """A server that scrapes every second from its start to the end of the with block."""

    def __init__(self, program: Path, folder: Path, targets: Iterable[str], rules: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rules.yml").write_text(rules, encoding="utf-8")
        scrape = {"job_name": "clickscore", "static_configs": [{"targets": list(targets)}]}
        periods = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        (folder / "prometheus.yml").write_text(json.dumps({"global": periods, "rule_files": ["rules.yml"], "scrape_configs": [scrape]}), encoding="utf-8")
        self.url = f"http://127.0.0.1:{free_port()}"
        self._log = (folder / "prometheus.log").open("w")
        options = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={self.url[7:]}"]
        self._process = subprocess.Popen([program, *options, "--log.level=warn"], stdout=self._log, stderr=self._log)

    def __enter__(self) -> Prometheus:
        deadline_s = time.monotonic() + PATIENCE_S
        while not self._ready():
            assert self._process.poll() is None, Path(self._log.name).read_text(encoding="utf-8")
            assert time.monotonic() < deadline_s
            self._rest(0.1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.send_signal(signal.SIGKILL)  # its data goes with the folder
        self._process.wait()
        self._log.close()

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _rest(self, time_s: float) -> None:
        """Wait, unless the server ends."""
        try:
            self._process.wait(time_s)
        except subprocess.TimeoutExpired:
            return

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series of an instant query. Raises AssertionError with what Prometheus says against it."""
        data = urllib.parse.urlencode({"query": expr}).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/query", data, timeout=30) as answer:
                found = json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expr}: {error.read().decode()}") from error
        return [{"metric": {}, "value": found["result"]}] if found["resultType"] == "scalar" else cast("list[dict[str, Any]]", found["result"])

    def unanswered(self, queries: Mapping[str, str], within_s: float) -> dict[str, str]:
        """The queries, by their names, to which nothing comes within a time: each is asked until it has an answer."""
        left, deadline_s = dict(queries), time.monotonic() + within_s
        while left and time.monotonic() < deadline_s:
            left = {name: expr for name, expr in left.items() if not self.query(expr)}
            self._rest(0.3 if left else 0)
        return left
