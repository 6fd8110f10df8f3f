"""`clickscore tap`: records as lines."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from tests.commands.service_files import ENVIRONMENT, clickscore


def test_piped_it_gives_the_bare_values_of_the_last_records(worked_on: Path) -> None:
    done = clickscore("tap", "scores", "--embedded", "shop.db", cwd=worked_on)
    assert done.returncode == 0, done.stderr
    scores = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(scores) == 10
    assert all("purchase" in score for score in scores)


def test_max_and_from_choose_records_and_json_gives_them_whole(worked_on: Path) -> None:
    done = clickscore("tap", "clickscore.deadletter", "--embedded", "shop.db", "--from", "earliest", "--max", "1", "--json", cwd=worked_on)
    record = json.loads(done.stdout)
    assert (record["topic"], record["partition"], record["offset"]) == ("clickscore.deadletter", 0, 0)
    assert "clickscore.reason" in dict(record["headers"])
    exact = clickscore("tap", "events", "--embedded", "shop.db", "--from", "3", "--max", "2", "--json", cwd=worked_on)
    assert [json.loads(line)["offset"] for line in exact.stdout.splitlines()] == [3, 4]


def test_a_snapshot_is_named_and_not_printed(worked_on: Path) -> None:
    done = clickscore("tap", "models", "--embedded", "shop.db", "--from", "-1", cwd=worked_on)
    assert re.fullmatch(r"\w+@\d+ \([\d,]+ bytes\)\n", done.stdout)


def test_on_a_terminal_each_record_is_one_line_that_fits(worked_on: Path) -> None:
    ours, theirs = pty.openpty()
    arguments = [sys.executable, "-m", "worker", "tap", "scores", "--embedded", "shop.db", "--no-follow"]
    process = subprocess.Popen(arguments, cwd=worked_on, env={**ENVIRONMENT, "COLUMNS": "70"}, stdout=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    said = b""
    while chunk := _read(ours):
        said += chunk
    assert process.wait() == 0
    lines = said.decode().splitlines()
    assert len(lines) == 10
    assert all(len(line) <= 70 and " purchase " in line for line in lines)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says EIO when the other end has closed
        return b""


def test_what_is_not_there_is_said_and_nothing_is_created(worked_on: Path, tmp_path: Path) -> None:
    topic = clickscore("tap", "scoress", "--embedded", "shop.db", cwd=worked_on)
    assert (topic.returncode, topic.stdout) == (78, "")
    assert "no such topic" in topic.stderr
    usage = clickscore("tap", "scores", "--embedded", "shop.db", "--from", "monday", cwd=worked_on)
    assert usage.returncode == 2
    missing = clickscore("tap", "scores", "--embedded", "none.db", cwd=tmp_path)
    assert missing.returncode == 78
    assert list(tmp_path.iterdir()) == []
