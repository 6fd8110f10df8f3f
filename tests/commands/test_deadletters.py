"""`clickscore deadletters`: what it says, and that it does nothing before --go."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.commands.kafka_commands import run, said
from worker.views.moments import moment_ms


@pytest.fixture
def log_file(worked_on: Path, tmp_path: Path) -> Path:
    """A log of one's own in which a worker has worked."""
    for file in worked_on.glob("shop.db*"):
        shutil.copy(file, tmp_path)
    return tmp_path / "shop.db"


def test_it_counts_by_reason_and_shows_the_last(log_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("deadletters", "list", "--embedded", log_file, "--max", "1") == 0
    summary, _, shown = said(capsys)[0].partition("\n\n")
    counts = {line.split()[1]: int(line.split()[0]) for line in summary.splitlines()}
    assert counts["invalid_json"] >= 1
    assert "such as" in summary
    assert len(shown.splitlines()) == 1


def test_for_programs_each_is_json(log_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("deadletters", "list", "--embedded", log_file, "--reason", "invalid_json", "--json", "--max", "99") == 0
    letters = [json.loads(line) for line in said(capsys)[0].splitlines()]
    assert {letter["reason"] for letter in letters} == {"invalid_json"}
    assert "not json" in [letter["value"] for letter in letters]
    assert all(letter["from"]["topic"] == "clickstream.events" and not letter["replayed"] for letter in letters)


def test_only_with_go_anything_is_done_and_it_is_remembered(log_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ("deadletters", "replay", "--embedded", log_file, "--reason", "invalid_json")
    assert run(*line) == run(*line) == 0
    would = re.search(r"would go back to clickstream.events: (\d+) invalid_json. Nothing was done yet: --go does it", said(capsys)[0])
    assert would
    assert run(*line, "--go") == 0
    assert said(capsys)[0] == f"replayed to clickstream.events, {log_file}: {would[1]} invalid_json\n"
    assert run(*line) == 0
    output = said(capsys)[0]
    assert f"{would[1]} replayed" in output
    assert "nothing to replay" in output
    assert run("tap", "events", "--embedded", log_file, "--from", "-1", "--json", "--no-follow") == 0
    assert ["clickscore.replays", "1"] in json.loads(said(capsys)[0])["headers"]


def test_none_is_said(log_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("deadletters", "list", "--embedded", log_file, "--since", "2999-01-01") == 0
    assert said(capsys)[0] == "no dead letters\n"


def test_a_time_that_is_none_is_wrong_usage(log_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("deadletters", "list", "--embedded", log_file, "--since", "yesterday") == 2
    assert "--since" in said(capsys)[1]


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("2026-03-01", 1_772_323_200_000),
        ("2026-03-01T12:00", 1_772_366_400_000),
        ("2026-03-01T12:00+01:00", 1_772_362_800_000),
        ("2026-03-01T12:00:00.250Z", 1_772_366_400_250),
        ("2 h", 1_000_000_000_000 - 7_200_000),
        ("3d", 1_000_000_000_000 - 259_200_000),
    ],
)
def test_times_as_people_type_them(text: str, expected_ms: int) -> None:
    assert moment_ms(text, 1_000_000_000_000) == expected_ms
