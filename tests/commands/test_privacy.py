"""`clickscore privacy`: from the request to the proof, on an embedded log; and what the commands refuse."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from tests.commands.kafka_commands import run, said
from tests.service.bench import Clock, shop_lines
from worker.configuration import load
from worker.log.contract import Message
from worker.log.embedded import EmbeddedLog
from worker.service.assembly import build_loop
from worker.service.clock import SystemClock
from worker.service.housekeeping import Housekeeping
from worker.service.loop import Loop, Stop
from worker.service.privacy.sweeping import sweep
from worker.service.sender import send_lines
from worker.service.telemetry.happenings import Happenings
from worker.service.telemetry.logging import open_logger
from worker.service.telemetry.metrics import Metrics
from worker.service.topics import open_log
from worker.service.watch import Watch

CONFIGURATION = """\
[privacy]
key = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
[targets.purchase]
horizon = "1 d"
[targets.churn]
horizon = "1 d"
[service]
member = "m"
snapshot_examples = 1
log_level = "debug"
[segments.browsers]
when = "sessions >= 1"
[triggers.back]
when = "sessions >= 2"
"""
LINES = shop_lines(40, 4)
USER = next(iter(json.loads(line)["user_id"] for line in reversed(LINES) if line.startswith(b"{") and line.endswith(b"}")))


class Worked:
    """An embedded log and a worker on it, whose turns a test makes."""

    def __init__(self, folder: Path) -> None:
        self.file, self.path = folder / "clickscore.toml", folder / "shop.db"
        self.file.write_text(CONFIGURATION)
        self.settings = load(self.file, (), {"--embedded": ("embedded.path", str(self.path))}, environ={}).settings
        log = open_log(self.settings, 2)
        assert isinstance(log, EmbeddedLog)
        self.log, self.clock, self.lines = log, Clock(), io.StringIO()
        self.metrics, self.watch = Metrics(self.settings.targets), Watch(self.clock, self.settings.targets)
        self.happened = Happenings(open_logger(self.settings.service, self.lines), self.metrics, self.clock, self.watch)
        self.loop: Loop = build_loop(log, self.settings, self.clock, self.happened, Stop(self.happened))
        list(send_lines(log, self.settings.topics.events, LINES, self.clock))
        log.append(self.settings.topics.events, [Message(b"{", USER.encode()), Message(b"{%s" % USER.encode(), b"another")])

    def turns(self, count: int) -> None:
        for _ in range(count):
            self.clock.at_s += 1
            self.loop.turn()

    def command(self, *arguments: str) -> int:
        return run("privacy", *arguments, "--embedded", self.path, "--config", self.file)


@pytest.fixture
def worked(tmp_path: Path) -> Iterator[Worked]:
    worked = Worked(tmp_path)
    worked.turns(4)
    yield worked
    worked.log.close()


def test_from_the_request_to_the_proof(worked: Worked, capsys: pytest.CaptureFixture[str]) -> None:
    assert worked.command("scan", USER) == 1
    named = {line.split(",")[0].split()[1] for line in said(capsys)[0].splitlines() if line.startswith("live")}
    assert named == {f"clickscore.{name}" for name in ("scores", "profiles", "segments", "triggers", "deadletter")}  # in examples there are pseudonyms

    assert worked.command("delete", USER, "--request-id", "case 17") == 0
    assert said(capsys)[0].startswith("request case 17: DELETE of 1 user, written to ")
    assert worked.command("receipts", "case 17") == 1
    assert said(capsys)[1] == "no receipt\n"
    worked.turns(3)
    assert worked.command("receipts", "case 17") == 0
    assert said(capsys)[0].startswith("good  case 17: DELETE of user ")
    assert worked.command("receipts", "--user", USER, "--json") == 0
    receipt = json.loads(said(capsys)[0])
    assert receipt["signature_good"]
    assert receipt["erased"]["profile"] == receipt["erased"]["action"] == 1
    assert USER not in json.dumps(receipt)

    assert worked.command("scan", USER) == 1
    told = [line for line in said(capsys)[0].splitlines() if line.startswith("live")]
    assert {line.split(",")[0] for line in told} == {"live     clickscore.deadletter", "live     clickscore.triggers"}  # they are not compacted here
    Housekeeping(worked.log, [], worked.clock, worked.happened, partial(sweep, worked.log, worked.settings, worked.clock, worked.happened)).look()
    assert worked.command("scan", USER) == 1
    told = said(capsys)[0].splitlines()
    assert len(told) == 2
    assert ": value; goes with an erasure, where the id is its key; else never by itself" in told[0]  # somebody else's record that names the user
    assert told[1].startswith("1 live records name the user, 0 more are covered")

    assert USER not in generate_latest(worked.metrics.registry).decode()
    assert USER not in worked.lines.getvalue()
    assert len(worked.lines.getvalue()) > 1000
    for target in worked.settings.targets:  # what the page is made from
        assert USER not in {likely.user for likely in worked.watch.likeliest.top(target, 100)}
    assert USER.encode() in b"".join(record.value or b"" for p in range(2) for record in worked.log.read("clickstream.events", p))
    assert worked.command("scan", USER, "--input") == 1


def test_a_sweep_leaves_others_and_who_came_back_and_is_made_again_after_a_death(worked: Worked, capsys: pytest.CaptureFixture[str]) -> None:
    worked.command("delete", USER)
    worked.turns(3)
    event = b'{"event":"page_view","user_id":"%s","timestamp":%d}' % (USER.encode(), worked.clock.now_ms())
    worked.log.append("clickstream.events", [Message(event, USER.encode())])
    worked.turns(2)
    others = {topic: kept(worked, topic) for topic in ("clickscore.scores", "clickscore.segments", "clickscore.triggers", "clickscore.deadletter")}
    purge, calls = worked.log.purge, []

    def dying(topic: str, *arguments: object, **options: object) -> int:
        calls.append(topic)
        if len(calls) == 3:
            raise RuntimeError("killed")
        return purge(topic, *arguments, **options)  # type: ignore[arg-type]

    worked.log.purge = dying  # type: ignore[method-assign]
    at_s, worked.clock.at_s = worked.clock.at_s, worked.clock.at_s + (int(SystemClock().now_ms()) - worked.clock.now_ms()) / 1000
    sweep(worked.log, worked.settings, worked.clock, worked.happened)
    assert calls == []  # couriers may not have read it yet
    worked.clock.at_s = at_s
    with pytest.raises(RuntimeError):
        sweep(worked.log, worked.settings, worked.clock, worked.happened)
    sweep(worked.log, worked.settings, worked.clock, worked.happened)
    assert calls[3:] == [f"clickscore.{name}" for name in ("scores", "segments", "triggers", "deadletter", "profiles", "privacy")]
    assert {topic: kept(worked, topic) for topic in others} == others
    assert len([value for key, value in records(worked, "clickscore.scores") if key == USER.encode()]) == 1
    assert [key for key, _ in records(worked, "clickscore.profiles") if key == b"u:" + USER.encode()]
    assert records(worked, "clickscore.privacy") == []
    sweep(worked.log, worked.settings, worked.clock, worked.happened)
    assert len(calls) == 9  # nothing was left to do


def records(worked: Worked, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    return [(record.key, record.value) for p in range(worked.log.partition_count(topic)) for record in worked.log.read(topic, p)]


def kept(worked: Worked, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    return [record for record in records(worked, topic) if record[0] != USER.encode()]


def test_it_waits_for_the_receipts_of_a_file_of_users(worked: Worked, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ids.txt").write_text(f"{USER}\nsomebody\n\n{USER}\n", encoding="utf-8")
    assert worked.command("suppress", "--file", str(tmp_path / "ids.txt"), "--wait", "--timeout", "0") == 1
    assert "2 receipts were not there after 0 s" in said(capsys)[1]
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            worked.turns(1)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert worked.command("unsuppress", "--file", str(tmp_path / "ids.txt"), "--wait", "--all-partitions") == 0
    finally:
        over.set()
        thread.join()
    assert "UNSUPPRESS of 2 users" in (told := said(capsys)[0])
    assert "carried out: all receipts are there" in told
    assert len(records(worked, "clickscore.receipts")) == 2 + 4


def test_a_receipt_of_another_key_is_bad(worked: Worked, capsys: pytest.CaptureFixture[str]) -> None:
    worked.command("delete", USER)
    worked.turns(3)
    said(capsys)
    assert worked.command("receipts", "--set", f"privacy.key={'l' * 32}") == 1
    assert said(capsys)[0].startswith("BAD SIGNATURE  partition 0, offset 0")


def test_without_a_key_they_refuse_and_say_what_to_set(worked: Worked, capsys: pytest.CaptureFixture[str]) -> None:
    for line in (("delete", USER), ("suppress", USER), ("unsuppress", USER), ("receipts",)):
        assert worked.command(*line, "--set", "privacy.key=") == 78
        assert "set privacy.key for this command and for every worker" in said(capsys)[1]
    assert worked.command("delete") == 2
    assert worked.command("delete", "x" * 257) == 1
    assert worked.command("delete", USER, "--request-id", "x" * 65) == 2
