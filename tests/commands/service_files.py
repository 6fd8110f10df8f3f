"""What the tests of the service's commands share: the command as a process, and an embedded log that a worker has worked on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson

from worker.demo.shop import Shop, ShopSettings
from worker.log.embedded import EmbeddedLog

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**{name: value for name, value in os.environ.items() if not name.startswith("CLICKSCORE_")}, "PYTHONPATH": str(ROOT)}
CONFIGURATION = """\
[targets.purchase]
horizon = "1 d"
abstain_below = 1
[endpoint]
port = 0
[service]
member = "m"
turn_events = 100
snapshot_examples = 20
"""


def clickscore(*arguments: str, cwd: Path, text: bytes = b"") -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-m", "worker", *arguments], cwd=cwd, env=ENVIRONMENT, check=False, capture_output=True, input=text)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def shop_lines() -> list[bytes]:
    return [value for value, _ in Shop(ShopSettings(users=250, days=6, seed=2)).stream()]


def user_of(log_file: Path) -> str:
    """The user of the last score that an event caused."""
    log = EmbeddedLog(log_file, create=False)
    scores = [orjson.loads(record.value or b"") for record in log.read("clickscore.scores", 0)]
    log.close()
    return str([score["user_id"] for score in scores if score["cause"] == "event"][-1])
