"""State of an older program, as the worker of today finds it after an upgrade; and of a newer one, after a rollback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tests.core.older_state import decision_of_schema_1, profile_of_schema_1
from tests.test_docs import sample
from worker.core.profiles.layout import LAYOUT_VERSION
from worker.core.state.changelog import PROFILE_SCHEMA, SCHEMA
from worker.core.state.decision_records import DECISION_SCHEMA
from worker.log.contract import Message
from worker.log.embedded import EmbeddedLog

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0  # only reached when something is broken
CONFIGURATION = """\
[endpoint]
port = 0
[service]
turn_events = 200
snapshot_examples = 50
snapshot_wait = "200 ms"
log_format = "json"
[targets.purchase]
horizon = "1 d"
[targets.churn]
horizon = "1 d"
"""
PROFILES, MODELS, EVENTS = "clickscore.profiles", "clickscore.models", "clickstream.events"


def worked(folder: Path, *, until_scored: bool = True) -> tuple[int, str]:
    """Run a worker until everything is scored, or until it ends by itself; exit code and what it said."""
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    with (folder / "worker.log").open("w") as said:
        worker = subprocess.Popen([sys.executable, "-m", "worker", "run", "--embedded", "shop.db"], cwd=folder, env=environment, stderr=said)
    log = EmbeddedLog(folder / "shop.db", create=False)
    tail, deadline_s = log.tail("clickscore.scores", "latest"), time.monotonic() + PATIENCE_S
    while worker.poll() is None and (not until_scored or log.committed("clickscore", EVENTS) != log.end_offsets(EVENTS)):
        tail.poll(1_000, 0.1)
        assert time.monotonic() < deadline_s, (folder / "worker.log").read_text()
    log.close()
    if worker.poll() is None:
        os.kill(worker.pid, signal.SIGTERM)
    return worker.wait(PATIENCE_S), (folder / "worker.log").read_text(encoding="utf-8")


@pytest.fixture
def shop(worked_on_once: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(worked_on_once, tmp_path / "shop")


@pytest.fixture(scope="module")
def worked_on_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of which two thirds are scored and learned, and the rest is still to be sent."""
    tmp_path = tmp_path_factory.mktemp("upgrade")
    lines = sample().splitlines(keepends=True)
    (tmp_path / "clickscore.toml").write_text(CONFIGURATION)
    (tmp_path / "first.jsonl").write_bytes(b"".join(lines[: 2 * len(lines) // 3]))
    (tmp_path / "rest.jsonl").write_bytes(b"".join(lines[2 * len(lines) // 3 :]))
    send(tmp_path, "first.jsonl")
    code, said = worked(tmp_path)
    assert code == 0, said
    return tmp_path


def send(folder: Path, name: str) -> None:
    line = [sys.executable, "-m", "worker", "send", name, "--embedded", "shop.db"]
    subprocess.run(line, cwd=folder, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}, check=True, capture_output=True)


def rewrite(folder: Path, topic: str, change: Callable[[bytes, bytes], bytes | None]) -> int:
    """Put what another program would have written after the latest record of each key; None leaves it. Returns how many."""
    log = EmbeddedLog(folder / "shop.db", create=False)
    latest = {record.key: record for record in log.read(topic, 0) if record.key is not None}
    changed = [
        Message(value, key, partition=0) for key, record in latest.items() if record.value is not None and (value := change(key, record.value)) is not None
    ]
    log.append(topic, changed)
    log.close()
    return len(changed)


def before_looks(key: bytes, value: bytes) -> bytes | None:
    """Pending decisions as they were before outcomes were counted while windows are open, and profiles with all their zeros."""
    if key.startswith(b"u:"):
        return profile_of_schema_1(value)
    return decision_of_schema_1(value, ("seen", "level")) if key.startswith(b"d:") else None


def form_1(key: bytes, value: bytes) -> bytes:
    """Model snapshots as they were before the level."""
    header, _, rest = value.partition(b"\n")
    old = orjson.loads(header) | {"schema": 1}
    del old["numbers"]["level"]
    body = orjson.dumps(old) + b"\n" + rest[:-4]
    return body + zlib.crc32(body).to_bytes(4, "little")


def other_bins(key: bytes, value: bytes) -> bytes | None:
    """Pending decisions over a scorecard of another layout."""
    return orjson.dumps(orjson.loads(value) | {"layout": "0-00000000"}) if key.startswith(b"d:") else None


def test_the_state_of_the_form_before_is_gone_on_from(shop: Path) -> None:
    assert rewrite(shop, PROFILES, before_looks) > 50
    assert rewrite(shop, MODELS, form_1) == 3
    send(shop, "rest.jsonl")
    code, said = worked(shop)
    assert code == 0, said
    lines = [json.loads(line) for line in said.splitlines()]
    (restored,) = [line for line in lines if line["event"] == "partition restored"]
    assert restored["users"] > 100
    assert restored["decisions"] > 50
    assert len([line for line in lines if line["event"] == "trainer resumed" and line["learned"] > 0]) == 3
    assert [line for line in lines if line["level"] in ("warning", "error")] == []


def test_decisions_over_another_scorecard_are_let_go_and_users_kept(shop: Path) -> None:
    assert rewrite(shop, PROFILES, other_bins) > 50
    send(shop, "rest.jsonl")
    code, said = worked(shop)
    assert code == 0, said
    (restored,) = [line for line in map(json.loads, said.splitlines()) if line["event"] == "partition restored"]
    assert restored["users"] > 100
    assert restored["decisions"] == 0


@pytest.mark.parametrize(
    ("prefix", "newer"),
    [
        (b"u:", {"schema": PROFILE_SCHEMA + 1}),
        (b"u:", {"layout": LAYOUT_VERSION + 1}),
        (b"d:", {"schema": DECISION_SCHEMA + 1}),
        (b"p:", {"schema": SCHEMA + 1}),
    ],
    ids=["profile", "layout", "decision", "partition"],
)
def test_the_state_of_a_newer_program_is_refused_and_left_as_it_is(shop: Path, prefix: bytes, newer: dict[str, int]) -> None:
    assert rewrite(shop, PROFILES, lambda key, value: orjson.dumps(orjson.loads(value) | newer) if key.startswith(prefix) else None) > 0
    before = ends(shop)
    code, said = worked(shop, until_scored=False)
    assert code == 78, said
    assert "newer program" in said
    assert ends(shop) == before


def ends(folder: Path) -> dict[str, dict[int, int]]:
    log = EmbeddedLog(folder / "shop.db", create=False)
    found = {topic: log.end_offsets(topic) for topic in log.topics()}
    log.close()
    return found
