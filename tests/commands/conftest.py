"""One embedded log that was sent a shop's events and worked on by `clickscore run`; made once for the tests that only read it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands.service_files import CONFIGURATION, ENVIRONMENT, clickscore, shop_lines
from worker.log.embedded import EmbeddedLog

PATIENCE_S = 120.0  # only reached when something is broken


@pytest.fixture(scope="session")
def worked_on(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of shop.db and its clickscore.toml; beside them sent.txt and run.txt, what the two commands printed."""
    folder = tmp_path_factory.mktemp("worked_on")
    (folder / "clickscore.toml").write_text(CONFIGURATION)
    (folder / "events.jsonl").write_bytes(b"\n".join([*shop_lines(), b"not json"]))
    sent = clickscore("send", "events.jsonl", "--embedded", "shop.db", cwd=folder)
    assert sent.returncode == 0, sent.stderr
    (folder / "sent.txt").write_text(sent.stdout)
    with (folder / "run.txt").open("w") as said:
        worker = subprocess.Popen([sys.executable, "-m", "worker", "run", "--embedded", "shop.db"], cwd=folder, env=ENVIRONMENT, stderr=said)
        log = EmbeddedLog(folder / "shop.db", create=False)
        tail, deadline = log.tail("clickscore.scores", "earliest"), time.monotonic() + PATIENCE_S
        while log.committed("clickscore", "clickstream.events") != log.end_offsets("clickstream.events"):
            assert worker.poll() is None
            assert time.monotonic() < deadline
            tail.poll(1_000, 0.1)
        log.close()
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.wait(PATIENCE_S) == 0
    return folder
