"""`clickscore demo --kafka`: a worker is killed and replaced, nothing is lost or repeated, and nothing is left, however it ends."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kafka import KafkaAdminClient

from tests.commands.test_demo import PATIENCE_S, environment
from worker.demo.broker import Image, Jars

SMALL = ("--users", "800", "--rate", "300")


@contextmanager
def started(folder: Path, *arguments: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "worker", "demo", "--kafka", *SMALL, *arguments]
    plain = {name: value for name, value in environment(folder, **more).items() if name != "KAFKA_BOOTSTRAP" or "KAFKA_BOOTSTRAP" in more}
    with subprocess.Popen(command, cwd=folder, env=plain, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def processes(folder: Path) -> list[str]:
    """Command lines that name the folder: workers, keepers, a broker."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found += [line] if str(folder / "tmp") in line else []
    return found


def until_none(folder: Path) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while left := processes(folder):
        assert time.monotonic() < deadline_s, left
        select.select([], [], [], 0.05)


def test_a_worker_is_killed_and_replaced_and_everything_is_counted(bootstrap: str, tmp_path: Path) -> None:
    with started(tmp_path, "--seconds", "5", KAFKA_BOOTSTRAP=bootstrap) as process:
        output, error = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, error) == (0, "")
    assert "lost 0, repeated 0" in output
    assert re.search(r"worker-1 killed with SIGKILL in the middle of its work on partitions \d, \d", output)
    assert re.search(r"first new committed score of partitions \d, \d [\d.]+ s after the kill", output)
    counted = re.search(r"([\d,]+) records in the input: ([\d,]+) scored, (\d+) dead letters, (\d+) second copies", output)
    assert counted
    records, *parts = (int(number.replace(",", "")) for number in counted.groups())
    assert records == sum(parts) > 1_000
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    assert [name for name in admin.list_topics() if name.startswith("clickscore-demo-")] == []
    admin.close()
    assert processes(tmp_path) == []
    assert not list((tmp_path / "tmp").glob("clickscore-demo-*"))


def test_ctrl_c_ends_it_all_and_what_was_sent_is_counted(broker_source: Jars | Image, tmp_path: Path) -> None:
    with started(tmp_path, "--seconds", "3600") as process:  # with a broker of its own
        assert process.stdout is not None
        assert any("every partition is scored" in line for line in iter(process.stdout.readline, ""))
        process.send_signal(signal.SIGINT)
        output, error = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, error) == (0, "")
    assert "Ended early." in output
    assert "lost 0, repeated 0" in output
    assert processes(tmp_path) == []
    assert not list((tmp_path / "tmp").glob("clickscore-demo-*"))


def test_nothing_outlives_a_demo_that_was_killed(bootstrap: str, tmp_path: Path) -> None:
    with started(tmp_path, "--seconds", "3600", KAFKA_BOOTSTRAP=bootstrap) as process:
        assert process.stdout is not None
        assert any("worker-1 scoring" in line for line in iter(process.stdout.readline, ""))
        assert len(processes(tmp_path)) == 4  # two workers and their keepers
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE_S)
    until_none(tmp_path)
    assert process.returncode == -signal.SIGKILL
