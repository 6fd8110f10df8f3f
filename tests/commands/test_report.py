"""`clickscore report`: totals of partitions, added up, in words, for programs and on a page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import orjson
import pytest

from tests.commands.kafka_commands import run, said
from tests.core.drawn_examples import example
from worker.configuration import load
from worker.core.labels.examples import SILENCE
from worker.core.uplift.assignments import Totals, totals_key
from worker.log.contract import Message
from worker.log.embedded import EmbeddedLog
from worker.service.topics import create_topics, target_partitions

CONFIGURATION = """\
[triggers.hurry]
when = "sessions >= 1"
holdout = 0.2
[triggers.later]
when = "sessions >= 2"
[triggers.always]
when = "sessions >= 3"
holdout = 0.0
"""
AT = ("--embedded", "clickscore.db", "--config", "clickscore.toml")
PARTS = (Totals(1, 1), Totals(4_000, 1_000, 4_000, 1_000, 600, 100, 3_000), Totals(4_000, 1_000, 4_000, 1_000, 600, 100, 3_000))
SAID = ((0.5, True, True), (0.25, False, False), (0.25, False, False), (0.1, True, None))  # p, outcome, treated


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of two partitions with totals, the first written twice, and of another experiment of the rule's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clickscore.toml").write_text(CONFIGURATION)
    settings = load(tmp_path / "clickscore.toml", ()).settings
    assert settings.plan
    experiment = settings.plan.experiments[1]
    assert experiment.rule == "hurry"
    log = EmbeddedLog(tmp_path / "clickscore.db")
    create_topics(log, settings, 2)
    for partition, totals in zip((0, 0, 1), PARTS, strict=True):
        log.append(settings.topics.profiles, [Message(orjson.dumps(totals.record(experiment)), totals_key(experiment.id), partition=partition)])
    log.append(settings.topics.profiles, [Message(orjson.dumps(PARTS[1].record(experiment)), totals_key("00000000"), partition=1)])
    known = [replace(example([1], p=p, outcome=outcome), treated=treated) for p, outcome, treated in SAID]
    known.append(replace(example([1], p=0.2, outcome=True), treated=True, cause=SILENCE))
    partition = target_partitions(settings)["purchase"]
    log.append(settings.topics.examples, [Message(one.encode(), b"purchase", partition=partition) for one in known])
    log.close()
    return tmp_path


def test_every_rule_has_a_line_with_what_is_known(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", *AT) == 0
    lines = said(capsys)[0].splitlines()
    rules, targets = lines[: lines.index("")], lines[lines.index("") + 1 :]
    assert [line.split()[0] for line in rules] == ["rule", "always", "hurry", "later"]
    assert [line.split()[:2] for line in targets[1:]] == [["purchase", "event"], ["purchase", "silence"], ["intent", "event"], ["churn", "event"]]
    assert targets[1].split()[2:] == ["3", "1", "33", "%", "1.00", "0.50", "–"]
    assert targets[2].split()[2:] == ["1", "1", "100", "%", "0.20", "0.20", "–"]
    assert targets[3].split()[2:] == ["0", "0", "–", "–", "–", "–"]
    assert "no holdout to compare with" in lines[1]
    assert "too few users yet" in lines[3]
    assert lines[2].split() == [
        *("hurry", "8,000", "2,000", "15", "%", "10", "%", "+5.00", "+2.63", "to", "+7.37", "+50", "%", "75", "%", "it", "helps"),
    ]


def test_programs_get_every_field_and_null_where_nothing_is_known(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", *AT, "--json") == 0
    told = [json.loads(line) for line in said(capsys)[0].splitlines()]
    records = {record["rule"]: record for record in told if "rule" in record}
    purchase, _ = (record for record in told if record.get("target") == "purchase")
    ratios = {"ratio": 1.0, "ratio_treated": 0.5, "ratio_untreated": None}
    assert purchase == {"target": "purchase", "cause": "event", "n": 3, "n_treated": 1, "share": pytest.approx(1 / 3), **ratios}
    assert records["hurry"]["judged_treated"] == 8_000
    assert records["hurry"]["finding"] == "helps"
    assert records["hurry"]["low"] < 0.05 < records["hurry"]["high"]
    assert (records["later"]["low"], records["later"]["rate_holdout"], records["always"]["sample_ratio_p"]) == (None, None, None)


def test_the_page_is_whole_and_says_the_same(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", *AT, "--out", "page.html") == 0
    assert "report: page.html" in said(capsys)[0]
    page = ElementTree.fromstring((shop / "page.html").read_text(encoding="utf-8").removeprefix("<!DOCTYPE html>"))
    text = " ".join(page.itertext())
    assert "hurry: +5.00 points, +2.63 to +7.37" in text
    assert "it helps" in text
    assert "Scores with and without messages" in text


def test_without_rules_it_says_what_to_do(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "clickscore.toml").write_text("")
    assert run("report", *AT) == 1
    assert "[triggers.NAME]" in said(capsys)[1]
