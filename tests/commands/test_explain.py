"""`clickscore explain`: one user's latest score in words that add up."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from tests.commands.service_files import clickscore, user_of


def test_it_says_chance_lift_model_and_reasons_of_every_target(worked_on: Path) -> None:
    user = user_of(worked_on / "shop.db")
    done = clickscore("explain", user, "--embedded", "shop.db", cwd=worked_on)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(user)
    assert "\x1b" not in done.stdout
    for words in ("purchase", "buys within 1 d", "intent", "buys within 30 min", "churn", "does nothing", "the average user", "model intent@"):
        assert words in done.stdout


def test_the_points_it_shows_add_up_to_the_chance_before_calibration(worked_on: Path) -> None:
    user = user_of(worked_on / "shop.db")
    record = json.loads(clickscore("explain", user, "--embedded", "shop.db", "--json", cwd=worked_on).stdout)
    assert record["user_id"] == user
    said = clickscore("explain", user, "--embedded", "shop.db", cwd=worked_on).stdout
    shown = re.split(r"\n(?=\w+ +[\d.<>]+ %)", said)
    checked = 0
    for name in ("purchase", "intent", "churn"):
        section = next(part for part in shown if part.startswith(name + " "))
        points = [float(text.replace("−", "-")) for text in re.findall(r"^ +([+−][\d.]+) ", section, re.MULTILINE)]
        if points:
            checked += 1
            raw = record[name]["raw"]
            assert sum(points) == pytest.approx(math.log(raw / (1 - raw)), abs=0.06)  # each is rounded to two places
    assert checked > 0


def test_an_unknown_user_is_said(worked_on: Path) -> None:
    done = clickscore("explain", "nobody", "--embedded", "shop.db", cwd=worked_on)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no score of user 'nobody'" in done.stderr
    assert "to do:" in done.stderr
