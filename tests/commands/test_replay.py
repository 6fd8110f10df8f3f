"""`clickscore replay` as a person or a pipe runs it: files in, the same bytes out every time, and a clear word when something is wrong."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from worker.demo.shop import Shop, ShopSettings

LINES = [value for chunk in Shop(ShopSettings(users=120, days=12, seed=5)).chunks() for value in chunk.values]


def clickscore(*arguments: str | Path, folder: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "worker", *map(str, arguments)], input=stdin, capture_output=True, check=False, cwd=folder)


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    path.write_bytes(b"\n".join(line.replace(b"\n", b" ") for line in LINES if line) + b"\n")
    return path


@pytest.fixture(scope="module")
def replayed(events: Path) -> tuple[Path, str]:
    done = clickscore("replay", events, "--out", "scores.jsonl", "--report", "report.html", "--dead-letters", "dead.jsonl", folder=events.parent)
    assert done.returncode == 0, done.stderr.decode()
    return events.parent, done.stdout.decode()


def test_every_event_has_one_score_and_every_bad_record_one_dead_letter(replayed: tuple[Path, str], events: Path) -> None:
    folder, _ = replayed
    scores = [json.loads(line) for line in (folder / "scores.jsonl").read_bytes().splitlines()]
    dead = [json.loads(line) for line in (folder / "dead.jsonl").read_bytes().splitlines()]
    read = len(events.read_bytes().splitlines())
    at_events = [score for score in scores if score["cause"] == "event"]
    ids = [score["event_id"] for score in at_events if "event_id" in score]
    assert len(set(ids)) == len(ids)
    assert len({score["score_id"] for score in scores}) == len(scores)
    assert 0 < len(dead) < read / 10
    assert all(letter["reason"] and letter["line"] <= read for letter in dead)
    dropped = read - len(at_events) - len(dead)
    assert 0 <= dropped < read / 10  # late ones and second copies


def test_the_summary_accounts_for_every_record(replayed: tuple[Path, str], events: Path) -> None:
    _, told = replayed
    read, scored, dead, dropped = _numbers(told.splitlines()[0].replace(",", ""))
    assert read == len(events.read_bytes().splitlines())
    assert read == scored + dead + dropped
    for word in ("purchase", "intent", "churn", "log-loss", "AUC", "dead letters by reason"):
        assert word in told


def _numbers(line: str) -> tuple[int, int, int, int]:
    numbers = [int(word) for word in line.replace(":", " ").replace("(", " ").split() if word.isdigit()]
    return numbers[0], numbers[1], numbers[2], numbers[3]


def test_the_report_is_a_page_that_needs_nothing_else(replayed: tuple[Path, str]) -> None:
    page = (replayed[0] / "report.html").read_text(encoding="utf-8")
    ElementTree.fromstring(page.split("\n", 1)[1])
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "<script" not in page


def test_the_same_file_gives_the_same_bytes_packed_or_not(replayed: tuple[Path, str], events: Path) -> None:
    folder, _ = replayed
    for name in ("one.gz", "two.gz"):
        assert clickscore("replay", events, "--out", name, folder=folder).returncode == 0
    assert (folder / "one.gz").read_bytes() == (folder / "two.gz").read_bytes()
    assert gzip.decompress((folder / "one.gz").read_bytes()) == (folder / "scores.jsonl").read_bytes()


def test_standard_input_to_standard_output_keeps_the_summary_apart(replayed: tuple[Path, str], events: Path) -> None:
    done = clickscore("replay", "-", "--out", "-", folder=replayed[0], stdin=events.read_bytes())
    assert done.returncode == 0
    assert done.stdout == (replayed[0] / "scores.jsonl").read_bytes()
    assert b"events scored" in done.stderr


def test_without_reasons_the_probabilities_stay_the_same(replayed: tuple[Path, str], events: Path) -> None:
    done = clickscore("replay", events, "--out", "-", "--no-reasons", folder=replayed[0])
    with_reasons = [json.loads(line) for line in (replayed[0] / "scores.jsonl").read_bytes().splitlines()]
    without = [json.loads(line) for line in done.stdout.splitlines()]
    assert [score["churn"]["p"] for score in without] == [score["churn"]["p"] for score in with_reasons]
    assert "reasons" not in without[-1]["purchase"]
    assert with_reasons[-1]["purchase"]["reasons"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("replay", "missing.jsonl"), 1, ("missing.jsonl", "no such file")),
        (("replay", "events.jsonl", "--out", "nowhere/scores.jsonl"), 1, ("nowhere", "folder")),
        (("replay",), 2, ("FILE",)),
        (("replay", "events.jsonl", "--set", "targets.purchase.horizon='0 d'"), 78, ("horizon",)),
    ],
)
def test_what_is_wrong_is_said_with_a_code_of_its_own(events: Path, arguments: tuple[str, ...], code: int, words: tuple[str, ...]) -> None:
    done = clickscore(*arguments, folder=events.parent)
    assert done.returncode == code
    assert all(word in done.stderr.decode() for word in words)
    assert b"Traceback" not in done.stderr
