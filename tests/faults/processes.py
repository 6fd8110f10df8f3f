"""The processes under test, and the nursery that starts them."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0  # only reached when something is broken


class Worker:
    """One process of the nursery."""

    def __init__(self, nursery: Nursery, process: int, stderr: Path, member: str) -> None:
        self._nursery, self.process, self.stderr, self.member = nursery, process, stderr, member
        self._handle = os.pidfd_open(process)
        self._code: int | None = None

    def send(self, number: int) -> None:
        """Send a signal, if it still lives."""
        if self._code is None:
            os.kill(self.process, number)

    def ended(self, within_s: float = 0.0) -> bool:
        """Whether it has ended, or does within this time."""
        return self._code is not None or bool(select.select([self._handle], [], [], within_s)[0])

    def wait(self, within_s: float = PATIENCE_S) -> int:
        """How it ended: its exit code, or minus the signal."""
        if self._code is None:
            if not self.ended(within_s):
                os.kill(self.process, signal.SIGUSR1)
                self.ended(1.0)
                self.kill()
                raise AssertionError(f"{self.member} did not end within {within_s:g} s; it said:\n{self.said()[-5_000:]}")
            self._code = self._nursery.order(self.process)
            os.close(self._handle)
        return self._code

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        if self._code is None:
            os.kill(self.process, signal.SIGKILL)
            self.wait()

    def stop(self) -> int:
        """SIGTERM, and wait for the end."""
        self.send(signal.SIGTERM)
        return self.wait()

    def said(self) -> str:
        """What it wrote to stderr."""
        return self.stderr.read_text(errors="replace") if self.stderr.exists() else ""

    def state(self) -> str:
        """As ps has it: R, S, T when it is stopped, Z when it has ended."""
        return Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()[0]


class Nursery:
    """The process that forks the others."""

    def __init__(
        self, folder: Path, imports: tuple[str, ...] = ("worker.commands.run", "worker.log.kafka.librdkafka.publisher", "tests.faults.deaths")
    ) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, str(Path(__file__).with_name("nursery.py")), *imports]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder)
        self.folder = folder
        self._started: list[Worker] = []
        assert self._answer().startswith("ready")

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def order(self, order: Any) -> int:
        """Give an order; see nursery.py."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._answer())

    def start(self, arguments: list[str], stderr: Path, member: str, **more: Any) -> Worker:
        """Start a process on Kafka; `more` is what nursery.Order has besides."""
        process = self.order({"arguments": arguments, "stderr": str(stderr), "kafka": True, **more})
        worker = Worker(self, process, stderr, member)
        self._started.append(worker)
        return worker

    def close(self) -> None:
        """Kill what still lives, and end."""
        for worker in self._started:
            worker.kill()
        with self._process:
            self._process.kill()
