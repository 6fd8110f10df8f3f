"""`clickscore top`: the users with the highest latest scores, highest first."""

from __future__ import annotations

import re
from pathlib import Path

import orjson

from tests.commands.service_files import clickscore
from worker.log.embedded import EmbeddedLog


def latest(file: Path) -> dict[str, float]:
    log = EmbeddedLog(file, create=False)
    scores = [orjson.loads(record.value or b"") for record in log.read("clickscore.scores", 0)]
    log.close()
    return {score["user_id"]: score["intent"]["p"] for score in scores}


def test_it_lists_the_likeliest_first(worked_on: Path) -> None:
    done = clickscore("top", "intent", "--embedded", "shop.db", "--limit", "7", cwd=worked_on)
    assert done.returncode == 0, done.stderr
    chances = latest(worked_on / "shop.db")
    expected = sorted(chances, key=lambda user: (-chances[user], user))[:7]
    listed = re.findall(r"\bu\d{6}\b", done.stdout)
    assert [chances[user] for user in listed] == [chances[user] for user in expected]
    assert f"7 of {len(chances)} users" in done.stdout


def test_without_a_target_it_takes_the_first(worked_on: Path) -> None:
    done = clickscore("top", "--embedded", "shop.db", cwd=worked_on)
    assert done.stdout.startswith("purchase  buys within 1 d; 20 of ")
    assert "strongest reason" in done.stdout


def test_an_unknown_target_and_a_log_without_scores_are_said(worked_on: Path, tmp_path: Path) -> None:
    unknown = clickscore("top", "chrun", "--embedded", "shop.db", cwd=worked_on)
    assert unknown.returncode == 1
    assert "purchase, intent, churn" in unknown.stderr
    clickscore("send", "-", "--embedded", "new.db", cwd=tmp_path)
    empty = clickscore("top", "--embedded", "new.db", cwd=tmp_path)
    assert empty.returncode == 1
    assert "clickscore run" in empty.stderr
