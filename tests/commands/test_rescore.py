"""`clickscore rescore`: to a topic or a file, with what came of the comparison."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from tests.commands.kafka_commands import run, said
from worker.log.embedded import EmbeddedLog


@pytest.fixture
def log_file(worked_on: Path, tmp_path: Path) -> Path:
    for file in [*worked_on.glob("shop.db*"), worked_on / "clickscore.toml"]:
        shutil.copy(file, tmp_path)
    return tmp_path / "shop.db"


def scores(log_file: Path, topic: str) -> list[bytes]:
    log = EmbeddedLog(log_file, create=False)
    found = [record.value or b"" for record in log.read(topic, 0)]
    log.close()
    return found


def line(log_file: Path, *arguments: str | Path) -> list[str | Path]:
    return ["rescore", "--embedded", log_file, "--config", log_file.with_name("clickscore.toml"), *arguments]


def test_the_topic_gets_the_same_bytes_and_is_made_when_missing(log_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*line(log_file, "--from", "0")) == 0, said(capsys)
    first = scores(log_file, "clickscore.scores")
    assert scores(log_file, "clickscore.rescores") == first
    assert f"{len(first):,} are byte for byte as they were the first time" in said(capsys)[0]


@pytest.mark.parametrize("name", ["again.jsonl", "again.jsonl.gz"])
def test_a_file_gets_a_line_a_score(name: str, log_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*line(log_file, "--from", "2025-03-04", "--to", "2025-03-05", "--out", tmp_path / name)) == 0, said(capsys)
    content = (tmp_path / name).read_bytes()
    found = (gzip.decompress(content) if name.endswith(".gz") else content).splitlines()
    assert len(found) > 10
    assert set(found) < set(scores(log_file, "clickscore.scores"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "5", "--to", "2025-03-04"), "must both be offsets, or both be times"),
        (("--from", "9", "--to", "5"), "the range is empty"),
        (("--from", "soon"), "'soon' is no time"),
        (("--from", "0", "--models", "old"), "neither recorded nor latest"),
        (("--from", "0", "--out", "clickscore.scores"), "one of the worker's own topics"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(arguments: tuple[str, ...], words: str, log_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = scores(log_file, "clickscore.scores")
    assert run(*line(log_file, *arguments)) == 2
    assert words in " ".join(said(capsys)[1].split())
    assert scores(log_file, "clickscore.scores") == before
